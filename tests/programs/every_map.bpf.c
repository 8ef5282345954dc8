// SPDX-License-Identifier: GPL-2.0
/* A map of every type that user space can fill or look into, and programs to put into them. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct prefix {
	__u32 length;
	__u8 address[4];
};

#define MAP(name, kind, ...)                                     \
	struct {                                                 \
		__uint(type, BPF_MAP_TYPE_##kind);               \
		__uint(max_entries, 4);                          \
		__VA_ARGS__                                      \
	} name SEC(".maps")
#define TYPED(key_type, value_type) __type(key, key_type); __type(value, value_type);
#define FLAGS(flags) __uint(map_flags, flags);

MAP(array, ARRAY, TYPED(__u32, __u32));
MAP(percpu_array, PERCPU_ARRAY, TYPED(__u32, __u32));
MAP(hash, HASH, TYPED(__u32, __u32));
MAP(not_preallocated, HASH, TYPED(__u32, __u32) FLAGS(BPF_F_NO_PREALLOC));
MAP(percpu_hash, PERCPU_HASH, TYPED(__u32, __u32));
MAP(lru_hash, LRU_HASH, TYPED(__u32, __u32));
MAP(lru_percpu_hash, LRU_PERCPU_HASH, TYPED(__u32, __u32));
MAP(lpm_trie, LPM_TRIE, TYPED(struct prefix, __u32) FLAGS(BPF_F_NO_PREALLOC));
MAP(queue, QUEUE, __type(value, __u32););
MAP(stack, STACK, __type(value, __u32););
MAP(bloom_filter, BLOOM_FILTER, __type(value, __u32););
MAP(prog_array, PROG_ARRAY, TYPED(__u32, __u32));
MAP(devmap, DEVMAP, TYPED(__u32, struct bpf_devmap_val));
MAP(plain_devmap, DEVMAP, TYPED(__u32, __u32));
MAP(devmap_hash, DEVMAP_HASH, TYPED(__u32, struct bpf_devmap_val));
MAP(cpumap, CPUMAP, TYPED(__u32, struct bpf_cpumap_val));
MAP(sockmap, SOCKMAP, TYPED(__u32, __u64));
MAP(narrow_sockmap, SOCKMAP, TYPED(__u32, __u32));
MAP(sockhash, SOCKHASH, TYPED(__u32, __u64));
MAP(perf_event_array, PERF_EVENT_ARRAY, TYPED(__u32, __u32));
MAP(closed, ARRAY, TYPED(__u32, __u32) FLAGS(BPF_F_RDONLY));
MAP(hidden, ARRAY, TYPED(__u32, __u32) FLAGS(BPF_F_WRONLY));

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} sk_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ringbuf SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
};

struct inner inner SEC(".maps"), other_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} array_of_maps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} hash_of_maps SEC(".maps");

__u32 number;
__u32 numbers[4] SEC(".data.numbers") = {1, 2, 3, 4};

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &prog_array, 3);
	return XDP_PASS;
}

SEC("xdp")
int another(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp/devmap")
int leaving(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp/cpumap")
int on_cpu(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
