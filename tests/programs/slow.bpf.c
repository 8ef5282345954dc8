// What the verifier takes long for: it follows the loop until it has seen a million instructions.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int slow(struct xdp_md *ctx)
{
	__u64 known[48];
	int i;

	for (i = 0; i < 48; i++)
		known[i] = bpf_get_prandom_u32();
	for (i = 0; i < 1000000; i++)
		asm volatile("" ::"r"(known) : "memory");
	return known[ctx->rx_queue_index & 31] & 1;
}

char LICENSE[] SEC("license") = "GPL";
