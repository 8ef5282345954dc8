// SPDX-License-Identifier: GPL-2.0
/*
 * The network policy of a container, attached to its cgroup.
 *
 * It may talk to its own network (10.0.0.0/8 and fd00::/8) and to DNS anywhere, but send mail nowhere. TCP connections
 * to it may be opened from its own network, to the web port. By a mark the host vouches for more. What is not TCP, UDP
 * or ICMP right behind the IP header is dropped.
 *
 * budget is a second program for egress: after 1000 bytes it tells the container's TCP to slow down, after 2000 it
 * drops.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_ICMPV6 58
#define IP_OFFSET 0x1fff

#define DROP 0
#define ALLOW 1
#define DROP_AND_SLOW_DOWN 2 /* egress only: congestion notification */
#define ALLOW_AND_SLOW_DOWN 3

#define TRUSTED 0x7 /* a mark */

#define SMTP 25
#define DNS 53
#define WEB 8080

/* Of a packet, what the policy asks for. */
struct policy_traffic {
	bool inside; /* the other end is in the container's own network */
	bool later_fragment;
	__u8 protocol;
	__u16 at; /* of the transport header */
};

enum policy_direction {
	POLICY_INGRESS,
	POLICY_EGRESS,
};

/* False for what the policy does not know. */
static __always_inline bool read_ip(struct __sk_buff *skb, enum policy_direction direction,
				    struct policy_traffic *traffic)
{
	struct iphdr ip4;
	struct ipv6hdr ip6;
	__be32 peer;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		if (bpf_skb_load_bytes(skb, 0, &ip4, sizeof(ip4)))
			return false;
		peer = direction == POLICY_EGRESS ? ip4.daddr : ip4.saddr;
		traffic->inside = bpf_ntohl(peer) >> 24 == 10;
		traffic->later_fragment = ip4.frag_off & bpf_htons(IP_OFFSET);
		traffic->protocol = ip4.protocol;
		traffic->at = ip4.ihl * 4;
		break;
	case bpf_htons(ETH_P_IPV6):
		if (bpf_skb_load_bytes(skb, 0, &ip6, sizeof(ip6)))
			return false;
		traffic->inside = (direction == POLICY_EGRESS ? &ip6.daddr : &ip6.saddr)->in6_u.u6_addr8[0] == 0xfd;
		traffic->protocol = ip6.nexthdr;
		traffic->at = sizeof(ip6);
		break;
	default:
		return false;
	}

	switch (traffic->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return true;
	}
	return false;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct policy_traffic traffic = {};
	__be16 port = 0; /* stands at the same place in TCP and UDP */

	if (!read_ip(skb, POLICY_EGRESS, &traffic))
		return DROP;
	if (!traffic.later_fragment &&
	    bpf_skb_load_bytes(skb, traffic.at + offsetof(struct udphdr, dest), &port, sizeof(port)))
		return DROP;
	if (traffic.protocol == IPPROTO_TCP && port == bpf_htons(SMTP))
		return DROP;
	if (traffic.protocol == IPPROTO_UDP && port == bpf_htons(DNS))
		return ALLOW;
	return traffic.inside || skb->mark == TRUSTED ? ALLOW : DROP;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct policy_traffic traffic = {};
	struct tcphdr tcp;

	if (!read_ip(skb, POLICY_INGRESS, &traffic))
		return DROP;
	if (skb->mark == TRUSTED || traffic.protocol != IPPROTO_TCP || traffic.later_fragment)
		return ALLOW;
	if (bpf_skb_load_bytes(skb, traffic.at, &tcp, sizeof(tcp)))
		return DROP;
	if (!tcp.syn || tcp.ack)
		return ALLOW; /* a connection that exists, or that the container opens */
	return traffic.inside && tcp.dest == bpf_htons(WEB) ? ALLOW : DROP;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps"); /* bytes */

SEC("cgroup_skb/egress")
int budget(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *bytes = bpf_map_lookup_elem(&sent, &key);
	__u64 total;

	if (!bytes)
		return DROP;
	total = __sync_fetch_and_add(bytes, skb->len) + skb->len;
	if (total <= 1000)
		return ALLOW;
	return total <= 2000 ? ALLOW_AND_SLOW_DOWN : DROP_AND_SLOW_DOWN;
}

char LICENSE[] SEC("license") = "GPL";
