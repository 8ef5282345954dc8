// SPDX-License-Identifier: GPL-2.0
/*
 * An SRv6 endpoint: the function of a segment, as End.BPF runs it (ip -6 route add fd00::1 encap seg6local action
 * End.BPF ...). The kernel has then found the segment routing header and gone on to the next segment. The header's tag,
 * RFC 8754, is the class of the packet, and tells this node what to do with it.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NEXTHDR_ROUTING 43
#define SRH_FLAG_OAM 0x20

/* Classes; the others have nothing special about them. */
#define CLASS_EXPRESS 1 /* goes over a link of its own */
#define CLASS_TRACED 2 /* gets the number of each node that it comes through */

#define TLV_NODE 124 /* RFC 8754 leaves 124 to 126 to experiments */
#define NODE_NUMBER 7

static const struct in6_addr express_next_hop = { .in6_u.u6_addr8 = { 0xfd, 0x00, [15] = 0x02 } };

struct segment_tlv {
	__u8 type;
	__u8 length; /* bytes that follow */
	__be16 reserved;
	__be32 node;
};

struct segment_headers {
	struct ipv6hdr ip;
	struct ipv6_sr_hdr srh;
};

/* Appends the node's number to the header, which grows by it, and sets the flag that says so. */
static __always_inline long trace(struct __sk_buff *skb, const struct ipv6_sr_hdr *srh)
{
	struct segment_tlv tlv = { .type = TLV_NODE, .length = sizeof(tlv) - 2, .node = bpf_htonl(NODE_NUMBER) };
	__u32 flags_at = sizeof(struct ipv6hdr) + offsetof(struct ipv6_sr_hdr, flags);
	__u32 end = sizeof(struct ipv6hdr) + (srh->hdrlen + 1) * 8;
	__u8 flags = srh->flags | SRH_FLAG_OAM;

	if (bpf_lwt_seg6_store_bytes(skb, flags_at, &flags, sizeof(flags)) ||
	    bpf_lwt_seg6_adjust_srh(skb, end, sizeof(tlv)))
		return -1;
	return bpf_lwt_seg6_store_bytes(skb, end, &tlv, sizeof(tlv));
}

SEC("lwt_seg6local")
int endpoint(struct __sk_buff *skb)
{
	struct in6_addr next_hop = express_next_hop;
	struct segment_headers headers;

	if (bpf_skb_load_bytes(skb, 0, &headers, sizeof(headers)))
		return BPF_DROP;
	if (headers.ip.nexthdr != NEXTHDR_ROUTING)
		return BPF_DROP; /* it stands behind other extension headers, and nobody sends that */

	switch (bpf_ntohs(headers.srh.tag)) {
	case CLASS_TRACED:
		return trace(skb, &headers.srh) ? BPF_DROP : BPF_OK;
	case CLASS_EXPRESS:
		/* The route is found here, and the kernel is not to look for another. */
		if (bpf_lwt_seg6_action(skb, SEG6_LOCAL_ACTION_END_X, &next_hop, sizeof(next_hop)))
			return BPF_DROP;
		return BPF_REDIRECT;
	}
	return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
