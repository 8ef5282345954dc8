"""The types that run over an skb: struct __sk_buff is their context, bpf_prog_test_run_skb runs them."""

from __future__ import annotations

from bpftest.progtypes.entry import ETHERNET_HEADER, PAGE_SIZE, Ctx, CtxField, ProgType, Rule, Run

_SK_BUFF_FIELDS = (
    *("mark", "priority", "ingress_ifindex", "ifindex", "cb"),
    *("tstamp", "wire_len", "gso_segs", "gso_size", "hwtstamp"),
)
SK_BUFF = Ctx(
    "struct __sk_buff",
    192,
    {
        "len": CtxField(0, 4),
        "pkt_type": CtxField(4, 4),
        "mark": CtxField(8, 4),
        "queue_mapping": CtxField(12, 4),
        "protocol": CtxField(16, 4),
        "vlan_present": CtxField(20, 4),
        "vlan_tci": CtxField(24, 4),
        "vlan_proto": CtxField(28, 4),
        "priority": CtxField(32, 4),
        "ingress_ifindex": CtxField(36, 4),
        "ifindex": CtxField(40, 4),
        "tc_index": CtxField(44, 4),
        "cb": CtxField(48, 4, 5),
        "hash": CtxField(68, 4),
        "tc_classid": CtxField(72, 4),
        "data": CtxField(76, 4),
        "data_end": CtxField(80, 4),
        "napi_id": CtxField(84, 4),
        "family": CtxField(88, 4),
        "remote_port": CtxField(132, 4),
        "local_port": CtxField(136, 4),
        "data_meta": CtxField(140, 4),
        "tstamp": CtxField(152, 8),
        "wire_len": CtxField(160, 4),
        "gso_segs": CtxField(164, 4),
        "gso_size": CtxField(176, 4),
        "tstamp_type": CtxField(180, 1),
        "hwtstamp": CtxField(184, 8),
    },
    _SK_BUFF_FIELDS,
    _SK_BUFF_FIELDS,
)
SKB_FLAGS = {"checksum_complete": 4}  # BPF_F_TEST_SKB_CHECKSUM_COMPLETE

# bpf_test_init: what is left of a page behind NET_SKB_PAD + NET_IP_ALIGN and before skb_shared_info
SKB_LINEAR_MAX = PAGE_SIZE - 64 - 320
IP_HEADERS = {0x0800: ("IPv4", 20), 0x86DD: ("IPv6", 40)}


def short(run: Run) -> str:
    """No Ethernet header: bpf_test_init, net/bpf/test_run.c."""
    if len(run.data_in) >= ETHERNET_HEADER:
        return ""
    return f"the packet has {len(run.data_in)} bytes, and the kernel wants an Ethernet header of {ETHERNET_HEADER}"


def _short_ip(run: Run) -> str:
    name, size = IP_HEADERS.get(int.from_bytes(run.data_in[12:14], "big"), ("", 0))
    have = len(run.data_in) - ETHERNET_HEADER
    if have >= size:
        return ""
    return (
        f"the Ethernet header announces {name}, and {have} bytes follow: this kernel wants a whole header, {size} bytes"
    )


def _long_skb(run: Run) -> str:
    if len(run.data_in) <= SKB_LINEAR_MAX:
        return ""
    return (
        f"the packet has {len(run.data_in)} bytes with its Ethernet header, and this kernel takes {SKB_LINEAR_MAX}: "
        "those after 6.18 put more into fragments"
    )


def _wire_len(run: Run) -> str:
    wire_len, length = run.ctx.get("wire_len", 0), len(run.data_in) - run.unseen
    if not isinstance(wire_len, int) or wire_len == 0 or wire_len >= length:
        return ""
    return f"wire_len is {wire_len}, less than the packet's {length} bytes"


def _no_device(run: Run) -> str:
    index = run.ctx.get("ifindex", 0)
    return "" if index in (0, *run.interfaces.values()) else run.missing_interface(index)


def _without_ipv6(_run: Run) -> str:
    return "a kernel without IPv6 test-runs no lwt_xmit programs"


SKB_RULES = (
    Rule("EINVAL", "packet", short),
    Rule("EINVAL", "ctx.wire_len", _wire_len),
    Rule("EINVAL", "packet", _short_ip, everywhere=False),
    Rule("EINVAL", "packet", _long_skb, everywhere=False),
    Rule("ENODEV", "ctx.ifindex", _no_device, everywhere=False),
)

TC_CODES = (
    ("TC_ACT_UNSPEC", -1),
    ("TC_ACT_OK", 0),
    ("TC_ACT_RECLASSIFY", 1),
    ("TC_ACT_SHOT", 2),
    ("TC_ACT_PIPE", 3),
    ("TC_ACT_STOLEN", 4),
    ("TC_ACT_QUEUED", 5),
    ("TC_ACT_REPEAT", 6),
    ("TC_ACT_REDIRECT", 7),
    ("TC_ACT_TRAP", 8),
    ("TCX_NEXT", -1),
    ("TCX_PASS", 0),
    ("TCX_DROP", 2),
    ("TCX_REDIRECT", 7),
)


SEG6LOCAL_CODES = (("BPF_OK", 0), ("BPF_DROP", 2), ("BPF_REDIRECT", 7))
LWT_CODES = (*SEG6LOCAL_CODES, ("BPF_LWT_REROUTE", 128))


_NOTES = (
    f"Sizes count the Ethernet header, and hold for pages of {PAGE_SIZE:,} bytes. Kernels after 6.18 take more, and "
    "put the rest into fragments.\n"
    "Where the EtherType announces IPv4 or IPv6, most kernels want the whole header, 20 or 40 bytes; some take less.\n"
    "What `ctx` cannot give starts at 0 and is not seen afterwards: `hash`, `queue_mapping`, `tc_index`, the VLAN "
    "fields. A program under test can copy it to `cb`, or to a global variable.\n"
    "A tag that `bpf_skb_vlan_push()` adds stands beside the packet: `output` has it once a second one is pushed.\n"
)
_AT_ETHERNET = (
    "Helpers do what they say: `bpf_clone_redirect()` really sends, inside bpftest's network namespace. "
    "`bpf_redirect()` only returns its code.\n"
)
_AT_IP = (
    "The program sees the packet from its IP header on. `packet` and `output` may be written with the Ethernet header "
    "or without.\n"
)
_NO_REDIRECT = "`BPF_REDIRECT` is for lwt_xmit: outside of test runs, the kernel takes it for `BPF_OK` here.\n"


def _skb_type(name: str, number: int, sees: str, codes: tuple[tuple[str, int], ...] = (), notes: str = "") -> ProgType:
    return ProgType(
        name,
        number,
        codes,
        sees=sees,
        sizes=f"{ETHERNET_HEADER} to {SKB_LINEAR_MAX:,} bytes",
        gives="packet",
        ctx_kind="struct",
        ctx=SK_BUFF,
        rules=SKB_RULES,
        flags=SKB_FLAGS,
        since="4.12",
        notes=(_AT_ETHERNET if sees == "ethernet" else _AT_IP) + notes + _NOTES,
    )


# Commit 972787479ee7, in 7.1: the packet of a test run has no route, which bpf_push_ip_encap() did not look at.
_PUSH_ENCAP = (
    "`bpf_lwt_push_encap()` with BPF_LWT_ENCAP_IP panics kernels without commit 972787479ee7 (7.1, and in stable "
    "kernels since May 2026), also in a test run: `suites/lwt.bpf.c` shows how a program guards itself.\n"
)
TYPES = (
    _skb_type("sched_cls", 3, "ethernet", TC_CODES)._replace(
        attach_types={"tcx_ingress": 46, "tcx_egress": 47},
    ),
    _skb_type("sched_act", 4, "ethernet", TC_CODES),
    _skb_type("socket_filter", 1, "ip", notes="It returns how many bytes of the packet are kept.\n")._replace(
        words={0: "drop"},
        since="4.16",
    ),
    _skb_type(
        "cgroup_skb",
        8,
        "ip",
        notes=(
            "`local_ip4` is the packet's source and `remote_ip4` its destination, for ingress programs too.\n"
            "Some kernels, such as 6.12, do not let it read the packet through `data` in a test run: "
            "`bpf_skb_load_bytes()` works in all.\n"
        ),
    )._replace(
        attach_types={"cgroup_inet_ingress": 0, "cgroup_inet_egress": 1},
        words={0: "drop", 1: "allow", 2: "drop, congestion", 3: "allow, congestion"},
    ),
    _skb_type("lwt_in", 10, "ip", LWT_CODES, _NO_REDIRECT),
    _skb_type("lwt_out", 11, "ip", LWT_CODES, _NO_REDIRECT),
    _skb_type("lwt_xmit", 12, "ip", LWT_CODES, _PUSH_ENCAP)._replace(
        rules=(*SKB_RULES, Rule("EOPNOTSUPP", "program", _without_ipv6, everywhere=False)),
    ),
    _skb_type(
        "lwt_seg6local",
        19,
        "ip",
        SEG6LOCAL_CODES,
        (
            "Linux 5.10 test-runs it; it went away within 6.1, and without it such cases are skipped.\n"
            "The seg6 helpers fail in a test run, since the kernel has not looked up the segment routing header.\n"
        ),
    )._replace(since="4.18"),
)
