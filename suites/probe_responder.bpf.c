// SPDX-License-Identifier: GPL-2.0
/*
 * Answers health probes, a protocol of our own over UDP port 7007, before the network stack sees them.
 *
 * A probe carries a magic number, a sequence number and the virtual address that it asks after. The answer is the
 * probe with its sender and receiver exchanged and the sequence number one higher. Everything that is not a
 * probe passes; a probe for an address that we do not serve is dropped.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800

#define PROBE_PORT 7007
#define PROBE_MAGIC 0xbeef

struct health_probe {
	__be16 magic;
	__be32 sequence;
	__be32 vip;
} __attribute__((packed));

struct health_probe_packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct health_probe probe;
} __attribute__((packed));

SEC("xdp")
int respond(struct xdp_md *ctx)
{
	struct health_probe_packet *packet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u8 mac[ETH_ALEN];
	__be32 address;
	__be16 port;

	if ((void *)(packet + 1) > end || packet->eth.h_proto != bpf_htons(ETH_P_IP) || packet->ip.ihl != 5 ||
	    packet->ip.protocol != IPPROTO_UDP || packet->udp.dest != bpf_htons(PROBE_PORT) ||
	    packet->probe.magic != bpf_htons(PROBE_MAGIC))
		return XDP_PASS;
	if (packet->probe.vip != packet->ip.daddr)
		return XDP_DROP;

	__builtin_memcpy(mac, packet->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(packet->eth.h_dest, packet->eth.h_source, ETH_ALEN);
	__builtin_memcpy(packet->eth.h_source, mac, ETH_ALEN);

	address = packet->ip.daddr;
	packet->ip.daddr = packet->ip.saddr;
	packet->ip.saddr = address; /* the checksum does not mind the order */

	port = packet->udp.dest;
	packet->udp.dest = packet->udp.source;
	packet->udp.source = port;
	packet->udp.check = 0; /* none: allowed over IPv4 */

	packet->probe.sequence = bpf_htonl(bpf_ntohl(packet->probe.sequence) + 1);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
