"""`bpftest run`: the cases of suites, on the running kernel."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from bpftest.commands import keeping, repeating, reporting, selecting
from bpftest.commands.exits import BAD, EMPTY, FAILED, INVALID, PASSED, SIGNALS, show_empty
from bpftest.errors import HostError
from bpftest.events import CaseFinished, InvalidSuite, Outcome, RunFinished, RunStarted
from bpftest.suite.model import TIMEOUT_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.collect import Planner, Selection
    from bpftest.events import Event
    from bpftest.executors.interrupts import Interrupts
    from bpftest.executors.worker import Overview, Planned
    from bpftest.executors.workers import Workers
    from bpftest.last_run import Failed
    from bpftest.plan import Plan
    from bpftest.reporters import Reporter

    Ready = list[tuple[int, Overview]]  # suites by number, with a case that is meant at least


JOBS_MAX = 1024
TIMEOUT_MAX_S = 3600.0


def arguments(parser: ArgumentParser) -> None:
    """What to run, when to stop, what to report."""
    selecting.arguments(parser)
    repeating.arguments(parser)
    parser.add_argument(
        "-x",
        "--exitfirst",
        action="store_const",
        const=1,
        dest="max_fail",
        help="stop after the first case that fails or errors",
    )
    parser.add_argument("--max-fail", type=_failures, metavar="N", help="stop after N cases that fail or error")
    parser.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default="auto",
        metavar="N",
        help="how many suites run at a time, each in a process of its own (default: auto, as many as there are CPUs)",
    )
    parser.add_argument(
        "--shuffle",
        type=_seed,
        metavar="[=SEED]",
        help="run the suites, and the cases of each, in another order; the one that SEED, a number, stands for",
    )
    parser.add_argument(
        "--timeout",
        type=_timeout,
        default=TIMEOUT_S,
        metavar="TIME",
        help="how long a case may take that does not say so itself, such as 30s or 500ms (default: 10s)",
    )
    parser.add_argument("--allow-empty", action="store_true", help="exit 0 when no case is selected")
    parser.add_argument(
        "--fail-on-skip", action="store_true", help="exit 1 when a case is skipped, for whatever reason"
    )
    parser.add_argument(
        "--reproduce",
        action="store_true",
        help="run nothing: print the same runs as commands of bpftool, and write their files below .bpftest/reproduce",
    )
    keeping.arguments(parser)
    reporting.arguments(parser)


def run(options: Namespace) -> int:
    """Reads and plans all suites, then runs them. Gives the exit code."""
    if options.watch:
        from bpftest.commands import watching

        code = watching.watched(options.paths)
        if code is not None:
            return code
    if options.reproduce:
        from bpftest.commands import reproducing

        return reproducing.run(options)
    from bpftest.collect import Planner, selected
    from bpftest.executors.interrupts import Interrupts
    from bpftest.executors.workers import Workers

    keeping.refuse_in_ci(options)
    meant = selected(options)
    failed = repeating.failed_before(options)
    planning = _planning(meant, Planner(options.update_snapshots), options, failed)
    paths = [path for path, _ in meant.files]
    with Interrupts() as interrupts, Workers(planning, paths, options.jobs) as workers:
        bad = (*BAD, Outcome.SKIPPED) if options.fail_on_skip else BAD
        reporters = reporting.reporters(options, bad)
        try:
            suites, invalid = _planned(workers, meant)
        except KeyboardInterrupt as signal:
            print(f"interrupted by {signal} before the first case", file=sys.stderr)
            return _report(_nothing_ran(str(signal)), reporters)
        if invalid:
            reporting.show_invalid(invalid, options)
            _report(_refused(invalid), reporters)
            return INVALID
        ready = [(number, one) for number, one in enumerate(repeating.shared(suites, options)) if one.chosen]
        if not ready and options.lf and failed:
            return run(repeating.without_lf(options))
        if not ready:
            kind = "note" if options.allow_empty else "error"
            show_empty(options, len(suites), sum(one.cases for one in suites), kind)
        _prepare(workers, ready, reporters)
        if not ready:
            _report(_nothing_ran(), reporters)
            return PASSED if options.allow_empty else EMPTY
        events = _events(workers, repeating.failing_first(ready, options, failed), options, interrupts)
        told = repeating.recorded(keeping.kept(events, options), options, meant)
        code = _report(told, reporting.with_console(reporters, options, bad), bad)
        keeping.keep_snapshots(workers.keepsakes)
        return code


def _planning(
    meant: Selection, planner: Planner, options: Namespace, failed: Failed
) -> Callable[[int], Planned | InvalidSuite]:
    """What a worker calls to read and plan the suite with a number."""

    def plan(number: int) -> Planned | InvalidSuite:
        from bpftest.collect import chosen
        from bpftest.executors.worker import Planned

        one = chosen(meant, number)
        if isinstance(one, InvalidSuite):
            return one
        made = planner.plan(one.suite)
        if isinstance(made, InvalidSuite):
            return made
        made = repeating.repeated(made, options.count)
        names = repeating.meant(made, one.names, options, failed)
        ordered = made if options.shuffle is None else _shuffled(made, options.shuffle)
        return Planned(repeating.failed_first(ordered, options, failed), names, options.retries)

    return plan


def _planned(workers: Workers, meant: Selection) -> tuple[list[Overview], tuple[InvalidSuite, ...]]:
    """What there is to run, and the suites because of which nothing is. Raises UsageError."""
    from bpftest.collect import refuse_unused

    planned = workers.plan()
    invalid = tuple(one for one in planned if isinstance(one, InvalidSuite))
    suites = [one for one in planned if not isinstance(one, InvalidSuite)]
    if not invalid:
        refuse_unused(meant, (one.used for one in suites))
    return suites, invalid


def _jobs(text: str) -> int:
    """How many workers -j *text* wants."""
    if text == "auto":
        return len(os.sched_getaffinity(0))
    if text.isascii() and text.isdecimal() and 0 < int(text) <= JOBS_MAX:
        return int(text)
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"{text!r} is no number from 1 to {JOBS_MAX}, and not auto")


def _failures(text: str) -> int:
    """How many failures --max-fail *text* wants."""
    if text.isascii() and text.isdecimal() and 0 < int(text) < 10**9:
        return int(text)
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"{text!r} is no number of cases above 0")


def _timeout(text: str) -> float:
    """The seconds that --timeout *text* wants."""
    from argparse import ArgumentTypeError

    from bpftest.suite.parse import seconds

    try:
        timeout_s = seconds(text)
    except ValueError:
        timeout_s = 0.0
    if 0 < timeout_s <= TIMEOUT_MAX_S:
        return timeout_s
    raise ArgumentTypeError(f"{text!r} is no time such as 30s or 500ms, an hour at most")


def _seed(text: str) -> int:
    """The seed that --shuffle=*text* gives: one that is easy to type where it leaves that to us."""
    if not text:
        import random

        return random.randrange(100_000)  # noqa: S311 - an order, no secret
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"{text!r} is no whole number")


def _shuffled(plan: Plan, seed: int) -> Plan:
    """*plan* with its jobs in the order that *seed* stands for.

    That depends on nothing else, so that a suite alone, and some of its cases, can repeat it.
    """
    import random

    return plan._replace(jobs=tuple(random.Random(seed).sample(plan.jobs, len(plan.jobs))))  # noqa: S311 - no secret


def _prepare(workers: Workers, ready: Ready, reporters: list[Reporter]) -> None:
    """Makes the workers ready to run suites. Raises HostError where they cannot, once all reports have it."""
    try:
        if ready:
            workers.prepare()
        else:
            from bpftest.executors import local

            local.refuse_machine()
    except HostError as error:
        error.hint = error.hint or f"run: {_sudo()}"
        _report(_without_host(workers, ready, error), reporters)
        raise


def _events(workers: Workers, ready: Ready, options: Namespace, interrupts: Interrupts) -> Iterator[Event]:
    """The events of a run. It ends with RunFinished, after an interrupt too.

    Signals wait while somebody has an event in hand.
    """
    started = time.perf_counter()
    interrupted = ""
    seed = options.shuffle
    try:
        yield _started(ready, seed)
        for event in _up_to(options.max_fail, workers.run(ready if seed is None else _mixed(ready, seed))):
            interrupts.hold()
            yield event
            interrupts.release()
        interrupts.hold()
    except KeyboardInterrupt as signal:
        interrupted = str(signal)
        yield from workers.stop()
        interrupts.hold()
    yield RunFinished(time.perf_counter() - started, interrupted)


def _up_to(failures: int | None, events: Iterator[Event]) -> Iterator[Event]:
    """*events* up to the case whose failure is one too many. None: all of them."""
    for event in events:
        yield event
        if failures and isinstance(event, CaseFinished) and event.outcome in BAD:
            failures -= 1
            if not failures:
                return


def _mixed(ready: Ready, seed: int) -> Ready:
    """The suites in the order that *seed* stands for."""
    import random

    return random.Random(seed).sample(ready, len(ready))  # noqa: S311 - an order, no secret


def _started(ready: Ready, seed: int | None = None) -> Event:
    from bpftest.executors.machine import run_started

    return run_started(len(ready), sum(one.chosen for _, one in ready), seed)


def _report(events: Iterable[Event], reporters: list[Reporter], bad: tuple[Outcome, ...] = BAD) -> int:
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


def _nothing_ran(interrupted: str = "") -> Iterator[Event]:
    """The events of a run without a case."""
    yield _started([])
    yield RunFinished(0.0, interrupted)


def _refused(invalid: tuple[InvalidSuite, ...]) -> Iterator[Event]:
    """The events of a run that did not begin because suites are invalid."""
    from bpftest.executors.machine import run_started

    yield run_started(len(invalid), 0)
    yield from invalid
    yield RunFinished(0.0)


def _without_host(workers: Workers, ready: Ready, error: HostError) -> Iterator[Event]:
    """The events of a run that this machine does not allow: every case is an error, with the reason."""
    yield _started(ready)
    yield from workers.run(ready, error)
    yield RunFinished(0.0)


def _sudo() -> str:
    """The command that was typed, as root and with the same bpftest."""
    import os
    import shlex
    import shutil

    program = sys.argv[0]
    if os.path.basename(program) == "__main__.py":
        words = [sys.executable, "-m", "bpftest"]
    else:
        words = [os.path.abspath(shutil.which(program) or program)]
    return shlex.join(["sudo", *words, *sys.argv[1:]])
