/* Passes every other time, as a coin falls. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int coin(struct xdp_md *ctx)
{
	return bpf_get_prandom_u32() & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
