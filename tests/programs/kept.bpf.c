/* Maps and global variables of the kinds that suites read and fill. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__u32 packets;
	__u8 mac[6];
	__u16 flags;
};

struct prefix {
	__u32 length;
	__u8 address[4];
};

#define MAP(name, kind, key_type, value_type)            \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_##kind);       \
		__uint(max_entries, 4);                  \
		__uint(map_flags, kind##_FLAGS);         \
		__type(key, key_type);                   \
		__type(value, value_type);               \
	} name SEC(".maps")
#define HASH_FLAGS 0
#define ARRAY_FLAGS 0
#define PERCPU_ARRAY_FLAGS 0
#define PERCPU_HASH_FLAGS 0
#define LPM_TRIE_FLAGS BPF_F_NO_PREALLOC

MAP(counts, ARRAY, __u32, __u64);
MAP(flows, HASH, __u32, struct flow);
MAP(hits, PERCPU_ARRAY, __u32, __u64);
MAP(per_flow, PERCPU_HASH, __u32, struct flow);
MAP(routes, LPM_TRIE, struct prefix, __u32);

/* Without types: BTF tells the sizes alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__uint(key_size, 2);
	__uint(value_size, 4);
} untyped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

int passed;
struct flow last = { .packets = 5, .flags = 1 };
const volatile short limit = 7;

SEC("xdp")
int keeps(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (count)
		*count += limit;
	passed++;
	last.packets++;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
