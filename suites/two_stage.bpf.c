// SPDX-License-Identifier: GPL-2.0
/*
 * The edge of a provider, where customers arrive in two VLAN tags: the outer one is of an access node, the inner one
 * of a line there. Three programs share the work, and two maps.
 *
 * access (XDP) puts one tag into the place of the two, the customer's number. enter (tc ingress) takes that one off too
 * and marks the packet with it. leave (tc egress) knows a customer by the mark: it gives the packet the class that the
 * customer pays for, and counts it against the customer's quota.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define VLAN_VID 0x0fff

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define IP_ECN 0x03

struct line {
	__u16 node; /* VLAN of the outer tag */
	__u16 vlan; /* of the inner one */
};

enum service_class { /* DSCP */
	CLASS_BEST_EFFORT = 0,
	CLASS_BUSINESS = 18, /* AF21 */
	CLASS_VOICE = 46, /* EF */
};

struct customer {
	enum service_class class;
	bool suspended;
	__u64 quota; /* bytes; 0: none */
	__u64 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct line);
	__type(value, __u32); /* customer, 1 to 4094 */
} lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct customer);
} customers SEC(".maps");

struct tagged_frame {
	struct ethhdr eth;
	struct vlan_hdr outer;
	struct vlan_hdr inner;
} __attribute__((packed));

SEC("xdp")
int access(struct xdp_md *ctx)
{
	struct tagged_frame *frame = (void *)(long)ctx->data;
	struct vlan_ethhdr *eth;
	struct line line;
	__u8 macs[2 * ETH_ALEN];
	__u32 *customer;
	__be16 protocol;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->eth.h_proto != bpf_htons(ETH_P_8021AD) ||
	    frame->outer.h_vlan_encapsulated_proto != bpf_htons(ETH_P_8021Q))
		return XDP_PASS; /* not from an access node */

	line.node = bpf_ntohs(frame->outer.h_vlan_TCI) & VLAN_VID;
	line.vlan = bpf_ntohs(frame->inner.h_vlan_TCI) & VLAN_VID;
	customer = bpf_map_lookup_elem(&lines, &line);
	if (!customer)
		return XDP_DROP;
	protocol = frame->inner.h_vlan_encapsulated_proto;
	__builtin_memcpy(macs, frame, sizeof(macs));

	if (bpf_xdp_adjust_head(ctx, sizeof(struct vlan_hdr)))
		return XDP_ABORTED;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(eth, macs, sizeof(macs));
	eth->h_vlan_proto = bpf_htons(ETH_P_8021Q);
	eth->h_vlan_TCI = bpf_htons(*customer);
	eth->h_vlan_encapsulated_proto = protocol;
	return XDP_PASS;
}

/* The VLAN that a packet is of, 0 for none. The kernel has taken the tag out of most packets when tc sees them. */
static __always_inline __u32 vlan_of(struct __sk_buff *skb)
{
	__be16 tci;

	if (skb->vlan_present)
		return skb->vlan_tci & VLAN_VID;
	if (skb->protocol != bpf_htons(ETH_P_8021Q) || bpf_skb_load_bytes(skb, ETH_HLEN, &tci, sizeof(tci)))
		return 0;
	return bpf_ntohs(tci) & VLAN_VID;
}

SEC("tc")
int enter(struct __sk_buff *skb)
{
	__u32 number = vlan_of(skb);
	const struct customer *customer;

	skb->mark = 0; /* no customer may choose who pays */
	if (!number)
		return TC_ACT_OK;
	customer = bpf_map_lookup_elem(&customers, &number);
	if (!customer || customer->suspended)
		return TC_ACT_SHOT;
	if (bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
	skb->mark = number;
	return TC_ACT_OK;
}

static __always_inline long set_class(struct __sk_buff *skb, enum service_class class)
{
	struct iphdr ip;
	__u16 before, after;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return -1;
	before = ip.tos;
	after = class << 2 | (ip.tos & IP_ECN);
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), bpf_htons(before), bpf_htons(after),
				sizeof(after)))
		return -1;
	ip.tos = after;
	return bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, tos), &ip.tos, sizeof(ip.tos), 0);
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	__u32 number = skb->mark;
	struct customer *customer;

	if (!number)
		return TC_ACT_OK; /* the machine's own */
	customer = bpf_map_lookup_elem(&customers, &number);
	if (!customer)
		return TC_ACT_SHOT;
	if (customer->quota && customer->used + skb->len > customer->quota)
		return TC_ACT_SHOT;

	__sync_fetch_and_add(&customer->used, skb->len);
	skb->priority = customer->class;
	if (skb->protocol == bpf_htons(ETH_P_IP) && set_class(skb, customer->class))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
