// SPDX-License-Identifier: GPL-2.0
/*
 * Steers lookups of sockets: one listener serves every port of a whole prefix, which no bind() can say.
 *
 * Of 192.0.2.0/24 and 2001:db8:1::/64, a service with a socket of its own in services gets its port, and a socket in
 * listeners every other port of its protocol. ssh, other addresses and what there is no socket for are left to the
 * ordinary lookup. Peers in 198.51.100.0/24 and 2001:db8:bad::/48 are dropped, and UDP from the ports that
 * attacks are reflected by.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10
#define EAFNOSUPPORT 97

#define SSH 22
#define DNS 53
#define NTP 123

enum steering_slot {
	SLOT_TCP,
	SLOT_UDP,
	SLOT_TCP6,
	SLOT_UDP6,
	SLOTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

struct steering_service {
	__u8 family;
	__u8 protocol;
	__u16 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16);
	__type(key, struct steering_service);
	__type(value, __u64);
} services SEC(".maps");

static __always_inline bool ours(struct bpf_sk_lookup *ctx)
{
	switch (ctx->family) {
	case AF_INET:
		return (ctx->local_ip4 & bpf_htonl(0xffffff00)) == bpf_htonl(0xc0000200);
	case AF_INET6:
		return ctx->local_ip6[0] == bpf_htonl(0x20010db8) && ctx->local_ip6[1] == bpf_htonl(0x00010000);
	}
	return false;
}

static __always_inline bool blocked(struct bpf_sk_lookup *ctx)
{
	switch (ctx->family) {
	case AF_INET:
		return (ctx->remote_ip4 & bpf_htonl(0xffffff00)) == bpf_htonl(0xc6336400);
	case AF_INET6:
		return ctx->remote_ip6[0] == bpf_htonl(0x20010db8) &&
		       (ctx->remote_ip6[1] & bpf_htonl(0xffff0000)) == bpf_htonl(0x0bad0000);
	}
	return false;
}

/* Nobody here has asked: answers to our own questions find the socket that is connected before any program runs. */
static __always_inline bool reflected(struct bpf_sk_lookup *ctx)
{
	__u16 port = bpf_ntohs(ctx->remote_port);

	return ctx->protocol == IPPROTO_UDP && (port == DNS || port == NTP);
}

static __always_inline struct bpf_sock *socket_for(struct bpf_sk_lookup *ctx)
{
	struct steering_service service = {
		.family = ctx->family,
		.protocol = ctx->protocol,
		.port = ctx->local_port,
	};
	__u32 slot = (ctx->family == AF_INET6 ? SLOT_TCP6 : SLOT_TCP) + (ctx->protocol == IPPROTO_UDP);
	struct bpf_sock *sk = bpf_map_lookup_elem(&services, &service);

	return sk ?: bpf_map_lookup_elem(&listeners, &slot);
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sk;
	__s32 err;

	if (!ours(ctx) || ctx->local_port == SSH)
		return SK_PASS;
	if (blocked(ctx) || reflected(ctx))
		return SK_DROP;

	sk = socket_for(ctx);
	if (!sk)
		return SK_PASS;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	switch (err) {
	case 0:
	case -EAFNOSUPPORT: /* a socket for IPv4 in the place of one for IPv6: it has nothing to say here */
		return SK_PASS;
	}
	return SK_DROP; /* better nobody answers than somebody else */
}

char LICENSE[] SEC("license") = "GPL";
