/* A program that counts its runs. What it counts in is chosen by -D: a global variable, or a map with any FLAGS. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef FLAGS
#define FLAGS 0
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
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, FLAGS);
	__type(key, int);
	__type(value, int);
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
	int key = 0, *counter = bpf_map_lookup_elem(&bpftest_runs, &key);

	if (!counter)
		return -1;
#ifdef READS
	return *counter;
#else
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
