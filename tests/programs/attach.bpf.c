// Programs that are attached where the kernel calls them: what each sees, and what becomes of the packet.

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/seg6_local.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define RIGHT 3
#define THIRD 4

char LICENSE[] SEC("license") = "GPL";

struct seen {
	__u32 runs;
	__u32 len;
	__u32 linear;  // bytes between data and data_end
	__u32 ifindex;
	__u32 ingress_ifindex;
	__u32 protocol;  // host byte order
	__u32 pkt_type;
	__u32 family;
	__u32 local_ip4;  // host byte order
	__u32 local_port;
	__u8 first[16];  // bytes of the packet
} seen;

static __always_inline void look(struct __sk_buff *skb)
{
	seen.runs++;
	seen.len = skb->len;
	seen.linear = skb->data_end - skb->data;
	seen.ifindex = skb->ifindex;
	seen.ingress_ifindex = skb->ingress_ifindex;
	seen.protocol = bpf_ntohs(skb->protocol);
	seen.pkt_type = skb->pkt_type;
	bpf_skb_load_bytes(skb, 0, seen.first, sizeof(seen.first));
}

#define RETURNS(section, name, code) \
	SEC(section) int name(struct __sk_buff *skb) \
	{ \
		look(skb); \
		return code; \
	}

RETURNS("tc", tc_ok, TC_ACT_OK)
RETURNS("tc", tc_unspec, TC_ACT_UNSPEC)
RETURNS("tc", tc_shot, TC_ACT_SHOT)
RETURNS("tc", tc_redirect, bpf_redirect(THIRD, 0))
RETURNS("tc", tc_redirect_ingress, bpf_redirect(THIRD, BPF_F_INGRESS))
RETURNS("tc", tc_redirect_neigh, bpf_redirect_neigh(RIGHT, 0, 0, 0))

SEC("tc") int tc_cpu(struct __sk_buff *skb)
{
	seen.runs = bpf_get_smp_processor_id();
	return TC_ACT_OK;
}

SEC("tc") int tc_clone(struct __sk_buff *skb)
{
	bpf_clone_redirect(skb, THIRD, 0);
	return TC_ACT_OK;
}

SEC("tc") int tc_write(struct __sk_buff *skb)
{
	__u8 last = 0xab;

	bpf_skb_store_bytes(skb, 11, &last, sizeof(last), 0);  // of the source address
	return TC_ACT_OK;
}

SEC("tc") int tc_vlan(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, bpf_htons(0x8100), 7);
	return TC_ACT_OK;
}

RETURNS("lwt_in", in_ok, BPF_OK)
RETURNS("lwt_in", in_drop, BPF_DROP)
RETURNS("lwt_out", out_ok, BPF_OK)
RETURNS("lwt_out", out_drop, BPF_DROP)
RETURNS("lwt_xmit", xmit_ok, BPF_OK)
RETURNS("lwt_xmit", xmit_drop, BPF_DROP)

static __always_inline int encapsulated(struct __sk_buff *skb)
{
	struct iphdr outer = {
		.version = 4,
		.ihl = 5,
		.ttl = 9,
		.protocol = IPPROTO_IPIP,
		.saddr = bpf_htonl(0x0a020001),
		.daddr = bpf_htonl(0x0a030007),
	};

	outer.tot_len = bpf_htons(skb->len + sizeof(outer));
	if (bpf_lwt_push_encap(skb, BPF_LWT_ENCAP_IP, &outer, sizeof(outer)))
		return BPF_DROP;
	return BPF_LWT_REROUTE;
}

SEC("lwt_in") int in_encap(struct __sk_buff *skb) { return encapsulated(skb); }
SEC("lwt_xmit") int xmit_encap(struct __sk_buff *skb) { return encapsulated(skb); }

SEC("lwt_xmit") int xmit_redirect(struct __sk_buff *skb)
{
	__u8 header[14] = {2, 0, 0, 0, 0, 0x37, 2, 0, 0, 0, 0, 4, 8, 0};

	if (bpf_skb_change_head(skb, sizeof(header), 0))
		return BPF_DROP;
	bpf_skb_store_bytes(skb, 0, header, sizeof(header), 0);
	return bpf_redirect(THIRD, 0);
}

RETURNS("lwt_seg6local", seg6_ok, BPF_OK)
RETURNS("lwt_seg6local", seg6_drop, BPF_DROP)

SEC("lwt_seg6local") int seg6_tag(struct __sk_buff *skb)
{
	__u16 tag = bpf_htons(0x1234);

	// struct ipv6_sr_hdr.tag, behind the IPv6 header
	return bpf_lwt_seg6_store_bytes(skb, 40 + 6, &tag, sizeof(tag)) ? BPF_DROP : BPF_OK;
}

static __always_inline void look_at_socket(struct __sk_buff *skb)
{
	look(skb);
	seen.family = skb->family;
	seen.local_ip4 = bpf_ntohl(skb->local_ip4);
	seen.local_port = skb->local_port;
}

SEC("cgroup_skb/ingress") int ingress_allow(struct __sk_buff *skb)
{
	look_at_socket(skb);
	return 1;
}

SEC("cgroup_skb/egress") int egress_allow(struct __sk_buff *skb)
{
	look_at_socket(skb);
	return 1;
}

RETURNS("cgroup_skb/ingress", ingress_drop, 0)
RETURNS("cgroup_skb/egress", egress_drop, 0)

struct bpf_nf_ctx;

SEC("netfilter") int nf_accept(struct bpf_nf_ctx *ctx)
{
	seen.runs++;
	return 1;
}

SEC("netfilter") int nf_drop(struct bpf_nf_ctx *ctx)
{
	seen.runs++;
	return 0;
}
