"""netfilter: a hook and an skb, of which nothing comes back; bpf_prog_test_run_nf runs it."""

from __future__ import annotations

from bpftest.progtypes.entry import PAGE_SIZE, Ctx, CtxField, ProgType, Rule, Run

HOOKS = {  # linux/netfilter.h
    "NF_INET_PRE_ROUTING": 0,
    "NF_INET_LOCAL_IN": 1,
    "NF_INET_FORWARD": 2,
    "NF_INET_LOCAL_OUT": 3,
    "NF_INET_POST_ROUTING": 4,
}
LOCAL_OUT = HOOKS["NF_INET_LOCAL_OUT"]  # the hook of a run that names none
FAMILIES = {"NFPROTO_IPV4": 2, "NFPROTO_IPV6": 10}
HEADERS = {2: ("IPv4", 20, 0x0800), 10: ("IPv6", 40, 0x86DD)}  # bytes, EtherType
ETHERTYPES = (0x0800, 0x86DD)
HEADER_MIN = 20  # bytes of an IP packet
LINEAR_MAX = PAGE_SIZE - 64 - 320  # bytes: bpf_test_init, net/bpf/test_run.c, as for the skb types

NF_HOOK_STATE = Ctx(
    "struct nf_hook_state",  # include/linux/netfilter.h; behind these two are pointers, which must be 0
    2,
    {"hook": CtxField(0, 1, names=HOOKS), "pf": CtxField(1, 1, names=FAMILIES)},
    ("hook", "pf"),
    (),
)


def _ip_size(run: Run) -> int:
    return len(run.data_in) - run.unseen


def _short(run: Run) -> str:
    name, size, _ = HEADERS.get(int(run.ctx.get("pf", 2)), ("", 0, 0))  # type: ignore[arg-type]
    have = _ip_size(run)
    if have < 20 or (have < size and run.unseen):
        return f"the IP packet has {have} bytes, and a whole {name or 'IP'} header has {max(size, 20)}"
    return ""


def _pf(run: Run) -> str:
    return "" if run.ctx.get("pf", 2) in HEADERS else "pf is NFPROTO_IPV4 or NFPROTO_IPV6, and this is neither"


def _long(run: Run) -> str:
    size, counted = len(run.data_in), " with its Ethernet header" if run.unseen else ""
    return f"the packet has {size} bytes{counted}, and the kernel takes {LINEAR_MAX}" if size > LINEAR_MAX else ""


def _other_family(run: Run) -> str:
    name, _, wanted = HEADERS.get(int(run.ctx.get("pf", 2)), ("", 0, 0))  # type: ignore[arg-type]
    actual = _ethertype(run)
    if actual in (0, wanted) or actual not in ETHERTYPES:
        return ""
    return f"pf stands for {name}, and the packet's EtherType is {actual:#06x}"


def _no_ip(run: Run) -> str:
    actual = _ethertype(run)
    if actual == 0 or actual in ETHERTYPES:
        return ""
    return f"at this hook packets are IPv4 or IPv6, and the packet's EtherType is {actual:#06x}"


def _ethertype(run: Run) -> int:
    """What the Ethernet header says; 0 where there is none."""
    return int.from_bytes(run.data_in[12:14], "big") if run.unseen else 0


NETFILTER = ProgType(
    "netfilter",
    32,
    (("NF_DROP", 0), ("NF_ACCEPT", 1)),
    sees="hook",
    sizes=f"{HEADER_MIN} to {LINEAR_MAX:,} bytes",
    ctx_kind="struct",
    ctx=NF_HOOK_STATE,
    rules=(
        Rule("EINVAL", "ctx.pf", _pf),
        Rule("EINVAL", "packet", _short),
        Rule("EPROTO", "packet", _no_ip),
        Rule("EINVAL", "packet", _other_family),
        Rule("EINVAL", "packet", _long, everywhere=False),
    ),
    attach_types={"netfilter": 45},
    attach_type=45,
    since="6.4",
    notes=(
        "`packet` may be written with the Ethernet header or without: bpftest adds what the hook wants, and takes off "
        "what it does not. Sizes are those of the IP packet at `NF_INET_LOCAL_OUT`, with pages of "
        f"{PAGE_SIZE:,} bytes; elsewhere a whole IPv4 or IPv6 header is needed.\n"
        "Nothing comes back but the verdict. What a program does to the packet is to be seen in its maps.\n"
        "`state->in` is NULL, and so are `state->sk` and `state->net`: reading through them gives 0.\n"
    ),
)
