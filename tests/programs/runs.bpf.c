/* Programs that call each other, and code whose places must be right when something is put before it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

static __noinline int own(struct xdp_md *ctx, int number)
{
	return bpf_xdp_adjust_tail(ctx, -1) ? 0 : number + 1;
}

__noinline int shared(int number)
{
	return number * 3;
}

static long add(__u32 index, __u64 *sum)
{
	*sum += index;
	return 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 1);
	return XDP_DROP;
}

SEC("xdp")
int idle(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Calls of functions of its own and of global ones, a callback, and a loop. */
SEC("xdp")
int places(struct xdp_md *ctx)
{
	__u64 sum = 0;
	int index;

	bpf_loop(5, add, &sum, 0);
#pragma clang loop unroll(disable)
	for (index = 0; index < 7; index++)
		sum += own(ctx, index);
	return shared(sum);
}

SEC("syscall")
int sleepable(void *ctx)
{
	char byte;

	return bpf_copy_from_user(&byte, sizeof(byte), 0) ? 1 : 0;
}

SEC("xdp.frags")
int fragments(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return *(int *)(long)ctx->data;
}

char LICENSE[] SEC("license") = "GPL";
