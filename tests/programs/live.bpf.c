// Programs of which frames go through: each way that XDP has, and what programs of other types look up.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define LEFT 2
#define RIGHT 3

char LICENSE[] SEC("license") = "GPL";

__u64 seen;  // frames that `pass` and `stamp` have had
__u32 target = RIGHT;  // ifindex that `redirect` sends to
__u32 last_first;  // the first four bytes of the frame that `recycled` had last, before it wrote to them

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 8);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 8);
} hashed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 8);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} sinks SEC(".maps");

SEC("xdp") int pass(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen, 1);
	return XDP_PASS;
}

SEC("xdp") int drop(struct xdp_md *ctx) { return XDP_DROP; }
SEC("xdp") int aborted(struct xdp_md *ctx) { return XDP_ABORTED; }
SEC("xdp") int tx(struct xdp_md *ctx) { return XDP_TX; }
SEC("xdp") int redirect(struct xdp_md *ctx) { return bpf_redirect(target, 0); }
SEC("xdp") int to_port(struct xdp_md *ctx) { return bpf_redirect_map(&ports, 0, 0); }
SEC("xdp") int to_hashed(struct xdp_md *ctx) { return bpf_redirect_map(&hashed, 7, 0); }
SEC("xdp") int to_cpu(struct xdp_md *ctx) { return bpf_redirect_map(&cpus, 0, 0); }

SEC("xdp") int to_socket(struct xdp_md *ctx) { return bpf_redirect_map(&sinks, ctx->rx_queue_index, 0); }

SEC("xdp") int broadcast(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

// The first four bytes become the number of the frame, from 0.
static __always_inline int stamped(struct xdp_md *ctx, __u64 *count)
{
	__u32 *data = (void *)(long)ctx->data;

	if ((void *)(data + 1) > (void *)(long)ctx->data_end)
		return -1;
	*data = (*count)++;
	return 0;
}

SEC("xdp") int stamp(struct xdp_md *ctx) { return stamped(ctx, &seen) ? XDP_ABORTED : XDP_TX; }

// Of a frame with TCP in IPv4 and 10 bytes of payload: each is the segment that follows the one before it.
SEC("xdp") int segments(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;
	__u32 old, new;
	__s64 sum;

	if ((void *)(data + 54) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	old = *(__u32 *)(data + 38);
	new = bpf_htonl(bpf_ntohl(old) + 10 * seen++);
	sum = bpf_csum_diff(&old, 4, &new, 4, ~*(__u16 *)(data + 50) & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u32 *)(data + 38) = new;
	*(__u16 *)(data + 50) = ~sum;
	return bpf_redirect(target, 0);
}

// Adds 1 to what it finds: 1 each time, unless the page has been here before.
SEC("xdp") int recycled(struct xdp_md *ctx)
{
	__u32 *data = (void *)(long)ctx->data;

	if ((void *)(data + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	last_first = ++*data;
	return XDP_DROP;
}

SEC("xdp/devmap") int marked(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	if ((void *)(data + 6) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	data[5] = ctx->egress_ifindex;
	return XDP_PASS;
}

SEC("xdp/cpumap") int counted(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen, 1);
	return XDP_PASS;
}

SEC("xdp") int with_metadata(struct xdp_md *ctx)
{
	__u32 *meta = (void *)(long)ctx->data_meta;

	if ((void *)(meta + 1) > (void *)(long)ctx->data || *meta != 0x01020304)
		return XDP_ABORTED;
	return XDP_PASS;
}

struct bpf_fib_lookup found;  // what `routed` looks up and finds
__u32 ingress;  // ifindex that it saw

SEC("xdp") int routed(struct xdp_md *ctx)
{
	struct bpf_fib_lookup asked = {
		.family = 2,
		.ifindex = ctx->ingress_ifindex,
		.ipv4_src = bpf_htonl(0x0a000009),
		.ipv4_dst = bpf_htonl(0x0a020003),
	};
	long code = bpf_fib_lookup(ctx, &asked, sizeof(asked), 0);

	ingress = ctx->ingress_ifindex;
	found = asked;
	return code;
}

SEC("tc") int cloned(struct __sk_buff *skb)
{
	bpf_clone_redirect(skb, RIGHT, 0);
	return TC_ACT_OK;
}
