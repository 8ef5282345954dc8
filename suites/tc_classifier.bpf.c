// SPDX-License-Identifier: GPL-2.0
/*
 * Quality of service at tc, in two stages.
 *
 * classify (a classifier) sorts packets into classes by their DSCP, the upper six bits of the IPv4 type of service
 * and of the IPv6 traffic class, and gives each class its mark and its queueing priority. An earlier program may
 * have decided already: it says so in cb[0]. The class is left in cb[1] for the next program of the chain.
 *
 * quarantine (an action) drops what somebody has put into quarantine by its mark, and takes the right to be
 * fast from what nobody has classified.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2
#define TC_ACT_PIPE 3

#define DSCP_EF 46
#define DSCP_AF41 34
#define DSCP_CS1 8

#define TC_PRIO_BESTEFFORT 0
#define TC_PRIO_BULK 2
#define TC_PRIO_INTERACTIVE 6

#define QUARANTINE 0x80000000 /* a bit of the mark */
#define CLASS_MASK 0xff /* the bits of the mark that are ours */

enum qos_class {
	QOS_NONE,
	QOS_VOICE,
	QOS_VIDEO,
	QOS_BULK,
	QOS_DEFAULT,
	QOS_CLASSES,
};

static const __u32 priority[QOS_CLASSES] = {
	[QOS_VOICE] = TC_PRIO_INTERACTIVE,
	[QOS_VIDEO] = TC_PRIO_INTERACTIVE,
	[QOS_BULK] = TC_PRIO_BULK,
	[QOS_DEFAULT] = TC_PRIO_BESTEFFORT,
};

static __always_inline enum qos_class class_of(__u8 dscp)
{
	switch (dscp) {
	case DSCP_EF:
		return QOS_VOICE;
	case DSCP_AF41:
		return QOS_VIDEO;
	case DSCP_CS1:
		return QOS_BULK;
	}
	return QOS_DEFAULT;
}

static __always_inline enum qos_class class_of_packet(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct iphdr *ip4 = data + sizeof(struct ethhdr);

	/* A burst that segmentation offload has put together can wait for its turn. */
	if (skb->gso_segs > 1)
		return QOS_BULK;

	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		return (void *)(ip4 + 1) <= end ? class_of(ip4->tos >> 2) : QOS_NONE;
	case bpf_htons(ETH_P_IPV6):
		/* four bits of the traffic class stand beside the version, four before the flow label */
		return (void *)(ip6 + 1) <= end ? class_of(ip6->priority << 2 | ip6->flow_lbl[0] >> 6) : QOS_NONE;
	}
	return QOS_NONE;
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
	__u32 class = skb->cb[0];

	if (class == QOS_NONE)
		class = class_of_packet(skb);
	if (class == QOS_NONE)
		return TC_ACT_UNSPEC;
	if (class >= QOS_CLASSES)
		return TC_ACT_SHOT;

	skb->mark = (skb->mark & ~CLASS_MASK) | class;
	skb->priority = priority[class];
	skb->cb[1] = class;
	return TC_ACT_OK;
}

SEC("action")
int quarantine(struct __sk_buff *skb)
{
	if (skb->mark & QUARANTINE)
		return TC_ACT_SHOT;
	if (!(skb->mark & CLASS_MASK))
		skb->priority = TC_PRIO_BESTEFFORT;
	return TC_ACT_PIPE;
}

char LICENSE[] SEC("license") = "GPL";
