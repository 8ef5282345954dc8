// SPDX-License-Identifier: GPL-2.0
/*
 * A hub that copies every frame to all of its ports but the one that it came in by, as a mirror or a multicast fan-out
 * does. Each port has a VLAN of its own: the program of its devmap entry tags what leaves there.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_8021Q 0x8100

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32); /* ifindex */
	__type(value, __u16);
} vlans SEC(".maps");

SEC("xdp")
int hub(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

SEC("xdp/devmap")
int leave(struct xdp_md *ctx)
{
	__u32 port = ctx->egress_ifindex;
	struct vlan_ethhdr *eth;
	__u8 macs[2 * ETH_ALEN];
	__u16 *vlan;
	void *data;

	vlan = bpf_map_lookup_elem(&vlans, &port);
	if (!vlan)
		return XDP_PASS; /* it leaves as it is */

	data = (void *)(long)ctx->data;
	if (data + sizeof(macs) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(macs, data, sizeof(macs));

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_hdr)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(eth, macs, sizeof(macs));
	eth->h_vlan_proto = bpf_htons(ETH_P_8021Q);
	eth->h_vlan_TCI = bpf_htons(*vlan);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
