/* Programs for errnos.yaml: each is refused by the kernel, or run in a way that is refused. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_nf_ctx;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} two SEC(".maps");

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int tc_ok(struct __sk_buff *skb)
{
	return 0;
}

/* Changes the packet, and leaves skb->csum as it was. */
SEC("tc")
int careless(struct __sk_buff *skb)
{
	char byte = '!';

	return bpf_skb_store_bytes(skb, 20, &byte, 1, 0);
}

SEC("lwt_seg6local")
int segment(struct __sk_buff *skb)
{
	return 0;
}

SEC("flow_dissector")
int dissect(struct __sk_buff *skb)
{
	return 0;
}

/* Selects the socket, and would leave the choice to its group if it is in one. */
SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	__u32 key = 0;
	struct bpf_sock *found = bpf_map_lookup_elem(&targets, &key);

	if (!found)
		return SK_PASS;
	bpf_sk_assign(ctx, found, 0);
	bpf_sk_release(found);
	return SK_PASS;
}

SEC("netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
	return 1;
}

SEC("raw_tp/sys_enter")
int fourth_argument(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[3];
}

SEC("syscall")
int third_word(__u32 *ctx)
{
	return ctx[2];
}

SEC("fentry/bpf_fentry_test1")
int at_entry(__u64 *ctx)
{
	return 0;
}

#ifdef STRUCT_OPS
struct bpf_dummy_ops {
	int (*test_1)(void *state);
};

struct tcp_congestion_ops {
	__u32 (*ssthresh)(void *socket);
};

SEC("struct_ops/test_1")
int dummy_test(__u64 *ctx)
{
	return 0;
}

SEC("struct_ops/ssthresh")
int tcp_ssthresh(__u64 *ctx)
{
	return 2;
}

SEC(".struct_ops")
struct bpf_dummy_ops dummy = {
	.test_1 = (void *)dummy_test,
};

SEC(".struct_ops")
struct tcp_congestion_ops congestion = {
	.ssthresh = (void *)tcp_ssthresh,
};
#endif

#ifdef NO_SUCH_FUNCTION
extern int bpf_there_is_no_such_thing(void) __ksym;

SEC("tc")
int calls_nothing(struct __sk_buff *skb)
{
	return bpf_there_is_no_such_thing();
}
#endif

#if defined(LARGE) || defined(NO_MAP)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
#ifdef LARGE /* 2^58 bytes */
	__uint(max_entries, 1 << 29);
	__uint(key_size, 4);
	__uint(value_size, 1 << 29);
#else
	__uint(max_entries, 1);
	__uint(key_size, 3); /* of an array, it is 4 */
	__uint(value_size, 8);
#endif
} impossible SEC(".maps");
#endif

char _license[] SEC("license") = "GPL";
