// SPDX-License-Identifier: GPL-2.0
/*
 * Tunnels, an end each way.
 *
 * ipip_encap sends packets for a virtual address on to the server behind it, inside another IPv4 header, as load
 * balancers do (RFC 2003); ipip_decap takes that header off at the server. vxlan_encap puts a whole frame
 * into VXLAN (RFC 7348), into the network whose number an earlier program left in the XDP metadata; vxlan_decap
 * takes it out and leaves the number there, for a program at tc to read.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800

#define IP_DF 0x4000
#define IP_FRAGMENT 0x3fff /* MF or an offset */

#define MTU 1500
#define VXLAN_PORT 4789
#define VXLAN_HAS_VNI 0x08000000
#define MAX_VNI 0xffffff

#define IP4(a, b, c, d) bpf_htonl((a) << 24 | (b) << 16 | (c) << 8 | (d))

#define VIRTUAL_ADDRESS IP4(192, 0, 2, 80)
#define LOCAL_END IP4(10, 0, 0, 1)
#define REMOTE_END IP4(10, 0, 0, 10)

static const __u8 local_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };
static const __u8 remote_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x10 };

struct vxlan_header { /* the kernel's is in a module */
	__be32 flags;
	__be32 vni; /* in the upper 24 bits */
};

struct ipip_headers {
	struct ethhdr eth;
	struct iphdr ip;
} __attribute__((packed));

struct vxlan_headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
} __attribute__((packed));

static __always_inline struct ethhdr outer_ethernet(void)
{
	struct ethhdr eth = { .h_proto = bpf_htons(ETH_P_IP) };

	__builtin_memcpy(eth.h_dest, remote_mac, ETH_ALEN);
	__builtin_memcpy(eth.h_source, local_mac, ETH_ALEN);
	return eth;
}

/* The header of an IPv4 packet of length bytes, the header included. */
static __always_inline struct iphdr outer_ipv4(__u8 protocol, __u8 tos, __be16 df, __u16 length)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tos = tos,
		.tot_len = bpf_htons(length),
		.frag_off = df,
		.ttl = 64,
		.protocol = protocol,
		.saddr = LOCAL_END,
		.daddr = REMOTE_END,
	};
	__u32 sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = ~sum;
	return ip;
}

SEC("xdp")
int ipip_encap(struct xdp_md *ctx)
{
	struct ipip_headers *packet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 length;
	__be16 df;
	__u8 tos;

	if ((void *)(packet + 1) > end || packet->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    packet->ip.daddr != VIRTUAL_ADDRESS)
		return XDP_PASS;

	length = bpf_ntohs(packet->ip.tot_len) + sizeof(struct iphdr);
	if (length > MTU)
		return XDP_PASS; /* the stack says "fragmentation needed" */
	tos = packet->ip.tos;
	df = packet->ip.frag_off & bpf_htons(IP_DF);

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_DROP;
	packet = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(packet + 1) > end)
		return XDP_DROP;

	packet->eth = outer_ethernet();
	packet->ip = outer_ipv4(IPPROTO_IPIP, tos, df, length);
	return XDP_TX;
}

SEC("xdp")
int ipip_decap(struct xdp_md *ctx)
{
	struct ipip_headers *packet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr eth;

	if ((void *)(packet + 1) > end || packet->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    packet->ip.protocol != IPPROTO_IPIP || packet->ip.daddr != REMOTE_END)
		return XDP_PASS;
	if (packet->ip.saddr != LOCAL_END)
		return XDP_DROP; /* only the balancer may send packets past the address checks */
	if (packet->ip.ihl != 5 || packet->ip.frag_off & bpf_htons(IP_FRAGMENT))
		return XDP_PASS; /* rare enough for a tunnel device of the kernel */

	eth = packet->eth;
	if (bpf_xdp_adjust_head(ctx, sizeof(struct iphdr)))
		return XDP_DROP;
	packet = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(packet + 1) > end)
		return XDP_DROP;

	packet->eth = eth;
	return XDP_PASS;
}

/* A port of 49152 to 65535 for each pair of MAC addresses, so that networks with several paths use them all. */
static __always_inline __be16 flow_port(const struct ethhdr *eth)
{
	const __u16 *half = (const __u16 *)eth;
	__u32 hash = 0;

	for (int i = 0; i < ETH_ALEN; i++)
		hash = hash * 31 + bpf_ntohs(half[i]);
	return bpf_htons(0xc000 | ((hash ^ hash >> 16) & 0x3fff));
}

SEC("xdp")
int vxlan_encap(struct xdp_md *ctx)
{
	__be32 *metadata = (void *)(long)ctx->data_meta;
	struct vxlan_headers *outer;
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u16 length = end - (void *)eth;
	__be16 port;
	__u32 vni;

	if ((void *)(metadata + 1) > (void *)eth || (void *)(eth + 1) > end)
		return XDP_PASS;
	vni = bpf_ntohl(*metadata);
	if (vni > MAX_VNI)
		return XDP_DROP;
	port = flow_port(eth);

	/* The metadata has done its work, and would move along with the head. */
	if (bpf_xdp_adjust_meta(ctx, sizeof(*metadata)))
		return XDP_DROP;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
		return XDP_DROP;
	outer = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(outer + 1) > end)
		return XDP_DROP;

	length += sizeof(*outer) - sizeof(outer->eth);
	outer->eth = outer_ethernet();
	outer->ip = outer_ipv4(IPPROTO_UDP, 0, bpf_htons(IP_DF), length);
	outer->udp = (struct udphdr){
		.source = port,
		.dest = bpf_htons(VXLAN_PORT),
		.len = bpf_htons(length - sizeof(outer->ip)),
	};
	outer->vxlan = (struct vxlan_header){
		.flags = bpf_htonl(VXLAN_HAS_VNI),
		.vni = bpf_htonl(vni << 8),
	};
	return XDP_TX;
}

SEC("xdp")
int vxlan_decap(struct xdp_md *ctx)
{
	struct vxlan_headers *outer = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__be32 *metadata;
	__u32 vni;

	if ((void *)(outer + 1) > end || outer->eth.h_proto != bpf_htons(ETH_P_IP) || outer->ip.ihl != 5 ||
	    outer->ip.protocol != IPPROTO_UDP || outer->ip.frag_off & bpf_htons(IP_FRAGMENT) ||
	    outer->udp.dest != bpf_htons(VXLAN_PORT))
		return XDP_PASS;
	if (!(outer->vxlan.flags & bpf_htonl(VXLAN_HAS_VNI)))
		return XDP_DROP;
	vni = bpf_ntohl(outer->vxlan.vni) >> 8;

	/* Fails if what is left would be less than an Ethernet header. */
	if (bpf_xdp_adjust_head(ctx, sizeof(*outer)) || bpf_xdp_adjust_meta(ctx, -(int)sizeof(*metadata)))
		return XDP_DROP;
	metadata = (void *)(long)ctx->data_meta;
	if ((void *)(metadata + 1) > (void *)(long)ctx->data)
		return XDP_DROP;

	*metadata = bpf_htonl(vni);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
