// SPDX-License-Identifier: GPL-2.0
/*
 * Each program returns what was left before it, and leaves something itself: 0 is what a case must see first, however
 * many ran before it. Where only user space can leave something, a case does. One program a map, chosen by -D, since
 * all maps of an object are reset, or loaded again, together.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef ENTRIES
#define ENTRIES 4
#endif

#define KEPT(TYPE, ...)                                                                                                \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##TYPE);                                                                     \
		__uint(max_entries, ENTRIES);                                                                          \
		__VA_ARGS__                                                                                            \
	} kept SEC(".maps")
#define NUMBERS __type(key, __u32); __type(value, __u64);

#define USED static __attribute__((always_inline)) __u64 used(struct __sk_buff *skb)

/* What a map with keys had at key 2, where it has 1 then. */
#define COUNTED(key_type, ...)                                                                                         \
	USED                                                                                                           \
	{                                                                                                              \
		key_type key = __VA_ARGS__;                                                                            \
		__u64 one = 1, before, *found = bpf_map_lookup_elem(&kept, &key);                                      \
                                                                                                                       \
		before = found ? *found : 0;                                                                           \
		bpf_map_update_elem(&kept, &key, &one, 0);                                                             \
		return before;                                                                                         \
	}

#if defined(SOCKMAP) || defined(SOCKHASH) || defined(SK_STORAGE)
const volatile __be16 port;

/* The socket that listens there, whosever it is; it must be released. */
static __attribute__((always_inline)) struct bpf_sock *listener(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {.ipv4 = {.daddr = bpf_htonl(0x7f000001), .dport = port}};

	return bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}
#endif

#if defined(ARRAY)
KEPT(ARRAY, NUMBERS);
COUNTED(__u32, 2)

#elif defined(SINGLE) /* not global variables, which are such too */
#undef ENTRIES
#define ENTRIES 1
KEPT(ARRAY, NUMBERS __uint(map_flags, BPF_F_MMAPABLE););
COUNTED(__u32, 0)

#elif defined(PERCPU_ARRAY)
KEPT(PERCPU_ARRAY, NUMBERS);
COUNTED(__u32, 2)

#elif defined(HASH)
KEPT(HASH, NUMBERS);
COUNTED(__u32, 2)

#elif defined(HASH_NOT_PREALLOCATED)
KEPT(HASH, NUMBERS __uint(map_flags, BPF_F_NO_PREALLOC););
COUNTED(__u32, 2)

#elif defined(PERCPU_HASH)
KEPT(PERCPU_HASH, NUMBERS);
COUNTED(__u32, 2)

#elif defined(LRU_HASH)
KEPT(LRU_HASH, NUMBERS);
COUNTED(__u32, 2)

#elif defined(LRU_PERCPU_HASH)
KEPT(LRU_PERCPU_HASH, NUMBERS);
COUNTED(__u32, 2)

#elif defined(FULL) /* a hash map has as much room as at first */
KEPT(HASH, NUMBERS);
USED
{
	__u64 one = 1, failed = 0;

#pragma unroll
	for (int at = 0; at < ENTRIES; at++) {
		__u32 key = at;

		failed += bpf_map_update_elem(&kept, &key, &one, BPF_NOEXIST) != 0;
	}
	return failed;
}

#elif defined(LPM_TRIE)
struct prefix {
	__u32 length;
	__u32 address;
};
KEPT(LPM_TRIE, __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct prefix); __type(value, __u64););
COUNTED(struct prefix, {.length = 8, .address = 10})

#elif defined(QUEUE) || defined(STACK)
#ifdef QUEUE
KEPT(QUEUE, __type(value, __u64););
#else
KEPT(STACK, __type(value, __u64););
#endif
USED
{
	__u64 before = 0, one = 1;

	bpf_map_pop_elem(&kept, &before);
	bpf_map_push_elem(&kept, &one, 0);
	bpf_map_push_elem(&kept, &one, 0);
	return before;
}

#elif defined(BLOOM_FILTER)
KEPT(BLOOM_FILTER, __type(value, __u64););
USED
{
	__u64 one = 1, there = bpf_map_peek_elem(&kept, &one) == 0;

	bpf_map_push_elem(&kept, &one, 0);
	return there;
}

#elif defined(ARRAY_OF_MAPS) || defined(HASH_OF_MAPS) || defined(FILLED_ARRAY_OF_MAPS) || defined(TIMER_IN_INNER)
#ifdef TIMER_IN_INNER
struct timed {
	__u64 number;
	struct bpf_timer timer;
};
#endif
struct numbers {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
#ifdef TIMER_IN_INNER
	__type(value, struct timed);
#else
	__type(value, __u64);
#endif
};
#ifdef TIMER_IN_INNER /* else clang leaves struct timed out of BTF */
struct numbers unused SEC(".maps");
#endif
#if defined(HASH_OF_MAPS)
KEPT(HASH_OF_MAPS, __type(key, __u32); __array(values, struct numbers););
#elif defined(FILLED_ARRAY_OF_MAPS) /* key 2 is the object's own: a case may write over it */
struct numbers first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__array(values, struct numbers);
} kept SEC(".maps") = {.values = {[2] = (void *)&first}};
#else
KEPT(ARRAY_OF_MAPS, __type(key, __u32); __array(values, struct numbers););
#endif
USED
{
	__u32 key = 2;
	__u64 __attribute__((unused)) one = 1, *found;
	void *inner = bpf_map_lookup_elem(&kept, &key);

#if defined(FILLED_ARRAY_OF_MAPS)
	__u32 empty = 3;
	__u64 before;

	if (!inner || bpf_map_lookup_elem(&kept, &empty))
		return 8;
	found = bpf_map_lookup_elem(inner, &key);
	before = found ? *found : 0;
	bpf_map_update_elem(inner, &key, &one, 0);
	return bpf_map_lookup_elem(&first, &key) ? before : 9;
#elif defined(TIMER_IN_INNER)
	struct timed *timed = inner ? bpf_map_lookup_elem(inner, &key) : 0;

	if (!timed)
		return 0;
	return bpf_timer_init(&timed->timer, inner, 1) ? 99 : 1;
#else
	found = inner ? bpf_map_lookup_elem(inner, &key) : 0;
	return found ? *found : 0;
#endif
}

#elif defined(PROG_ARRAY) || defined(FILLED_PROG_ARRAY)
int target(struct __sk_buff *skb);
int other(struct __sk_buff *skb);
#ifdef PROG_ARRAY
KEPT(PROG_ARRAY, __uint(key_size, 4); __array(values, int(struct __sk_buff *)););
#else /* key 2 is the object's own: a case may write over it */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, ENTRIES);
	__uint(key_size, 4);
	__array(values, int(struct __sk_buff *));
} kept SEC(".maps") = {.values = {[2] = (void *)&target}};
#endif
USED
{
	bpf_tail_call(skb, &kept, 3);
	bpf_tail_call(skb, &kept, 2);
#ifdef PROG_ARRAY
	return 0;
#else
	return 9;
#endif
}

SEC("tc")
int target(struct __sk_buff *skb)
{
#ifdef PROG_ARRAY
	return 1;
#else
	return 0;
#endif
}

SEC("tc")
int other(struct __sk_buff *skb)
{
	return 5;
}

#elif defined(DEVMAP) || defined(DEVMAP_HASH) || defined(CPUMAP)
#if defined(DEVMAP)
KEPT(DEVMAP, __type(key, __u32); __type(value, struct bpf_devmap_val););
#elif defined(DEVMAP_HASH)
KEPT(DEVMAP_HASH, __type(key, __u32); __type(value, struct bpf_devmap_val););
#else
KEPT(CPUMAP, __type(key, __u32); __type(value, struct bpf_cpumap_val););
#endif
USED
{
#ifdef CPUMAP
	return bpf_redirect_map(&kept, 0, 0); /* XDP_REDIRECT where the entry is there */
#else
	__u32 key = 0;

	return bpf_map_lookup_elem(&kept, &key) != 0;
#endif
}

#elif defined(SOCKMAP) || defined(SOCKHASH)
#ifdef SOCKMAP
KEPT(SOCKMAP, NUMBERS);
#else
KEPT(SOCKHASH, NUMBERS);
#endif
USED
{
	__u32 key = 2;
	struct bpf_sock *there = bpf_map_lookup_elem(&kept, &key), *found = listener(skb);

	if (!found) {
		if (there)
			bpf_sk_release(there);
		return 99;
	}
	bpf_map_update_elem(&kept, &key, found, BPF_ANY);
	bpf_sk_release(found);
	if (there)
		bpf_sk_release(there);
	return there != 0;
}

#elif defined(SK_STORAGE)
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} kept SEC(".maps");
USED
{
	struct bpf_sock *found = listener(skb);
	__u64 before = 99, *stored;

	if (!found)
		return before;
	stored = bpf_sk_storage_get(&kept, found, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (stored)
		before = (*stored)++;
	bpf_sk_release(found);
	return before;
}

#elif defined(RINGBUF)
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} kept SEC(".maps");
USED
{
	__u64 before = bpf_ringbuf_query(&kept, BPF_RB_PROD_POS), one = 1;

	bpf_ringbuf_output(&kept, &one, sizeof(one), 0);
	return before;
}

#elif defined(PERF_EVENT_ARRAY)
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} kept SEC(".maps");
USED
{
	__u64 one = 1;

	return bpf_perf_event_output(skb, &kept, BPF_F_CURRENT_CPU, &one, sizeof(one)) == 0;
}

#elif defined(LOCKED)
struct locked {
	struct bpf_spin_lock lock;
	__u64 number;
};
KEPT(ARRAY, __type(key, __u32); __type(value, struct locked););
USED
{
	__u32 key = 2;
	__u64 before = 0;
	struct locked *found = bpf_map_lookup_elem(&kept, &key);

	if (found) {
		bpf_spin_lock(&found->lock);
		before = found->number++;
		bpf_spin_unlock(&found->lock);
	}
	return before;
}

#elif defined(TIMER)
struct timed {
	struct bpf_timer timer;
	__u64 number;
};
KEPT(ARRAY, __type(key, __u32); __type(value, struct timed););
USED
{
	__u32 key = 2;
	struct timed *found = bpf_map_lookup_elem(&kept, &key);

	return found ? bpf_timer_init(&found->timer, &kept, 1) != 0 : 99; /* EBUSY where it is already */
}

#elif defined(KPTR)
struct bpftest_node {
	__u64 number;
};
struct holder {
	struct bpftest_node __attribute__((btf_type_tag("kptr"))) * node;
};
KEPT(ARRAY, __type(key, __u32); __type(value, struct holder););
extern void *bpf_obj_new_impl(__u64 type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *object, void *meta) __ksym;
USED
{
	__u32 key = 2;
	struct holder *found = bpf_map_lookup_elem(&kept, &key);
	struct bpftest_node *made, *before;

	if (!found)
		return 99;
	made = bpf_obj_new_impl(bpf_core_type_id_local(struct bpftest_node), 0);
	if (!made)
		return 99;
	before = bpf_kptr_xchg(&found->node, made);
	if (!before)
		return 0;
	bpf_obj_drop_impl(before, 0);
	return 1;
}

#elif defined(GLOBALS)
__u64 zero;
__u64 seven = 7;
__u64 eight SEC(".data.own") = 8;
static volatile __u32 hidden;
USED
{
	return zero++ + (seven++ - 7) + (eight++ - 8) + hidden++;
}
#endif

SEC("tc")
int leaves(struct __sk_buff *skb)
{
	return used(skb);
}

char LICENSE[] SEC("license") = "GPL";
