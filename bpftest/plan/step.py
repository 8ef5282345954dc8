"""One step of a case, ready to run: what the kernel is asked for, and what is checked of its answer."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations import EXPECTATIONS
from bpftest.expectations.result import checksum_complete
from bpftest.kernel.door import Live
from bpftest.packets.sources import Packet
from bpftest.plan.benchmark import benchmark_of
from bpftest.plan.ctx import Given, given_ctx
from bpftest.plan.live import arrived, live_of, refuse_untold
from bpftest.plan.program import refuse_uncalled
from bpftest.plan.request import (
    flag_bits,
    framed,
    packet_of,
    refuse_broken_rules,
    refuse_repeat,
    request,
    run_of,
    with_family,
)
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.expectations import Check, Context
    from bpftest.kernel.door import Observation, Request
    from bpftest.plan.axis import Sweep
    from bpftest.plan.faults import Faults
    from bpftest.plan.program import Target
    from bpftest.plan.state import State
    from bpftest.progtypes import Run
    from bpftest.suite.model import Case, Step, Written


class Asked(NamedTuple):
    """What the kernel is asked for, and what its answer is judged by."""

    request: Request
    run: Run  # the request in the terms of the rules
    packet: bytes  # what goes in, as the suite gives it
    link: str  # its first header: "ethernet" or "ip"; "" where there is no packet


Ask = Callable[[Sequence["Observation"]], Asked]  # told what the steps before have given


class JobStep(NamedTuple):
    """One step, ready to run."""

    step: Step
    context: Context
    program: str  # the C function
    checks: tuple[Check, ...]
    ask: Ask | None = None  # None: nothing is run
    refusals: Mapping[int, Check] = MappingProxyType({})  # errnos of the run that are verdicts by themselves
    label: str = ""  # what reports call it; "" for the only one
    takes: frozenset[str] = frozenset()  # labels of the steps whose packet or ctx it takes over
    ask_with: Callable[[Packet], Asked] | None = None  # the same with another packet; None: it is another step's
    sweep: Sweep | None = None  # the runs that it makes, where it makes several

    def expects_refusal(self, errno: int) -> bool:
        """Whether a run that the kernel refuses with *errno* is an answer to what the step asks."""
        return "errno" in self.step.expect or errno in self.refusals


class Sources(NamedTuple):
    """The steps that a step is fed by, as indices."""

    packet: int | None = None
    ctx: int | None = None


NONE = Sources()


def unrun_step(step: Step, found: Target, context: Context, faults: Faults) -> JobStep:
    """The step of a case that is about loading its program."""
    return JobStep(step, context, _name(found), _checks(step, context, faults))


def run_step(
    case: Case,
    step: Step,
    found: Target,
    context: Context,
    state: State,
    earlier: Sequence[JobStep],
    faults: Faults,
) -> JobStep:
    """A step of *case* that runs its program; what cannot be understood is among the *faults*.

    What has nothing to look at is not called: there may be very many cases.
    """
    mistakes = len(faults)
    live = None
    if step.live is not None:
        live = faults.of(step.here, live_of, step, context, found.attach_type)
        # Where `live` is wrong, what is expected of live frames is not wrong too.
        context = context._replace(live=live or Live(""))
        for key in step.expect:
            faults.of(step.here, refuse_untold, step.expect[key])
    fed = step.packet is not None and "from" in step.packet
    sources = NONE
    if fed or (step.ctx is not None and "from" in step.ctx):
        sources = faults.of(step.here, _sources, step, earlier) or NONE
    given = None if fed else faults.of(step.here, packet_of, step, context.prog_type, context.scope)
    ctx = faults.of(step.here, _given, step, context, sources, earlier) or Given()
    if live is not None:
        ctx = faults.of(step.here, arrived, step, ctx, live, context) or ctx
    benchmark = faults.of(step.here, benchmark_of, step, context.prog_type, step is case.steps[-1])
    flags = faults.of(step.here, flag_bits, step, context.prog_type) or 0 if step.flags else 0
    if step.repeat > 1:
        faults.of(step.here, refuse_repeat, step, context.prog_type)
    if context.prog_type.attached:
        faults.of(step.here, refuse_uncalled, found)
    program, asks_ctx = _name(found) if earlier else "", _gives_ctx(step, case)

    def make(given: Packet | None, ctx: Given) -> Asked:
        ctx = with_family(ctx, context.prog_type, given)
        frame = framed(given, context.prog_type, ctx, live) if given else None
        run = run_of(step, frame, given, ctx, found.attach_type, context)
        asked = request(step, context, given, run, ctx, flags, state.setup, program, benchmark, asks_ctx=asks_ctx)
        return Asked(asked, run, given.data if given else b"", frame.link if frame else "")

    ask, link = _fed(make, given, ctx, sources, earlier)
    if sources is NONE and len(faults) == mistakes:  # a rule would only repeat what is already said
        if live and live.hook:
            from bpftest.plan.hooks import refuse_with_attached  # only for programs that are attached

            faults.of(step.here, refuse_with_attached, step, live, ask(()).run.data_in)
        else:
            faults.of(step.here, refuse_broken_rules, step, context.prog_type, ask(()).run)
    context = context._replace(link=link, chain=_chain(given, sources, earlier), struct=ctx.struct)
    label = (step.name or f"step {len(earlier) + 1}") if "steps" in case.here else ""
    takes = frozenset(earlier[index].label for index in sources if index is not None)
    checks = _checks(step, context, faults, state.checks)
    ask_with = (lambda packet: make(packet, ctx)) if sources is NONE else None
    return JobStep(step, context, _name(found), checks, ask, _refusals(step), label, takes, ask_with)


def _gives_ctx(step: Step, case: Case) -> bool:
    """Whether another step of *case* takes over the ctx that *step* leaves."""
    others = (one.ctx for one in case.steps if one.ctx is not None) if step.name else ()
    return any("from" in ctx and ctx["from"].value == step.name for ctx in others)


def _fed(
    make: Callable[[Packet | None, Given], Asked],
    given: Packet | None,
    ctx: Given,
    sources: Sources,
    earlier: Sequence[JobStep],
) -> tuple[Ask, str]:
    """(what asks the kernel, the first header of the packet) of a step that takes over what its *sources* leave."""
    if sources is NONE:
        asked = make(given, ctx)
        return lambda _: asked, asked.link
    from_packet = None if sources.packet is None else earlier[sources.packet].context
    from_ctx = None if sources.ctx is None else earlier[sources.ctx]

    def ask(before: Sequence[Observation]) -> Asked:
        packet, its_ctx = given, ctx
        if from_packet is not None and sources.packet is not None:
            packet = Packet(from_packet.output(before[sources.packet]), b"", from_packet.link, from_packet.chain)
        if from_ctx is not None and sources.ctx is not None:
            its_ctx = _left(ctx, before[sources.ctx], from_ctx)
        return make(packet, its_ctx)

    return ask, from_packet.link if from_packet is not None else make(given, ctx).link


def _chain(given: Packet | None, sources: Sources, earlier: Sequence[JobStep]) -> tuple[str, ...]:
    """The headers of the packet that goes in, as sources.Packet has them."""
    if sources.packet is not None:
        return earlier[sources.packet].context.chain
    return given.chain if given else ()


def _name(found: Target) -> str:
    return found.loading.program if found.loading else ""


def _checks(
    step: Step, context: Context, faults: Faults, known: Mapping[str, Check] = MappingProxyType({})
) -> tuple[Check, ...]:
    """The checks of all that the step expects. *known*: those that are made already, by their keys."""
    expect = step.expect
    found = (known.get(key) or faults.of(expect[key], EXPECTATIONS[key], expect[key], context) for key in expect)
    return tuple(check for check in found if check is not None)


def _refusals(step: Step) -> Mapping[int, Check]:
    """The verdicts that the kernel gives by refusing: with checksum_complete, EBADMSG says that skb->csum is wrong."""
    if step.flags is None or "checksum_complete" not in step.flags.value or "errno" in step.expect:
        return MappingProxyType({})
    return MappingProxyType({errno.EBADMSG: checksum_complete(step.flags)})


def _sources(step: Step, earlier: Sequence[JobStep]) -> Sources:
    """The steps that {from: NAME} names. Raises SuiteError, at its place."""
    packet = _source(step.packet, earlier)
    if (
        packet is not None
        and not step.expect.value.get("errno")
        and earlier[packet].context.prog_type.gives != "packet"
    ):
        name = earlier[packet].context.prog_type.name
        assert step.packet is not None
        place = step.packet["from"].place()
        raise SuiteError(f"the step leaves no packet: the kernel gives none back for {name}", place=place)
    return Sources(packet, _source(step.ctx, earlier))


def _source(here: Written | None, earlier: Sequence[JobStep]) -> int | None:
    if here is None or "from" not in here:
        return None
    origin = here["from"]
    if here.key == "packet" and len(here.value) > 1:
        raise SuiteError("'from' stands for the whole packet", "leave out the rest, or 'from'", origin.key_place())
    name, names = origin.value, [one.step.name for one in earlier]
    if name not in names or not name:
        known = [one for one in names if one]
        hint = suggestion(name, known) if known else "{from: NAME} takes what a step of that name has left"
        raise SuiteError(f"no step '{name}' before this one", hint, origin.place())
    source = earlier[names.index(name)]
    if source.step.live is not None:
        raise SuiteError(
            f"step '{name}' leaves no {here.key}: with 'live' the kernel gives none back", place=origin.place()
        )
    if "errno" in source.step.expect:
        raise SuiteError(f"step '{name}' leaves nothing: its run is to be refused", place=origin.place())
    return names.index(name)


def _given(step: Step, context: Context, sources: Sources, earlier: Sequence[JobStep]) -> Given:
    """The ctx of the step, as far as it is known before the case runs. Raises SuiteError, at its place."""
    if sources.ctx is None or step.ctx is None:
        return given_ctx(step, context)
    source = earlier[sources.ctx].context
    place = step.ctx["from"].place()
    if "ctx" not in source.prog_type.gives_back:
        raise SuiteError(f"the step leaves no ctx: the kernel gives none back for {source.prog_type.name}", place=place)
    if (source.prog_type.ctx, source.prog_type.ctx_kind) != (context.prog_type.ctx, context.prog_type.ctx_kind):
        name = step.ctx["from"].value
        text = f"step '{name}' is {source.prog_type.name}, and its ctx cannot be that of {context.prog_type.name}"
        raise SuiteError(text, "leave 'from' out, and name the fields", place)
    return given_ctx(step, context)._replace(struct=source.struct)


def _left(said: Given, before: Observation, source: JobStep) -> Given:
    """The ctx that a step has left, with what the suite *said* beside it."""
    ctx, data = source.context.prog_type.ctx, before.reply.ctx_out if before.reply else b""
    if ctx is not None:
        # The kernel refuses a wire_len that is less than the packet's, which may have grown: net/bpf/test_run.c.
        names = [name for name in ctx.settable if name in ctx.returned and name != "wire_len"]
        left: dict[str, Any] = {name: ctx.members[name].decoded(data) for name in names}
        members = {name: value for name, value in left.items() if value != _zero(value)} | dict(said.members)
        return said._replace(members=members)
    if source.context.prog_type.ctx_kind == "state":
        return said._replace(state=data)
    return said._replace(data=data)


def _zero(value: Any) -> Any:
    return (0,) * len(value) if isinstance(value, tuple) else 0
