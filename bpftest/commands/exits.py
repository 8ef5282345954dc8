"""Exit codes beyond those of the errors, and what every command says of invalid suites."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from bpftest.events import InvalidSuite
    from bpftest.reporters import Reporter

PASSED = 0
FAILED = 1
INVALID = 3
EMPTY = 5
SIGNALS = {"SIGINT": 130, "SIGTERM": 143}


def console_on(out: TextIO, mode: str = "auto", verbosity: int = 0) -> Reporter:
    """The console report on *out*. *mode*: auto, always or never, for colours."""
    from bpftest.reporters import factory
    from bpftest.reporters.console import in_ci, use_color, use_unicode

    return factory("console")(
        out,
        color=use_color(mode, out, os.environ),
        unicode=use_unicode(out),
        per_case=verbosity > 0 or not in_ci(os.environ),
        verbosity=verbosity,
    )


def show_invalid(invalid: Iterable[InvalidSuite], mode: str = "auto") -> None:
    """Prints all mistakes of the files to stderr."""
    show = console_on(sys.stderr, mode)
    for event in invalid:
        show(event)
