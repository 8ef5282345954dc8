// SPDX-License-Identifier: GPL-2.0
/*
 * A token bucket in the operations of struct bpf_dummy_ops, the struct_ops that the kernel has for tests. The int of
 * its state counts the tokens.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define ENOENT 2
#define EAGAIN 11
#define EINVAL 22

#define FULL 100 /* tokens */
#define HOUR 3600000 /* ms */
#define PACKET_MAX 65536 /* bytes */
#define URGENT 1

/* Takes one token, and tells how many are left. The kernel hands over NULL where the caller has no bucket. */
SEC("struct_ops/test_1")
int BPF_PROG(take, struct bpf_dummy_ops_state *bucket)
{
	if (!bucket)
		return -ENOENT;
	if (bucket->val <= 0)
		return -EAGAIN;
	bucket->val -= 1;
	return bucket->val;
}

/*
 * Fills in what so many ms have brought, at rate tokens a second, and takes what a packet costs: a token for each
 * begun kilobyte. What is urgent may run into debt. Tells the cost.
 */
SEC("struct_ops/test_2")
int BPF_PROG(spend, struct bpf_dummy_ops_state *bucket, int bytes, unsigned short rate, char class,
	     unsigned long ms)
{
	__s64 tokens, cost;

	if (bytes <= 0 || bytes > PACKET_MAX || ms > HOUR)
		return -EINVAL;

	tokens = bucket->val + (__s64)(rate * ms / 1000);
	if (tokens > FULL)
		tokens = FULL;
	cost = ((__u32)bytes + 1023) / 1024;
	if (cost > tokens && class != URGENT)
		cost = -EAGAIN;
	else
		tokens -= cost;
	bucket->val = tokens;
	return cost;
}

SEC(".struct_ops")
struct bpf_dummy_ops token_bucket = {
	.test_1 = (void *)take,
	.test_2 = (void *)spend,
};

char LICENSE[] SEC("license") = "GPL";
