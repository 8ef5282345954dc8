// SPDX-License-Identifier: GPL-2.0
/*
 * A router with its routes in LPM tries, for IPv4 and IPv6.
 *
 * The most specific route of a destination names its next hop, in a table of their own: when a neighbour goes, one
 * entry changes and not each of its routes. Forwarded packets lose a hop, get the MAC addresses of the next link, and
 * leave by its interface. What has to be answered (TTL exceeded, no route, ARP) is left to the kernel's stack.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

#define MAX_ROUTES 65536
#define MAX_NEXT_HOPS 256

struct route_v4_key {
	__u32 length; /* of the prefix, bits */
	__be32 address;
};

struct route_v6_key {
	__u32 length;
	struct in6_addr address;
};

enum route_type {
	ROUTE_UNICAST,
	ROUTE_BLACKHOLE, /* dropped without a word */
	ROUTE_LOCAL, /* of this machine */
};

struct route {
	enum route_type type;
	__u32 next_hop;
};

struct next_hop {
	__u32 ifindex;
	__u8 mac[ETH_ALEN];
	__u8 own_mac[ETH_ALEN];
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_ROUTES);
	__type(key, struct route_v4_key);
	__type(value, struct route);
} routes_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_ROUTES);
	__type(key, struct route_v6_key);
	__type(value, struct route);
} routes_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NEXT_HOPS);
	__type(key, __u32);
	__type(value, struct next_hop);
} next_hops SEC(".maps");

struct {
	__u64 no_route;
	__u64 blackholed;
	__u64 no_next_hop;
	__u64 ttl_exceeded;
} exceptions;

static __always_inline int exception(__u64 *counter, int verdict)
{
	__sync_fetch_and_add(counter, 1);
	return verdict;
}

/* The TTL is the high byte of its 16-bit word: the checksum grows by 0x0100, with end-around carry (RFC 1141). */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	__u32 sum = ip->check + bpf_htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

/* The way of a packet with so many hops left, or what becomes of it in *verdict. */
static __always_inline struct next_hop *way(const struct route *route, __u8 hops, int *verdict)
{
	struct next_hop *next_hop;

	if (!route) {
		*verdict = exception(&exceptions.no_route, XDP_PASS);
		return NULL;
	}
	switch (route->type) {
	case ROUTE_UNICAST:
		break;
	case ROUTE_LOCAL:
		*verdict = XDP_PASS;
		return NULL;
	default:
		*verdict = exception(&exceptions.blackholed, XDP_DROP);
		return NULL;
	}
	if (hops <= 1) {
		*verdict = exception(&exceptions.ttl_exceeded, XDP_PASS);
		return NULL;
	}
	next_hop = bpf_map_lookup_elem(&next_hops, &route->next_hop);
	if (!next_hop)
		*verdict = exception(&exceptions.no_next_hop, XDP_DROP);
	return next_hop;
}

static __always_inline int send(struct ethhdr *eth, struct next_hop *next_hop, __u64 bytes)
{
	__builtin_memcpy(eth->h_dest, next_hop->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, next_hop->own_mac, ETH_ALEN);
	__sync_fetch_and_add(&next_hop->packets, 1);
	__sync_fetch_and_add(&next_hop->bytes, bytes);
	return bpf_redirect(next_hop->ifindex, 0);
}

static __always_inline int forward_v4(struct ethhdr *eth, void *end)
{
	struct iphdr *ip = (void *)(eth + 1);
	struct route_v4_key key = { .length = 32 };
	struct next_hop *next_hop;
	int verdict = XDP_DROP;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return XDP_DROP;
	if (ip->ihl > 5)
		return XDP_PASS;

	key.address = ip->daddr;
	next_hop = way(bpf_map_lookup_elem(&routes_v4, &key), ip->ttl, &verdict);
	if (!next_hop)
		return verdict;
	decrement_ttl(ip);
	return send(eth, next_hop, end - (void *)ip);
}

static __always_inline int forward_v6(struct ethhdr *eth, void *end)
{
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct route_v6_key key = { .length = 128 };
	struct next_hop *next_hop;
	int verdict = XDP_DROP;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return XDP_DROP;

	key.address = ip->daddr;
	next_hop = way(bpf_map_lookup_elem(&routes_v6, &key), ip->hop_limit, &verdict);
	if (!next_hop)
		return verdict;
	ip->hop_limit--;
	return send(eth, next_hop, end - (void *)ip);
}

SEC("xdp")
int forward(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;

	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return forward_v4(eth, end);
	case bpf_htons(ETH_P_IPV6):
		return forward_v6(eth, end);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
