"""`bpftest list`: the cases of suites, by the ids that `bpftest run` takes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import selecting
from bpftest.commands.exits import EMPTY, INVALID, PASSED, show_empty, show_invalid
from bpftest.reporters.printable import inert, shell_word, visible

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
        f"{_shown(f'{one.suite.path}::{case.name}')}{_details(case) if options.verbose else ''}\n"
        for one in collection.chosen
        for case in one.suite.cases
        if case.name in one.names
    ]
    # Names may hold what the terminal's encoding has not; suites are UTF-8, so this is what `bpftest run` will get.
    sys.stdout.buffer.write("".join(lines).encode())
    if collection.invalid:
        show_invalid(collection.invalid)
        return INVALID
    if not lines:
        show_empty(options, len(collection.chosen), sum(len(one.suite.cases) for one in collection.chosen))
        return EMPTY
    return PASSED


def _shown(case_id: str) -> str:
    """*case_id* itself; as a shell takes it where it holds what would steer the terminal or CI, or end the line."""
    return case_id if inert(visible(case_id)) == case_id else shell_word(case_id)


def _details(case: Case) -> str:
    details = [f"line {case.here.place().line}"]
    if case.tags:
        details.append(f"tags {visible(' '.join(case.tags))}")
    if case.skip:
        details.append(f"skip: {visible(case.skip)}")
    return "   (" + "; ".join(details) + ")"
