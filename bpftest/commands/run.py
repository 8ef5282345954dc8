"""`bpftest run`: the cases of suites, on the running kernel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import keeping, reporting, selecting
from bpftest.commands.exits import BAD, EMPTY, FAILED, INVALID, PASSED, SIGNALS, show_empty
from bpftest.errors import HostError
from bpftest.events import CaseFinished, Outcome, RunFinished

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator

    from bpftest.events import Event, InvalidSuite
    from bpftest.plan import Plan
    from bpftest.reporters import Reporter

    Planned = list[tuple[Plan, frozenset[str]]]  # with the names of the cases that are meant, at least one


def arguments(parser: ArgumentParser) -> None:
    """What to run, when to stop, what to report."""
    selecting.arguments(parser)
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop after the first case that fails or errors")
    parser.add_argument(
        "--shuffle",
        type=_seed,
        metavar="[=SEED]",
        help="run the suites, and the cases of each, in another order; the one that SEED, a number, stands for",
    )
    parser.add_argument("--allow-empty", action="store_true", help="exit 0 when no case is selected")
    parser.add_argument(
        "--fail-on-skip", action="store_true", help="exit 1 when a case is skipped, for whatever reason"
    )
    keeping.arguments(parser)
    reporting.arguments(parser)


def run(options: Namespace) -> int:
    """Reads and plans all suites, then runs them. Gives the exit code."""
    from bpftest.executors import local
    from bpftest.executors.interrupts import Interrupts

    keeping.refuse_in_ci(options)
    bad = (*BAD, Outcome.SKIPPED) if options.fail_on_skip else BAD
    reporters = reporting.reporters(options, bad)
    with Interrupts() as interrupts:
        try:
            planned, invalid = _planned(options)
        except KeyboardInterrupt as signal:
            print(f"interrupted by {signal} before the first case", file=sys.stderr)
            return _report(_nothing_ran(str(signal)), reporters)
        if invalid:
            reporting.show_invalid(invalid, options)
            _report(_refused(invalid), reporters)
            return INVALID
        _prepare(planned, reporters)
        if not planned:
            _report(_nothing_ran(), reporters)
            return PASSED if options.allow_empty else EMPTY
        events = local.run(planned, interrupts, max_failures=1 if options.exitfirst else None, seed=options.shuffle)
        code = _report(keeping.kept(events, options), reporting.with_console(reporters, options, bad), bad)
        keeping.keep_snapshots(planned)
        return code


def _planned(options: Namespace) -> tuple[Planned, tuple[InvalidSuite, ...]]:
    """What is to run, and the suites because of which nothing can."""
    from bpftest.collect import collect, plans

    collection = collect(options)
    made, unplannable = plans(collection.chosen, options.update_snapshots)
    invalid = (*collection.invalid, *unplannable)
    if invalid:
        return [], invalid
    if not collection.cases:
        show_empty(collection, options, "note" if options.allow_empty else "error")
    planned = [(plan, one.names) for plan, one in zip(made, collection.chosen, strict=True) if one.names]
    return planned if options.shuffle is None else _shuffled(planned, options.shuffle), ()


def _seed(text: str) -> int:
    """The seed that --shuffle=*text* gives: one that is easy to type where it leaves that to us."""
    if not text:
        import random

        return random.randrange(100_000)  # noqa: S311 - an order, no secret
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"{text!r} is no whole number")


def _shuffled(planned: Planned, seed: int) -> Planned:
    """The suites, and the jobs of each, in the order that *seed* stands for.

    That of the jobs depends on nothing else, so that a suite alone, and some of its cases, can repeat it.
    """
    import random

    suites = [
        (plan._replace(jobs=tuple(random.Random(seed).sample(plan.jobs, len(plan.jobs)))), names)  # noqa: S311
        for plan, names in planned
    ]
    random.Random(seed).shuffle(suites)  # noqa: S311 - an order, no secret
    return suites


def _prepare(planned: Planned, reporters: list[Reporter]) -> None:
    """Makes this process ready to run what is *planned*. Raises HostError where it cannot, once all reports have it."""
    from bpftest.executors import local

    try:
        if planned:
            local.prepare()
        else:
            local.refuse_machine()
    except HostError as error:
        error.hint = error.hint or f"run: {_sudo()}"
        _report(_without_host(planned, error), reporters)
        raise


def _report(events: Iterable[Event], reporters: list[Reporter], bad: tuple[Outcome, ...] = BAD) -> int:
    """Tells every reporter every event. Gives the exit code that the events make: *bad* outcomes make it 1."""
    code = PASSED
    for event in events:
        for reporter in reporters:
            reporter(event)
        if isinstance(event, CaseFinished) and event.outcome in bad:
            code = FAILED
        if isinstance(event, RunFinished) and event.interrupted:
            code = SIGNALS[event.interrupted]
    return code


def _nothing_ran(interrupted: str = "") -> Iterator[Event]:
    """The events of a run without a case."""
    from bpftest.executors import local

    yield local.run_started(0, 0)
    yield RunFinished(0.0, interrupted)


def _refused(invalid: tuple[InvalidSuite, ...]) -> Iterator[Event]:
    """The events of a run that did not begin because suites are invalid."""
    from bpftest.executors import local

    yield local.run_started(len(invalid), 0)
    yield from invalid
    yield RunFinished(0.0)


def _without_host(planned: Planned, error: HostError) -> Iterator[Event]:
    """The events of a run that this machine does not allow: every case is an error, with the reason."""
    from bpftest.events import SuiteFinished, SuiteStarted
    from bpftest.executors import local
    from bpftest.runner import timestamp
    from bpftest.verdicts import errored

    yield local.run_started(len(planned), sum(len(names) for _, names in planned))
    for plan, names in planned:
        yield SuiteStarted(plan.suite.path, plan.suite.title, len(names), timestamp())
        for job in plan.jobs:
            if job.case.name in names:
                yield errored(plan.suite.path, job, error, 0.0)
        yield SuiteFinished(plan.suite.path, 0.0)
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
