"""Exit codes beyond those of the errors, and what commands say on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bpftest.events import Outcome

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import TextIO

    from bpftest.errors import BpftestError
    from bpftest.events import InvalidSuite
    from bpftest.reporters import Reporter

BAD = (Outcome.FAILED, Outcome.ERROR)  # outcomes with which a run fails

PASSED = 0
FAILED = 1
INVALID = 3
EMPTY = 5
INTERNAL = 70
SIGNALS = {"SIGINT": 130, "SIGTERM": 143}
BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE has ended


def console_on(out: TextIO, mode: str = "auto", verbosity: int = 0, bad: tuple[Outcome, ...] = BAD) -> Reporter:
    """The console report on *out*. *mode*: auto, always or never, for colours; *bad*: what makes a run fail."""
    from bpftest.reporters import factory
    from bpftest.reporters.console import in_ci, use_color, use_unicode

    return factory("console")(
        out,
        color=use_color(mode, out, os.environ),
        unicode=use_unicode(out),
        per_case=verbosity > 0 or not in_ci(os.environ),
        verbosity=verbosity,
        bad=bad,
    )


def message(error: BpftestError) -> str:
    """What a command says of an error that ends it."""
    from bpftest.reporters.printable import inert

    text = f"error: {error}"
    lines = f"{text}\n  = help: {error.hint}" if error.hint else text
    return "\n".join(map(inert, lines.split("\n")))


def show_invalid(invalid: Iterable[InvalidSuite], mode: str = "auto") -> None:
    """Prints all mistakes of the files to stderr."""
    show = console_on(sys.stderr, mode)
    for event in invalid:
        show(event)


def show_empty(options: Namespace, suites: int, cases: int, kind: str = "error") -> None:
    """Says on stderr why no case is selected, of so many *cases* in so many *suites*. *kind*: error or note."""
    said = [f"{option} {text!r}" for option, text in (("-k", options.keyword), ("-t", options.tag)) if text]
    if shard := getattr(options, "shard", None):
        said.append(f"--shard {shard}")
    if suites:
        what, hint = f"none of {cases} cases matches {' and '.join(said)}", "`bpftest list -v` shows names and tags"
    else:
        what, hint = f"there is no suite in {' '.join(options.paths)}", "suites are files that end in .yaml or .yml"
    print(f"{kind}: no case selected: {what}\n  = help: {hint}", file=sys.stderr)
