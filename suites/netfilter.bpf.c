// SPDX-License-Identifier: GPL-2.0
/*
 * The packet filter of a web server, 192.0.2.80 and 2001:db8::80, at the hooks of netfilter. It keeps no state.
 *
 * In come the web (TCP and QUIC) and ICMP from anywhere, SSH from the management networks (10.0.0.0/8 and fd00::/8),
 * and what looks like an answer: TCP that opens no connection, and UDP from the ports of DNS and NTP. Everything goes
 * out but mail, and only under the server's own addresses. Nothing is forwarded.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NF_DROP 0
#define NF_ACCEPT 1

#define IP_OFFSET 0x1fff
#define IP6_OFFSET 0xfff8
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58

#define SSH 22
#define SMTP 25
#define DNS 53
#define HTTP 80
#define NTP 123
#define HTTPS 443

#define OWN_ADDRESS bpf_htonl(0xc0000250) /* 192.0.2.80 */
static const struct in6_addr own_address6 = { .in6_u.u6_addr8 = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x80 } };

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr__uninit) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer__szk) __ksym;

/* Of a packet, what the filter asks for. */
struct filter_packet {
	bool from_management;
	bool from_us;
	bool has_options;
	bool later_fragment;
	bool is_icmp;
	__u8 protocol;
	__u32 at; /* offset of the transport header */
};

/* False for what is no whole header. */
static __always_inline bool read_ipv4(const struct bpf_dynptr *data, struct filter_packet *packet)
{
	struct iphdr buffer, *ip = bpf_dynptr_slice(data, 0, &buffer, sizeof(buffer));

	if (!ip)
		return false;
	packet->from_management = bpf_ntohl(ip->saddr) >> 24 == 10;
	packet->from_us = ip->saddr == OWN_ADDRESS;
	packet->has_options = ip->ihl > 5;
	packet->later_fragment = ip->frag_off & bpf_htons(IP_OFFSET);
	packet->is_icmp = ip->protocol == IPPROTO_ICMP;
	packet->protocol = ip->protocol;
	packet->at = ip->ihl * 4;
	return true;
}

static __always_inline bool read_ipv6(const struct bpf_dynptr *data, struct filter_packet *packet)
{
	struct ipv6hdr buffer, *ip = bpf_dynptr_slice(data, 0, &buffer, sizeof(buffer));
	struct frag_hdr fragment_buffer, *fragment;

	if (!ip)
		return false;
	packet->from_management = ip->saddr.in6_u.u6_addr8[0] == 0xfd;
	packet->from_us = !__builtin_memcmp(&ip->saddr, &own_address6, sizeof(own_address6));
	packet->protocol = ip->nexthdr;
	packet->at = sizeof(*ip);
	if (packet->protocol == IPPROTO_FRAGMENT) {
		fragment = bpf_dynptr_slice(data, packet->at, &fragment_buffer, sizeof(fragment_buffer));
		if (!fragment)
			return false;
		packet->later_fragment = fragment->frag_off & bpf_htons(IP6_OFFSET);
		packet->protocol = fragment->nexthdr;
		packet->at += sizeof(*fragment);
	}
	packet->is_icmp = packet->protocol == IPPROTO_ICMPV6;
	return true;
}

static __always_inline bool tcp_may_enter(const struct bpf_dynptr *data, const struct filter_packet *packet)
{
	struct tcphdr buffer, *tcp = bpf_dynptr_slice(data, packet->at, &buffer, sizeof(buffer));

	if (!tcp || (tcp->syn && tcp->fin))
		return false;
	if (!tcp->syn || tcp->ack)
		return true;
	switch (tcp->dest) {
	case bpf_htons(HTTP):
	case bpf_htons(HTTPS):
		return true;
	case bpf_htons(SSH):
		return packet->from_management;
	}
	return false;
}

static __always_inline bool udp_may_enter(const struct bpf_dynptr *data, const struct filter_packet *packet)
{
	struct udphdr buffer, *udp = bpf_dynptr_slice(data, packet->at, &buffer, sizeof(buffer));

	if (!udp)
		return false;
	return udp->dest == bpf_htons(HTTPS) || udp->source == bpf_htons(DNS) || udp->source == bpf_htons(NTP);
}

static __always_inline bool may_enter(const struct bpf_dynptr *data, const struct filter_packet *packet)
{
	if (packet->has_options || packet->from_us)
		return false;
	if (packet->is_icmp || packet->later_fragment)
		return true; /* without its first fragment, a later one comes to nothing */
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return tcp_may_enter(data, packet);
	case IPPROTO_UDP:
		return udp_may_enter(data, packet);
	}
	return false;
}

static __always_inline bool may_leave(const struct bpf_dynptr *data, const struct filter_packet *packet)
{
	struct tcphdr buffer, *tcp;

	if (!packet->from_us)
		return false;
	if (packet->protocol != IPPROTO_TCP || packet->later_fragment)
		return true;
	tcp = bpf_dynptr_slice(data, packet->at, &buffer, sizeof(buffer));
	return tcp && tcp->dest != bpf_htons(SMTP);
}

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	struct filter_packet packet = {};
	struct bpf_dynptr data;
	bool known;

	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &data))
		return NF_DROP;
	known = ctx->state->pf == NFPROTO_IPV4 ? read_ipv4(&data, &packet) : read_ipv6(&data, &packet);
	if (!known)
		return NF_DROP;

	switch (ctx->state->hook) {
	case NF_INET_LOCAL_IN:
		return may_enter(&data, &packet) ? NF_ACCEPT : NF_DROP;
	case NF_INET_LOCAL_OUT:
		return may_leave(&data, &packet) ? NF_ACCEPT : NF_DROP;
	}
	return NF_DROP;
}

char LICENSE[] SEC("license") = "GPL";
