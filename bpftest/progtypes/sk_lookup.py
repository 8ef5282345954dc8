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
    if "family" not in run.ctx:
        return "the ctx says no family: AF_INET or AF_INET6"
    return "" if run.ctx["family"] in FAMILIES.values() else "family is AF_INET or AF_INET6, and this is neither"


def _of_family(family: str, member: str) -> Rule:
    """An address counts in its own family alone: bpf_prog_test_run_sk_lookup."""

    def broken(run: Run) -> str:
        if member not in run.ctx or run.ctx["family"] == FAMILIES[family]:
            return ""
        return f"the kernel looks at {member} with {family} alone"

    return Rule("", f"ctx.{member}", broken)


def _protocol(run: Run) -> str:
    protocol = run.ctx.get("protocol", 0)
    if not isinstance(protocol, int) or protocol <= 0xFFFF:
        return ""
    return f"protocol is {protocol}, and the kernel looks at 16 bits of it: {protocol & 0xFFFF}"


def _port(run: Run) -> str:
    port = run.ctx.get("local_port", 0)
    return f"local_port is {port}, and ports end at 65535" if isinstance(port, int) and port > 65535 else ""


def _reuseport(_run: Run) -> str:
    return (
        "the program selected a socket of a reuseport group (SO_REUSEPORT): "
        "for a test run, bpf_sk_assign() needs BPF_SK_LOOKUP_F_NO_REUSEPORT"
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
        *(_of_family("AF_INET", member) for member in ("remote_ip4", "local_ip4")),
        *(_of_family("AF_INET6", member) for member in ("remote_ip6", "local_ip6")),
        Rule("", "ctx.protocol", _protocol),
        Rule("EOPNOTSUPP", "name", _reuseport, everywhere=False),
    ),
    attach_types={"sk_lookup": 36},
    attach_type=36,
    extras=("socket",),
    since="5.13",
    notes=(
        "`sockets:` makes sockets for the case, and `maps:` puts them into a sockmap or sockhash, "
        "where the program finds them. `expect.socket` tells them apart by their cookies.\n"
        "`bpf_sk_assign()` refuses a TCP socket for a UDP lookup with -EPROTOTYPE; the run itself goes through.\n"
        "A program that returns `SK_DROP` selects no socket, whatever it has assigned.\n"
        "A socket of a reuseport group needs `BPF_SK_LOOKUP_F_NO_REUSEPORT`: otherwise the group would choose, and the "
        "kernel refuses the run with EOPNOTSUPP.\n"
    ),
)
