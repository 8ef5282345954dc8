/* Programs that send records: `sent` says how many and how large they are. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef RING_BYTES
#define RING_BYTES 4096
#endif

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

enum kind {
	SUBMITTED = 1,
	WRITTEN,
	SENT,
	WITH_PACKET,
};

struct event {
	__u32 number;
	enum kind kind;
	__u64 last;
};

struct visit {
	__be32 address;
	char name[8];
};

struct inside { /* of functions only: clang leaves it out of the BTF */
	__u64 number;
};

const struct event *unused_event;
const struct visit *unused_visit;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sent SEC(".maps");

static __u32 next_number(void)
{
	__u32 key = 0, *number = bpf_map_lookup_elem(&sent, &key);

	return number ? (*number)++ : 0;
}

/* Three slots: one submitted, one discarded, one written at once. Returns how many found room. */
SEC("tc")
int to_ring(struct __sk_buff *skb)
{
	struct event *event, copy = {.kind = WRITTEN};
	int found = 0;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (event) {
		*event = (struct event){.number = next_number(), .kind = SUBMITTED, .last = -1};
		bpf_ringbuf_submit(event, 0);
		found++;
	}
	event = bpf_ringbuf_reserve(&ring, 100, 0);
	if (event) {
		bpf_ringbuf_discard(event, 0);
		found++;
	}
	copy.number = next_number();
	return found + !bpf_ringbuf_output(&ring, &copy, 9, BPF_RB_NO_WAKEUP);
}

/* A record whose length the first four bytes of the packet say. */
SEC("tc")
int length_to_ring(struct __sk_buff *skb)
{
	static char bytes[2048] = {[0 ... 2047] = 'x'};
	__u32 length = 0;

	bpf_skb_load_bytes(skb, 14, &length, 4);
	if (length > sizeof(bytes))
		return -1;
	return bpf_ringbuf_output(&ring, bytes, length, 0);
}

SEC("xdp")
int to_perf(struct xdp_md *ctx)
{
	struct event event = {.number = next_number(), .kind = SENT};

	return bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &event, sizeof(event));
}

/* With the first bytes of the packet behind the event. */
SEC("xdp")
int packet_to_perf(struct xdp_md *ctx)
{
	struct event event = {.number = next_number(), .kind = WITH_PACKET};
	__u64 length = (long)ctx->data_end - (long)ctx->data;

	return bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU | length << 32, &event, sizeof(event));
}

/* The number of the CPU that it runs on. */
SEC("raw_tp")
int from_cpu(struct bpf_raw_tracepoint_args *ctx)
{
	struct inside cpu = {.number = bpf_get_smp_processor_id()};

	return bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &cpu, sizeof(cpu));
}

char LICENSE[] SEC("license") = "GPL";
