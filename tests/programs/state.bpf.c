/* A program that counts its runs. What it counts in is chosen by -D: a global variable of one kind or another, or a map
 * of any TYPE with any FLAGS.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef TYPE
#define TYPE BPF_MAP_TYPE_ARRAY
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef KEY /* of an array; in a trie it is a prefix of no bits */
#define KEY __u32
#endif

#if defined(GLOBAL)
int runs;
#elif defined(INITIALISED)
int runs = 40;
#elif defined(MISLEADING) /* written to, in a section that is named like one for constants */
int runs SEC(".data.rodata") = 40;
#elif defined(CONSTANT)
const volatile int runs = 7;
#else
#define MAP
struct {
	__uint(type, TYPE);
	__uint(max_entries, 4);
	__uint(map_flags, FLAGS);
	__type(key, KEY);
	__type(value, __u64);
#ifdef PINNED
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} bpftest_runs SEC(".maps");
#endif

/* More than any kernel gives: 2^58 bytes. */
#ifdef IMPOSSIBLE
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 29);
	__uint(key_size, 4);
	__uint(value_size, 1 << 29);
} too_large SEC(".maps");
#endif

SEC("tc")
int counted(struct __sk_buff *skb)
{
#if defined(CONSTANT)
	return runs;
#elif !defined(MAP)
	return ++*(volatile int *)&runs;
#else
	KEY key = 0;
	__u64 first = 1, *counter = bpf_map_lookup_elem(&bpftest_runs, &key);

#ifdef READS
	return counter ? *counter : -1;
#else
	if (!counter)
		return bpf_map_update_elem(&bpftest_runs, &key, &first, BPF_NOEXIST) ? -1 : first;
	return ++*counter;
#endif
#endif
}

/* Does not verify. */
SEC("tc")
int careless(struct __sk_buff *skb)
{
	return *(char *)(long)skb->data;
}

char _license[] SEC("license") = "GPL";
