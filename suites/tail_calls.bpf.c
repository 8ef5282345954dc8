// SPDX-License-Identifier: GPL-2.0
/*
 * A parser that is put together at run time: a program for each protocol, in a prog array that user space fills.
 *
 * Each program reads one header and goes on to the program of the next by a tail call. How far they have come stands
 * in the packet's XDP metadata, for the programs behind and, in the end, for tc. A protocol whose program is not there
 * ends the chain, and so does the kernel after 33 tail calls: bpf_tail_call() comes back, and the packet passes.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8

#define IP_OFFSET 0x1fff
#define MAX_HEADERS 256 /* bytes that the chain reads at most */

enum protocol {
	PROTOCOL_VLAN,
	PROTOCOL_IPV4,
	PROTOCOL_IPV6,
	PROTOCOL_TCP,
	PROTOCOL_UDP,
	PROTOCOLS,
};

/* The metadata. */
struct parsed {
	__u8 headers; /* read so far */
	__u8 l4_protocol; /* 0: not reached */
	__u16 offset; /* of what has not been read, from the start of the packet */
	__be16 source_port;
	__be16 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, PROTOCOLS);
	__type(key, __u32);
	__type(value, __u32);
} parsers SEC(".maps");

/* Chains that ended before a header of this protocol. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROTOCOLS);
	__type(key, __u32);
	__type(value, __u64);
} unfinished SEC(".maps");

/* How far the chain has come; NULL if there is no metadata, which only a program that is not the first can find. */
static __always_inline struct parsed *parsed_of(struct xdp_md *ctx)
{
	struct parsed *parsed = (void *)(long)ctx->data_meta;

	return (void *)(parsed + 1) <= (void *)(long)ctx->data ? parsed : NULL;
}

/* The next size bytes, or NULL if the packet ends before. */
static __always_inline void *take(struct xdp_md *ctx, struct parsed *parsed, __u32 size)
{
	void *start = (void *)(long)ctx->data + (parsed->offset & (MAX_HEADERS - 1));

	if (parsed->offset >= MAX_HEADERS || start + size > (void *)(long)ctx->data_end)
		return NULL;
	parsed->offset += size;
	parsed->headers++;
	return start;
}

/* Does not come back if there is a program for the protocol. */
static __always_inline int next(struct xdp_md *ctx, __u32 protocol)
{
	__u64 *count;

	bpf_tail_call(ctx, &parsers, protocol);
	count = bpf_map_lookup_elem(&unfinished, &protocol);
	if (count)
		++*count;
	return XDP_PASS;
}

static __always_inline int next_by_ethertype(struct xdp_md *ctx, __be16 ethertype)
{
	switch (ethertype) {
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return next(ctx, PROTOCOL_VLAN);
	case bpf_htons(ETH_P_IP):
		return next(ctx, PROTOCOL_IPV4);
	case bpf_htons(ETH_P_IPV6):
		return next(ctx, PROTOCOL_IPV6);
	}
	return XDP_PASS;
}

static __always_inline int next_by_ip_protocol(struct xdp_md *ctx, struct parsed *parsed, __u8 protocol)
{
	parsed->l4_protocol = protocol;
	switch (protocol) {
	case IPPROTO_TCP:
		return next(ctx, PROTOCOL_TCP);
	case IPPROTO_UDP:
		return next(ctx, PROTOCOL_UDP);
	}
	return XDP_PASS;
}

/* The first of the chain. */
SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct parsed *parsed;
	struct ethhdr *eth;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*parsed)))
		return XDP_ABORTED;
	parsed = parsed_of(ctx);
	if (!parsed)
		return XDP_ABORTED;
	*parsed = (struct parsed){};

	eth = take(ctx, parsed, sizeof(*eth));
	return eth ? next_by_ethertype(ctx, eth->h_proto) : XDP_DROP;
}

SEC("xdp")
int parse_vlan(struct xdp_md *ctx)
{
	struct parsed *parsed = parsed_of(ctx);
	struct vlan_hdr *vlan;

	if (!parsed)
		return XDP_ABORTED;
	vlan = take(ctx, parsed, sizeof(*vlan));
	return vlan ? next_by_ethertype(ctx, vlan->h_vlan_encapsulated_proto) : XDP_DROP;
}

SEC("xdp")
int parse_ipv4(struct xdp_md *ctx)
{
	struct parsed *parsed = parsed_of(ctx);
	struct iphdr *ip;
	__u32 options;

	if (!parsed)
		return XDP_ABORTED;
	ip = take(ctx, parsed, sizeof(*ip));
	if (!ip || ip->version != 4 || ip->ihl < 5)
		return XDP_DROP;

	options = ip->ihl * 4 - sizeof(*ip);
	parsed->offset += options;
	if (ip->frag_off & bpf_htons(IP_OFFSET))
		return XDP_PASS; /* the next header went ahead in the first fragment */
	return next_by_ip_protocol(ctx, parsed, ip->protocol);
}

SEC("xdp")
int parse_ipv6(struct xdp_md *ctx)
{
	struct parsed *parsed = parsed_of(ctx);
	struct ipv6hdr *ip;

	if (!parsed)
		return XDP_ABORTED;
	ip = take(ctx, parsed, sizeof(*ip));
	if (!ip || ip->version != 6)
		return XDP_DROP;
	return next_by_ip_protocol(ctx, parsed, ip->nexthdr);
}

SEC("xdp")
int parse_tcp(struct xdp_md *ctx)
{
	struct parsed *parsed = parsed_of(ctx);
	struct tcphdr *tcp;

	if (!parsed)
		return XDP_ABORTED;
	tcp = take(ctx, parsed, sizeof(*tcp));
	if (!tcp || tcp->doff < 5)
		return XDP_DROP;
	parsed->source_port = tcp->source;
	parsed->port = tcp->dest;
	return XDP_PASS;
}

SEC("xdp")
int parse_udp(struct xdp_md *ctx)
{
	struct parsed *parsed = parsed_of(ctx);
	struct udphdr *udp;

	if (!parsed)
		return XDP_ABORTED;
	udp = take(ctx, parsed, sizeof(*udp));
	if (!udp)
		return XDP_DROP;
	parsed->source_port = udp->source;
	parsed->port = udp->dest;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
