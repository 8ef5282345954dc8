"""netfilter: a hook and an skb, of which nothing comes back; bpf_prog_test_run_nf runs it."""

from __future__ import annotations

from bpftest.progtypes.entry import Ctx, CtxField, ProgType, Rule, Run

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
        return f"the packet has {have} bytes, and a whole {name or 'IP'} header has {max(size, 20)}"
    return ""


def _pf(run: Run) -> str:
    return "" if run.ctx.get("pf", 2) in HEADERS else "pf is NFPROTO_IPV4 or NFPROTO_IPV6, and this is neither"


def _ethertype(run: Run) -> str:
    name, _, wanted = HEADERS.get(int(run.ctx.get("pf", 2)), ("", 0, 0))  # type: ignore[arg-type]
    actual = int.from_bytes(run.data_in[12:14], "big") if run.unseen else wanted
    return "" if actual == wanted else f"pf stands for {name}, and the packet's EtherType is {actual:#06x}"


NETFILTER = ProgType(
    "netfilter",
    32,
    (("NF_DROP", 0), ("NF_ACCEPT", 1)),
    sees="hook",
    ctx_kind="struct",
    ctx=NF_HOOK_STATE,
    rules=(Rule("EINVAL", "ctx.pf", _pf), Rule("EINVAL", "packet", _short), Rule("EINVAL", "packet", _ethertype)),
    attach_types={"netfilter": 45},
    attach_type=45,
    since="6.4",
    note="Without a hook it is NF_INET_LOCAL_OUT. state->in is NULL, and so are sk and net.",
)
