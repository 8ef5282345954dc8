// SPDX-License-Identifier: GPL-2.0
/* A small program for each type of map: it uses the map the way such maps are used, and does nothing else. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define MAP(name, kind, entries, key_type, value_type)       \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_##kind);           \
		__uint(max_entries, entries);                \
		__type(key, key_type);                       \
		__type(value, value_type);                   \
	} name SEC(".maps")

/* Of a map without keys. */
#define POOL(name, kind, entries, value_type)                \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_##kind);           \
		__uint(max_entries, entries);                \
		__type(value, value_type);                   \
	} name SEC(".maps")

enum verdict { UNKNOWN, TRUSTED, BANNED };

struct session {
	__u32 packets;
	__u32 bytes;
	enum verdict verdict;
};

struct prefix {
	__u32 length;
	__be32 address;
};

struct job {
	__be32 client;
	__u16 port;
};

/* The packet, as far as the programs here look into it: Ethernet, IPv4 without options, UDP. */
struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static struct packet *packet_of(struct xdp_md *ctx)
{
	struct packet *packet = (void *)(long)ctx->data;

	return (void *)(packet + 1) > (void *)(long)ctx->data_end ? NULL : packet;
}

/* The destination port, which stands for whatever a program chooses by; 65535 of a packet that is too short. */
static __u32 port_of(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);

	return packet ? bpf_ntohs(packet->udp.dest) : 0xffff;
}

/* Arrays: all entries are always there, and zero at first. */

MAP(by_port, ARRAY, 4, __u32, __u64);

SEC("xdp")
int count_by_port(struct xdp_md *ctx)
{
	__u32 port = port_of(ctx);
	__u64 *count = bpf_map_lookup_elem(&by_port, &port);

	if (!count)
		return XDP_DROP;
	*count += 1;
	return XDP_PASS;
}

MAP(received, PERCPU_ARRAY, 1, __u32, struct session);

SEC("xdp")
int count_on_cpu(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct session *total = bpf_map_lookup_elem(&received, &key);

	if (!total)
		return XDP_ABORTED;
	total->packets += 1;
	total->bytes += ctx->data_end - ctx->data;
	return XDP_PASS;
}

/* Hashes, by the address that a packet comes from. */

MAP(sessions, HASH, 1024, __be32, struct session);
MAP(recent, LRU_HASH, 64, __be32, __u64);
MAP(on_cpus, PERCPU_HASH, 64, __be32, __u32);
MAP(recent_on_cpus, LRU_PERCPU_HASH, 64, __be32, __u32);

SEC("xdp")
int follow_session(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	struct session fresh = {};
	struct session *session;

	if (!packet)
		return XDP_ABORTED;
	session = bpf_map_lookup_elem(&sessions, &packet->ip.saddr);
	if (!session) {
		bpf_map_update_elem(&sessions, &packet->ip.saddr, &fresh, BPF_NOEXIST);
		session = bpf_map_lookup_elem(&sessions, &packet->ip.saddr);
	}
	if (!session)
		return XDP_ABORTED;
	session->packets += 1;
	session->bytes += ctx->data_end - ctx->data;
	return session->verdict == BANNED ? XDP_DROP : XDP_PASS;
}

#define COUNT(map, type)                                                              \
	SEC("xdp")                                                                    \
	int count_in_##map(struct xdp_md *ctx)                                        \
	{                                                                             \
		struct packet *packet = packet_of(ctx);                                  \
		type one = 1, *count;                                                 \
                                                                                      \
		if (!packet)                                                          \
			return XDP_ABORTED;                                           \
		count = bpf_map_lookup_elem(&map, &packet->ip.saddr);                 \
		if (count)                                                            \
			*count += 1;                                                  \
		else                                                                  \
			bpf_map_update_elem(&map, &packet->ip.saddr, &one, BPF_ANY);  \
		return XDP_PASS;                                                      \
	}

COUNT(recent, __u64)
COUNT(on_cpus, __u32)
COUNT(recent_on_cpus, __u32)

/* An LPM trie, by the address that a packet goes to. */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct prefix);
	__type(value, __u32);
} actions SEC(".maps");

SEC("xdp")
int act_by_prefix(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	struct prefix key = { .length = 32 };
	__u32 *action;

	if (!packet)
		return XDP_ABORTED;
	key.address = packet->ip.daddr;
	action = bpf_map_lookup_elem(&actions, &key);
	return action ? *action : XDP_ABORTED;
}

/* Without keys. */

POOL(jobs, QUEUE, 4, struct job);
POOL(free_ports, STACK, 4, __u16);
POOL(seen, BLOOM_FILTER, 1000, __be32);

struct job in_hand;

/* Takes the first job, and puts one for this packet behind the last. */
SEC("xdp")
int work(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	struct job job = {};

	if (!packet)
		return XDP_ABORTED;
	if (!bpf_map_pop_elem(&jobs, &job))
		in_hand = job;
	job.client = packet->ip.saddr;
	job.port = bpf_ntohs(packet->udp.source);
	return bpf_map_push_elem(&jobs, &job, 0) ? XDP_DROP : XDP_PASS;
}

/* The port that has come back last is given away first. */
SEC("xdp")
int take_port(struct xdp_md *ctx)
{
	__u16 port;

	return bpf_map_pop_elem(&free_ports, &port) ? XDP_DROP : port;
}

SEC("xdp")
int first_time(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	__be32 source;

	if (!packet)
		return XDP_ABORTED;
	source = packet->ip.saddr;
	if (!bpf_map_peek_elem(&seen, &source))
		return XDP_DROP;
	bpf_map_push_elem(&seen, &source, 0);
	return XDP_PASS;
}

/* Programs as values. */

MAP(handlers, PROG_ARRAY, 4, __u32, __u32);

SEC("xdp")
int handle(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &handlers, port_of(ctx));
	return XDP_ABORTED;
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp")
int discard(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* Maps as values: how many packets each client has left, in a class of service or at a port. */

struct clients {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, __u32);
};

struct clients everybody SEC(".maps"), nobody SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct clients);
} by_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 64);
	__type(key, __u16);
	__array(values, struct clients);
} by_service SEC(".maps");

static int admit(void *clients, __be32 client)
{
	__u32 *left;

	if (!clients)
		return XDP_ABORTED;
	left = bpf_map_lookup_elem(clients, &client);
	if (!left || !*left)
		return XDP_DROP;
	*left -= 1;
	return XDP_PASS;
}

SEC("xdp")
int admit_by_class(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	__u32 class;

	if (!packet)
		return XDP_ABORTED;
	class = packet->ip.tos >> 6;
	return admit(bpf_map_lookup_elem(&by_class, &class), packet->ip.saddr);
}

SEC("xdp")
int admit_by_service(struct xdp_md *ctx)
{
	struct packet *packet = packet_of(ctx);
	__u16 port = port_of(ctx);

	if (!packet)
		return XDP_ABORTED;
	return admit(bpf_map_lookup_elem(&by_service, &port), packet->ip.saddr);
}

/* Interfaces and CPUs. Where there is no entry, bpf_redirect_map() gives back its flags. */

MAP(tx_ports, DEVMAP, 4, __u32, struct bpf_devmap_val);
MAP(tx_ports_by_id, DEVMAP_HASH, 4, __u32, struct bpf_devmap_val);
MAP(workers, CPUMAP, 4, __u32, struct bpf_cpumap_val);

SEC("xdp")
int to_port(struct xdp_md *ctx)
{
	return bpf_redirect_map(&tx_ports, port_of(ctx), XDP_DROP);
}

SEC("xdp")
int to_port_by_id(struct xdp_md *ctx)
{
	return bpf_redirect_map(&tx_ports_by_id, port_of(ctx), XDP_DROP);
}

SEC("xdp")
int to_worker(struct xdp_md *ctx)
{
	return bpf_redirect_map(&workers, port_of(ctx), XDP_DROP);
}

SEC("xdp/devmap")
int on_the_way_out(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp/cpumap")
int on_the_worker(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Sockets, as values and as keys. */

MAP(listeners, SOCKMAP, 4, __u32, __u64);
MAP(listeners_by_port, SOCKHASH, 4, __u16, __u64);

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct session);
} per_socket SEC(".maps");

SEC("tc")
int is_listening(struct __sk_buff *skb)
{
	__u16 port = skb->mark;
	struct bpf_sock *socket = bpf_map_lookup_elem(&listeners_by_port, &port);

	if (!socket)
		return TC_ACT_SHOT;
	bpf_sk_release(socket);
	return TC_ACT_OK;
}

SEC("tc")
int count_for_socket(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct bpf_sock *socket = bpf_map_lookup_elem(&listeners, &key);
	struct session *session;

	if (!socket)
		return TC_ACT_SHOT;
	session = bpf_sk_storage_get(&per_socket, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (session) {
		session->packets += 1;
		session->bytes += skb->len;
	}
	bpf_sk_release(socket);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
