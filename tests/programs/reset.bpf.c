// SPDX-License-Identifier: GPL-2.0
/*
 * Each program returns what a run before it has left, and leaves something itself: 0 is what a case must see, however
 * many ran before it. One program a map, since an object's maps are reset, or loaded again, together.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define KEPT(NAME, TYPE, ...)                                                                                          \
	struct {                                                                                                       \
		__uint(type, TYPE);                                                                                    \
		__uint(max_entries, 4);                                                                                \
		__VA_ARGS__                                                                                            \
	} NAME SEC(".maps")

#ifdef ARRAY
KEPT(kept, BPF_MAP_TYPE_ARRAY, __type(key, __u32); __type(value, __u64););
#elif defined(PERCPU_ARRAY)
KEPT(kept, BPF_MAP_TYPE_PERCPU_ARRAY, __type(key, __u32); __type(value, __u64););
#elif defined(HASH)
KEPT(kept, BPF_MAP_TYPE_HASH, __type(key, __u32); __type(value, __u64););
#elif defined(PERCPU_HASH)
KEPT(kept, BPF_MAP_TYPE_PERCPU_HASH, __type(key, __u32); __type(value, __u64););
#elif defined(LRU_HASH)
KEPT(kept, BPF_MAP_TYPE_LRU_HASH, __type(key, __u32); __type(value, __u64););
#elif defined(LPM_TRIE)
struct prefix {
	__u32 length;
	__u32 address;
};
KEPT(kept, BPF_MAP_TYPE_LPM_TRIE, __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct prefix); __type(value, __u64););
#elif defined(LOCKED)
struct locked {
	struct bpf_spin_lock lock;
	__u64 number;
};
KEPT(kept, BPF_MAP_TYPE_ARRAY, __type(key, __u32); __type(value, struct locked););
#elif defined(QUEUE)
KEPT(kept, BPF_MAP_TYPE_QUEUE, __type(value, __u64););
#elif defined(LARGE)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
} kept SEC(".maps");
#endif

__u64 zero;
__u64 seven = 7;
static volatile __u32 hidden;

SEC("tc")
int leaves(struct __sk_buff *skb)
{
	__u64 before = 0, *found;

#ifdef QUEUE
	bpf_map_pop_elem(&kept, &before);
	__u64 one = 1;
	bpf_map_push_elem(&kept, &one, 0);
#elif defined(LPM_TRIE)
	struct prefix key = {.length = 8, .address = 10};
	__u64 one = 1;
	found = bpf_map_lookup_elem(&kept, &key);
	if (found)
		before = *found;
	bpf_map_update_elem(&kept, &key, &one, 0);
#elif defined(LOCKED)
	__u32 key = 2;
	struct locked *locked = bpf_map_lookup_elem(&kept, &key);
	if (locked) {
		bpf_spin_lock(&locked->lock);
		before = locked->number++;
		bpf_spin_unlock(&locked->lock);
	}
#elif defined(GLOBALS)
	before = zero++ + (seven++ - 7) + hidden++;
#else
	__u32 key = 2;
	__u64 one = 1;
	found = bpf_map_lookup_elem(&kept, &key);
	if (found)
		before = *found;
	bpf_map_update_elem(&kept, &key, &one, 0);
#endif
	return before;
}

char LICENSE[] SEC("license") = "GPL";
