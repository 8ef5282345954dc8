"""sk_lookup: struct bpf_sk_lookup is all it gets; bpf_prog_test_run_sk_lookup runs it."""

from __future__ import annotations

from bpftest.progtypes.constants import FAMILIES, PROTOCOLS
from bpftest.progtypes.entry import Ctx, CtxField, ProgType, Rule, Run

_FIELDS = (
    *("family", "protocol", "remote_ip4", "remote_ip6", "remote_port"),
    *("local_ip4", "local_ip6", "local_port"),
)
BPF_SK_LOOKUP = Ctx(
    "struct bpf_sk_lookup",
    72,
    {
        "cookie": CtxField(0, 8),
        "family": CtxField(8, 4, names=FAMILIES),
        "protocol": CtxField(12, 4, names=PROTOCOLS),
        "remote_ip4": CtxField(16, 4, form="ip4"),
        "remote_ip6": CtxField(20, 16, form="ip6"),
        "remote_port": CtxField(36, 2, form="network"),
        "local_ip4": CtxField(40, 4, form="ip4"),
        "local_ip6": CtxField(44, 16, form="ip6"),
        "local_port": CtxField(60, 4),  # in the machine's byte order, unlike remote_port
        "ingress_ifindex": CtxField(64, 4),
    },
    _FIELDS,
    (),
    required=True,
)


def _family(run: Run) -> str:
    family = run.ctx.get("family", 0)
    return "" if family in FAMILIES.values() else "family is AF_INET or AF_INET6, and this is neither"


def _port(run: Run) -> str:
    port = run.ctx.get("local_port", 0)
    return f"local_port is {port}, and ports end at 65535" if isinstance(port, int) and port > 65535 else ""


def _reuseport(_run: Run) -> str:
    return (
        "the program selected a socket of a reuseport group (SO_REUSEPORT): "
        "bpf_sk_assign needs BPF_SK_LOOKUP_F_NO_REUSEPORT for it in a test run"
    )


SK_LOOKUP = ProgType(
    "sk_lookup",
    30,
    (("SK_DROP", 0), ("SK_PASS", 1)),
    ctx_kind="struct",
    ctx=BPF_SK_LOOKUP,
    rules=(
        Rule("EAFNOSUPPORT", "ctx", _family),
        Rule("ERANGE", "ctx.local_port", _port),
        Rule("EOPNOTSUPP", "name", _reuseport, everywhere=False),
    ),
    attach_types={"sk_lookup": 36},
    attach_type=36,
    extras=("socket",),
    since="5.13",
    note="A TCP socket for a UDP lookup makes bpf_sk_assign return -EPROTOTYPE in the program; the run succeeds.",
)
