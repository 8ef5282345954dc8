// SPDX-License-Identifier: GPL-2.0
/*
 * A load balancer at XDP, one of several that share their clients.
 *
 * A packet for a service goes on to one of the servers behind it (its reals), inside UDP, as GUE variant 1 has it.
 * Which one, the service's ring says, at the place that a hash of the flow gives. User space fills the rings by
 * consistent hashing, the same on every balancer, and puts a new ring in the place of the old when servers come or go:
 * a map in a map is exchanged at once. A connection that a balancer knows stays where it is all the same.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define IP_FRAGMENT 0x3fff /* MF or an offset */

#define GUE_PORT 6080
#define MTU 1500

#define RING_SIZE 64 /* places; 65537 where there are more servers */
#define MAX_SERVICES 512
#define MAX_REALS 4096

struct service_key {
	__be32 address;
	__be16 port;
	__u16 protocol;
};

enum service_flags {
	SERVICE_BY_SOURCE = 1, /* all flows of a client go to the same server */
	SERVICE_STATELESS = 2, /* connections are not remembered */
};

struct service {
	__u32 id; /* in rings and stats */
	enum service_flags flags;
};

struct flow {
	__be32 source;
	__be16 source_port;
	__be16 port;
	__be32 address;
	__u32 protocol;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

/* How packets leave. */
const volatile struct {
	__be32 address;
	__u8 mac[ETH_ALEN];
	__u8 gateway[ETH_ALEN];
} uplink = {
	.address = bpf_htonl(0x0a000001), /* 10.0.0.1 */
	.mac = { 0x02, 0, 0, 0, 0, 0x01 },
	.gateway = { 0x02, 0, 0, 0, 0, 0xfe },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SERVICES);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RING_SIZE);
	__type(key, __u32);
	__type(value, __u32); /* index in reals */
} ring_a SEC(".maps"), ring_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, MAX_SERVICES);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_REALS);
	__type(key, __u32);
	__type(value, __be32); /* 0.0.0.0: there is none */
} reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, __u32); /* index in reals */
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct traffic);
} stats SEC(".maps");

/* Drops: what user space has not set up. */
struct {
	__u64 no_ring;
	__u64 no_real;
} dropped;

struct l4_packet {
	struct ethhdr eth;
	struct iphdr ip;
	__be16 source_port;
	__be16 port;
} __attribute__((packed));

struct gue_headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9e3779b1;
	return hash ^ hash >> 15;
}

/* The same on every balancer: nothing of the machine's own goes into it. */
static __always_inline __u32 flow_hash(const struct flow *flow, enum service_flags flags)
{
	__u32 hash = mix(0, bpf_ntohl(flow->source));

	if (flags & SERVICE_BY_SOURCE)
		return hash;
	hash = mix(hash, bpf_ntohs(flow->source_port) << 16 | bpf_ntohs(flow->port));
	return mix(mix(hash, bpf_ntohl(flow->address)), flow->protocol);
}

static __always_inline bool read_flow(struct xdp_md *ctx, struct flow *flow, __u16 *length)
{
	struct l4_packet *packet = (void *)(long)ctx->data;

	if ((void *)(packet + 1) > (void *)(long)ctx->data_end || packet->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    packet->ip.version != 4 || packet->ip.ihl != 5 || packet->ip.frag_off & bpf_htons(IP_FRAGMENT))
		return false;
	if (packet->ip.protocol != IPPROTO_TCP && packet->ip.protocol != IPPROTO_UDP)
		return false;

	flow->source = packet->ip.saddr;
	flow->source_port = packet->source_port;
	flow->address = packet->ip.daddr;
	flow->port = packet->port;
	flow->protocol = packet->ip.protocol;
	*length = bpf_ntohs(packet->ip.tot_len);
	return true;
}

static __always_inline __u32 *real_by_ring(const struct service *service, __u32 hash)
{
	void *ring = bpf_map_lookup_elem(&rings, &service->id);
	__u32 place = hash % RING_SIZE;

	return ring ? bpf_map_lookup_elem(ring, &place) : NULL;
}

/* The index of the flow's server, of a known connection or by the ring. NULL if the service has no ring. */
static __always_inline __u32 *find_real(const struct service *service, const struct flow *flow, __u32 hash)
{
	__u32 *real;

	if (service->flags & SERVICE_STATELESS)
		return real_by_ring(service, hash);
	real = bpf_map_lookup_elem(&connections, flow);
	if (real)
		return real;
	real = real_by_ring(service, hash);
	if (real)
		bpf_map_update_elem(&connections, flow, real, BPF_ANY);
	return real;
}

static __always_inline void count(__u32 service, __u16 bytes)
{
	struct traffic *traffic = bpf_map_lookup_elem(&stats, &service);

	if (!traffic)
		return;
	traffic->packets++;
	traffic->bytes += bytes;
}

static __always_inline struct iphdr outer_ip(__be32 to, __u16 length)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(length),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = uplink.address,
		.daddr = to,
	};
	__u32 sum = bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = ~sum;
	return ip;
}

/* Puts a packet of length bytes into UDP; the source port spreads the flows over paths and queues. */
static __always_inline int send_to(struct xdp_md *ctx, __be32 real, __u32 hash, __u16 length)
{
	struct gue_headers *outer;

	if (bpf_xdp_adjust_head(ctx, (int)sizeof(struct ethhdr) - (int)sizeof(*outer)))
		return XDP_DROP;
	outer = (void *)(long)ctx->data;
	if ((void *)(outer + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;

	for (int i = 0; i < ETH_ALEN; i++) {
		outer->eth.h_dest[i] = uplink.gateway[i];
		outer->eth.h_source[i] = uplink.mac[i];
	}
	outer->eth.h_proto = bpf_htons(ETH_P_IP);
	outer->ip = outer_ip(real, length + sizeof(outer->ip) + sizeof(outer->udp));
	outer->udp = (struct udphdr){
		.source = bpf_htons(0xc000 | hash >> 18),
		.dest = bpf_htons(GUE_PORT),
		.len = bpf_htons(length + sizeof(outer->udp)),
	};
	return XDP_TX;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	struct service_key key = {};
	struct service *service;
	struct flow flow = {};
	__u32 *index, hash;
	__be32 *real;
	__u16 length;

	if (!read_flow(ctx, &flow, &length))
		return XDP_PASS;
	key = (struct service_key){ .address = flow.address, .port = flow.port, .protocol = flow.protocol };
	service = bpf_map_lookup_elem(&services, &key);
	if (!service || length > MTU - sizeof(struct iphdr) - sizeof(struct udphdr))
		return XDP_PASS; /* what does not fit, the stack answers with "fragmentation needed" */

	hash = flow_hash(&flow, service->flags);
	count(service->id, length);
	index = find_real(service, &flow, hash);
	if (!index) {
		__sync_fetch_and_add(&dropped.no_ring, 1);
		return XDP_DROP;
	}
	real = bpf_map_lookup_elem(&reals, index);
	if (!real || !*real) {
		__sync_fetch_and_add(&dropped.no_real, 1);
		return XDP_DROP;
	}
	return send_to(ctx, *real, hash, length);
}

char LICENSE[] SEC("license") = "GPL";
