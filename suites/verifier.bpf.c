// SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause)
/*
 * Mistakes that the verifier is there to find, each beside the right way where there is one.
 *
 * Compiled with -DPROPRIETARY the object does not claim to be under the GPL, which some helpers ask for.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define TC_ACT_OK 0

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32[16]);
} counters SEC(".maps");

const volatile __u32 limit = 100;

/* Packets */

SEC("xdp")
int reads_unchecked(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return eth->h_proto == bpf_htons(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int reads_checked(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	return eth->h_proto == bpf_htons(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int checks_one_byte_too_few(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) - 1 > end)
		return XDP_PASS;
	return eth->h_proto == bpf_htons(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int keeps_an_old_pointer(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > end || bpf_xdp_adjust_head(ctx, -4))
		return XDP_PASS;
	return eth->h_proto == bpf_htons(ETH_P_IP) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int reads_unaligned(struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = (void *)(long)skb->data;
	__u32 *word = (void *)eth + 13;

	if ((void *)(word + 1) > end)
		return TC_ACT_OK;
	skb->mark = *word;
	return TC_ACT_OK;
}

/* Maps and globals */

SEC("xdp")
int trusts_a_lookup(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u32 *counter = bpf_map_lookup_elem(&counters, &key);

	*counter += 1;
	return XDP_PASS;
}

SEC("xdp")
int checks_a_lookup(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u32 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		*counter += 1;
	return XDP_PASS;
}

SEC("xdp")
int trusts_an_index(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u32 *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter)
		counter[ctx->rx_queue_index] += 1;
	return XDP_PASS;
}

SEC("xdp")
int writes_a_constant(struct xdp_md *ctx)
{
	__u32 *variable = (__u32 *)&limit;

	asm volatile("" : "+r"(variable)); /* or clang would see that this cannot be */
	*variable = ctx->rx_queue_index;
	return XDP_PASS;
}

/* Registers, the stack, loops */

SEC("xdp")
__attribute__((naked)) int reads_an_empty_register(void)
{
	asm volatile("r0 = r2; exit;");
}

SEC("xdp")
__attribute__((naked)) int returns_nothing(void)
{
	asm volatile("exit;");
}

SEC("xdp")
__attribute__((naked)) int writes_below_the_stack(void)
{
	asm volatile("r0 = 2; *(u64 *)(r10 - 520) = r0; exit;");
}

SEC("xdp")
int loops_for_ever(struct xdp_md *ctx)
{
	for (;;)
		asm volatile("");
	return XDP_PASS;
}

SEC("xdp")
int loops_to_a_bound(struct xdp_md *ctx)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 100; i++) {
		asm volatile("" : "+r"(i)); /* or clang would know the sum */
		sum += i;
	}
	return sum == 4950 ? XDP_PASS : XDP_ABORTED;
}

/* What a program of a type may do */

SEC("tc")
int writes_the_length(struct __sk_buff *skb)
{
	skb->len = 0;
	return TC_ACT_OK;
}

SEC("tc")
int writes_the_mark(struct __sk_buff *skb)
{
	skb->mark = 1;
	return TC_ACT_OK;
}

SEC("tc")
int calls_a_helper_of_xdp(struct __sk_buff *skb)
{
	return bpf_xdp_adjust_head((void *)skb, 4) ? TC_ACT_OK : 2;
}

SEC("cgroup_skb/egress")
int tells_tcp_to_slow_down(struct __sk_buff *skb)
{
	return 3;
}

SEC("xdp")
int forgets_a_socket(struct xdp_md *ctx)
{
	struct bpf_sock_tuple tuple = {};

	return bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), -1, 0) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int releases_a_socket(struct xdp_md *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket = bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), -1, 0);

	if (!socket)
		return XDP_PASS;
	bpf_sk_release(socket);
	return XDP_DROP;
}

SEC("xdp")
int prints(struct xdp_md *ctx)
{
	bpf_printk("%d", ctx->rx_queue_index);
	return XDP_PASS;
}

#ifdef PROPRIETARY
char LICENSE[] SEC("license") = "Proprietary";
#else
char LICENSE[] SEC("license") = "Dual BSD/GPL";
#endif
