"""A case that runs many times: what its `sweep` says, or the ranges in its row, as the axes of a sweep."""

from __future__ import annotations

from itertools import repeat
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.packets.sources import SourceError
from bpftest.packets.templates import chosen, fitted
from bpftest.plan.axis import Axis, Sweep
from bpftest.plan.faults import Faults
from bpftest.plan.request import packet_of
from bpftest.plan.state import step_state
from bpftest.plan.step import run_step
from bpftest.suite.model import Written
from bpftest.suite.ranges import RUNS_MAX, SWEPT, range_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bpftest.expectations import Context
    from bpftest.packets.sources import Packet
    from bpftest.plan.axis import Input, Point
    from bpftest.plan.program import Target
    from bpftest.plan.state import State
    from bpftest.plan.step import Asked, JobStep
    from bpftest.suite.model import Case, Ranges, Step

BUILT_MAX = 1024  # runs whose packets are all built: a template would spare less than half a second
PLANNED_MAX = 16_384  # values of fields in one sweep: each takes about a millisecond to build
# What is not one answer of the kernel to one packet, and why.
UNSWEPT = {
    "errno": "a run that the kernel refuses tells nothing of the program",
    "loads": "the program is loaded and not run",
    "load_error": "the program is loaded and not run",
    "duration": "it is measured over one packet",
    "rate": "it is measured over one packet",
    "frames": "it is about frames that leave",
    "sockets": "it is about frames that leave",
}
UNSWEPT_RUNS = {
    "live": "the kernel gives no verdict on a frame",
    "benchmark": "it is measured over one packet",
    "repeat": "a run is one of a packet of its own",
}


def refuse_unswept(case: Case) -> None:
    """Raises SuiteError where a case with a sweep says what does not go with one."""
    step, what = case.steps[0], "'sweep'" if case.sweep is not None else "a range in a row"
    said = {"live": step.live, "benchmark": step.benchmark}
    if step.repeat > 1:
        said["repeat"] = step.here["repeat"] if "repeat" in step.here else step.here  # noqa: SIM401 - it has no get
    for key, where in said.items():
        if where is not None:
            place = where.key_place() if where.key == key else step.name_place()
            raise SuiteError(f"'{key}' and {what} do not go together: {UNSWEPT_RUNS[key]}", "make two cases", place)
    for key in step.expect:
        if key in UNSWEPT:
            place = step.expect[key].key_place()
            raise SuiteError(f"'{key}' and {what} do not go together: {UNSWEPT[key]}", "make two cases", place)
    if "output" in step.expect and "snapshot" in step.expect["output"]:
        place = step.expect["output"]["snapshot"].key_place()
        raise SuiteError(f"'snapshot' and {what} do not go together: it keeps one packet", "make two cases", place)


def swept(case: Case, step: JobStep, found: Target, context: Context, state: State) -> JobStep:
    """*step*, the only one of *case*, with its sweep. *context*, *state*: with which it was planned.

    Raises SuiteError, at its place.
    """
    if case.ranges is not None:
        return step._replace(sweep=_of_ranges(case, case.ranges, found, context, state))
    assert case.sweep is not None
    given = packet_of(step.step, context.prog_type, context.scope)
    if given is None or step.step.packet is None:
        raise SuiteError(f"{context.prog_type.name} has no packet that could be changed", "", case.sweep.key_place())
    return step._replace(sweep=_of_packet(case.sweep, step, given, context))


# --- ranges in a row --------------------------------------------------------------------------------------------------


def _of_ranges(case: Case, ranges: Ranges, found: Target, context: Context, state: State) -> Sweep:
    """The sweep over all numbers of *ranges*."""
    names, alike = tuple(ranges.values), "expect" not in ranges.parts
    label = tuple(f"{name} = " for name in names)

    def exact(point: Point) -> JobStep:
        faults = Faults()
        step = _with(case, ranges, dict(zip(names, point, strict=True)))
        its_state = state if alike else step_state(step, context)
        made = run_step(case, step, found, context, its_state, (), faults)
        for fault in faults.in_order():
            fault.what = f"{_said(label, point)}: {fault.what}"
            raise fault
        return made

    return Sweep((_axis(label, tuple(ranges.values.values()), exact),), alike)


def _with(case: Case, ranges: Ranges, numbers: dict[str, int]) -> Step:
    """The step of *case* with these *numbers* of its ranges."""
    step = case.steps[0]
    made = ranges.filled(numbers)
    written = {key: Written(step.here.document, made, key) for key in ranges.parts}
    packet, ctx, expect = (written.get(key, getattr(step, key)) for key in SWEPT)
    return step._replace(packet=packet, ctx=ctx, expect=expect)


# --- what `sweep` says ------------------------------------------------------------------------------------------------


class _Change(NamedTuple):
    """A sweep that is being planned."""

    step: JobStep
    given: Packet
    context: Context

    def asking(self, packet: Packet) -> JobStep:
        """The step with another packet."""
        assert self.step.ask_with is not None
        asked = self.step.ask_with(packet)
        return self.step._replace(ask=lambda _: asked)


def _of_packet(want: Written, step: JobStep, given: Packet, context: Context) -> Sweep:
    """The sweep that *want* says."""
    change = _Change(step, given, context)
    axes = [_built((), (), lambda _: step)]
    left_out: tuple[str, ...] = ()
    if "truncate" in want:
        axis, left_out = _truncation(want["truncate"], change)
        axes.append(axis)
    fields = want["fields"].parts() if "fields" in want else []
    _refuse_many(fields)
    for where in fields:
        axes += _field(where, change)
    found = Sweep(tuple(axes), tolerant=True, left_out=left_out)
    if found.runs > RUNS_MAX:
        what = f"the sweep would make {found.runs:,} runs, and a case makes {RUNS_MAX:,} at most"
        raise SuiteError(what, "make several cases of it", want.place())
    return found


def _refuse_many(fields: list[Written]) -> None:
    """Raises SuiteError for more values than planning can build in reasonable time, before any is built."""
    count = 0
    for want in fields:
        for where in want.parts() if isinstance(want.value, list) else [want]:
            try:
                numbers = range_of(where.value)
            except SuiteError:
                continue  # told when its turn comes
            count += min(len(numbers), BUILT_MAX) if numbers is not None else 1
            if count > PLANNED_MAX:
                what = f"more than {PLANNED_MAX:,} values are set one by one in this sweep"
                raise SuiteError(
                    what, f"make several cases of it; a range counts as {BUILT_MAX:,} at most", where.place()
                )


def _truncation(want: Written, change: _Change) -> tuple[Axis, tuple[str, ...]]:
    """The prefixes of the packet that a kernel takes, and in words those that none does."""
    said = want.value if isinstance(want.value, dict) else {}
    data, prog_type = change.given.data, change.context.prog_type
    least, most = said.get("min", 0), min(said.get("max", len(data)), len(data) - 1)

    def exact(point: Point) -> JobStep:
        return change.asking(change.given._replace(data=data[: point[0]], link=change.context.link or "ethernet"))

    def broken(length: int) -> str:
        asked = _asked(exact((length,)))
        return next(filter(None, (rule.broken(asked.run) for rule in prog_type.rules if rule.everywhere)), "")

    shortest = next((length for length in range(least, most + 1) if not broken(length)), None)
    if shortest is None:
        why = broken(most) if least <= most else f"the packet has {len(data)} bytes"
        raise SuiteError(f"there is nothing to cut: {why}", "a longer packet, or other lengths", want.place())
    axis = _built(("truncated to ",), (range(shortest, most + 1),), exact, " bytes")
    if shortest == least:
        return axis, ()
    short = axis._replace(values=(range(least, shortest),)).said([(0, shortest - least - 1)])
    return axis, (f"{short}: {broken(shortest - 1)}",)


def _field(want: Written, change: _Change) -> Iterator[Axis]:
    """An axis for the values of a field, and one for each of its large ranges."""
    from bpftest.packets.mutation import Mutation, mutated  # only for suites that change fields

    name = str(want.key)
    step, scope = change.step.step, change.context.scope
    assert step.packet is not None
    source = step.packet.value

    def exact(point: Point) -> JobStep:
        return change.asking(mutated(source, Mutation(name, point[0]), scope))

    plain: list[Any] = []
    label = (f"{name} = ",)
    for where in want.parts() if isinstance(want.value, list) else [want]:
        try:
            numbers = range_of(where.value)
            if numbers is not None and len(numbers) > BUILT_MAX:
                yield _axis(label, (numbers,), exact)
                continue
            values = [where.value] if numbers is None else numbers
            for value in values:
                exact((value,))
            plain += values
        except SourceError as error:
            raise error.at((want if error.key == "field" else where).key_place()) from None
        except SuiteError as error:
            raise error.at(where.place()) from None
    if plain:
        values = range(plain[0], plain[-1] + 1) if _is_range(plain) else plain
        yield _built(label, (values,), exact)


def _is_range(values: Sequence[Any]) -> bool:
    """Whether *values* are numbers that follow one another."""
    return all(isinstance(value, int) for value in values) and list(values) == list(
        range(values[0], values[0] + len(values))
    )


# --- axes -------------------------------------------------------------------------------------------------------------


def _built(
    before: tuple[str, ...], values: tuple[Sequence[Any], ...], exact: Callable[[Point], JobStep], after: str = ""
) -> Axis:
    """An axis each of whose packets is built when it runs."""

    def inputs() -> Iterator[Input]:
        for point in axis.points():
            asked = _asked(exact(point))
            yield asked.request.data_in, asked.request.ctx_in, asked.packet

    axis = Axis(before, after, values, exact, inputs, inputs)
    return axis


def _axis(before: tuple[str, ...], ranges: tuple[range, ...], exact: Callable[[Point], JobStep]) -> Axis:
    """An axis over numbers: by a template where there are many and one is found. Raises SuiteError for a wrong one."""
    plain = _built(before, ranges, exact)
    samples = {point: _asked(exact(point)) for point in chosen(ranges)}
    if prod(map(len, ranges)) <= BUILT_MAX:
        return plain
    data_in, ctx_in, packet = (_part(part, samples, ranges, exact) for part in (_data_in, _ctx_in, _packet))
    if data_in is None or ctx_in is None or packet is None:
        return plain
    return plain._replace(
        inputs=lambda: zip(data_in(), ctx_in(), repeat(b""), strict=False),
        inputs_with_packets=lambda: zip(data_in(), ctx_in(), packet(), strict=True),
    )


def _part(
    part: Callable[[Asked], bytes | None],
    samples: dict[Point, Asked],
    ranges: tuple[range, ...],
    exact: Callable[[Point], JobStep],
) -> Callable[[], Iterator[Any]] | None:
    """What gives a *part* of what is asked in each run, or None where no template is found."""
    found = {point: part(asked) for point, asked in samples.items()}
    if set(found.values()) == {None}:
        return lambda: repeat(None, prod(map(len, ranges)))
    made = fitted({point: content or b"" for point, content in found.items()}, ranges)
    return None if made is None else lambda: made.packets(lambda point: part(_asked(exact(point))) or b"")


def _data_in(asked: Asked) -> bytes | None:
    return asked.request.data_in


def _ctx_in(asked: Asked) -> bytes | None:
    return asked.request.ctx_in


def _packet(asked: Asked) -> bytes | None:
    return asked.packet


def _asked(step: JobStep) -> Asked:
    assert step.ask is not None
    return step.ask(())


def _said(before: tuple[str, ...], point: Point) -> str:
    return ", ".join(map(str.__add__, before, map(str, point)))
