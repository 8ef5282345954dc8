"""Suites in worker processes: planned by them, run by them, and told in the order of the suites.

A worker that crashes or hangs costs the case that it ran, which is an error; the others go on in a new one.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from bpftest.errors import BpftestError, CaseTimeout, HostError, Place, WorkerCrash
from bpftest.events import CaseFinished, Excerpt, InvalidSuite, Mistake, SuiteFinished, SuiteStarted
from bpftest.executors import wire
from bpftest.executors.pool import Death, Pool
from bpftest.executors.worker import Keepsake, Overview, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from bpftest.events import Event
    from bpftest.executors.wire import Frame
    from bpftest.executors.worker import Planned

CRASHES_MAX = 10  # of one suite, before the rest of it is not tried any more


class _Running:
    """How far a suite is."""

    def __init__(self, overview: Overview) -> None:
        self.overview = overview
        self.held: deque[Frame] = deque()  # events that nobody has taken yet
        self.since = 0.0  # when it began, as time.perf_counter() has it
        self.taken = 0  # cases whose end has been taken
        self.lost: dict[int, BpftestError] = {}  # errors of jobs at which a worker died
        self.crashes = 0
        self.begun = False  # its start has been taken
        self.done = False


class Workers:
    """The workers of one run, at most *most*. They are forked at once, before this process has imported much.

    *planning*: called in a worker, with the number of a suite; *paths*: of the suites.
    """

    def __init__(self, planning: Callable[[int], Planned | InvalidSuite], paths: Sequence[str], most: int) -> None:
        self._paths = paths
        self._count = min(most, len(paths))
        self._at: dict[int, int] = {}  # the suite that a worker is at, by worker
        self._dismissed: set[int] = set()  # workers for which there is nothing left
        self._holds: dict[int, int] = {}  # the worker that has planned a suite, by suite
        self._running: dict[int, _Running] = {}
        self._order: deque[int] = deque()  # suites whose last event has not been taken
        self.keepsakes: list[Keepsake] = []  # of the suites that have run
        self._pool = Pool(lambda *ends: serve(planning, *ends), self._count)

    def __enter__(self) -> Workers:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            deque(self._pool.stop(self._at), maxlen=0)
        self._pool.kill()

    def plan(self) -> list[Overview | InvalidSuite]:
        """What there is to run, a suite each. Raises the first BpftestError that ends the run."""
        found: dict[int, Overview | InvalidSuite | BpftestError] = {}
        waiting = deque(range(len(self._paths)))
        for worker in range(self._count):
            self._ask(worker, waiting)
        while len(found) < len(self._paths):
            for worker, told in self._pool.heard():
                if isinstance(told, Death):
                    self._pool.start(worker)
                suite = self._at.pop(worker, None)
                if suite is not None:
                    found[suite] = _unreadable(self._paths[suite], told) if isinstance(told, Death) else _value(told)
                    self._holds[suite] = worker
                    self._ask(worker, waiting)
        suites = [found[suite] for suite in range(len(found))]
        for one in suites:
            if isinstance(one, BpftestError):
                raise one
        return [one for one in suites if not isinstance(one, BpftestError)]

    def _ask(self, worker: int, waiting: deque[int]) -> None:
        if waiting:
            self._at[worker] = waiting.popleft()
            self._pool.tell(worker, wire.PLAN, self._at[worker])

    def prepare(self) -> None:
        """Makes all of them ready for BPF. Raises HostError where this machine cannot run BPF tests."""
        waiting = set(range(self._count))
        errors = []
        for worker in waiting:
            self._pool.tell(worker, wire.PREPARE)
        while waiting:
            for worker, told in self._pool.heard():
                if isinstance(told, Death):
                    raise HostError(f"{_cause(told)} while it got ready to run BPF programs")
                waiting.discard(worker)
                errors += [error] if (error := _value(told)) is not None else []
        if errors:
            raise errors[0]

    def run(self, suites: Iterable[tuple[int, Overview]], lost: BpftestError | None = None) -> Iterator[Event]:
        """The events of *suites*, by number, in their order. *lost*: why no case of them can run."""
        chosen = dict(suites)
        self._running = {suite: _Running(overview) for suite, overview in chosen.items()}
        self._order = deque(chosen)
        if lost is not None:
            for one in self._running.values():
                one.lost = dict.fromkeys(range(one.overview.chosen), lost)
        waiting = _Waiting(self._running, self._holds, self._count)
        self._at.clear()
        for worker in range(self._count):
            self._give(worker, waiting)
        while self._order:
            for worker, told in self._pool.heard():
                self._hear(worker, told, waiting)
            yield from self._taken()

    def stop(self) -> Iterator[Event]:
        """Cuts off what runs. The events of what has run come, in the order of the suites."""
        for _, told in self._pool.stop(self._at):
            if not isinstance(told, Death) and told.kind == wire.EVENTS:
                self._running[told.suite].held.append(told)
        yield from self._taken(also_later=True)

    def _give(self, worker: int, waiting: _Waiting) -> None:
        """The next suite for an idle worker, or none: then it may be one that waits until nothing else runs."""
        suite = waiting.next(worker, self._at.values())
        if suite is not None:
            self._at[worker] = suite
            self._running[suite].since = time.perf_counter()
            self._send(worker, suite)
        elif not waiting:
            self._pool.dismiss(worker)
            self._dismissed.add(worker)

    def _send(self, worker: int, suite: int) -> None:
        one = self._running[suite]
        self._pool.tell(worker, wire.RUN, suite, (self._finished(suite), one.lost, one.overview.part))

    def _hear(self, worker: int, told: Frame | Death, waiting: _Waiting) -> None:
        if isinstance(told, Death):
            if worker in self._at:
                self._go_on(worker, self._at[worker], told)
            elif worker not in self._dismissed:
                self._pool.start(worker)
            return
        suite = self._at[worker]
        self._keep(suite, told)
        if self._running[suite].done:
            del self._at[worker]
            for idle in {*range(self._count)} - self._at.keys() - self._dismissed:
                self._give(idle, waiting)

    def _keep(self, suite: int, told: Frame) -> None:
        if told.kind == wire.EVENTS:
            self._running[suite].held.append(told)
        elif told.kind == wire.DONE:
            self._running[suite].done = True
            self.keepsakes.append(told.value())
        else:
            raise _value(told)

    def _go_on(self, worker: int, suite: int, death: Death) -> None:
        """A new worker takes over what one has left, but for the case at which that died."""
        one = self._running[suite]
        finished = self._finished(suite)
        culprit = max(finished, death.job)  # the mark is still that of the job before, where the next had not begun
        one.lost[culprit] = _error(death)
        one.crashes += 1
        if one.crashes == CRASHES_MAX:
            rest = range(culprit + 1, one.overview.chosen)
            hint = "run the cases one by one: FILE::CASE"
            one.lost.update(dict.fromkeys(rest, WorkerCrash(f"not run: {CRASHES_MAX} cases before it crashed", hint)))
        if one.crashes > CRASHES_MAX:
            raise HostError(f"{_cause(death)}, and no case was running")
        self._pool.start(worker)
        self._send(worker, suite)

    def _finished(self, suite: int) -> int:
        """How many cases of the suite have ended."""
        one = self._running[suite]
        return one.taken + sum(isinstance(event, CaseFinished) for frame in one.held for event in frame.value())

    def _taken(self, *, also_later: bool = False) -> Iterator[Event]:
        """The events that can be told: all of the first suite that is not over. *also_later*: of the others too."""
        while self._order:
            one = self._running[self._order[0]]
            while one.held:
                for event in one.held.popleft().value():
                    yield from _once(event, one)
            if not one.done and not also_later:
                return
            self._order.popleft()


class _Waiting:
    """The suites that no worker has begun."""

    def __init__(self, running: dict[int, _Running], holds: dict[int, int], workers: int) -> None:
        self._own: list[deque[int]] = [deque() for _ in range(workers)]  # of those that it has planned, by worker
        self._measure = {suite for suite, one in running.items() if one.overview.measures and workers > 1}
        self._alone = deque(sorted(self._measure))  # nothing else runs beside them
        for suite in running:
            if suite not in self._measure:
                self._own[holds[suite]].append(suite)

    def __bool__(self) -> bool:
        return bool(self._alone or any(self._own))

    def next(self, worker: int, others: Iterable[int]) -> int | None:
        """What an idle *worker* does next, while others are at the suites *others*."""
        if self._measure.intersection(others):
            return None
        if self._alone:
            return None if any(True for _ in others) else self._alone.popleft()
        if self._own[worker]:
            return self._own[worker].popleft()
        most = max(self._own, key=len)
        return most.pop() if most else None


def _once(event: Event, one: _Running) -> Iterator[Event]:
    """*event*, unless a worker that went on for another has told it before."""
    if isinstance(event, SuiteStarted):
        if not one.begun:
            one.begun = True
            yield event
    elif isinstance(event, SuiteFinished) and one.crashes:
        yield event._replace(seconds=time.perf_counter() - one.since)
    else:
        one.taken += isinstance(event, CaseFinished)
        yield event


def _value(told: Frame) -> Any:
    """What a worker tells. Raises RuntimeError where that is a bug of its."""
    if told.kind == wire.BUG:
        raise RuntimeError(f"in a worker:\n{told.value()}")
    return told.value()


def _error(death: Death) -> BpftestError:
    if death.hung:
        return CaseTimeout("it did not end, and did not answer: its process was killed", "")
    hint = ""
    if death.status == -signal.SIGKILL:
        hint = "out of memory? `dmesg` tells what the kernel has killed"
    return WorkerCrash(f"{_cause(death)}", hint)


def _cause(death: Death) -> str:
    if death.status < 0:
        return f"its process was ended by {signal.Signals(-death.status).name}"
    return f"its process ended with exit code {death.status}"


def _unreadable(path: str, death: Death) -> InvalidSuite:
    what = f"this suite cannot be read: {_cause(death)}"
    return InvalidSuite(path, (Mistake(what, "", Excerpt(Place(path, 1, 1))),))
