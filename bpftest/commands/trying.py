"""The cases of a draft, run once on this machine's kernel, to see what comes of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from bpftest.drafts.cases import LOADS, Case, Remark, ran
from bpftest.errnos import errno_name
from bpftest.errors import ObjectError
from bpftest.events import CaseFinished, Outcome
from bpftest.kernel.door import Observation
from bpftest.reporters.printable import clip, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bpftest.drafts.cases import Block
    from bpftest.drafts.text import Text
    from bpftest.executors.local import RunningKernel
    from bpftest.kernel.door import Loading, LoadReport, Reply, Request
    from bpftest.plan import Job, Objects, Plan
    from bpftest.runner import Session

    Compose = Callable[[Sequence[Block]], Text]

WIDTH = 300  # characters of a comment that tells why


class Tried(NamedTuple):
    """What came of a case."""

    job: Job
    finished: CaseFinished
    load: LoadReport | None = None  # None: nothing was loaded
    reply: Reply | None = None  # None: nothing was run

    @property
    def passed(self) -> bool:
        """Whether it is as it should be, as far as this machine can say."""
        return self.finished.outcome in (Outcome.PASSED, Outcome.SKIPPED)

    @property
    def load_errno(self) -> int:
        """With what the kernel has refused to load the program; 0: it has not."""
        return self.load.errno if self.load else 0

    @property
    def run_errno(self) -> int:
        """With what it has refused the run; 0: it has not."""
        return self.reply.errno if self.reply and not self.reply.timed_out else 0


def planned(path: str, blocks: Sequence[Block], compose: Compose, objects: Objects) -> tuple[list[Block], Plan]:
    """*blocks* with remarks in the places of cases that cannot be, and the plan of the others.

    *path*: of the suite. Raises ObjectError where no case is left.
    """
    from bpftest.plan import plan
    from bpftest.suite.document import document
    from bpftest.suite.parse import InvalidSuiteFile, suite

    left = list(blocks)
    while any(isinstance(block, Case) for block in left):
        before, text = tuple(left), compose(left)
        try:
            return left, plan(suite(document(path, text.content)), objects)
        except InvalidSuiteFile as error:
            for fault in error.faults:
                index = text.block_at(fault.place.line) if fault.place else None
                if index is None or isinstance(before[index], Remark):
                    raise ObjectError(f"no suite can be written for it: {fault.what}", fault.hint) from None
                left[index] = _remark(left[index], fault.what)
    raise ObjectError(f"there is no case that could be run: {_reasons(left)}")


@contextmanager
def on_cpu(which: int) -> Iterator[None]:
    """In this block the process is on one CPU: the first (0) or the last (-1) of those that it may use."""
    cpus = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {sorted(cpus)[which]})
        yield
    finally:
        os.sched_setaffinity(0, cpus)


def tried(plan: Plan, kernel: RunningKernel) -> Iterator[Tried]:
    """What comes of each job of *plan*, in their order."""
    from bpftest.runner import run_suite

    listening = _Listening(kernel)
    names = frozenset(job.case.name for job in plan.jobs)
    jobs = iter(plan.jobs)
    for event in run_suite(plan, names, listening):
        if isinstance(event, CaseFinished):
            job = next(jobs)
            yield Tried(job, event, listening.reports.get(job.loading), listening.reply)
            listening.reply = None


def asking(blocks: Sequence[Block]) -> list[Block]:
    """*blocks* whose cases ask the kernel for all that it gives back; what they expect means nothing."""
    from bpftest.drafts.recorded import asked

    return [
        block._replace(expects=asked(block.prog_type))
        if isinstance(block, Case) and block.expects == ran(block.program)
        else block
        for block in blocks
    ]


def seen(blocks: Sequence[Block], results: Sequence[Tried]) -> list[Block]:
    """*blocks* with what this kernel says to them where it does not run them: a refusal is what it does."""
    found = iter(results)
    return [_seen(block, next(found)) if isinstance(block, Case) else block for block in blocks]


def _seen(case: Case, result: Tried) -> Block:
    finished = result.finished
    why = clip(plain(finished.message), WIDTH)
    if finished.outcome is Outcome.SKIPPED:
        return case._replace(above=(*case.above, f"On this machine it is skipped: {why}"))
    if result.load_errno:
        refused = f"load_error: {{errno: {errno_name(result.load_errno)}}}"
        above = (*case.above, f"Today, {why}")
        return case._replace(name=f"{case.program} is refused", given=(), expects=(refused,), above=above)
    if result.run_errno and case.expects != LOADS:
        above = (*case.above, why)
        name = case.name.replace(f"{case.program} runs", f"{case.program} is not run")
        return case._replace(name=name, expects=(f"errno: {errno_name(result.run_errno)}",), above=above)
    if finished.outcome is not Outcome.ERROR:
        return case
    return _loading(case, why) if result.load and case.expects != LOADS else _remark(case, why)


def _loading(case: Case, why: str) -> Case:
    """*case*, of which no more can be said than that its program loads."""
    name = case.name.replace(f"{case.program} runs", f"{case.program} is accepted by the verifier")
    return case._replace(name=name, given=(), expects=LOADS, above=(*case.above, why))


def recorded(blocks: Sequence[Block], results: Sequence[Tried]) -> list[Block]:
    """*blocks* that expect what the run of each has given."""
    found = iter(results)
    return [_recorded(block, next(found)) if isinstance(block, Case) else block for block in blocks]


def _recorded(case: Case, result: Tried) -> Block:
    from bpftest.drafts.recorded import expectations

    job, reply = result.job, result.reply
    if reply is None or reply.errno or result.load is None or case.expects != ran(case.program):
        return case
    step = job.steps[0]
    assert step.ask is not None
    asked = step.ask(())
    observation = Observation(result.load, reply, asked.packet)
    return case._replace(expects=expectations(step.context, observation, asked.request))


def steady(blocks: Sequence[Block], plain_blocks: Sequence[Block], results: Sequence[Tried]) -> list[Block]:
    """*blocks*, those of *plain_blocks* in the places of cases that did not pass when they ran once more."""
    found = iter(results)
    return [
        _steady(block, other, next(found)) if isinstance(block, Case) else block
        for block, other in zip(blocks, plain_blocks, strict=True)
    ]


def _steady(case: Case, before: Block, result: Tried) -> Block:
    if result.passed:
        return case
    why = clip(plain(result.finished.message), WIDTH)
    if not isinstance(before, Case) or before.expects == case.expects:
        return _remark(case, why)
    return before._replace(above=(*before.above, f"Another run of it gave something else: {why}"))


def _remark(block: Block, why: str) -> Block:
    if isinstance(block, Remark):
        return block
    return Remark((*block.above, f"No case '{plain(block.name)}': {plain(why)}"))


def _reasons(blocks: Sequence[Block]) -> str:
    return "; ".join(line for block in blocks if isinstance(block, Remark) for line in block.lines)


class _Listening:
    """A kernel that keeps what it has answered."""

    def __init__(self, kernel: RunningKernel) -> None:
        self._kernel = kernel
        self.lacks = kernel.lacks
        self.type_lack = kernel.type_lack
        self.reports: dict[Loading | None, LoadReport] = {}
        self.reply: Reply | None = None  # the last

    def open(self, loading: Loading, timeout_s: float) -> Session:
        """A session that tells what it replies."""
        session = self._kernel.open(loading, timeout_s)
        self.reports[loading] = session.report
        return cast("Session", _ListeningSession(session, self))


class _ListeningSession:
    """A session that tells its kernel what it replies, and in all else is the session itself."""

    def __init__(self, session: Session, kernel: _Listening) -> None:
        self._session = session
        self._kernel = kernel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, request: Request) -> Reply:
        """One run."""
        self._kernel.reply = reply = self._session.run(request)
        return reply
