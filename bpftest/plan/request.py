"""What BPF_PROG_RUN is asked for: a packet in the framing of the type, the context's bytes, flags and options."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations.output import sourced
from bpftest.kernel.door import Request
from bpftest.packets import framing
from bpftest.packets.sources import Packet, SourceError, packet
from bpftest.progtypes import RUN_FLAGS, Run
from bpftest.progtypes.netfilter import FAMILIES, LOCAL_OUT
from bpftest.progtypes.xdp import XDP_MD

if TYPE_CHECKING:
    from bpftest.errors import Place
    from bpftest.kernel.door import Setup
    from bpftest.packets.sources import Scope
    from bpftest.plan.ctx import Given
    from bpftest.progtypes import ProgType
    from bpftest.suite.model import Case, Written

BPF_F_TEST_RUN_ON_CPU = 1  # linux/bpf.h


class Frame(NamedTuple):
    """A packet in the framing that BPF_PROG_RUN wants."""

    data_in: bytes
    link: str  # what the suite's packet starts with: "ethernet" or "ip"
    unseen: int  # bytes of data_in that the program does not see


def packet_of(case: Case, prog_type: ProgType, scope: Scope) -> Packet | None:
    """The packet of *case*, None for a type that has none. Raises SuiteError, at its place."""
    if not prog_type.sees and case.packet is not None and "errno" not in case.expect:
        raise prog_type.refusal("packet").at(case.packet.key_place())
    if case.packet is None:
        if not prog_type.sees:
            return None
        hint = "say 'packet:', such as Ether()/IP()/UDP()"
        raise SuiteError("no packet to run the program on", hint, case.here["name"].key_place())
    given = built(case.packet, scope)
    if given.metadata and prog_type.ctx is not XDP_MD:
        own = "metadata" in case.packet  # or that of a named packet
        place = case.packet["metadata"].key_place() if own else case.packet.place()
        raise SuiteError(f"{prog_type.name} takes no metadata", "leave it out: only xdp has it", place)
    return given


def built(source: Written, scope: Scope) -> Packet:
    """The packet that *source* says. Raises SuiteError, at its place."""
    try:
        return packet(source.value, scope)
    except SourceError as error:
        raise sourced(error, source) from None


def framed(given: Packet, prog_type: ProgType, ctx: Given) -> Frame:
    """*given* with an Ethernet header of zeros where it has none and the kernel wants one, or without."""
    if prog_type.sees in ("ethernet", ""):
        return Frame(given.data, "ethernet", 0)
    link = given.link or framing.link_of(given.data)
    if prog_type.sees == "hook" and ctx.members.get("hook", LOCAL_OUT) == LOCAL_OUT:
        return Frame(framing.ip_part(given.data, link), link, 0)
    data = framing.with_ethernet(given.data) if link == "ip" else given.data
    return Frame(data, link, framing.ETHERNET_HEADER)


def with_family(ctx: Given, prog_type: ProgType, given: Packet | None) -> Given:
    """*ctx* of a netfilter program with the protocol family of its packet, where the suite names none."""
    if prog_type.sees != "hook" or given is None or "pf" in ctx.members:
        return ctx
    ip_packet = framing.ip_part(given.data, given.link or framing.link_of(given.data))
    if ip_packet[:1] and ip_packet[0] >> 4 == 6:
        hook = ctx.members.get("hook", LOCAL_OUT)
        return ctx._replace(members={"hook": hook, "pf": FAMILIES["NFPROTO_IPV6"]})
    if ctx.members:
        return ctx._replace(members={**ctx.members, "pf": FAMILIES["NFPROTO_IPV4"]})
    return ctx


def flag_bits(case: Case, prog_type: ProgType) -> int:
    """The flags of BPF_PROG_RUN. Raises SuiteError for one that the type does not take."""
    if case.flags is None:
        return 0
    total = 0
    for index, name in enumerate(case.flags.value):
        if name not in prog_type.flags and "errno" not in case.expect:
            if not prog_type.flags:
                raise prog_type.refusal("flags").at(case.flags.key_place())
            hint = f"it takes: {', '.join(prog_type.flags)}"
            raise SuiteError(f"{prog_type.name} takes no flag '{name}'", hint, case.flags[index].place())
        total |= RUN_FLAGS[name]
    return total


def refuse_repeat(case: Case, prog_type: ProgType) -> None:
    """Raises SuiteError for a `repeat` that the kernel refuses, or silently takes for one run."""
    if case.repeat > 1 and not prog_type.repeats and "errno" not in case.expect:
        where = case.here["repeat"] if "repeat" in case.here else case.here["name"]
        raise prog_type.refusal("repeat").at(where.key_place())


def refuse_broken_rules(case: Case, prog_type: ProgType, run: Run) -> None:
    """Raises SuiteError for what every kernel refuses or ignores; a case that expects an errno tests just that."""
    if "errno" in case.expect:
        return
    for rule in prog_type.rules:
        wrong = rule.broken(run) if rule.everywhere else ""
        if wrong:
            hint = "leave it out: what the kernel ignores tests nothing"
            if rule.errno:
                hint = f"the kernel refuses the run with {rule.errno}; to test that, expect 'errno: {rule.errno}'"
            raise SuiteError(wrong, hint, rule_place(case, rule.key))


def rule_place(case: Case, key: str) -> Place:
    """Where the suite says *key*, such as "packet" or "ctx.data_end"; what is above it if it does not."""
    first, _, second = key.partition(".")
    where = _said(case, first)
    if where is None:
        return case.here["name"].place()
    return where[second].place() if second in where else where.place()


def _said(case: Case, key: str) -> Written | None:
    """What holds for *case* under *key*, said by itself, by the defaults or at the top; None if nobody says it."""
    if key in ("packet", "ctx", "flags"):
        found: Written | None = getattr(case, key)
        return found
    return case.here[key] if key in case.here else (case.program.places or {}).get(key)


def run_of(case: Case, frame: Frame | None, given: Packet | None, ctx: Given, attach_type: str) -> Run:
    """The run in the terms of the rules."""
    size = len(ctx.data) if ctx.data is not None else 0
    if frame is None or given is None:
        return Run(b"", 0, ctx.members, 0, size, attach_type, case.cpu)
    return Run(frame.data_in, len(given.metadata), ctx.members, frame.unseen, size, attach_type, case.cpu)


def request(
    case: Case, prog_type: ProgType, given: Packet | None, run: Run, ctx: Given, flags: int, setup: Setup
) -> Request:
    """What the kernel is asked for."""
    on_cpu = prog_type.ctx_kind == "args" and case.cpu is not None
    return Request(
        (given.metadata if given else b"") + run.data_in if prog_type.sees or given else None,
        ctx.data if ctx.data is not None else _ctx_in(prog_type, run),
        _ctx_size_out(case, prog_type),
        prog_type.ctx is XDP_MD and ctx.data is None and not run.ctx and not run.metadata and not _asks_for_ctx(case),
        case.repeat if prog_type.repeats or case.repeat > 1 else 0,
        flags | (BPF_F_TEST_RUN_ON_CPU if on_cpu else 0),
        None if on_cpu else case.cpu,
        case.timeout_s,
        case.cpu or 0 if on_cpu else 0,
        prog_type.ctx_kind == "btf",
        ctx.state,
        setup,
    )


def _asks_for_ctx(case: Case) -> bool:
    """Whether what a case expects cannot be told without the context: how much metadata the program left, too."""
    return "ctx" in case.expect or ("output" in case.expect and "metadata" in case.expect["output"])


def _ctx_in(prog_type: ProgType, run: Run) -> bytes | None:
    if prog_type.ctx is XDP_MD:
        # It is always given, and asked for: what comes back tells how much metadata was left. A data_end of 0 would
        # make the linear part empty: xdp_convert_md_to_buff, net/bpf/test_run.c.
        size = run.metadata + len(run.data_in)
        return (
            XDP_MD.encoded({"data_end": size, "data": run.metadata, **run.ctx})
            if run.ctx
            else _plain_xdp_md(size, run.metadata)
        )
    return prog_type.ctx.encoded(run.ctx) if prog_type.ctx is not None and run.ctx else None


@functools.cache
def _plain_xdp_md(data_end: int, data: int) -> bytes:
    return XDP_MD.encoded({"data_end": data_end, "data": data})


def _ctx_size_out(case: Case, prog_type: ProgType) -> int:
    """Bytes of context that are asked for. To ask netfilter or flow_dissector for it is of no use."""
    ctx = prog_type.ctx
    if ctx is None:
        return 0
    wanted = ctx is XDP_MD or "socket" in case.expect or ("ctx" in case.expect and ctx.returned)
    return ctx.size if wanted else 0
