// SPDX-License-Identifier: GPL-2.0
/*
 * A rate limiter at tc egress: a token bucket for each IPv4 source.
 *
 * A packet costs its bytes on the wire. A bucket begins full, at the burst of its source, and is filled again at the
 * source's rate; what it cannot pay for is dropped or marked. `plans` has the sources that are not like the others.
 *
 * The clock is the packet's own, its time of departure (skb->tstamp, which TCP and fq set), or else the kernel's.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HLEN 14
#define ETH_P_IP 0x0800

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define NSEC_PER_SEC 1000000000ULL

enum excess {
	EXCESS_DROP,
	EXCESS_MARK,
};

struct rate_plan {
	__u32 rate; /* bytes a second; 0: the bucket is never filled again */
	__u32 burst; /* bytes */
};

struct source_bucket {
	struct bpf_spin_lock lock;
	__u32 tokens; /* bytes */
	__u64 updated_ns;
};

const volatile struct rate_plan default_plan = { .rate = 1000000, .burst = 100000 };
const volatile enum excess on_excess = EXCESS_DROP;
const volatile __u32 excess_mark = 0xbad;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __be32);
	__type(value, struct rate_plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __be32);
	__type(value, struct source_bucket);
} buckets SEC(".maps");

struct {
	__u64 passed;
	__u64 exceeded;
} packets;

static __always_inline struct rate_plan plan_of(__be32 source)
{
	const struct rate_plan *own = bpf_map_lookup_elem(&plans, &source);

	if (own)
		return *own;
	return (struct rate_plan){ .rate = default_plan.rate, .burst = default_plan.burst };
}

static __always_inline struct source_bucket *bucket_of(__be32 source, const struct rate_plan *plan, __u64 now)
{
	struct source_bucket *bucket = bpf_map_lookup_elem(&buckets, &source);
	struct source_bucket full = { .tokens = plan->burst, .updated_ns = now };

	if (bucket)
		return bucket;
	bpf_map_update_elem(&buckets, &source, &full, BPF_NOEXIST); /* fails if another CPU was faster */
	return bpf_map_lookup_elem(&buckets, &source);
}

/* The clock of the bucket goes on by what the new tokens cost, not to now: slow rates lose nothing to rounding. */
static __always_inline void fill(struct source_bucket *bucket, const struct rate_plan *plan, __u64 now)
{
	__u64 elapsed = now - bucket->updated_ns;
	__u64 tokens;

	if (bucket->tokens > plan->burst)
		bucket->tokens = plan->burst; /* the plan has become smaller */
	if (!plan->rate || now <= bucket->updated_ns)
		return; /* packets may leave in another order than they come */
	if (elapsed >= plan->burst * NSEC_PER_SEC / plan->rate) {
		bucket->tokens = plan->burst;
		bucket->updated_ns = now;
		return;
	}

	tokens = elapsed * plan->rate / NSEC_PER_SEC;
	bucket->tokens = tokens < plan->burst - bucket->tokens ? bucket->tokens + tokens : plan->burst;
	bucket->updated_ns += tokens * NSEC_PER_SEC / plan->rate;
}

static __always_inline bool pay(struct source_bucket *bucket, const struct rate_plan *plan, __u32 bytes, __u64 now)
{
	bool paid;

	bpf_spin_lock(&bucket->lock);
	fill(bucket, plan, now);
	paid = bytes <= bucket->tokens;
	if (paid)
		bucket->tokens -= bytes;
	bpf_spin_unlock(&bucket->lock);
	return paid;
}

SEC("tc")
int limit(struct __sk_buff *skb)
{
	__u64 now = skb->tstamp ?: bpf_ktime_get_ns();
	struct source_bucket *bucket;
	struct rate_plan plan;
	__be32 source;

	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &source, sizeof(source)))
		return TC_ACT_SHOT;

	plan = plan_of(source);
	bucket = bucket_of(source, &plan, now);
	if (!bucket)
		return TC_ACT_SHOT; /* more sources than the map takes: an attack, or a map that is too small */

	if (pay(bucket, &plan, skb->wire_len, now)) {
		__sync_fetch_and_add(&packets.passed, 1);
		return TC_ACT_OK;
	}
	__sync_fetch_and_add(&packets.exceeded, 1);
	if (on_excess == EXCESS_DROP)
		return TC_ACT_SHOT;
	skb->mark = excess_mark;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
