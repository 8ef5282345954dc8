// SPDX-License-Identifier: GPL-2.0
/*
 * Stateless NAT between an inside and an outside network of the same size, host by host:
 * 10.0.0.x <-> 198.51.100.x, and port 80 inside <-> port 8080 outside.
 *
 * snat (egress) rewrites the source, dnat (ingress) the destination. Every checksum that covers an address or a
 * port is updated along with it: of IPv4, TCP and UDP, and the kernel's own sum over the packet (skb->csum) too.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define IP_OFFSET 0x1fff

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define NETMASK 0xffffff00
#define INSIDE 0x0a000000 /* 10.0.0.0 */
#define OUTSIDE 0xc6336400 /* 198.51.100.0 */
#define INSIDE_PORT 80
#define OUTSIDE_PORT 8080

/* One end of a packet, and what becomes of it. */
struct nat_rewrite {
	__u32 address_at; /* offset in struct iphdr */
	__u32 port_at; /* offset in struct tcphdr and struct udphdr */
	__u32 from_net;
	__u32 to_net;
	__u16 from_port;
	__u16 to_port;
};

static const struct nat_rewrite source = {
	.address_at = offsetof(struct iphdr, saddr),
	.port_at = offsetof(struct udphdr, source),
	.from_net = INSIDE,
	.to_net = OUTSIDE,
	.from_port = INSIDE_PORT,
	.to_port = OUTSIDE_PORT,
};

static const struct nat_rewrite destination = {
	.address_at = offsetof(struct iphdr, daddr),
	.port_at = offsetof(struct udphdr, dest),
	.from_net = OUTSIDE,
	.to_net = INSIDE,
	.from_port = OUTSIDE_PORT,
	.to_port = INSIDE_PORT,
};

/* The transport header: its address and port are covered by the checksum at sum_at, if has_sum. */
struct nat_transport {
	__u32 at; /* offset in the packet */
	__u32 sum_at; /* offset in the packet */
	bool has_ports;
	bool has_sum;
	__u64 flags; /* for bpf_l4_csum_replace() */
};

static __always_inline long find_transport(struct __sk_buff *skb, const struct iphdr *ip, struct nat_transport *l4)
{
	__be16 sum;

	l4->at = ETH_HLEN + ip->ihl * 4;
	if (ip->frag_off & bpf_htons(IP_OFFSET))
		return 0; /* a later fragment: the header went ahead in the first */

	switch (ip->protocol) {
	case IPPROTO_TCP:
		l4->sum_at = l4->at + offsetof(struct tcphdr, check);
		l4->has_ports = l4->has_sum = true;
		return 0;
	case IPPROTO_UDP:
		l4->sum_at = l4->at + offsetof(struct udphdr, check);
		l4->has_ports = true;
		l4->flags = BPF_F_MARK_MANGLED_0; /* a sum of 0 is written 0xffff */
		if (bpf_skb_load_bytes(skb, l4->sum_at, &sum, sizeof(sum)))
			return -1;
		l4->has_sum = sum != 0; /* 0 says that the sender computed none */
		return 0;
	}
	return 0; /* ICMP: no ports, and its checksum does not cover the addresses */
}

static __always_inline long rewrite_address(struct __sk_buff *skb, const struct nat_rewrite *rule,
					    const struct nat_transport *l4, __be32 from)
{
	__be32 to = bpf_htonl(rule->to_net | (bpf_ntohl(from) & ~NETMASK));

	if (l4->has_sum &&
	    bpf_l4_csum_replace(skb, l4->sum_at, from, to, l4->flags | BPF_F_PSEUDO_HDR | sizeof(to)))
		return -1;
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), from, to, sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + rule->address_at, &to, sizeof(to), 0);
}

static __always_inline long rewrite_port(struct __sk_buff *skb, const struct nat_rewrite *rule,
					 const struct nat_transport *l4)
{
	/* Where no checksum changes along with the port, skb->csum has to. */
	__u64 flags = l4->has_sum ? 0 : BPF_F_RECOMPUTE_CSUM;
	__be16 to = bpf_htons(rule->to_port);
	__be16 from;

	if (bpf_skb_load_bytes(skb, l4->at + rule->port_at, &from, sizeof(from)))
		return -1;
	if (from != bpf_htons(rule->from_port))
		return 0;
	if (l4->has_sum && bpf_l4_csum_replace(skb, l4->sum_at, from, to, l4->flags | sizeof(to)))
		return -1;
	return bpf_skb_store_bytes(skb, l4->at + rule->port_at, &to, sizeof(to), flags);
}

static __always_inline int translate(struct __sk_buff *skb, const struct nat_rewrite *rule)
{
	struct nat_transport l4 = {};
	struct iphdr ip;
	__be32 address;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + rule->address_at, &address, sizeof(address)))
		return TC_ACT_SHOT;
	if ((bpf_ntohl(address) & NETMASK) != rule->from_net)
		return TC_ACT_OK;

	if (find_transport(skb, &ip, &l4) || rewrite_address(skb, rule, &l4, address))
		return TC_ACT_SHOT;
	if (l4.has_ports && rewrite_port(skb, rule, &l4))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

SEC("tc")
int snat(struct __sk_buff *skb)
{
	return translate(skb, &source);
}

SEC("tc")
int dnat(struct __sk_buff *skb)
{
	return translate(skb, &destination);
}

char LICENSE[] SEC("license") = "GPL";
