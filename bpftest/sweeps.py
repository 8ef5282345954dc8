"""The runs of a sweep, made and judged: the first that is not as expected stands for the case, the others are counted.

Runs that can only be judged alike are judged once: those that return the same, where nothing else is expected, and
those that also leave as many bytes, where the length of the packet is. Anything else is judged run by run.
"""

from __future__ import annotations

import time
from collections import Counter
from errno import EINTR
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errnos import errno_name
from bpftest.errors import CaseTimeout, RunError, SuiteError
from bpftest.kernel.door import Observation, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from bpftest.kernel.door import LoadReport, Request
    from bpftest.plan import Asked, Job, JobStep
    from bpftest.plan.axis import Axis, Span, Sweep

    class Runs(Protocol):
        """The runs of a sweep: kernel.sweep.Sweep, or a test's fake of it."""

        def run(self, data_in: bytes | None, ctx_in: bytes | None) -> int:
            """What the program returned, as unsigned 32 bits; or the errno of a refusal, negative."""

        def run_all(self, request: Request) -> int:
            """The same of a request that differs in more than packet and context."""

        def reply(self) -> Reply:
            """All that the kernel gave back for the last run, which it did not refuse."""

        def sizes(self) -> tuple[int, bytes]:
            """How long its data_out is, and the first four bytes of its ctx_out."""


BY_RETVAL = frozenset(
    {"retval", "never", "limits"}
)  # what these find depends on what a run returned, and on nothing else
SPANS_MAX = 1000  # runs beside each other, as one, that are kept; the others are only counted
CODES_SHOWN = 8  # return codes of which is told how often they came
HEX_MAX = 256  # bytes of a packet that a note shows


class Spot(NamedTuple):
    """A run, and what came back."""

    axis: Axis
    at: int  # its number, from 0
    reply: Reply


class Among:
    """Runs of one axis among the others: how many, and which."""

    def __init__(self) -> None:
        self.number = 0
        self.spans: list[Span] = []

    def add(self, index: int) -> None:
        """One more; they come in their order."""
        self.number += 1
        if self.spans and self.spans[-1][1] == index - 1:
            self.spans[-1] = self.spans[-1][0], index
        elif len(self.spans) < SPANS_MAX:
            self.spans.append((index, index))


def swept(job: Job, runs: Runs, load: LoadReport, deadline: float) -> tuple[Job, tuple[Observation, ...]]:
    """The run that stands for all of *job*, as a job of its own, and what was observed of it.

    It is the first that is not as expected, or that the kernel refuses; else one that is. *deadline*: of
    time.monotonic. Raises CaseTimeout, and RunError for a packet that cannot be built.
    """
    judging = _Judging(job, runs, load, deadline)
    try:
        judging.run()
    except SuiteError as error:
        raise RunError(error.what, error.hint, error.place) from error
    return judging.verdict()


class _Judging:
    """The judging of one sweep."""

    def __init__(self, job: Job, runs: Runs, load: LoadReport, deadline: float) -> None:
        self._job = job
        self._step = job.steps[0]
        self._sweep: Sweep = _sweep(self._step)
        self._runs = runs
        self._load = load
        self._deadline = deadline
        self._by_retval = BY_RETVAL.issuperset(self._step.step.expect)
        self._by_sizes = _by_sizes(self._step)
        self._holds: dict[object, bool] = {}  # by what decides how a run is judged
        self._returned: Counter[int] = Counter()
        self._one: Spot | None = None  # the first run that was judged
        self._refused: Spot | None = None
        self._broken: Spot | None = None
        self._others = [Among() for _ in self._sweep.axes]  # that are not as expected, but for the first
        self._left_out: dict[tuple[int, int], tuple[Among, str]] = {}  # by number of the axis and errno; and why

    def run(self) -> None:
        """Makes all runs, up to one that the kernel refuses for no reason that the sweep knows."""
        for number in range(len(self._sweep.axes)):
            if self._refused is None:
                (self._run_alike if self._sweep.alike else self._run_apart)(number)

    def _run_alike(self, number: int) -> None:
        axis, run, returned, holds = self._sweep.axes[number], self._runs.run, self._returned, self._holds
        now, deadline, by_retval = time.monotonic, self._deadline, self._by_retval
        inputs = axis.inputs if by_retval or self._by_sizes else axis.inputs_with_packets
        for index, (data_in, ctx_in, packet) in enumerate(inputs()):
            if now() > deadline:
                raise self._timeout()
            outcome = run(data_in, ctx_in)
            returned[outcome] += 1
            key: object = outcome
            if not by_retval:
                key = (outcome, len(data_in or b""), self._runs.sizes()) if self._by_sizes else None
            if not holds.get(key):
                self._judge(number, index, outcome, packet, self._step, key)
                if self._refused is not None:
                    return

    def _run_apart(self, number: int) -> None:
        axis = self._sweep.axes[number]
        for index, point in enumerate(axis.points()):
            if time.monotonic() > self._deadline:
                raise self._timeout()
            step = axis.exact(point)
            assert step.ask is not None
            asked = step.ask(())
            outcome = self._runs.run_all(asked.request)
            self._returned[outcome] += 1
            self._judge(number, index, outcome, asked.packet, step, None)
            if self._refused is not None:
                return

    def _judge(self, number: int, index: int, outcome: int, packet: bytes, step: JobStep, key: object) -> None:
        """Judges a run by all that came back. *key*: of the runs that are judged like it; None: there are none."""
        axis = self._sweep.axes[number]
        if outcome < 0 and -outcome not in step.refusals:
            self._leave_out(number, index, outcome)
            return
        if key is None or key not in self._holds:
            reply = Reply(errno=-outcome) if outcome < 0 else self._runs.reply()
            holds = self._is_as_expected(Observation(self._load, reply, packet or _packet(axis, index)), step)
            self._one = self._one or Spot(axis, index, reply)
            if key is not None:
                self._holds[key] = holds
            if holds:
                return
            if self._broken is None:
                self._broken = Spot(axis, index, reply)
                return
        self._others[number].add(index)

    def _is_as_expected(self, observation: Observation, step: JobStep) -> bool:
        reply = observation.reply
        refusal = step.refusals.get(reply.errno) if reply else None
        checks = step.checks if refusal is None else (refusal,)
        return not any(check(observation).mismatches for check in checks)

    def _leave_out(self, number: int, index: int, outcome: int) -> None:
        """A packet that the kernel does not take is left out, if a rule of the type says why; else the sweep ends."""
        axis, errno = self._sweep.axes[number], -outcome
        self._returned[outcome] -= 1
        if errno == EINTR:  # any other signal than that of the timeout has led to another run
            raise self._timeout()
        reason = _reason(axis.exact(axis.point(index)), errno) if self._sweep.tolerant and axis.values else ""
        if reason:
            among, _ = self._left_out.get((number, errno), (Among(), ""))
            among.add(index)
            self._left_out[number, errno] = among, reason
        else:
            self._refused = Spot(axis, index, Reply(errno=errno))

    def _timeout(self) -> CaseTimeout:
        case, done = self._job.case, self._returned.total()
        place = case.here["timeout"].place() if "timeout" in case.here else None
        what = f"interrupted after {case.timeout_s:g} s and {done:,} of {self._sweep.runs:,} runs"
        return CaseTimeout(what, "give a longer 'timeout:', or fewer values", place)

    # --- the verdict ------------------------------------------------------------------------------------------------

    def verdict(self) -> tuple[Job, tuple[Observation, ...]]:
        """The run that stands for all, as a job of its own, and what was observed of it."""
        wrong = self._refused or self._broken
        spot = wrong or self._one
        assert spot is not None
        step = spot.axis.exact(spot.axis.point(spot.at))
        assert step.ask is not None
        asked = step.ask(())
        label = spot.axis.label(spot.at) if wrong and spot.axis.values else ""
        job = self._job._replace(
            steps=(step._replace(label=label, sweep=None),),
            notes=(*self._others_said(), *(_alone(spot, asked, self._job) if wrong else ()), *self._left_out_said()),
            figures=tuple(self._figures(step)),
        )
        return job, (Observation(self._load, spot.reply, asked.packet),)

    def _others_said(self) -> Iterator[str]:
        """How many other runs are not as expected, and which."""
        others = [(axis, among) for axis, among in zip(self._sweep.axes, self._others, strict=True) if among.number]
        if others:
            number = sum(among.number for _, among in others)
            said = "; ".join(axis.said(among.spans) for axis, among in others)
            are = "run is" if number == 1 else "runs are"
            yield f"{number:,} more {are} not as expected: {said}"

    def _left_out_said(self) -> Iterator[str]:
        """Which packets were not run, and why."""
        yield from (f"left out, as no kernel takes it: {said}" for said in self._sweep.left_out)
        for (number, errno), (among, reason) in self._left_out.items():
            said = self._sweep.axes[number].said(among.spans)
            yield f"left out, as this kernel does not take it ({errno_name(errno)}): {said}: {reason}"

    def _figures(self, step: JobStep) -> Iterator[tuple[str, str]]:
        """How many runs there were, and how often each return code came."""
        yield "runs", f"{self._returned.total():,}"
        code_text = step.context.prog_type.code_text
        came = [(code, times) for code, times in self._returned.most_common() if code >= 0 and times]
        said = [f"{code_text(signed(code))}: {times:,}" for code, times in came[:CODES_SHOWN]]
        yield "returned", ", ".join(said + ["..."] * (len(came) > CODES_SHOWN))


def _by_sizes(step: JobStep) -> bool:
    """Whether what the step expects depends on return value and length of the packet alone."""
    expect = step.step.expect
    others = set(expect) - BY_RETVAL
    return others == {"output"} and isinstance(expect["output"].value, dict) and set(expect["output"]) == {"length"}


def _packet(axis: Axis, index: int) -> bytes:
    """The packet of a run, as Asked has it."""
    step = axis.exact(axis.point(index))
    assert step.ask is not None
    return step.ask(()).packet


def signed(outcome: int) -> int:
    """What a program returned as it means it: signed, 32 bits."""
    return outcome - 0x1_0000_0000 if outcome & 0x8000_0000 else outcome


def _alone(spot: Spot, asked: Asked, job: Job) -> Iterator[str]:
    """How to make one run alone."""
    if job.case.ranges is not None:
        values = ", ".join(
            f"{name}: {value}" for name, value in zip(job.case.ranges.values, spot.axis.point(spot.at), strict=True)
        )
        yield f"this run alone: a row with {values} in the place of the range"
    elif asked.packet and spot.axis.values:
        is_short = len(asked.packet) <= HEX_MAX
        source = f'packet: {{hex: "{asked.packet.hex()}"}}' if is_short else "the packet of input.pcap"
        yield f"this run alone: a case without the sweep and with {source}"


def _reason(step: JobStep, errno: int) -> str:
    """The rule of the program type by which the kernel refuses what *step* asks, in words; "" if there is none."""
    assert step.ask is not None
    run, name = step.ask(()).run, errno_name(errno)
    rules = (rule for rule in step.context.prog_type.rules if rule.errno == name)
    return next((text for rule in rules if (text := rule.broken(run))), "")


def _sweep(step: JobStep) -> Sweep:
    assert step.sweep is not None
    return step.sweep
