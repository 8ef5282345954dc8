"""`bpftest run`: the cases of suites, on the running kernel."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from bpftest.commands import selecting
from bpftest.commands.exits import EMPTY, FAILED, INVALID, PASSED, SIGNALS, console_on, show_invalid
from bpftest.errors import HostError
from bpftest.events import CaseFinished, Outcome, RunFinished

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from bpftest.collect import Collection
    from bpftest.events import Event, InvalidSuite
    from bpftest.plan import Plan
    from bpftest.reporters import Reporter


def arguments(parser: ArgumentParser) -> None:
    """What to run, when to stop, what to report."""
    selecting.arguments(parser)
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop after the first case that fails or errors")
    parser.add_argument("--allow-empty", action="store_true", help="exit 0 when no case is selected")
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
    from bpftest.collect import collect, plans

    signal.signal(signal.SIGTERM, _terminated)
    collection = collect(options)
    made, unplannable = plans(collection.chosen)
    invalid = (*collection.invalid, *unplannable)
    reporters = _files(options)
    if invalid:
        show_invalid(invalid, options.color)
        _report(_nothing_ran(invalid), reporters)
        return INVALID
    if not collection.cases:
        print("error: no case selected\n  = help: bpftest list shows what there is", file=sys.stderr)
        return PASSED if options.allow_empty else EMPTY
    return _run(made, collection, options, reporters)


def _run(made: Iterable[Plan], collection: Collection, options: Namespace, reporters: list[Reporter]) -> int:
    from bpftest.executors import local

    chosen = [(plan, one.names) for plan, one in zip(made, collection.chosen, strict=True) if one.names]
    try:
        local.prepare()
    except HostError as error:
        error.hint = error.hint or f"run: {_sudo()}"
        _report(_without_host(chosen, error), reporters)
        raise
    console = console_on(sys.stdout, options.color, options.verbosity)
    return _report(local.run(chosen, max_failures=1 if options.exitfirst else None), [console, *reporters])


def _files(options: Namespace) -> list[Reporter]:
    """The reports that are files."""
    if not options.junit_xml:
        return []
    from bpftest.reporters import factory

    return [factory("junit")(options.junit_xml, options.junit_flavor)]


def _report(events: Iterable[Event], reporters: list[Reporter]) -> int:
    """Tells every reporter every event. Gives the exit code that the events make."""
    code = PASSED
    for event in events:
        for reporter in reporters:
            reporter(event)
        if isinstance(event, CaseFinished) and event.outcome in (Outcome.FAILED, Outcome.ERROR):
            code = FAILED
        if isinstance(event, RunFinished) and event.interrupted:
            code = SIGNALS[event.interrupted]
    return code


def _nothing_ran(invalid: tuple[InvalidSuite, ...]) -> Iterator[Event]:
    """The events of a run that did not begin because suites are invalid."""
    from bpftest.executors import local

    yield local.run_started(len(invalid), 0)
    yield from invalid
    yield RunFinished(0.0)


def _without_host(chosen: list[tuple[Plan, frozenset[str]]], error: HostError) -> Iterator[Event]:
    """The events of a run that this machine does not allow: every case is an error, with the reason."""
    from bpftest.events import SuiteFinished, SuiteStarted
    from bpftest.executors import local
    from bpftest.runner import timestamp
    from bpftest.verdicts import errored

    yield local.run_started(len(chosen), sum(len(names) for _, names in chosen))
    for plan, names in chosen:
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


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated("SIGTERM")
