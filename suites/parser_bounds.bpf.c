// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps one UDP service (SSDP, port 1900) inside of the network, also behind a VLAN tag and inside of VXLAN.
 *
 * Whatever cannot be read to the end of its headers is dropped: a filter that lets through what it does not
 * understand is none.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100

#define PORT_SSDP 1900
#define PORT_VXLAN 4789

struct vxlan_header {
	__be32 flags;
	__be32 vni;
};

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

/* The UDP header of the frame that begins here; NULL without *other* if the frame is broken. */
static __always_inline struct udphdr *udp_of(struct packet_cursor *packet, int *other)
{
	struct ethhdr *eth = take(packet, sizeof(*eth));
	__be16 protocol;
	struct iphdr *ip;
	__u32 size;

	if (!eth)
		return NULL;
	protocol = eth->h_proto;
	if (protocol == bpf_htons(ETH_P_8021Q)) {
		struct vlan_hdr *vlan = take(packet, sizeof(*vlan));

		if (!vlan)
			return NULL;
		protocol = vlan->h_vlan_encapsulated_proto;
	}
	if (protocol != bpf_htons(ETH_P_IP)) {
		*other = 1;
		return NULL;
	}

	ip = take(packet, sizeof(*ip));
	if (!ip || ip->version != 4 || ip->ihl < 5)
		return NULL;
	size = ip->ihl * 4;
	if (bpf_ntohs(ip->tot_len) < size + sizeof(struct udphdr))
		return NULL;
	if (ip->protocol != IPPROTO_UDP) {
		*other = 1;
		return NULL;
	}
	packet->pos = ip;
	if (!take(packet, size))
		return NULL;
	return take(packet, sizeof(struct udphdr));
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	struct packet_cursor packet = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	int other = 0;
	struct udphdr *udp = udp_of(&packet, &other);

	if (udp && udp->dest == bpf_htons(PORT_VXLAN)) {
		if (!take(&packet, sizeof(struct vxlan_header)))
			return XDP_DROP;
		udp = udp_of(&packet, &other);
	}
	if (!udp)
		return other ? XDP_PASS : XDP_DROP;
	return udp->dest == bpf_htons(PORT_SSDP) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
