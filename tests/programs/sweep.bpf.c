/* Programs that are right about the packets that come to mind, and wrong about others. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Is to drop telnet. What it cannot read it takes for something else. */
SEC("xdp")
int careless(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	if ((void *)(tcp + 1) > end)
		return XDP_PASS; /* planted: a cut TCP header may carry the port all the same */
	return tcp->dest == bpf_htons(23) ? XDP_DROP : XDP_PASS;
}

/* Drops two ports. */
SEC("xdp")
int two_ports(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + sizeof(struct ethhdr) + sizeof(struct iphdr);

	if ((void *)(tcp + 1) > end)
		return XDP_DROP;
	return tcp->dest == bpf_htons(23) || tcp->dest == bpf_htons(40000) ? XDP_DROP : XDP_PASS;
}

/* The same of tc, which drops nothing that is too short. */
SEC("tc")
int tc_length(struct __sk_buff *skb)
{
	return skb->len > 60 ? 2 : 0;
}

/* What tc finds in the mark. */
SEC("tc")
int tc_mark(struct __sk_buff *skb)
{
	return skb->mark;
}

__u64 counted;

/* How often it ran. */
SEC("xdp")
int counts(struct xdp_md *ctx)
{
	return ++counted;
}
