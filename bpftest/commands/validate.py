"""`bpftest validate`: everything that can be told of suites without privileges and without running anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import selecting
from bpftest.commands.exits import EMPTY, INVALID, show_invalid

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

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
    for what in _unchecked(made):
        print(f"note: {what}", file=sys.stderr)
    if invalid:
        show_invalid(invalid)
        return INVALID
    print(f"{_counted(len(collection.chosen), 'suite')} valid, {_counted(collection.cases, 'case')}")
    return 0 if collection.cases else EMPTY


def _unchecked(made: Iterable[Plan]) -> list[str]:
    """What could not be checked, and why: objects that are not built, sources that do not compile."""
    problems = (job.problem for plan in made for job in plan.jobs if job.problem is not None)
    return list(dict.fromkeys(f"{problem}; what depends on the program is not checked" for problem in problems))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
