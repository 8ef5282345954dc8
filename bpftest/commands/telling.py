"""What a run tells: the streams of events that it can be, and how reporters hear them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bpftest.commands.exits import BAD, FAILED, PASSED, SIGNALS
from bpftest.errors import HostError
from bpftest.events import CaseFinished, Outcome, RunFinished, RunStarted
from bpftest.executors.machine import run_started

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.events import Event, InvalidSuite
    from bpftest.executors.cluster import Cluster
    from bpftest.executors.interrupts import Interrupts
    from bpftest.executors.worker import Overview
    from bpftest.executors.workers import Workers
    from bpftest.reporters import Reporter

    Ready = list[tuple[int, Overview]]  # suites by number, with a case that is meant at least


def report(events: Iterable[Event], reporters: list[Reporter], bad: tuple[Outcome, ...] = BAD) -> int:
    """Tells every reporter every event. Gives the exit code that the events make: *bad* outcomes make it 1.

    Raises HostError for a report that cannot be written: at once where the run has not begun, and else at its end.
    """
    code = PASSED
    working, broken = list(reporters), list[HostError]()
    for event in events:
        for reporter in list(working):
            try:
                reporter(event)
            except HostError as error:  # noqa: PERF203 - the others go on
                if isinstance(event, RunStarted):
                    raise
                working.remove(reporter)
                broken.append(error)
        if isinstance(event, CaseFinished) and event.outcome in bad:
            code = FAILED
        if isinstance(event, RunFinished) and event.interrupted:
            code = SIGNALS[event.interrupted]
    if broken and code not in SIGNALS.values():
        raise broken[0]
    return code


def whole_run(
    workers: Workers | Cluster,
    ready: Ready,
    interrupts: Interrupts,
    seed: int | None = None,
    max_fail: int | None = None,
) -> Iterator[Event]:
    """The events of a run. It ends with RunFinished, after an interrupt too.

    *seed*: what the order was made from, for reports. *max_fail*: after how many cases that fail or error it ends.
    Signals wait while somebody has an event in hand.
    """
    started = time.perf_counter()
    interrupted = ""
    try:
        yield _started(ready, seed)
        for event in _up_to(max_fail, workers.run(ready)):
            interrupts.hold()
            yield event
            interrupts.release()
        interrupts.hold()
    except KeyboardInterrupt as signal:
        interrupted = str(signal)
        yield from workers.stop()
        interrupts.hold()
    yield RunFinished(time.perf_counter() - started, interrupted)


def nothing_ran(interrupted: str = "") -> Iterator[Event]:
    """The events of a run without a case."""
    yield _started([])
    yield RunFinished(0.0, interrupted)


def refused(invalid: tuple[InvalidSuite, ...]) -> Iterator[Event]:
    """The events of a run that did not begin because suites are invalid."""
    yield run_started(len(invalid), 0)
    yield from invalid
    yield RunFinished(0.0)


def without_host(workers: Workers | Cluster, ready: Ready, error: HostError) -> Iterator[Event]:
    """The events of a run that this machine does not allow: every case is an error, with the reason."""
    yield _started(ready)
    yield from workers.run(ready, error)
    yield RunFinished(0.0)


def _up_to(failures: int | None, events: Iterator[Event]) -> Iterator[Event]:
    """*events* up to the case whose failure is one too many. None: all of them."""
    for event in events:
        yield event
        if failures and isinstance(event, CaseFinished) and event.outcome in BAD:
            failures -= 1
            if not failures:
                return


def _started(ready: Ready, seed: int | None = None) -> Event:
    return run_started(len(ready), sum(one.chosen for _, one in ready), seed)
