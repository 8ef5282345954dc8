// SPDX-License-Identifier: GPL-2.0
/*
 * A flow dissector for servers that speak QUIC.
 *
 * The kernel tells flows apart by addresses and ports, to keep each on one CPU. A QUIC connection outlives its ports: a
 * NAT on the way gives the client a new one now and then. What stays is the connection ID that the server has chosen,
 * 8 bytes here, and its first half takes the place of the ports where a packet has one.
 *
 * What this program does not know (ARP, MPLS) or cannot read (headers that are not in the linear data) it leaves to
 * the kernel's own dissector.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_TEB 0x6558 /* GRE: a whole frame follows */

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define IP6_OFFSET 0xfff8

#define GRE_CSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000
#define GRE_VERSION 0x0007

#define QUIC_PORT 443
#define QUIC_CID_LENGTH 8 /* bytes */
#define QUIC_LONG 0x80
#define QUIC_FIXED 0x40
#define QUIC_TYPE 0x30
#define QUIC_V1 1
#define QUIC_V1_HANDSHAKE 0x20

#define NEXT_HEADER (-1) /* beside what the program may return: there is more to read */

#define MAX_TAGS 2
#define MAX_HEADERS 8
#define MAX_OFFSET 4096

/* Where the dissector stands in the packet, and what tells the header there. */
struct dissect_place {
	__u64 at; /* offset in the packet */
	bool inside_ip; /* ip_proto of the keys tells it, else ethertype */
	__be16 ethertype;
};

struct dissect_gre { /* what comes after it depends on the flags */
	__be16 flags;
	__be16 ethertype;
};

struct dissect_ports {
	__be16 source;
	__be16 dest;
};

struct dissect_quic {
	__u8 first;
	union {
		__be16 short_cid[2]; /* of a short header: the first half of the connection ID */
		struct {
			__be32 version;
			__u8 cid_length; /* bytes */
			__be16 long_cid[2];
		} __attribute__((packed));
	};
} __attribute__((packed));

/* The header at an offset, or NULL where the linear data does not hold all of it. */
static __always_inline void *header(const struct __sk_buff *skb, __u64 at, __u64 size)
{
	void *start = (void *)(long)skb->data;

	barrier_var(at); /* the verifier wants the register compared that is added */
	if (at > MAX_OFFSET || start + at + size > (void *)(long)skb->data_end)
		return NULL;
	return start + at;
}

static __always_inline bool read_tags(struct __sk_buff *skb, struct dissect_place *place)
{
	struct vlan_hdr *tag;

	for (int i = 0; i < MAX_TAGS; i++) {
		if (place->ethertype != bpf_htons(ETH_P_8021Q) && place->ethertype != bpf_htons(ETH_P_8021AD))
			return true;
		tag = header(skb, place->at, sizeof(*tag));
		if (!tag)
			return false;
		place->ethertype = tag->h_vlan_encapsulated_proto;
		place->at += sizeof(*tag);
	}
	return true;
}

static __always_inline int read_ipv4(struct __sk_buff *skb, struct dissect_place *place)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct iphdr *ip = header(skb, place->at, sizeof(*ip));

	if (!ip)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	if (ip->version != 4 || ip->ihl < 5)
		return BPF_DROP;

	keys->n_proto = bpf_htons(ETH_P_IP);
	keys->addr_proto = ETH_P_IP;
	keys->ipv4_src = ip->saddr;
	keys->ipv4_dst = ip->daddr;
	keys->ip_proto = ip->protocol;
	place->at += ip->ihl * 4;
	place->inside_ip = true;
	if (!(ip->frag_off & bpf_htons(IP_MF | IP_OFFSET)))
		return NEXT_HEADER;

	keys->is_frag = true;
	keys->is_first_frag = !(ip->frag_off & bpf_htons(IP_OFFSET));
	return keys->is_first_frag && keys->flags & BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG ? NEXT_HEADER : BPF_OK;
}

static __always_inline int read_ipv6(struct __sk_buff *skb, struct dissect_place *place)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct ipv6hdr *ip = header(skb, place->at, sizeof(*ip));

	if (!ip)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	if (ip->version != 6)
		return BPF_DROP;

	keys->n_proto = bpf_htons(ETH_P_IPV6);
	keys->addr_proto = ETH_P_IPV6;
	__builtin_memcpy(keys->ipv6_src, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(keys->ipv6_dst, &ip->daddr, sizeof(ip->daddr));
	keys->ip_proto = ip->nexthdr;
	keys->flow_label = bpf_htonl((ip->flow_lbl[0] & 0x0f) << 16 | ip->flow_lbl[1] << 8 | ip->flow_lbl[2]);
	place->at += sizeof(*ip);
	place->inside_ip = true;
	return keys->flow_label && keys->flags & BPF_FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL ? BPF_OK : NEXT_HEADER;
}

static __always_inline int read_extension(struct __sk_buff *skb, struct dissect_place *place)
{
	struct ipv6_opt_hdr *extension = header(skb, place->at, sizeof(*extension));

	if (!extension)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	skb->flow_keys->ip_proto = extension->nexthdr;
	place->at += (extension->hdrlen + 1) * 8;
	return NEXT_HEADER;
}

static __always_inline int read_fragment(struct __sk_buff *skb, struct dissect_place *place)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct frag_hdr *fragment = header(skb, place->at, sizeof(*fragment));

	if (!fragment)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	keys->ip_proto = fragment->nexthdr;
	keys->is_frag = true;
	keys->is_first_frag = !(fragment->frag_off & bpf_htons(IP6_OFFSET));
	place->at += sizeof(*fragment);
	return keys->is_first_frag && keys->flags & BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG ? NEXT_HEADER : BPF_OK;
}

static __always_inline int enter(struct __sk_buff *skb, struct dissect_place *place, __u32 size,
						  __be16 ethertype)
{
	struct bpf_flow_keys *keys = skb->flow_keys;

	keys->is_encap = true;
	if (keys->flags & BPF_FLOW_DISSECTOR_F_STOP_AT_ENCAP)
		return BPF_OK;
	place->at += size;
	place->inside_ip = false;
	place->ethertype = ethertype;
	return NEXT_HEADER;
}

static __always_inline int read_gre(struct __sk_buff *skb, struct dissect_place *place)
{
	struct dissect_gre *gre = header(skb, place->at, sizeof(*gre));
	__u32 size = sizeof(*gre);
	struct ethhdr *eth;

	if (!gre)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	if (gre->flags & bpf_htons(GRE_VERSION | GRE_ROUTING))
		return BPF_OK;
	if (gre->flags & bpf_htons(GRE_CSUM))
		size += 4;
	if (gre->flags & bpf_htons(GRE_KEY))
		size += 4;
	if (gre->flags & bpf_htons(GRE_SEQ))
		size += 4;
	if (gre->ethertype != bpf_htons(ETH_P_TEB))
		return enter(skb, place, size, gre->ethertype);

	eth = header(skb, place->at + size, sizeof(*eth));
	if (!eth)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	return enter(skb, place, size + sizeof(*eth), eth->h_proto);
}

/* Puts the connection ID in the place of the ports, where the server has chosen it: see RFC 9000, section 17. */
static __always_inline void read_quic(struct __sk_buff *skb, __u64 at)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct dissect_quic *quic = header(skb, at, sizeof(*quic));

	if (!quic || !(quic->first & QUIC_FIXED))
		return;
	if (!(quic->first & QUIC_LONG)) {
		keys->sport = quic->short_cid[0];
		keys->dport = quic->short_cid[1];
		return;
	}
	if (quic->version != bpf_htonl(QUIC_V1) || (quic->first & QUIC_TYPE) != QUIC_V1_HANDSHAKE ||
	    quic->cid_length != QUIC_CID_LENGTH)
		return; /* the client has chosen that of Initial and 0-RTT packets */
	keys->sport = quic->long_cid[0];
	keys->dport = quic->long_cid[1];
}

static __always_inline int read_ports(struct __sk_buff *skb, struct dissect_place *place)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct dissect_ports *ports = header(skb, place->at, sizeof(*ports));

	if (!ports)
		return BPF_FLOW_DISSECTOR_CONTINUE;
	keys->sport = ports->source;
	keys->dport = ports->dest;
	if (keys->ip_proto == IPPROTO_UDP && ports->dest == bpf_htons(QUIC_PORT))
		read_quic(skb, place->at + sizeof(struct udphdr));
	return BPF_OK;
}

static __always_inline int read_outside_ip(struct __sk_buff *skb, struct dissect_place *place)
{
	switch (place->ethertype) {
	case bpf_htons(ETH_P_IP):
		return read_ipv4(skb, place);
	case bpf_htons(ETH_P_IPV6):
		return read_ipv6(skb, place);
	}
	return BPF_FLOW_DISSECTOR_CONTINUE;
}

static __always_inline int read_inside_ip(struct __sk_buff *skb, struct dissect_place *place)
{
	switch (skb->flow_keys->ip_proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return read_extension(skb, place);
	case IPPROTO_FRAGMENT:
		return read_fragment(skb, place);
	case IPPROTO_IPIP:
		return enter(skb, place, 0, bpf_htons(ETH_P_IP));
	case IPPROTO_IPV6:
		return enter(skb, place, 0, bpf_htons(ETH_P_IPV6));
	case IPPROTO_GRE:
		return read_gre(skb, place);
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		return read_ports(skb, place);
	}
	return BPF_OK; /* a protocol without ports */
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	struct bpf_flow_keys *keys = skb->flow_keys;
	struct dissect_place place = { .at = keys->nhoff, .ethertype = keys->n_proto };
	int verdict;

	if (!read_tags(skb, &place))
		return BPF_FLOW_DISSECTOR_CONTINUE;
	keys->nhoff = place.at;
	for (int i = 0; i < MAX_HEADERS; i++) {
		verdict = place.inside_ip ? read_inside_ip(skb, &place) : read_outside_ip(skb, &place);
		keys->thoff = place.at;
		if (verdict != NEXT_HEADER)
			return verdict;
	}
	return BPF_FLOW_DISSECTOR_CONTINUE;
}

char LICENSE[] SEC("license") = "GPL";
