/* Programs that print. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int texts(struct xdp_md *ctx)
{
	bpf_printk("port %d", 23);
	bpf_printk("of a line break at the end no line is made\n");
	bpf_printk("two\nlines\n");
	bpf_printk("");
	bpf_printk("%d %d %d %d", 1, 2, 3, 4); /* bpf_trace_vprintk */
	bpf_printk("made-1 [000] b..11 1.000000: bpf_trace_printk: up");
	return XDP_PASS;
}

SEC("xdp")
int once(struct xdp_md *ctx)
{
	bpf_printk("once");
	return XDP_PASS;
}

SEC("raw_tp/sys_enter")
int where(struct bpf_raw_tracepoint_args *ctx)
{
	bpf_printk("on CPU %d", bpf_get_smp_processor_id());
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
