"""What BPF_PROG_RUN is asked for: a packet in the framing of the type, the context's bytes, the flags."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations.output import sourced
from bpftest.kernel.door import Request
from bpftest.packets import framing
from bpftest.packets.sources import SourceError, packet
from bpftest.progtypes.xdp import XDP_MD
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.errors import Place
    from bpftest.packets.sources import Packet, Scope
    from bpftest.progtypes import Ctx, ProgType, Run
    from bpftest.suite.model import Case, Written

LOOPBACK_IFINDEX = 1  # include/net/flow.h: lo of every network namespace


class Framed(NamedTuple):
    """A packet as BPF_PROG_RUN wants it: always with an Ethernet header."""

    data_in: bytes
    link: str  # what the suite's packet starts with
    unseen: int  # bytes of data_in that the program does not see


def framed(given: Packet, prog_type: ProgType) -> Framed:
    """*given* with an Ethernet header of zeros where it has none and the kernel wants one."""
    if prog_type.sees == "ethernet":
        return Framed(given.data, "ethernet", 0)
    link = given.link or framing.link_of(given.data)
    data = framing.with_ethernet(given.data) if link == "ip" else given.data
    return Framed(data, link, framing.ETHERNET_HEADER)


def packet_of(case: Case, scope: Scope) -> Packet:
    """The packet of *case*. Raises SuiteError, at its place."""
    if case.packet is None:
        raise SuiteError(
            "no packet to run the program on",
            "say 'packet:', such as Ether()/IP()/UDP()",
            case.here["name"].key_place(),
        )
    try:
        return packet(case.packet.value, scope)
    except SourceError as error:
        raise sourced(error, case.packet) from None


def ctx_numbers(case: Case, prog_type: ProgType) -> dict[str, int | tuple[int, ...]]:
    """The context's fields as numbers."""
    if case.ctx is None:
        return {}
    values: dict[str, int | tuple[int, ...]] = {}
    for key in case.ctx:
        here = case.ctx[key]
        if key not in prog_type.ctx.settable and "errno" not in case.expect:
            hint = f"of {prog_type.ctx.struct} it takes: {', '.join(prog_type.ctx.settable)}"
            raise SuiteError(f"the kernel takes no '{key}' for {prog_type.name}", hint, here.key_place())
        if key not in prog_type.ctx.members:
            raise SuiteError(
                f"{prog_type.ctx.struct} has no '{key}'", suggestion(key, prog_type.ctx.members), here.key_place()
            )
        value = here.value
        values[key] = (
            tuple(value) if isinstance(value, list) else _index(value, here) if isinstance(value, str) else value
        )
    return values


def _index(name: str, here: Written) -> int:
    if name != "lo":
        raise SuiteError(
            f"no interface '{name}' in bpftest's network namespace", "there is lo; or give an index", here.place()
        )
    return LOOPBACK_IFINDEX


def flag_bits(case: Case, prog_type: ProgType) -> int:
    """The flags of BPF_PROG_RUN. Raises SuiteError for one that the type does not take."""
    if case.flags is None:
        return 0
    total = 0
    for name in case.flags.value:
        if name not in prog_type.flags:
            known = ", ".join(prog_type.flags)
            hint = f"it takes: {known}" if known else "it takes no flags"
            raise SuiteError(f"BPF_PROG_RUN takes no flag '{name}' for {prog_type.name}", hint, case.flags.place())
        total |= prog_type.flags[name]
    return total


def refuse_broken_rules(case: Case, prog_type: ProgType, run: Run) -> None:
    """Raises SuiteError for what every kernel refuses; a case that expects an errno tests just that."""
    if "errno" in case.expect:
        return
    for rule in prog_type.rules:
        wrong = rule.broken(run) if rule.everywhere else ""
        if wrong:
            hint = f"the kernel refuses the run with {rule.errno}; to test that, expect 'errno: {rule.errno}'"
            raise SuiteError(wrong, hint, rule_place(case, rule.key))


def rule_place(case: Case, key: str) -> Place | None:
    """Where the suite says *key*, such as "packet" or "ctx.data_end"; what is above it if it does not."""
    first, _, second = key.partition(".")
    where: Written | None = getattr(case, first)
    if where is None:
        return case.here["name"].place()
    return where[second].place() if second in where else where.place()


def request(case: Case, prog_type: ProgType, metadata: bytes, run: Run, flags: int) -> Request:
    """What the kernel is asked for."""
    is_xdp = prog_type.ctx is XDP_MD
    ctx = _xdp_ctx(run) if is_xdp else run.ctx
    return Request(
        metadata + run.data_in,
        _ctx_bytes(prog_type.ctx, ctx) if ctx else None,
        prog_type.ctx.size if is_xdp or "ctx" in case.expect else 0,
        case.repeat,
        flags,
        case.cpu,
        case.timeout_s,
    )


def _xdp_ctx(run: Run) -> dict[str, int | tuple[int, ...]]:
    """The xdp_md of *run*. It is always given, and asked for: what comes back tells how much metadata was left."""
    # A data_end of 0 would make the linear part empty: xdp_convert_md_to_buff, net/bpf/test_run.c.
    return {"data_end": run.metadata + len(run.data_in), "data": run.metadata, **run.ctx}


def _ctx_bytes(ctx: Ctx, values: Mapping[str, int | tuple[int, ...]]) -> bytes:
    data = bytearray(ctx.size)
    for key, value in values.items():
        member = ctx.members[key]
        for index, number in enumerate(value if isinstance(value, tuple) else (value,)):
            at = member.offset + index * member.size
            data[at : at + member.size] = number.to_bytes(member.size, sys.byteorder)
    return bytes(data)
