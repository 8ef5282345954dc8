"""`frames`: what really left through the interfaces of a case, and what the network stack got."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError, each
from bpftest.events import Finding, Mismatch
from bpftest.expectations.bounds import count
from bpftest.expectations.context import LOOPBACK, excerpt, reply_of
from bpftest.expectations.output import Left, output_form
from bpftest.progtypes.xdp import XDP
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bpftest.events import HexRow
    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written

    Form = Callable[["Came", bytes], Finding]  # what is not so of one of the frames
    Part = Callable[["Came"], "Found"]

STACK = "stack"  # in place of an interface: what the network stack got
NEAREST = 32  # different frames among which the one is looked for that is nearest to what was expected
TOLD_MAX = 1_000  # different frames that are not as expected, after which the others are not looked at: it takes long


class Came(NamedTuple):
    """What was caught at one place."""

    path: str  # of it in reports: frames.right
    runs: tuple[tuple[bytes, int], ...]  # (frame, how many of it one after the other), in order
    packet: bytes  # that went in
    total: int

    def numbered(self) -> Iterator[tuple[int, bytes, int]]:
        """(number of the first of them, from 1; frame; how many one after the other), in order."""
        number = 1
        for frame, times in self.runs:
            yield number, frame, times
            number += times


class Found(NamedTuple):
    """What of it is not as expected."""

    mismatches: tuple[Mismatch, ...] = ()
    rows: tuple[HexRow, ...] = ()


def frames(want: Written, context: Context) -> Check:
    """The frames that were caught at each interface: how many, and what they are."""
    _refuse_uncaught(want, context)
    parts = dict(zip(want, each(lambda name: _parts(want[name], context), want), strict=True))

    def check(observation: Observation) -> Finding:
        caught = {one.interface: one.frames for one in reply_of(observation).frames}
        held: list[str] = []
        broken: list[Mismatch] = []
        rows: tuple[HexRow, ...] = ()
        where = want
        for name, its in parts.items():
            runs = caught.get(name, ())
            came = Came(f"frames.{name}", runs, observation.packet, sum(times for _, times in runs))
            found = [part(came) for part in its]
            mismatches = [mismatch for one in found for mismatch in one.mismatches]
            if not mismatches:
                held.append(f"{name} {came.total:,}")
            elif not broken:
                rows, where = next((one.rows for one in found if one.rows), ()), want[name]
            broken += mismatches
        if not broken:
            return Finding("frames", ", ".join(held))
        return Finding("frames", ", ".join(held), tuple(broken), rows, excerpt(where))

    return check


def _refuse_uncaught(want: Written, context: Context) -> None:
    """Raises SuiteError for frames that are not caught anywhere."""
    if context.live is None and context.prog_type is XDP:
        hint = "say 'live: {ingress: NAME}', so that they are really sent"
        raise SuiteError("without 'live' an xdp program sends no frames", hint, want.key_place())
    known = [name for name in context.interfaces if name not in LOOPBACK]
    if not known:
        raise SuiteError("there is no interface to catch frames at", "declare it under 'interfaces'", want.key_place())
    known += [STACK] if context.live is not None else []
    each(lambda name: _refuse_unknown(want[name], known), want)


def _refuse_unknown(want: Written, known: list[str]) -> None:
    if want.key not in known:
        raise SuiteError(f"no interface '{want.key}' in this case", suggestion(str(want.key), known), want.key_place())


def _parts(want: Written, context: Context) -> list[Part]:
    if isinstance(want.value, list):
        return [_exactly(want, context)]
    return each(lambda key: PARTS[key](want[key], context), [key for key in PARTS if key in want])


def _form(want: Written, context: Context) -> Form:
    """An output of any form, of an Ethernet frame. Raises SuiteError."""
    for key, what in (("flow_keys", "no flow keys"), ("metadata", "no metadata: it stays behind when it leaves")):
        if isinstance(want.value, dict) and key in want:
            raise SuiteError(f"a frame has {what}", "leave it out", want[key].key_place())
    try:
        form = output_form(want, context._replace(prog_type=XDP, link="ethernet"))
    except SuiteError as error:
        raise error.at(want.part(error.span)) from None
    return lambda came, frame: form(Left(frame, came.packet, None))


def _count(want: Written, _context: Context) -> Part:
    wanted = count(want)

    def part(came: Came) -> Found:
        if wanted.hold(came.total):
            return Found()
        return Found((Mismatch(f"{came.path} count", wanted.text(), f"{came.total:,}"),))

    return part


def _every(want: Written, context: Context) -> Part:
    """Every frame is like this, and there is one."""
    form = _form(want, context)

    def part(came: Came) -> Found:
        if not came.runs:
            return _none(came, want)
        seen: dict[bytes, Finding] = {}  # a million equal frames are compared once
        first, others, different = Found(), 0, 0
        for number, frame, times in came.numbered():
            if frame not in seen:
                seen[frame] = form(came, frame)
                different += bool(seen[frame].mismatches)
            if seen[frame].mismatches:
                first = first if others else _of_frame(came, number, seen[frame])
                others += times
            if different == TOLD_MAX:
                break
        if others < 2:
            return first
        actual = f"{others:,}{' or more' if different == TOLD_MAX else ''} that differ"
        how_many = Mismatch(f"{came.path} {want.key}", f"all {came.total:,} frames like this", actual)
        return first._replace(mismatches=(*first.mismatches, how_many))

    return part


def _first(want: Written, context: Context) -> Part:
    form = _form(want, context)

    def part(came: Came) -> Found:
        return _of_frame(came, 1, form(came, came.runs[0][0])) if came.runs else _none(came, want)

    return part


def _any(want: Written, context: Context) -> Part:
    """One frame is like this; of many that are not, the nearest is told."""
    form = _form(want, context)

    def part(came: Came) -> Found:
        if not came.runs:
            return _none(came, want)
        seen: dict[bytes, tuple[int, Finding]] = {}
        for number, frame, _ in came.numbered():
            if frame not in seen:
                seen[frame] = number, form(came, frame)
                if not seen[frame][1].mismatches:
                    return Found()
        nearest = min(list(seen.values())[:NEAREST], key=lambda one: len(one[1].mismatches))
        found = _of_frame(came, *nearest)
        none = Mismatch(f"{came.path} any", "a frame like this", f"none of {came.total:,}")
        return found._replace(mismatches=(none, *found.mismatches))

    return part


def _exactly(want: Written, context: Context) -> Part:
    """These frames in this order, and no others."""
    forms = each(lambda index: _form(want[index], context), range(len(want.value)))

    def part(came: Came) -> Found:
        there = [frame for frame, times in came.runs[: len(forms)] for _ in range(min(times, len(forms)))]
        pairs = zip(forms, there)  # noqa: B905 - as many as there are of both
        found = [_of_frame(came, number, form(came, frame)) for number, (form, frame) in enumerate(pairs, 1)]
        mismatches = [mismatch for one in found for mismatch in one.mismatches]
        if came.total != len(forms):
            mismatches.insert(0, Mismatch(f"{came.path} count", f"{len(forms):,}", f"{came.total:,}"))
        return Found(tuple(mismatches), next((one.rows for one in found if one.rows), ()))

    return part


def _none(came: Came, want: Written) -> Found:
    return Found((Mismatch(f"{came.path} {want.key}", "a frame like this", "no frame"),))


def _of_frame(came: Came, number: int, finding: Finding) -> Found:
    """What is not so of the frame with this number."""
    named = (one._replace(what=f"{came.path} #{number} {one.what}") for one in finding.mismatches)
    return Found(tuple(named), finding.rows)


PARTS: Mapping[str, Callable[[Written, Context], Part]] = {
    "count": _count,
    "output": _every,
    "all": _every,
    "first": _first,
    "any": _any,
    "exactly": _exactly,
}
