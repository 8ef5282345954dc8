/* Programs that know how often they have run. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int runs;

SEC("xdp")
int counts(struct xdp_md *ctx)
{
	return ++*(volatile int *)&runs;
}

SEC("xdp")
int also_counts(struct xdp_md *ctx)
{
	return ++*(volatile int *)&runs;
}

SEC("tc")
int counts_too(struct __sk_buff *skb)
{
	return ++*(volatile int *)&runs;
}

/* From its third run on it changes the packet and leaves skb->csum as it was. */
SEC("tc")
int turns_wrong(struct __sk_buff *skb)
{
	char byte = ++*(volatile int *)&runs;

	if (byte > 2)
		bpf_skb_store_bytes(skb, 40, &byte, 1, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
