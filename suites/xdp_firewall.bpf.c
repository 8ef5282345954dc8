// SPDX-License-Identifier: GPL-2.0
/*
 * A stateless host firewall.
 *
 * What is not IP (ARP, LLDP) passes. A TCP connection may be opened to ssh, http and https; segments of
 * connections that are open already pass. UDP reaches DNS and QUIC. ICMP passes, redirects excepted.
 * Everything else is dropped, and so is every packet that cannot be read to the end of its headers.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define IP6_OFFSET 0xfff8

#define ICMP_REDIRECT 5
#define NDISC_REDIRECT 137

#define MAX_VLANS 2 /* 802.1ad: a service tag and a customer tag */
#define MAX_EXTENSIONS 4 /* IPv6 extension headers */

/* What is still to be read, from pos to end. */
struct packet_cursor {
	void *pos;
	void *end;
};

/* The next size bytes, or NULL if the packet ends before. */
static __always_inline void *take(struct packet_cursor *packet, __u32 size)
{
	void *start = packet->pos;

	if (start + size > packet->end)
		return NULL;
	packet->pos = start + size;
	return start;
}

static __always_inline int tcp_verdict(struct packet_cursor *packet)
{
	struct tcphdr *tcp = take(packet, sizeof(*tcp));

	if (!tcp || tcp->doff < 5)
		return XDP_DROP;
	if (tcp->syn && (tcp->fin || tcp->rst))
		return XDP_DROP; /* no TCP sends this, port scanners do */
	if (tcp->ack || tcp->rst)
		return XDP_PASS; /* of a connection that exists, or answered with RST */
	if (!tcp->syn)
		return XDP_DROP;

	switch (bpf_ntohs(tcp->dest)) {
	case 22:
	case 80:
	case 443:
		return XDP_PASS;
	}
	return XDP_DROP;
}

static __always_inline int udp_verdict(struct packet_cursor *packet)
{
	struct udphdr *udp = take(packet, sizeof(*udp));

	if (!udp)
		return XDP_DROP;

	switch (bpf_ntohs(udp->dest)) {
	case 53:
	case 443:
		return XDP_PASS;
	}
	return XDP_DROP;
}

static __always_inline int icmp_verdict(struct packet_cursor *packet, __u8 redirect)
{
	struct icmphdr *icmp = take(packet, sizeof(*icmp)); /* ICMPv6 begins in the same way */

	return icmp && icmp->type != redirect ? XDP_PASS : XDP_DROP;
}

static __always_inline int ipv4_verdict(struct packet_cursor *packet)
{
	struct iphdr *ip = take(packet, sizeof(*ip));
	__u16 offset;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return XDP_DROP;
	packet->pos = ip;
	if (!take(packet, ip->ihl * 4)) /* now with its options */
		return XDP_DROP;

	/* Ports are in the first fragment only. Without it the later ones are never put together. */
	offset = bpf_ntohs(ip->frag_off) & IP_OFFSET;
	if (offset == 1)
		return XDP_DROP; /* would overwrite the TCP flags: RFC 3128 */
	if (offset)
		return XDP_PASS;

	switch (ip->protocol) {
	case IPPROTO_TCP:
		return tcp_verdict(packet);
	case IPPROTO_UDP:
		return udp_verdict(packet);
	case IPPROTO_ICMP:
		return icmp_verdict(packet, ICMP_REDIRECT);
	}
	return XDP_DROP;
}

static __always_inline int ipv6_verdict(struct packet_cursor *packet)
{
	struct ipv6hdr *ip = take(packet, sizeof(*ip));
	struct frag_hdr *fragment;
	struct ipv6_opt_hdr *option;
	__u8 next;

	if (!ip || ip->version != 6)
		return XDP_DROP;
	next = ip->nexthdr;

	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		switch (next) {
		case IPPROTO_TCP:
			return tcp_verdict(packet);
		case IPPROTO_UDP:
			return udp_verdict(packet);
		case IPPROTO_ICMPV6:
			return icmp_verdict(packet, NDISC_REDIRECT);
		case IPPROTO_FRAGMENT:
			fragment = take(packet, sizeof(*fragment));
			if (!fragment)
				return XDP_DROP;
			if (bpf_ntohs(fragment->frag_off) & IP6_OFFSET)
				return XDP_PASS;
			next = fragment->nexthdr;
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			option = take(packet, sizeof(*option));
			if (!option || !take(packet, option->hdrlen * 8 + 6))
				return XDP_DROP;
			next = option->nexthdr;
			break;
		default:
			return XDP_DROP;
		}
	}
	return XDP_DROP;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct packet_cursor packet = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = take(&packet, sizeof(*eth));
	__be16 protocol;

	if (!eth)
		return XDP_DROP;
	protocol = eth->h_proto;

	for (int i = 0; i < MAX_VLANS; i++) {
		struct vlan_hdr *vlan;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		vlan = take(&packet, sizeof(*vlan));
		if (!vlan)
			return XDP_DROP;
		protocol = vlan->h_vlan_encapsulated_proto;
	}

	switch (protocol) {
	case bpf_htons(ETH_P_IP):
		return ipv4_verdict(&packet);
	case bpf_htons(ETH_P_IPV6):
		return ipv6_verdict(&packet);
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return XDP_DROP; /* more tags than anybody uses */
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
