// SPDX-License-Identifier: GPL-2.0
/*
 * A line card at tc. steer (ingress) sends web traffic through a proxy, copies DNS to a monitor, and drops telnet; all
 * else takes the kernel's routes. shape (egress) marks what leaves with the class of its port, and holds back what
 * must not leave.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define ETH_P_IP 0x0800
#define TELNET 23
#define DNS 53
#define WEB 80
#define NETBIOS 137

#define DSCP_EF 46
#define TOS_AT (sizeof(struct ethhdr) + offsetof(struct iphdr, tos))
#define CHECK_AT (sizeof(struct ethhdr) + offsetof(struct iphdr, check))

const volatile __u32 proxy = 4; /* ifindex */
const volatile __u32 monitor = 5;

enum fate { PASSED, PROXIED, COPIED, DROPPED, FATES };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FATES);
	__type(key, enum fate);
	__type(value, __u64);
} packets SEC(".maps");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	__be16 source;
	__be16 dest;
} __attribute__((packed));

/* The destination port of TCP and UDP in IPv4 without options; 0 for what is neither. */
static __always_inline __u16 port_of(struct __sk_buff *skb)
{
	struct headers headers;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &headers, sizeof(headers)))
		return 0;
	if (headers.ip.ihl != 5 || (headers.ip.protocol != IPPROTO_TCP && headers.ip.protocol != IPPROTO_UDP))
		return 0;
	return bpf_ntohs(headers.dest);
}

static __always_inline void count(enum fate fate)
{
	__u64 *packets_so_far = bpf_map_lookup_elem(&packets, &fate);

	if (packets_so_far)
		__sync_fetch_and_add(packets_so_far, 1);
}

SEC("tc")
int steer(struct __sk_buff *skb)
{
	switch (port_of(skb)) {
	case WEB:
		count(PROXIED);
		return bpf_redirect(proxy, 0);
	case DNS:
		count(COPIED);
		bpf_clone_redirect(skb, monitor, 0);
		return TC_ACT_OK;
	case TELNET:
		count(DROPPED);
		return TC_ACT_SHOT;
	}
	count(PASSED);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int shape(struct __sk_buff *skb)
{
	__u8 tos = DSCP_EF << 2, before;

	switch (port_of(skb)) {
	case NETBIOS:
		return TC_ACT_SHOT;
	case DNS:
		if (bpf_skb_load_bytes(skb, TOS_AT, &before, sizeof(before)) ||
		    bpf_l3_csum_replace(skb, CHECK_AT, bpf_htons(before), bpf_htons(tos), 2) ||
		    bpf_skb_store_bytes(skb, TOS_AT, &tos, sizeof(tos), 0))
			return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
