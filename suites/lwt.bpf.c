// SPDX-License-Identifier: GPL-2.0
/*
 * An overlay between sites, done by routes: site n, of 1 to 255, owns 10.n.0.0/16 and fd00:0:n::/48, and this is the
 * gateway of site 1. A route can run a program at three places:
 *
 * arrive (lwt_in) drops packets that claim to come from this site, and passes on what is for the site's virtual
 * address to one of two servers, by IPIP. leave (lwt_out) drops what is not to leave, and marks the rest with the
 * number of the site that it goes to. carry (lwt_xmit) puts packets for other sites into GRE to their gateway,
 * 203.0.113.n.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IP_DF 0x4000
#define IP_OFFSET 0x1fff

#define MTU 1500
#define SMTP 25
#define DSCP_EF 46 /* expedited forwarding */
#define TC_PRIO_INTERACTIVE 6

#define IP4(a, b, c, d) bpf_htonl((a) << 24 | (b) << 16 | (c) << 8 | (d))

#define NO_SITE 0
#define THIS_SITE 1
#define LOST_SITE 66

#define VIRTUAL_ADDRESS IP4(10, 1, 0, 80)
#define INSIDE_ADDRESS IP4(10, 1, 0, 1)
#define SERVER(n) IP4(10, 1, 7, n)
#define OUTSIDE_ADDRESS IP4(198, 51, 100, 1)
#define GATEWAY(site) IP4(203, 0, 113, site)

/* skb->mark: the number of the destination's site in the upper half, and below it */
#define MARK_TENANT 0x00ff
#define MARK_SUSPECT 0x0100
#define MARK_MAY_MAIL 0x0200
#define MARK_OF_SITE(site) ((site) << 16)

#define GRE_HAS_KEY 0x2000

const volatile __u32 scrubber_ifindex = 2; /* behind it, suspect packets are looked at */

/* Of a packet, what the overlay asks for. */
struct overlay_packet {
	__u32 from; /* sites, or NO_SITE */
	__u32 to;
	__be32 source; /* both are 0 for IPv6 */
	__be32 destination;
	__u8 tos; /* traffic class */
	__u8 protocol;
	bool later_fragment;
	__u16 transport_at;
};

struct overlay_header {
	struct iphdr ip;
	__be16 gre_flags;
	__be16 gre_protocol;
	__be32 gre_key;
} __attribute__((packed));

static __always_inline __u32 site_of_ip4(__be32 address)
{
	__u32 host_order = bpf_ntohl(address);

	return host_order >> 24 == 10 ? host_order >> 16 & 0xff : NO_SITE;
}

static __always_inline __u32 site_of_ip6(const struct in6_addr *address)
{
	const __be16 *part = address->in6_u.u6_addr16;

	if (part[0] != bpf_htons(0xfd00) || part[1] != 0 || part[2] & bpf_htons(0xff00))
		return NO_SITE;
	return bpf_ntohs(part[2]);
}

/* False for what is no whole IP header. */
static __always_inline bool read_ip(struct __sk_buff *skb, struct overlay_packet *packet)
{
	struct iphdr ip4;
	struct ipv6hdr ip6;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &ip4, sizeof(ip4)))
			return false;
		packet->from = site_of_ip4(ip4.saddr);
		packet->to = site_of_ip4(ip4.daddr);
		packet->source = ip4.saddr;
		packet->destination = ip4.daddr;
		packet->tos = ip4.tos;
		packet->protocol = ip4.protocol;
		packet->later_fragment = ip4.frag_off & bpf_htons(IP_OFFSET);
		packet->transport_at = ip4.ihl * 4;
		return true;
	}
	if (bpf_skb_load_bytes(skb, 0, &ip6, sizeof(ip6)))
		return false;
	packet->from = site_of_ip6(&ip6.saddr);
	packet->to = site_of_ip6(&ip6.daddr);
	packet->tos = ip6.priority << 4 | ip6.flow_lbl[0] >> 4;
	packet->protocol = ip6.nexthdr;
	packet->transport_at = sizeof(ip6);
	return true;
}

/* An IPv4 header for a packet of length bytes behind it. The helper that pushes it fills in the checksum. */
static __always_inline struct iphdr outer_ipv4(__u8 protocol, __u8 tos, __u32 length, __be32 from, __be32 to)
{
	return (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = tos,
		.tot_len = bpf_htons(length + sizeof(struct iphdr)),
		.frag_off = bpf_htons(IP_DF),
		.ttl = 64,
		.protocol = protocol,
		.saddr = from,
		.daddr = to,
	};
}

SEC("lwt_in")
int arrive(struct __sk_buff *skb)
{
	struct overlay_packet packet = {};
	struct iphdr outer;
	__be32 server;

	if (!read_ip(skb, &packet) || packet.from == THIS_SITE)
		return BPF_DROP; /* what really comes from this site does not come in this way */
	if (packet.destination != VIRTUAL_ADDRESS)
		return BPF_OK;

	/* By the client alone: with ports, the fragments of a packet would go to different servers. */
	server = bpf_ntohl(packet.source) & 1 ? SERVER(1) : SERVER(2);
	outer = outer_ipv4(IPPROTO_IPIP, packet.tos, skb->len, INSIDE_ADDRESS, server);
	if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer)))
		return BPF_DROP;
	return BPF_LWT_REROUTE;
}

static __always_inline bool is_mail(struct __sk_buff *skb, const struct overlay_packet *packet)
{
	__be16 port;

	if (packet->protocol != IPPROTO_TCP || packet->later_fragment)
		return false;
	if (bpf_skb_load_bytes(skb, packet->transport_at + offsetof(struct tcphdr, dest), &port, sizeof(port)))
		return true; /* nobody hides the port in another fragment but to get past this */
	return port == bpf_htons(SMTP);
}

SEC("lwt_out")
int leave(struct __sk_buff *skb)
{
	struct overlay_packet packet = {};
	__u32 mark = skb->mark;

	if (!read_ip(skb, &packet) || packet.to == LOST_SITE)
		return BPF_DROP;
	if (is_mail(skb, &packet) && !(mark & MARK_MAY_MAIL))
		return BPF_DROP;

	mark = (mark & 0xffff) | MARK_OF_SITE(packet.to);
	barrier_var(mark); /* clang would write the upper half alone, and a context takes whole fields */
	skb->mark = mark;
	if (packet.tos >> 2 == DSCP_EF)
		skb->priority = TC_PRIO_INTERACTIVE;
	return BPF_OK;
}

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/*
 * Packets that are really sent have a route. Those of BPF_PROG_RUN have one since commit 972787479ee7 "bpf: test_run:
 * Fix the null pointer dereference issue in bpf_lwt_xmit_push_encap", Linux 7.1 and stable kernels of its time; without
 * one, the helper that pushes a header takes the kernel down.
 */
static __always_inline bool has_route(struct __sk_buff *skb)
{
	struct sk_buff *kernel_skb = bpf_cast_to_kern_ctx(skb);

	return kernel_skb->_skb_refdst != 0;
}

SEC("lwt_xmit")
int carry(struct __sk_buff *skb)
{
	struct overlay_packet packet = {};
	struct overlay_header outer = {};

	if (skb->mark & MARK_SUSPECT)
		return bpf_redirect(scrubber_ifindex, 0);
	if (!read_ip(skb, &packet))
		return BPF_DROP;
	if (packet.to == NO_SITE || packet.to == THIS_SITE)
		return BPF_OK;
	if (skb->len + sizeof(outer) > MTU || !has_route(skb))
		return BPF_DROP;

	outer.ip = outer_ipv4(IPPROTO_GRE, packet.tos, skb->len + sizeof(outer) - sizeof(outer.ip), OUTSIDE_ADDRESS,
			      GATEWAY(packet.to));
	outer.gre_flags = bpf_htons(GRE_HAS_KEY);
	outer.gre_protocol = skb->protocol;
	outer.gre_key = bpf_htonl(skb->mark & MARK_TENANT);
	if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer)))
		return BPF_DROP;
	return BPF_LWT_REROUTE;
}

char LICENSE[] SEC("license") = "GPL";
