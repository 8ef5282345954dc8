// SPDX-License-Identifier: GPL-2.0
/*
 * A connection tracker at a gateway's outer interface, for TCP and UDP over IPv4.
 *
 * outbound (egress) writes down the connections that the inside opens; inbound (ingress) lets in what belongs to one
 * of them, and nothing else. Both find a connection by its flow as the inside sees it: inbound looks it up with the
 * ends exchanged. A connection that has been quiet for too long is none: its timeout depends on its state.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define IP_FRAGMENT 0x3fff /* MF or an offset */

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define NSEC_PER_SEC 1000000000LL

struct flow {
	__be32 inside;
	__be32 outside;
	__be16 inside_port;
	__be16 outside_port;
	__u32 protocol;
};

enum ct_state {
	CT_NEW, /* the inside has spoken */
	CT_REPLIED, /* so has the outside */
	CT_ESTABLISHED, /* and the inside again */
	CT_CLOSING, /* one end has sent its FIN */
	CT_CLOSED, /* so has the other; or one has sent RST */
	CT_STATES,
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct connection {
	enum ct_state state;
	bool inside_fin;
	bool outside_fin;
	__u64 last_seen; /* ns since boot */
	struct counter sent;
	struct counter received;
};

enum denial {
	DENIED_MALFORMED,
	DENIED_FRAGMENT, /* has no ports, or hides them */
	DENIED_PROTOCOL,
	DENIED_NO_CONNECTION,
	DENIED_CLOSED,
	DENIED_FULL,
};

const volatile __u32 timeout_s[CT_STATES] = {
	[CT_NEW] = 30,
	[CT_REPLIED] = 60,
	[CT_ESTABLISHED] = 5 * 86400,
	[CT_CLOSING] = 120,
	[CT_CLOSED] = 10, /* for the last ACK, and for segments that come late */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, enum denial);
	__type(value, __u64);
} denied SEC(".maps");

struct tcp_flags {
	bool syn, ack, fin, rst;
};

/* What of a packet matters here. */
struct summary {
	struct flow flow;
	struct tcp_flags tcp;
	__u32 bytes; /* of the IPv4 packet */
};

static __always_inline int deny(enum denial reason)
{
	__u64 *count = bpf_map_lookup_elem(&denied, &reason);
	__u64 first = 1;

	if (count)
		++*count;
	else
		bpf_map_update_elem(&denied, &reason, &first, BPF_ANY);
	return TC_ACT_SHOT;
}

/* Reads a packet, inbound ones with their ends exchanged. TC_ACT_OK, or what becomes of a packet that is not for us. */
static __always_inline int read_packet(struct __sk_buff *skb, bool from_inside, struct summary *packet)
{
	struct iphdr ip;
	__be16 ports[2]; /* source, destination */
	struct tcphdr tcp;
	__u32 transport;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return deny(DENIED_MALFORMED);
	if (ip.frag_off & bpf_htons(IP_FRAGMENT))
		return deny(DENIED_FRAGMENT);
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return deny(DENIED_PROTOCOL);

	transport = ETH_HLEN + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, transport, ports, sizeof(ports)))
		return deny(DENIED_MALFORMED);
	if (ip.protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, transport, &tcp, sizeof(tcp)))
			return deny(DENIED_MALFORMED);
		packet->tcp = (struct tcp_flags){ .syn = tcp.syn, .ack = tcp.ack, .fin = tcp.fin, .rst = tcp.rst };
	}

	packet->flow.protocol = ip.protocol;
	packet->flow.inside = from_inside ? ip.saddr : ip.daddr;
	packet->flow.outside = from_inside ? ip.daddr : ip.saddr;
	packet->flow.inside_port = from_inside ? ports[0] : ports[1];
	packet->flow.outside_port = from_inside ? ports[1] : ports[0];
	packet->bytes = bpf_ntohs(ip.tot_len);
	return TC_ACT_OK;
}

static __always_inline bool expired(const struct connection *connection, __u64 now)
{
	__s64 quiet = now - connection->last_seen; /* negative: another CPU has just seen a packet */

	return connection->state >= CT_STATES || quiet > timeout_s[connection->state] * NSEC_PER_SEC;
}

static __always_inline enum ct_state next_state(const struct connection *connection, const struct summary *packet,
						bool from_inside)
{
	bool tcp = packet->flow.protocol == IPPROTO_TCP;

	if (packet->tcp.rst || (connection->inside_fin && connection->outside_fin))
		return CT_CLOSED;
	if (connection->inside_fin || connection->outside_fin)
		return CT_CLOSING;

	switch (connection->state) {
	case CT_NEW:
		return !from_inside && (!tcp || (packet->tcp.syn && packet->tcp.ack)) ? CT_REPLIED : CT_NEW;
	case CT_REPLIED:
		return from_inside && (!tcp || packet->tcp.ack) ? CT_ESTABLISHED : CT_REPLIED;
	default:
		return connection->state;
	}
}

static __always_inline void count(struct counter *counter, __u32 bytes)
{
	__sync_fetch_and_add(&counter->packets, 1);
	__sync_fetch_and_add(&counter->bytes, bytes);
}

static __always_inline void see(struct connection *connection, const struct summary *packet, bool from_inside,
				__u64 now)
{
	if (packet->tcp.fin && from_inside)
		connection->inside_fin = true;
	if (packet->tcp.fin && !from_inside)
		connection->outside_fin = true;
	connection->state = next_state(connection, packet, from_inside);
	connection->last_seen = now;
	count(from_inside ? &connection->sent : &connection->received, packet->bytes);
}

/* TCP begins with SYN, UDP with anything. */
static __always_inline bool opens(const struct summary *packet)
{
	return packet->flow.protocol == IPPROTO_UDP ||
	       (packet->tcp.syn && !packet->tcp.ack && !packet->tcp.fin && !packet->tcp.rst);
}

SEC("tc")
int outbound(struct __sk_buff *skb)
{
	struct summary packet = {};
	struct connection opened = { .state = CT_NEW };
	struct connection *connection;
	__u64 now = bpf_ktime_get_ns();
	int verdict;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	verdict = read_packet(skb, true, &packet);
	if (verdict != TC_ACT_OK)
		return verdict;

	connection = bpf_map_lookup_elem(&connections, &packet.flow);
	if (connection && !expired(connection, now) && !(connection->state == CT_CLOSED && opens(&packet))) {
		see(connection, &packet, true, now);
		return TC_ACT_OK;
	}
	if (!opens(&packet))
		return deny(DENIED_NO_CONNECTION);

	see(&opened, &packet, true, now);
	if (bpf_map_update_elem(&connections, &packet.flow, &opened, BPF_ANY))
		return deny(DENIED_FULL);
	return TC_ACT_OK;
}

SEC("tc")
int inbound(struct __sk_buff *skb)
{
	struct summary packet = {};
	struct connection *connection;
	__u64 now = bpf_ktime_get_ns();
	int verdict;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	verdict = read_packet(skb, false, &packet);
	if (verdict != TC_ACT_OK)
		return verdict;

	connection = bpf_map_lookup_elem(&connections, &packet.flow);
	if (!connection)
		return deny(DENIED_NO_CONNECTION);
	if (expired(connection, now)) {
		bpf_map_delete_elem(&connections, &packet.flow);
		return deny(DENIED_NO_CONNECTION);
	}
	if (connection->state == CT_CLOSED && packet.tcp.syn)
		return deny(DENIED_CLOSED);

	see(connection, &packet, false, now);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
