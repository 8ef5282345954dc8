/* Programs that the verifier refuses, each for a reason of its own, and one that costs it something. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32[16]);
} table SEC(".maps");

SEC("xdp")
int short_check(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	if (data + 14 > data_end)
		return XDP_PASS;
	return data[23] == 6 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int no_null_check(struct xdp_md *ctx)
{
	__u32 key = 0, *value = bpf_map_lookup_elem(&table, &key);

	return *value;
}

SEC("xdp")
int no_bound(struct xdp_md *ctx)
{
	__u32 key = 0, *value = bpf_map_lookup_elem(&table, &key);

	if (!value)
		return XDP_ABORTED;
	return value[ctx->rx_queue_index];
}

SEC("xdp")
int no_end(struct xdp_md *ctx)
{
	for (;;)
		asm volatile("");
	return XDP_PASS;
}

SEC("xdp")
__attribute__((naked)) int no_value(void)
{
	asm volatile("exit;");
}

static __noinline int first_byte(unsigned char *data)
{
	return *data;
}

SEC("xdp")
int in_a_function(struct xdp_md *ctx)
{
	return first_byte((void *)(long)ctx->data);
}

static __noinline int large(int index)
{
	volatile char bytes[300];

	bytes[index & 255] = 1;
	return bytes[3];
}

SEC("xdp")
int too_much_stack(struct xdp_md *ctx)
{
	volatile char bytes[300];

	bytes[ctx->rx_queue_index & 255] = 1;
	return large(bytes[0]);
}

static __noinline int small(int index)
{
	char bytes[40] = {};

	asm volatile("" : : "r"(bytes) : "memory"); /* or clang would leave it out */
	return bytes[3] + index;
}

/* Two functions, one of which calls the other. */
SEC("xdp")
int costly(struct xdp_md *ctx)
{
	char bytes[20] = {};
	__u32 sum = 0;

	asm volatile("" : : "r"(bytes) : "memory");
	for (__u32 i = 0; i < 100; i++) {
		asm volatile("" : "+r"(i)); /* or clang would know the sum */
		sum += i;
	}
	return small(sum) + bytes[0] == 4950 ? XDP_PASS : XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
