// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that are called like functions: a controller hands over a request and finds the answer in its place.
 *
 * plan shares a link among classes of traffic by their weights. normalise clears the host bits of a route's address.
 * They return 0, or a negative errno and leave the request as it was.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define EINVAL 22
#define ERANGE 34

#define PLAN_CLASSES 4
#define KBIT_MAX 400000000 /* 400 Gbit/s */

enum plan_rest {
	REST_UNUSED,
	REST_TO_FIRST, /* what rounding leaves over goes to the first class */
};

struct plan_class {
	char name[8];
	__u32 weight;
	__u32 kbit; /* answer: its share, kbit/s */
};

struct plan_request {
	__u64 kbit; /* of the link, kbit/s */
	__s32 reserve; /* percent to leave free; negative: to sell more than there is */
	__u16 count; /* of classes */
	bool planned; /* answer */
	enum plan_rest rest;
	struct {
		__u32 usec; /* how long a burst may last */
		__u64 bytes; /* answer: how much that is at the speed of the link */
	} burst;
	struct plan_class classes[PLAN_CLASSES];
	__s64 left; /* answer: what no class has got, kbit/s; negative: what is sold twice */
};

SEC("syscall")
int plan(struct plan_request *request)
{
	__u64 to_share, shared = 0;
	__u64 weights = 0;

	if (request->count > PLAN_CLASSES || request->rest > REST_TO_FIRST)
		return -EINVAL;
	if (!request->kbit || request->kbit > KBIT_MAX || request->reserve < -100 || request->reserve > 100)
		return -ERANGE;

	/* The verifier wants constant offsets into the context. */
#pragma clang loop unroll(full)
	for (int i = 0; i < PLAN_CLASSES; i++)
		if (i < request->count)
			weights += request->classes[i].weight;
	if (!weights)
		return -EINVAL;

	to_share = request->kbit * (100 - request->reserve) / 100;
#pragma clang loop unroll(full)
	for (int i = 0; i < PLAN_CLASSES; i++)
		if (i < request->count) {
			request->classes[i].kbit = to_share * request->classes[i].weight / weights;
			shared += request->classes[i].kbit;
		}
	if (request->rest == REST_TO_FIRST) {
		request->classes[0].kbit += to_share - shared;
		shared = to_share;
	}

	request->burst.bytes = request->kbit * request->burst.usec / 8000;
	request->left = request->kbit - shared;
	request->planned = true;
	return 0;
}

struct plan_route {
	__be32 address;
	__u8 length; /* of the prefix, bits */
	__u8 was_clean; /* answer */
	__be16 port;
};

SEC("syscall")
int normalise(struct plan_route *route)
{
	__be32 mask;

	if (route->length > 32)
		return -EINVAL;
	mask = bpf_htonl((__u32)(0xffffffffULL << (32 - route->length)));
	route->was_clean = (route->address & ~mask) == 0;
	route->address &= mask;
	return 0;
}

/* Takes no request: says which version of the requests it knows. */
SEC("syscall")
int version(void *nothing)
{
	return 3;
}

char LICENSE[] SEC("license") = "GPL";
