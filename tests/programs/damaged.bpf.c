/* What suites reach by its types: maps, globals, records. -DRELOCATED: with an access that libbpf relocates (CO-RE). */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum state { STARTED = 1, STOPPED };

struct flow {
	__be32 source;
	__be16 port;
	enum state state;
	union {
		__u64 bytes;
		__u8 raw[8];
	};
	struct {
		__u8 low : 3;
		__s8 high : 5;
	} bits[2];
	char name[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} rooms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const volatile __u32 limit = 5;
struct flow last = { .state = STOPPED, .name = "none" };
__u64 total;

#ifdef RELOCATED
struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));
#endif

SEC("tc")
int damaged(struct __sk_buff *skb)
{
	__u32 key = 1;
	struct flow *flow = bpf_map_lookup_elem(&flows, &key), *event;

#ifdef RELOCATED
	total += bpf_core_field_size(struct task_struct, tgid) - sizeof(int);
#endif
	if (!flow)
		return 0;
	flow->bytes += skb->len;
	flow->bits[1].high -= 1;
	total += limit;
	last = *flow;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		*event = *flow;
		bpf_ringbuf_submit(event, 0);
	}
	return flow->state;
}

char _license[] SEC("license") = "GPL";
