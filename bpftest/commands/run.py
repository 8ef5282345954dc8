"""`bpftest run`: the cases of suites, on the running kernel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import selecting
from bpftest.commands.exits import BAD, EMPTY, FAILED, INVALID, PASSED, SIGNALS, console_on, show_empty, show_invalid
from bpftest.errors import HostError
from bpftest.events import CaseFinished, Outcome, RunFinished

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator

    from bpftest.events import Event, InvalidSuite
    from bpftest.executors.interrupts import Interrupts
    from bpftest.plan import Plan
    from bpftest.reporters import Reporter

    Planned = list[tuple[Plan, frozenset[str]]]  # with the names of the cases that are meant, at least one


def arguments(parser: ArgumentParser) -> None:
    """What to run, when to stop, what to report."""
    selecting.arguments(parser)
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop after the first case that fails or errors")
    parser.add_argument("--allow-empty", action="store_true", help="exit 0 when no case is selected")
    parser.add_argument(
        "--fail-on-skip", action="store_true", help="exit 1 when a case is skipped, for whatever reason"
    )
    parser.add_argument(
        "--junit-xml", "--junitxml", metavar="PATH", help="write a JUnit XML report, whatever the outcome"
    )
    parser.add_argument(
        "--junit-flavor",
        choices=("rich", "strict"),
        default="rich",
        help="strict: only what the public JUnit schemas know (default: rich)",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_const", dest="verbosity", const=-1, default=0, help="only what did not pass"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", dest="verbosity", help="more of cases that passed; -vv: full logs"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours on the terminal (default: auto)"
    )


def run(options: Namespace) -> int:
    """Reads and plans all suites, then runs them. Gives the exit code."""
    from bpftest.executors.interrupts import Interrupts

    reporters = _files(options)
    with Interrupts() as interrupts:
        try:
            planned, invalid = _planned(options)
        except KeyboardInterrupt as signal:
            print(f"interrupted by {signal} before the first case", file=sys.stderr)
            return _report(_nothing_ran(str(signal)), reporters)
        if invalid:
            show_invalid(invalid, options.color)
            _report(_refused(invalid), reporters)
            return INVALID
        if not planned:
            _report(_nothing_ran(), reporters)
            return PASSED if options.allow_empty else EMPTY
        return _run(planned, options, reporters, interrupts)


def _planned(options: Namespace) -> tuple[Planned, tuple[InvalidSuite, ...]]:
    """What is to run, and the suites because of which nothing can."""
    from bpftest.collect import collect, plans

    collection = collect(options)
    made, unplannable = plans(collection.chosen)
    invalid = (*collection.invalid, *unplannable)
    if invalid:
        return [], invalid
    if not collection.cases:
        show_empty(collection, options, "note" if options.allow_empty else "error")
    return [(plan, one.names) for plan, one in zip(made, collection.chosen, strict=True) if one.names], ()


def _run(planned: Planned, options: Namespace, reporters: list[Reporter], interrupts: Interrupts) -> int:
    from bpftest.executors import local

    try:
        local.prepare()
    except HostError as error:
        error.hint = error.hint or f"run: {_sudo()}"
        _report(_without_host(planned, error), reporters)
        raise
    bad = (*BAD, Outcome.SKIPPED) if options.fail_on_skip else BAD
    console = console_on(sys.stdout, options.color, options.verbosity, bad)
    events = local.run(planned, interrupts, max_failures=1 if options.exitfirst else None)
    return _report(events, [console, *reporters], bad)


def _files(options: Namespace) -> list[Reporter]:
    """The reports that are files."""
    if not options.junit_xml:
        return []
    from bpftest.reporters import factory

    return [factory("junit")(options.junit_xml, options.junit_flavor)]


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
