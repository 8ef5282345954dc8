"""What BPF_PROG_RUN is asked for: a packet in the framing of the type, the context's bytes, flags and options."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations.output import sourced
from bpftest.kernel.door import Request
from bpftest.packets import framing
from bpftest.packets.sources import Packet, SourceError, packet
from bpftest.plan.live import BPF_F_TEST_XDP_LIVE_FRAMES
from bpftest.progtypes import RUN_FLAGS, Run
from bpftest.progtypes.netfilter import FAMILIES, LOCAL_OUT
from bpftest.progtypes.skb import SK_BUFF
from bpftest.progtypes.xdp import XDP_MD

if TYPE_CHECKING:
    from bpftest.errors import Place
    from bpftest.expectations import Context
    from bpftest.kernel.door import Benchmark, Live, Setup
    from bpftest.packets.sources import Scope
    from bpftest.plan.ctx import Given
    from bpftest.progtypes import ProgType
    from bpftest.suite.model import Step, Written

BPF_F_TEST_RUN_ON_CPU = 1  # linux/bpf.h
PLAIN_SK_BUFF = bytes(SK_BUFF.size)


class Frame(NamedTuple):
    """A packet in the framing that BPF_PROG_RUN wants."""

    data_in: bytes
    link: str  # what the suite's packet starts with: "ethernet" or "ip"
    unseen: int  # bytes of data_in that the program does not see


def packet_of(step: Step, prog_type: ProgType, scope: Scope) -> Packet | None:
    """The packet of *step*, None for a type that has none. Raises SuiteError, at its place."""
    if not prog_type.sees and step.packet is not None and "errno" not in step.expect:
        raise prog_type.refusal("packet").at(step.packet.key_place())
    if step.packet is None:
        if not prog_type.sees:
            return None
        hint = "say 'packet:', such as Ether()/IP()/UDP()"
        raise SuiteError("no packet to run the program on", hint, step.name_place())
    given = built(step.packet, scope)
    if given.metadata and prog_type.ctx is not XDP_MD:
        own = "metadata" in step.packet  # or that of a named packet
        place = step.packet["metadata"].key_place() if own else step.packet.place()
        raise SuiteError(f"{prog_type.name} takes no metadata", "leave it out: only xdp has it", place)
    return given


def built(source: Written, scope: Scope) -> Packet:
    """The packet that *source* says. Raises SuiteError, at its place."""
    try:
        return packet(source.value, scope)
    except SourceError as error:
        raise sourced(error, source) from None


def framed(given: Packet, prog_type: ProgType, ctx: Given, live: Live | None) -> Frame:
    """*given* with an Ethernet header of zeros where it has none and the kernel wants one, or without."""
    sent = live and not live.ingress  # by a socket, as an IP packet
    if prog_type.sees in ("ethernet", "") and not sent:
        return Frame(given.data, "ethernet", 0)
    link = given.link or framing.link_of(given.data)
    if prog_type.sees == "hook" and not live and ctx.members.get("hook", LOCAL_OUT) == LOCAL_OUT:
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


def flag_bits(step: Step, prog_type: ProgType) -> int:
    """The flags of BPF_PROG_RUN. Raises SuiteError for one that the type does not take."""
    if step.flags is None:
        return 0
    total = 0
    for index, name in enumerate(step.flags.value):
        if name not in prog_type.flags and "errno" not in step.expect:
            if not prog_type.flags:
                raise prog_type.refusal("flags").at(step.flags.key_place())
            hint = f"it takes: {', '.join(prog_type.flags)}"
            raise SuiteError(f"{prog_type.name} takes no flag '{name}'", hint, step.flags[index].place())
        total |= RUN_FLAGS[name]
    return total


def refuse_repeat(step: Step, prog_type: ProgType) -> None:
    """Raises SuiteError for a `repeat` that the kernel refuses, or silently takes for one run."""
    if step.repeat > 1 and not prog_type.repeats and "errno" not in step.expect:
        place = step.here["repeat"].key_place() if "repeat" in step.here else step.name_place()
        raise prog_type.refusal("repeat").at(place)


def refuse_broken_rules(step: Step, prog_type: ProgType, run: Run) -> None:
    """Raises SuiteError for what every kernel refuses or ignores; a step that expects an errno tests just that."""
    if "errno" in step.expect:
        return
    for rule in prog_type.rules:
        wrong = rule.broken(run) if rule.everywhere else ""
        if wrong:
            hint = "leave it out: what the kernel ignores tests nothing"
            if rule.errno:
                hint = f"the kernel refuses the run with {rule.errno}; to test that, expect 'errno: {rule.errno}'"
            raise SuiteError(wrong, hint, rule_place(step, rule.key))


def rule_place(step: Step, key: str) -> Place:
    """Where the suite says *key*, such as "packet" or "ctx.data_end"; what is above it if it does not."""
    first, _, second = key.partition(".")
    where = _said(step, first)
    if where is None:
        return step.name_place()
    return where[second].place() if second in where else where.place()


def _said(step: Step, key: str) -> Written | None:
    """What holds for *step* under *key*, said by itself, by the defaults or at the top; None if nobody says it."""
    if key in ("packet", "ctx", "flags", "live"):
        found: Written | None = getattr(step, key)
        return found
    return step.here[key] if key in step.here else (step.program.places or {}).get(key)


def run_of(
    step: Step, frame: Frame | None, given: Packet | None, ctx: Given, attach_type: str, context: Context
) -> Run:
    """The run in the terms of the rules."""
    size = len(ctx.data) if ctx.data is not None else 0
    batch_size = context.live.batch_size if context.live else 0
    of_packet = (frame.data_in, len(given.metadata), frame.unseen) if frame and given else (b"", 0, 0)
    data_in, metadata, unseen = of_packet
    return Run(data_in, metadata, ctx.members, unseen, size, attach_type, step.cpu, context.interfaces, batch_size)


def request(
    step: Step,
    context: Context,
    given: Packet | None,
    run: Run,
    ctx: Given,
    flags: int,
    setup: Setup,
    program: str,
    benchmark: Benchmark | None,
    *,
    asks_ctx: bool,
) -> Request:
    """What the kernel is asked for. *program*: as Request has it. *asks_ctx*: another step takes the ctx over."""
    prog_type, live = context.prog_type, context.live
    asks_ctx = asks_ctx or _asks_for_ctx(step)
    on_cpu = prog_type.ctx_kind == "args" and step.cpu is not None
    return Request(
        (given.metadata if given else b"") + run.data_in if prog_type.sees or given else None,
        ctx.data if ctx.data is not None else _ctx_in(prog_type, run),
        _ctx_size_out(step, prog_type, asks_ctx=asks_ctx) if live is None else 0,
        prog_type.ctx is XDP_MD and ctx.data is None and not run.ctx and not run.metadata and not asks_ctx,
        step.repeat if prog_type.repeats or step.repeat > 1 else 0,
        flags | (BPF_F_TEST_RUN_ON_CPU if on_cpu else 0) | _live_flag(live),
        None if on_cpu else step.cpu,
        step.timeout_s,
        step.cpu or 0 if on_cpu else 0,
        prog_type.ctx_kind == "btf",
        ctx.state,
        setup,
        program,
        benchmark,
        live,
    )


def _live_flag(live: Live | None) -> int:
    return BPF_F_TEST_XDP_LIVE_FRAMES if live and not live.hook else 0


def _asks_for_ctx(step: Step) -> bool:
    """Whether what a step expects cannot be told without the context: how much metadata the program left, too."""
    return "ctx" in step.expect or ("output" in step.expect and "metadata" in step.expect["output"])


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
    if prog_type.ctx is SK_BUFF and not run.ctx:
        # Without any, skb->wire_len is 0; where it is given the kernel fills in the length of the packet, as a device
        # does: convert___skb_to_skb, net/bpf/test_run.c.
        return PLAIN_SK_BUFF
    return prog_type.ctx.encoded(run.ctx) if prog_type.ctx is not None and run.ctx else None


@functools.cache
def _plain_xdp_md(data_end: int, data: int) -> bytes:
    return XDP_MD.encoded({"data_end": data_end, "data": data})


def _ctx_size_out(step: Step, prog_type: ProgType, *, asks_ctx: bool) -> int:
    """Bytes of context that are asked for. To ask netfilter or flow_dissector for it is of no use."""
    ctx = prog_type.ctx
    if ctx is None:
        return 0
    wanted = ctx is XDP_MD or "socket" in step.expect or (asks_ctx and ctx.returned)
    return ctx.size if wanted else 0
