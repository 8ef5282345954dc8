/* A program of each type, as small as it can be and leave a trace. (A function named as its section does not compile.) */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_nf_ctx;

struct request {
	__u32 question;
	__u32 answer;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} targets SEC(".maps");

__u32 calls;

SEC("xdp")
int xdp_program(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, 4) ? XDP_ABORTED : XDP_TX;
}

#define TRACE(name)                                                                                                   \
	int name(struct __sk_buff *skb)                                                                                \
	{                                                                                                              \
		skb->mark += 1;                                                                                        \
		return 1;                                                                                              \
	}

SEC("tc")
TRACE(sched_cls_program)
SEC("action")
TRACE(sched_act_program)
SEC("cgroup_skb/ingress")
TRACE(cgroup_skb_program)
SEC("lwt_in")
TRACE(lwt_in_program)
SEC("lwt_out")
TRACE(lwt_out_program)
SEC("lwt_xmit")
TRACE(lwt_xmit_program)

SEC("lwt_seg6local")
int lwt_seg6local_program(struct __sk_buff *skb)
{
	return 1;
}

SEC("socket")
int socket_filter_program(struct __sk_buff *skb)
{
	skb->cb[0] += 1;
	return skb->len;
}

SEC("flow_dissector")
int flow_dissector_program(struct __sk_buff *skb)
{
	skb->flow_keys->thoff += 20;
	return 129; /* BPF_FLOW_DISSECTOR_CONTINUE */
}

SEC("sk_lookup")
int sk_lookup_program(struct bpf_sk_lookup *ctx)
{
	return ctx->local_port == 80 ? SK_PASS : SK_DROP;
}

SEC("netfilter")
int netfilter_program(struct bpf_nf_ctx *ctx)
{
	return 1;
}

SEC("raw_tp/sys_enter")
int raw_tracepoint_program(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[1];
}

SEC("syscall")
int syscall_program(struct request *request)
{
	request->answer = request->question + 1;
	return -7;
}

SEC("fentry/bpf_fentry_test1")
int tracing_program(__u64 *ctx)
{
	calls += 1;
	return 0;
}

#ifdef STRUCT_OPS /* libbpf 1.1 dies of a map of struct_ops whose programs are not loaded */
struct bpf_dummy_ops_state {
	int val;
};

struct bpf_dummy_ops {
	int (*test_1)(struct bpf_dummy_ops_state *state);
};

SEC("struct_ops/test_1")
int struct_ops_program(__u64 *ctx)
{
	struct bpf_dummy_ops_state *state = (void *)ctx[0];

	if (!state)
		return 0;
	state->val += 1;
	return 5;
}

SEC(".struct_ops")
struct bpf_dummy_ops dummy = {
	.test_1 = (void *)struct_ops_program,
};
#endif

char _license[] SEC("license") = "GPL";
