/* Programs without maps: no run leaves anything for the next. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int negative(struct xdp_md *ctx)
{
	return -7;
}

/* Does not verify. */
SEC("xdp")
int careless(struct xdp_md *ctx)
{
	return *(char *)(long)ctx->data;
}

/* Does not verify either, after a path of many steps. */
SEC("xdp")
int wordy(struct xdp_md *ctx)
{
	volatile long sum = 0;

	for (int i = 0; i < 3000; i++)
		sum += i;
	return *(char *)(long)ctx->data;
}

/* Wants 4 bytes of metadata: adds one to the first and puts "NEW." before them. Returns how many it got. */
SEC("xdp")
int metadata(struct xdp_md *ctx)
{
	long length = (long)ctx->data - (long)ctx->data_meta;
	char *meta = (void *)(long)ctx->data_meta;

	if (meta + 4 > (char *)(long)ctx->data)
		return XDP_ABORTED;
	meta[0] += 1;
	if (bpf_xdp_adjust_meta(ctx, -4))
		return XDP_ABORTED;
	meta = (void *)(long)ctx->data_meta;
	if (meta + 4 > (char *)(long)ctx->data)
		return XDP_ABORTED;
	__builtin_memcpy(meta, "NEW.", 4);
	return length;
}

/* Takes the first 4 bytes off. */
SEC("xdp")
int shorten(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, 4) ? XDP_ABORTED : XDP_TX;
}

/* Writes to the last byte, or to the last that a helper reaches, and returns the length. */
SEC("xdp.frags")
int whole(struct xdp_md *ctx)
{
	__u64 length = bpf_xdp_get_buff_len(ctx);
	char mark = '!';

	if (bpf_xdp_store_bytes(ctx, length > 0xffff ? 0xffff : length - 1, &mark, 1))
		return XDP_ABORTED;
	return length;
}

/* Changes the packet, its length and the context. */
SEC("tc")
int change(struct __sk_buff *skb)
{
	char byte = '!';

	skb->cb[4] = skb->mark;
	skb->mark += 1;
	bpf_skb_store_bytes(skb, 20, &byte, 1, 0);
	bpf_skb_change_tail(skb, skb->len + 3, 0);
	return skb->len;
}

SEC("tc")
int cpu(struct __sk_buff *skb)
{
	return bpf_get_smp_processor_id();
}

SEC("socket")
int keep(struct __sk_buff *skb)
{
	return skb->len;
}

/* A section that no libbpf knows. */
SEC("beyond/the/sea")
int unheard_of(struct xdp_md *ctx)
{
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
