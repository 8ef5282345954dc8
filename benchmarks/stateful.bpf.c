// SPDX-License-Identifier: GPL-2.0
/* Counts the packets of flows in three maps, and drops those of a flow beyond the limit of its class. */
#ifdef KERNEL_TYPES /* CO-RE: libbpf reads the kernel's types whenever it loads the object */
#include "vmlinux.h"
#else
#include <linux/bpf.h>
#endif
#include <bpf/bpf_helpers.h>

struct flow {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 pad[3];
};

struct seen {
	__u64 packets;
	__u64 bytes;
	__u32 class;
	__u32 flags;
};

struct limit {
	__u64 packets;
	__u32 dropped;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct seen);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

struct settings {
	__u32 first_limited_class;
	__u32 byte_overhead;
};

struct settings settings = {.first_limited_class = 1};
__u64 passed;
__u64 dropped;

static int count(__u32 index, int action)
{
	__u64 *hit = bpf_map_lookup_elem(&hits, &index);

	if (hit)
		*hit += 1;
	return action;
}

SEC("xdp")
int limiter(struct xdp_md *ctx)
{
	char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct flow flow = {};
	struct limit *limit;
	struct seen *seen;

	if (data + 38 > end)
		return XDP_ABORTED;
	__builtin_memcpy(&flow.saddr, data + 26, 12); /* behind Ethernet, and within an IPv4 header without options */
	flow.protocol = data[23];
	seen = bpf_map_lookup_elem(&flows, &flow);
	if (!seen)
		return count(0, XDP_PASS);
	seen->packets += 1;
	seen->bytes += end - data + settings.byte_overhead;
	limit = bpf_map_lookup_elem(&limits, &seen->class);
	if (!limit || seen->class < settings.first_limited_class || seen->packets <= limit->packets) {
		passed++;
		return count(1, XDP_PASS);
	}
	limit->dropped++;
	dropped++;
	return count(2, XDP_DROP);
}

char LICENSE[] SEC("license") = "GPL";
