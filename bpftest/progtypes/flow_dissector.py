"""flow_dissector: struct bpf_flow_keys comes back instead of a packet; bpf_prog_test_run_flow_dissector runs it."""

from __future__ import annotations

from bpftest.progtypes.constants import ETHERTYPES, PROTOCOLS
from bpftest.progtypes.entry import ETHERNET_HEADER, PAGE_SIZE, Ctx, CtxField, ProgType, Rule, Run
from bpftest.progtypes.skb import short

FLAGS = {  # linux/bpf.h
    "BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG": 1,
    "BPF_FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL": 2,
    "BPF_FLOW_DISSECTOR_F_STOP_AT_ENCAP": 4,
}

FLOW_KEYS = Ctx(
    "struct bpf_flow_keys",
    56,
    {
        "nhoff": CtxField(0, 2),
        "thoff": CtxField(2, 2),
        "addr_proto": CtxField(4, 2, names=ETHERTYPES),
        "is_frag": CtxField(6, 1),
        "is_first_frag": CtxField(7, 1),
        "is_encap": CtxField(8, 1),
        "ip_proto": CtxField(9, 1, names=PROTOCOLS),
        "n_proto": CtxField(10, 2, form="network", names=ETHERTYPES),
        "sport": CtxField(12, 2, form="network"),
        "dport": CtxField(14, 2, form="network"),
        "ipv4_src": CtxField(16, 4, form="ip4"),
        "ipv4_dst": CtxField(20, 4, form="ip4"),
        "ipv6_src": CtxField(16, 16, form="ip6"),
        "ipv6_dst": CtxField(32, 16, form="ip6"),
        "flags": CtxField(48, 4, names=FLAGS),
        "flow_label": CtxField(52, 4, form="network"),
    },
    ("flags",),
    (),
)


def _long(run: Run) -> str:
    size = len(run.data_in)
    return f"the packet has {size} bytes, and the kernel takes one page, {PAGE_SIZE}" if size > PAGE_SIZE else ""


FLOW_DISSECTOR = ProgType(
    "flow_dissector",
    22,
    (("BPF_OK", 0), ("BPF_DROP", 2), ("BPF_FLOW_DISSECTOR_CONTINUE", 129)),
    sees="ethernet",
    sizes=f"{ETHERNET_HEADER} to {PAGE_SIZE:,} bytes",
    gives="flow_keys",
    ctx_kind="struct",
    ctx=FLOW_KEYS,
    rules=(Rule("EINVAL", "packet", short), Rule("EINVAL", "packet", _long, everywhere=False)),
    since="5.1",
    notes=(
        "The program starts at the Ethernet header, with `nhoff` and `thoff` at 14 and the EtherType in `n_proto`. A "
        "VLAN tag is not taken off.\n"
        "The kernel keeps `nhoff` between 14 and the packet's length, and `thoff` between `nhoff` and it.\n"
        "`BPF_FLOW_DISSECTOR_CONTINUE` leaves a packet to the kernel's own dissector, which a test run does not call.\n"
        "Linux 5.10 returns 1 for a program that returns `BPF_OK`.\n"
    ),
)
