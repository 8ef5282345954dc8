// SPDX-License-Identifier: GPL-2.0
/*
 * A reflector at the edge of a network: probes to UDP port 7 (echo) go back to whom they are from, everything for port
 * 9 (discard) is dropped, and the rest is the machine's.
 *
 * Each echo carries a number in its first four bytes, so that the prober sees what was lost or came out of order.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800

struct echo_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be32 number;
} __attribute__((packed));

__u32 reflected; /* the number of the next echo */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} discarded SEC(".maps");

static __always_inline void swap_macs(struct echo_frame *frame)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, frame->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_dest, frame->eth.h_source, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, mac, ETH_ALEN);
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	struct echo_frame *frame = (void *)(long)ctx->data;
	__u32 zero = 0;
	__u64 *drops;
	__be32 address;
	__be16 port;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (frame->eth.h_proto != bpf_htons(ETH_P_IP) || frame->ip.ihl != 5 || frame->ip.protocol != IPPROTO_UDP)
		return XDP_PASS;

	switch (bpf_ntohs(frame->udp.dest)) {
	case 7:
		swap_macs(frame);
		address = frame->ip.saddr;
		frame->ip.saddr = frame->ip.daddr;
		frame->ip.daddr = address;
		port = frame->udp.source;
		frame->udp.source = frame->udp.dest;
		frame->udp.dest = port;
		frame->udp.check = 0; /* optional in IPv4 */
		frame->number = bpf_htonl(reflected++);
		return XDP_TX;
	case 9:
		drops = bpf_map_lookup_elem(&discarded, &zero);
		if (drops)
			(*drops)++;
		return XDP_DROP;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
