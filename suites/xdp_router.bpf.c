// SPDX-License-Identifier: GPL-2.0
/*
 * A one-armed router with two networks behind it, for IPv4 and IPv6.
 *
 * It forwards what is sent to its own MAC address, out of the interface that it came in by: new MAC addresses,
 * one hop less. It does for IPv4 what RFC 1812 asks of the fast path: the header checksum is verified, and
 * updated, not computed anew, so that a damaged header is never made good. What needs thought (ARP, multicast, IP
 * options, an unknown destination) is left to the kernel's stack.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

static const __u8 own_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };

/* Next hops: the gateways of 10.1.0.0/16 with 2001:db8:1::/48, and of 10.2.0.0/16 with 2001:db8:2::/48. */
static const __u8 gateway_1[ETH_ALEN] = { 0x02, 0, 0, 0, 0x01, 0x01 };
static const __u8 gateway_2[ETH_ALEN] = { 0x02, 0, 0, 0, 0x02, 0x01 };

static __always_inline const __u8 *next_hop_v4(__be32 destination)
{
	switch (bpf_ntohl(destination) >> 16) {
	case 0x0a01:
		return gateway_1;
	case 0x0a02:
		return gateway_2;
	}
	return NULL;
}

static __always_inline const __u8 *next_hop_v6(const struct in6_addr *destination)
{
	if (destination->in6_u.u6_addr32[0] != bpf_htonl(0x20010db8))
		return NULL;

	switch (bpf_ntohs(destination->in6_u.u6_addr16[2])) {
	case 1:
		return gateway_1;
	case 2:
		return gateway_2;
	}
	return NULL;
}

static __always_inline bool checksum_is_right(struct iphdr *ip)
{
	__u32 sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The TTL is the high byte of its 16-bit word: the checksum grows by 0x0100, with end-around carry (RFC 1141). */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	__u32 sum = ip->check + bpf_htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

static __always_inline int send(struct ethhdr *eth, const __u8 *next_hop)
{
	__builtin_memcpy(eth->h_source, own_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, next_hop, ETH_ALEN);
	return XDP_TX;
}

static __always_inline int route_v4(struct ethhdr *eth, struct iphdr *ip, void *end)
{
	const __u8 *next_hop;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return XDP_DROP;
	if (ip->ihl > 5)
		return XDP_PASS;
	if (!checksum_is_right(ip))
		return XDP_DROP;

	next_hop = next_hop_v4(ip->daddr);
	if (!next_hop)
		return XDP_PASS;
	if (ip->ttl <= 1)
		return XDP_DROP;

	decrement_ttl(ip);
	return send(eth, next_hop);
}

static __always_inline int route_v6(struct ethhdr *eth, struct ipv6hdr *ip, void *end)
{
	const __u8 *next_hop;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return XDP_DROP;

	next_hop = next_hop_v6(&ip->daddr);
	if (!next_hop)
		return XDP_PASS;
	if (ip->hop_limit <= 1)
		return XDP_DROP;

	ip->hop_limit--;
	return send(eth, next_hop);
}

SEC("xdp")
int router(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_dest[0] & 1)
		return XDP_PASS; /* broadcast or multicast */
	if (__builtin_memcmp(eth->h_dest, own_mac, ETH_ALEN))
		return XDP_DROP;

	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return route_v4(eth, (void *)(eth + 1), end);
	case bpf_htons(ETH_P_IPV6):
		return route_v6(eth, (void *)(eth + 1), end);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
