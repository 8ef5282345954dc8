"""`bpftest list`: the cases of suites, by the ids that `bpftest run` takes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import selecting
from bpftest.commands.exits import EMPTY, INVALID, show_invalid

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from bpftest.suite.model import Case


def arguments(parser: ArgumentParser) -> None:
    """What to list."""
    selecting.arguments(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="with line, tags and skip")


def run(options: Namespace) -> int:
    """Prints an id a line."""
    from bpftest.collect import collect

    collection = collect(options)
    lines = [
        f"{one.suite.path}::{case.name}{_details(case) if options.verbose else ''}\n"
        for one in collection.chosen
        for case in one.suite.cases
        if case.name in one.names
    ]
    sys.stdout.write("".join(lines))
    if collection.invalid:
        show_invalid(collection.invalid)
        return INVALID
    return 0 if lines else EMPTY


def _details(case: Case) -> str:
    details = [f"line {case.here.place().line}"]
    if case.tags:
        details.append("tags " + " ".join(case.tags))
    if case.skip:
        details.append(f"skip: {case.skip}")
    return "   (" + "; ".join(details) + ")"
