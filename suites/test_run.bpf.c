// SPDX-License-Identifier: GPL-2.0
/* Small programs to ask BPF_PROG_RUN with: what it takes, what it refuses, what it keeps from run to run. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define JUMBO_MAX (9000 + 14)
#define TRAILER 0x5a

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* How many bytes of the packet can be read directly. */
SEC("xdp")
int reach(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* Decrements the TTL, or whatever is at its place, and drops at 0. */
SEC("xdp")
int age(struct xdp_md *ctx)
{
	__u8 *ttl = (void *)(long)ctx->data + sizeof(struct ethhdr) + offsetof(struct iphdr, ttl);

	if ((void *)(ttl + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*ttl -= 1;
	return *ttl ? XDP_PASS : XDP_DROP;
}

/* Passes jumbo frames that end in the right byte, be it in the linear part or in a fragment. */
SEC("xdp.frags")
int jumbo(struct xdp_md *ctx)
{
	__u64 length = bpf_xdp_get_buff_len(ctx);
	__u8 last;

	if (length > JUMBO_MAX)
		return XDP_DROP;
	if (bpf_xdp_load_bytes(ctx, length - 1, &last, sizeof(last)))
		return XDP_ABORTED;
	return last == TRAILER ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int ok(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	skb->mark += 1;
	return TC_ACT_OK;
}

SEC("tc")
int tell_cpu(struct __sk_buff *skb)
{
	skb->mark = bpf_get_smp_processor_id();
	return TC_ACT_OK;
}

/* Writes into the payload. The kernel's sum over the packet is right after it only if asked for. */
SEC("tc")
int scribble(struct __sk_buff *skb)
{
	__be32 word = bpf_htonl(0x12345678);

	return bpf_skb_store_bytes(skb, skb->len - sizeof(word), &word, sizeof(word), 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int write_with_sum(struct __sk_buff *skb)
{
	__be32 word = bpf_htonl(0x12345678);

	return bpf_skb_store_bytes(skb, skb->len - sizeof(word), &word, sizeof(word), BPF_F_RECOMPUTE_CSUM) ?
		       TC_ACT_SHOT :
		       TC_ACT_OK;
}

SEC("cgroup_skb/egress")
int allow(struct __sk_buff *skb)
{
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
