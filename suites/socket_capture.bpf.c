// SPDX-License-Identifier: GPL-2.0
/*
 * What a capture may keep: the number of bytes of each packet, counted from the IP header.
 *
 * DNS and ICMP are kept whole, of every other UDP datagram and TCP segment the headers only, and of the capture's own
 * ssh connection nothing. What is not understood is kept whole for somebody to look at.
 *
 * To be attached to an AF_PACKET socket of type SOCK_DGRAM: its packets begin at the IP header.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_ICMPV6 58
#define IP_OFFSET 0x1fff

#define NOTHING 0
#define WHOLE (-1)

#define DNS 53
#define SSH 22

static __always_inline int snap_tcp(struct __sk_buff *skb, __u32 at)
{
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)))
		return WHOLE;
	if (tcp.source == bpf_htons(SSH) || tcp.dest == bpf_htons(SSH))
		return NOTHING;
	return at + tcp.doff * 4;
}

static __always_inline int snap_udp(struct __sk_buff *skb, __u32 at)
{
	struct udphdr udp;

	if (bpf_skb_load_bytes(skb, at, &udp, sizeof(udp)))
		return WHOLE;
	if (udp.source == bpf_htons(DNS) || udp.dest == bpf_htons(DNS))
		return WHOLE;
	return at + sizeof(udp);
}

static __always_inline int snap_transport(struct __sk_buff *skb, __u8 protocol, __u32 at)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return snap_tcp(skb, at);
	case IPPROTO_UDP:
		return snap_udp(skb, at);
	}
	return WHOLE;
}

SEC("socket")
int capture(struct __sk_buff *skb)
{
	struct iphdr ip4;
	struct ipv6hdr ip6;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		if (bpf_skb_load_bytes(skb, 0, &ip4, sizeof(ip4)))
			return WHOLE;
		if (ip4.frag_off & bpf_htons(IP_OFFSET))
			return ip4.ihl * 4; /* the rest of a payload */
		return snap_transport(skb, ip4.protocol, ip4.ihl * 4);
	case bpf_htons(ETH_P_IPV6):
		if (bpf_skb_load_bytes(skb, 0, &ip6, sizeof(ip6)))
			return WHOLE;
		return snap_transport(skb, ip6.nexthdr, sizeof(ip6));
	}
	return WHOLE;
}

char LICENSE[] SEC("license") = "GPL";
