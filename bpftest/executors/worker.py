"""A worker: a process that plans and runs suites, one at a time, and tells all that comes of them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import BpftestError, SuiteError
from bpftest.events import InvalidSuite
from bpftest.executors import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from mmap import mmap
    from types import FrameType

    from bpftest.events import Event
    from bpftest.executors.local import RunningKernel
    from bpftest.executors.placing import Needs
    from bpftest.plan import Job, Plan

HELD_MAX = 8_000  # cases whose plans are kept until they run; beyond that they are planned again, for memory
FEW = 32  # events of a suite that are told at once; of those behind them
BURST = 64  # so many together, where they follow each other quickly,
BURST_S = 0.005  # unless the first of them is older
SHORT = 1000  # a repeat that takes no time anybody would notice
STOPPING = (signal.SIGTERM,)
BUG_CODE = 70
NO_JOB = -1
FOREVER = float("inf")


class Planned(NamedTuple):
    """A suite that can run."""

    plan: Plan  # its jobs in the order in which they run
    names: tuple[str, ...]  # of the jobs that run, in the order of the file
    retries: int = 0  # how often one is run again that fails or errors
    needs: Needs | None = None  # of the cases that run; only where somebody chooses a machine by it


class Overview(NamedTuple):
    """What a run needs to know of a suite before it runs."""

    path: str
    cases: int  # of the file
    chosen: int  # of them those that are meant
    used: frozenset[str]  # names of variables, as suite.model.Suite has them
    measures: bool  # how long something takes, which other suites would disturb
    part: tuple[int, int] | None = None  # from where to where Planned.names run; None: all of them
    needs: Needs | None = None  # as Planned has it


class Keepsake(NamedTuple):
    """What of a suite that has run may be kept in its file of snapshots."""

    path: str = ""
    content: bytes | None = None  # None: nothing changes; b"": nothing is left
    made: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    drops: bool = False


class Now:
    """What a worker does at this moment, in 16 bytes that the run sees too, and still sees after the worker's death.

    Each half is written by one store of the machine: native, aligned words.
    """

    def __init__(self, shared: mmap) -> None:
        halves = memoryview(shared)
        self._job = halves[:8].cast("q")
        self._until = halves[8:].cast("d")
        self.mark(NO_JOB, FOREVER)

    def mark(self, job: int, until: float) -> None:
        """The job with that number runs, and ends before *until*, as time.monotonic() has it."""
        self._until[0] = until
        self._job[0] = job

    @property
    def job(self) -> int:
        """The number of the job that runs."""
        return self._job[0]

    @property
    def until(self) -> float:
        """When it ends at the latest."""
        return self._until[0]


def serve(planning: Callable[[int], Planned | InvalidSuite], commands: int, answers: int, now: Now) -> None:
    """Does what comes in at *commands* until its other end is closed. Does not return while that is open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the run says what is to be done
    worker = _Worker(planning, answers, now)
    signal.signal(signal.SIGTERM, worker.stop)
    inbox = wire.Inbox(commands)
    try:
        while inbox.read():
            for command in inbox.frames():
                worker.obey(command)
    except KeyboardInterrupt:
        worker.flush()
    except BrokenPipeError:
        pass  # the run is gone


class _Worker:
    """The state of one: the plans that it has made, and events that are not told yet."""

    def __init__(self, planning: Callable[[int], Planned | InvalidSuite], answers: int, now: Now) -> None:
        self._planning = planning
        self._answers = answers
        self._now = now
        self._plans: dict[int, Planned] = {}
        self._held = 0  # cases in them
        self._prepared = False
        self._kernel: RunningKernel | None = None
        self._is_running = False
        self._suite = -1
        self._number = 0  # events of that suite
        self._events: list[Event] = []
        self._told = 0.0  # when, as time.monotonic() has it

    def obey(self, command: wire.Frame) -> None:
        """Does one thing. Whatever goes wrong is told."""
        try:
            if command.kind == wire.PLAN:
                wire.send(self._answers, wire.PLANNED, command.suite, self._planned(command.suite))
            elif command.kind == wire.PREPARE:
                self._prepare()
                wire.send(self._answers, wire.PREPARED)
            else:
                self._run(command.suite, *command.value())
        except BpftestError as error:
            wire.send(self._answers, wire.REFUSED, command.suite, error)
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except Exception:  # noqa: BLE001 - whatever else comes up here is a bug, and the run tells of it
            from traceback import format_exc

            wire.send(self._answers, wire.BUG, command.suite, format_exc())
            os._exit(BUG_CODE)

    def _planned(self, suite: int) -> Overview | InvalidSuite:
        made = self._planning(suite)
        if isinstance(made, InvalidSuite):
            return made
        if self._held + len(made.plan.jobs) <= HELD_MAX or not self._plans:
            self._plans[suite] = made
            self._held += len(made.plan.jobs)
        return _overview(made)

    def _prepare(self) -> None:
        from bpftest.executors import local

        local.prepare()
        self._prepared = True

    def _run(self, suite: int, first: int, lost: Mapping[int, BpftestError], part: tuple[int, int] | None) -> None:
        from bpftest.executors.local import RunningKernel
        from bpftest.runner import run_suite

        made = self._plan_of(suite)
        if part is not None:
            made = made._replace(names=made.names[slice(*part)])
        if not self._prepared and first + len(lost) < len(made.names):
            self._prepare()
        if self._kernel is None:
            self._kernel = RunningKernel()
        self._suite = suite
        names = frozenset(made.names)
        self._is_running = True
        for event in run_suite(made.plan, names, self._kernel, self._begins, first, lost, made.retries):
            self._tell(event)
        self._is_running = False
        self._now.mark(NO_JOB, FOREVER)
        self.flush()
        wire.send(self._answers, wire.DONE, suite, _keepsake(made))

    def _plan_of(self, suite: int) -> Planned:
        """The plan of the suite, for the last time: it is not kept any longer."""
        made = self._plans.pop(suite, None)
        if made is not None:
            self._held -= len(made.plan.jobs)
            return made
        again = self._planning(suite)
        if isinstance(again, Planned):
            return again
        what = f"{again.path} has changed since the run began, and is no valid suite any more"
        raise SuiteError(what, "run again", again.mistakes[0].excerpt.place)

    def _begins(self, number: int, job: Job) -> None:
        self._now.mark(number, time.monotonic() + 2 * job.case.timeout_s)  # to load its program, and to run it
        if self._events and any(step.step.repeat > SHORT or step.step.benchmark for step in job.steps):
            self.flush()

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._number += 1
        if self._number <= FEW or len(self._events) >= BURST or time.monotonic() - self._told > BURST_S:
            self.flush()

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """What it does is cut off by the signal *number*: a run so that what ran is told; all else has no value."""
        signal.signal(number, signal.SIG_IGN)  # once is enough
        if self._is_running:
            raise KeyboardInterrupt(signal.Signals(number).name)
        import atexit

        atexit._run_exitfuncs()  # noqa: SLF001 - an exception could come up in the middle of an import of others' code
        os.killpg(0, signal.SIGKILL)

    def flush(self) -> None:
        """Tells the events that wait."""
        if self._events:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # or they could be told twice, or in part
            try:
                wire.send(self._answers, wire.EVENTS, self._suite, self._events)
                self._events = []
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._told = time.monotonic()


def _overview(made: Planned) -> Overview:
    suite = made.plan.suite
    measures = any(case.expects("duration", "rate") or case.steps[-1].benchmark is not None for case in suite.cases)
    return Overview(suite.path, len(suite.cases), len(made.names), suite.used, measures, needs=made.needs)


def _keepsake(made: Planned) -> Keepsake:
    snapshots, all_ran = made.plan.snapshots, len(made.names) == len(made.plan.jobs)
    content = snapshots.content()
    unused = snapshots.unused if all_ran or content is not None else ()
    return Keepsake(snapshots.path, content, tuple(snapshots.made), unused, snapshots.drops)
