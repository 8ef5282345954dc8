// SPDX-License-Identifier: GPL-2.0
/*
 * The event log of a host, at tc ingress, for TCP and UDP over IPv4.
 *
 * Whoever reads the ring buffer `events` hears of each flow when it opens and when it closes, and of each packet that
 * is denied. A denied packet's first bytes are in `captures` too, for a reader that wants to see it. Where the reader
 * is too slow the event is lost, and counted.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define IP_FRAGMENT 0x3fff /* MF or an offset */

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

enum verdict {
	PASSED,
	DENIED,
	NOT_LOGGED, /* no TCP or UDP over IPv4; it passes */
	VERDICTS,
};

enum event_kind {
	FLOW_OPEN,
	FLOW_CLOSE,
	FLOW_DENIED,
};

struct flow {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 protocol;
};

struct traffic {
	__u64 packets;
	__u64 bytes; /* of IPv4 packets */
};

struct event {
	__u64 time; /* ns since boot */
	enum event_kind kind;
	struct flow flow;
	struct traffic traffic; /* FLOW_CLOSE: of the whole flow */
	char rule[12]; /* FLOW_DENIED: its name */
};

struct capture {
	__u32 length; /* of the whole packet */
	__u32 captured; /* bytes of it that follow */
};

/* clang leaves out of the BTF what is used in functions only. */
const struct event *unused_event __attribute__((unused));
const struct capture *unused_capture __attribute__((unused));

struct rule {
	char name[12];
};

const volatile bool log_flows = true; /* or denied packets only */
const volatile __u32 snap_length = 64; /* bytes of a denied packet */

__u64 lost_events;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} captures SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __be16);
	__type(value, struct rule);
} denied_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, enum verdict);
	__type(value, __u64);
} verdicts SEC(".maps");

static __always_inline int judged(enum verdict verdict)
{
	__u64 *count = bpf_map_lookup_elem(&verdicts, &verdict);

	if (count)
		++*count;
	return verdict == DENIED ? TC_ACT_SHOT : TC_ACT_OK;
}

static __always_inline void log_event(enum event_kind kind, const struct flow *flow, const struct traffic *traffic,
				      const struct rule *rule)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost_events, 1);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->kind = kind;
	event->flow = *flow;
	if (traffic)
		event->traffic = *traffic;
	if (rule)
		__builtin_memcpy(event->rule, rule->name, sizeof(event->rule));
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void capture(struct __sk_buff *skb)
{
	struct capture header = {
		.length = skb->len,
		.captured = skb->len < snap_length ? skb->len : snap_length,
	};

	bpf_perf_event_output(skb, &captures, BPF_F_CURRENT_CPU | (__u64)header.captured << 32, &header,
			      sizeof(header));
}

/* What a packet belongs to; whether it ends that. False for what is not logged. */
static __always_inline bool read_flow(struct __sk_buff *skb, struct flow *flow, __u32 *bytes, bool *ends)
{
	struct iphdr ip;
	__be16 ports[2]; /* source, destination */
	struct tcphdr tcp;
	__u32 transport;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return false;
	if (ip.frag_off & bpf_htons(IP_FRAGMENT) || (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP))
		return false;

	transport = ETH_HLEN + ip.ihl * 4;
	if (bpf_skb_load_bytes(skb, transport, ports, sizeof(ports)))
		return false;
	if (ip.protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, transport, &tcp, sizeof(tcp)))
			return false;
		*ends = tcp.fin || tcp.rst;
	}

	*flow = (struct flow){ ip.saddr, ip.daddr, ports[0], ports[1], ip.protocol };
	*bytes = bpf_ntohs(ip.tot_len);
	return true;
}

SEC("tc")
int log_packet(struct __sk_buff *skb)
{
	struct flow flow = {};
	struct traffic first = {}, *traffic;
	struct rule *rule;
	__u32 bytes = 0;
	bool ends = false;

	if (!read_flow(skb, &flow, &bytes, &ends))
		return judged(NOT_LOGGED);

	rule = bpf_map_lookup_elem(&denied_ports, &flow.destination_port);
	if (rule) {
		log_event(FLOW_DENIED, &flow, NULL, rule);
		capture(skb);
		return judged(DENIED);
	}

	traffic = bpf_map_lookup_elem(&flows, &flow);
	if (!traffic) {
		bpf_map_update_elem(&flows, &flow, &first, BPF_ANY);
		traffic = bpf_map_lookup_elem(&flows, &flow);
		if (!traffic)
			return judged(PASSED);
		if (log_flows)
			log_event(FLOW_OPEN, &flow, NULL, NULL);
	}
	__sync_fetch_and_add(&traffic->packets, 1);
	__sync_fetch_and_add(&traffic->bytes, bytes);
	if (ends) {
		if (log_flows)
			log_event(FLOW_CLOSE, &flow, traffic, NULL);
		bpf_map_delete_elem(&flows, &flow);
	}
	return judged(PASSED);
}

char LICENSE[] SEC("license") = "GPL";
