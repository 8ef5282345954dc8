"""`bpftest validate`: everything that can be told of suites without privileges and without running anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import selecting
from bpftest.commands.exits import EMPTY, FAILED, INVALID, PASSED, message, show_empty, show_invalid
from bpftest.errors import CompileError
from bpftest.reporters.printable import inert, plain_lines

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from bpftest.errors import BpftestError
    from bpftest.plan import Plan


def arguments(parser: ArgumentParser) -> None:
    """What to check."""
    selecting.arguments(parser)


def run(options: Namespace) -> int:
    """Prints all mistakes of all suites, or how many cases are fine."""
    from bpftest.collect import collect, plans

    collection = collect(options)
    made, unplannable = plans(collection.chosen)
    invalid = (*collection.invalid, *unplannable)
    problems = _problems(made)
    for problem in problems:
        _show(problem)
    if invalid:
        show_invalid(invalid)
        return INVALID
    if any(isinstance(problem, CompileError) for problem in problems):
        return FAILED
    if not collection.cases:
        show_empty(options, len(collection.chosen), sum(len(one.suite.cases) for one in collection.chosen))
        return EMPTY
    print(f"{_counted(len(collection.chosen), 'suite')} valid, {_counted(collection.cases, 'case')}")
    return PASSED


def _problems(made: Iterable[Plan]) -> tuple[BpftestError, ...]:
    """Why programs could not be looked into, each reason once."""
    found = {str(job.problem): job.problem for plan in made for job in plan.jobs if job.problem is not None}
    return tuple(found.values())


def _show(problem: BpftestError) -> None:
    """A source that does not compile is an error; an object may not have been built yet, or clang is not here."""
    if not isinstance(problem, CompileError):
        print(f"note: {problem}; what depends on the program is not checked", file=sys.stderr)
        return
    print(message(problem), file=sys.stderr)
    for line in plain_lines(problem.text):
        print(inert(f"  | {line}"), file=sys.stderr)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
