// SPDX-License-Identifier: GPL-2.0
/*
 * A router that asks the kernel for the way: bpf_fib_lookup() finds route, next hop and its MAC address, and the frame
 * leaves through the port that the route leads to, for IPv4 and IPv6.
 *
 * What the kernel has to think about (no neighbour yet, TTL 1, its own address, a packet that is too long) goes to its
 * stack. Only ports in tx_ports are used, so that a route through another interface is the stack's business too.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define AF_INET 2
#define AF_INET6 10

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__type(key, __u32); /* ifindex */
	__type(value, __u32); /* the same */
} tx_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32); /* BPF_FIB_LKUP_RET_* */
	__type(value, __u64);
} lookups SEC(".maps");

/* The checksum grows by as much as the TTL's 16-bit word shrinks, with end-around carry (RFC 1141). */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	__u32 check = ip->check + bpf_htons(0x0100);

	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

SEC("xdp")
int route(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup way = {};
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	struct iphdr *ip = data + sizeof(*eth);
	__u32 answer;
	__u64 *seen;

	if (data + sizeof(*eth) > end)
		return XDP_DROP;

	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip + 1) > end)
			return XDP_DROP;
		if (ip->ihl != 5 || ip->ttl <= 1)
			return XDP_PASS;
		way.family = AF_INET;
		way.tos = ip->tos;
		way.l4_protocol = ip->protocol;
		way.tot_len = bpf_ntohs(ip->tot_len);
		way.ipv4_src = ip->saddr;
		way.ipv4_dst = ip->daddr;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > end)
			return XDP_DROP;
		if (ip6->hop_limit <= 1)
			return XDP_PASS;
		way.family = AF_INET6;
		way.l4_protocol = ip6->nexthdr;
		way.tot_len = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
		__builtin_memcpy(way.ipv6_src, &ip6->saddr, sizeof(way.ipv6_src));
		__builtin_memcpy(way.ipv6_dst, &ip6->daddr, sizeof(way.ipv6_dst));
	} else {
		return XDP_PASS;
	}

	way.ifindex = ctx->ingress_ifindex;
	answer = bpf_fib_lookup(ctx, &way, sizeof(way), 0);
	seen = bpf_map_lookup_elem(&lookups, &answer);
	if (seen)
		__sync_fetch_and_add(seen, 1);

	switch (answer) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		break;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
	if (!bpf_map_lookup_elem(&tx_ports, &way.ifindex))
		return XDP_PASS;

	if (way.family == AF_INET)
		decrement_ttl(ip);
	else
		ip6->hop_limit--;
	__builtin_memcpy(eth->h_dest, way.dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, way.smac, ETH_ALEN);
	return bpf_redirect_map(&tx_ports, way.ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
