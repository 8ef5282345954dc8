// Programs that see what other runs of the same case have left.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 max_burst = 100;
__u32 total;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} seen SEC(".maps");

struct request {
	__u32 value;
	__u32 runs;
};

SEC("xdp")
int limiter(struct xdp_md *ctx)
{
	__u32 key = 1, one = 1, *count = bpf_map_lookup_elem(&seen, &key);
	__u8 *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	total++;
	if (data + 14 > data_end)
		return XDP_ABORTED;
	data[0]++;
	if (!count) {
		bpf_map_update_elem(&seen, &key, &one, BPF_ANY);
		return XDP_PASS;
	}
	return ++*count > max_burst ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int egress(struct __sk_buff *skb)
{
	total++;
	skb->mark += 3;
	return 0;
}

SEC("cgroup_skb/ingress")
int at_ip(struct __sk_buff *skb)
{
	total++;
	return 1;
}

SEC("syscall")
int ask(struct request *request)
{
	request->value += 10;
	request->runs++;
	return total;
}

char _license[] SEC("license") = "GPL";
