/* Programs whose results depend on all that a suite can set: packets, contexts, maps and globals. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 factor = 2;
__u32 base = 10;
__u32 other = 5; /* behind it: a section is written as a whole */
__u32 offset;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} many SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} on_each SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u32);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} following SEC(".maps");

static __u32 total(void)
{
	__u32 key = 0, one = 1, seven = 7, job = 0;
	__u64 *in_table = bpf_map_lookup_elem(&table, &one);
	__u32 *in_many = bpf_map_lookup_elem(&many, &seven), *here = bpf_map_lookup_elem(&on_each, &key);

	bpf_map_pop_elem(&jobs, &job);
	return base * factor + other + offset + (in_table ? *in_table : 0) + (in_many ? *in_many : 0) +
	       (here ? *here : 0) + job;
}

/* Adds one to the first byte, and to what later runs give. */
SEC("xdp")
int sum(struct xdp_md *ctx)
{
	__u8 *first = (void *)(long)ctx->data;

	if ((void *)(first + 1) > (void *)(long)ctx->data_end)
		return -1;
	++*first;
	return total() + offset++;
}

SEC("xdp")
int hop(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &following, 1);
	return 7;
}

SEC("xdp")
int cpu(struct xdp_md *ctx)
{
	return bpf_get_smp_processor_id();
}

SEC("tc")
int marked(struct __sk_buff *skb)
{
	return skb->mark + total();
}

SEC("raw_tp/reproduced")
int tick(struct bpf_raw_tracepoint_args *ctx)
{
	return total();
}

SEC("raw_tp/reproduced")
int told(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[0];
}

SEC("syscall")
int called(void *ctx)
{
	return total() + 1;
}

char _license[] SEC("license") = "GPL";
