"""The report as TAP, the Test Anything Protocol, version 14: https://testanything.org/tap-version-14-specification.html."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, InvalidSuite, Outcome, RunFinished, RunStarted
from bpftest.reporters import blocks
from bpftest.reporters.lines import lines
from bpftest.reporters.printable import clip, plain, visible
from bpftest.reporters.words import TOLD, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from bpftest.errors import Place
    from bpftest.events import Event
    from bpftest.reporters import Reporter

DIRECTIVES = {Outcome.SKIPPED: "SKIP", Outcome.XFAILED: "TODO"}
OK = (Outcome.PASSED, Outcome.SKIPPED, Outcome.FLAKY)
QUIET = (Outcome.PASSED, Outcome.SKIPPED)  # what needs no YAML block
SEVERITIES = {Outcome.ERROR: "error", Outcome.XFAILED: "todo", Outcome.FLAKY: "flaky"}
INDENT = "  "  # of a YAML block below its test point
REASON_WIDTH = 1_000  # characters
LOG_LINES = 100

# Readers that know no escapes, those of TAP 13 among them, would take this part of a name for a directive.
_DIRECTIVE = re.compile(r"#(?=\s*(?:skip|todo))", re.IGNORECASE)


def tap(out: TextIO) -> Reporter:
    """A reporter that writes a test point for each case to *out*, with a YAML block where it did not pass.

    The plan comes last, so that a stream that was cut off has none.
    """
    write = lines(out)
    points = 0

    def report(event: Event) -> None:
        nonlocal points
        if isinstance(event, RunStarted):
            write("TAP version 14", f"# bpftest {plain(event.version)}, {plain(event.kernel)} {plain(event.machine)}")
        elif isinstance(event, CaseFinished):
            points += 1
            write(*_point(points, event))
        elif isinstance(event, InvalidSuite):
            points += 1
            write(*_invalid(points, event))
        elif isinstance(event, RunFinished):
            if event.interrupted:
                write(f"Bail out! interrupted by {plain(event.interrupted)}")
            write(f"1..{points}")

    return report


def _point(number: int, case: CaseFinished) -> Iterator[str]:
    line = f"{'ok' if case.outcome in OK else 'not ok'} {number} - {_escaped(case.id)}"
    directive = DIRECTIVES.get(case.outcome, "")
    reason = clip(plain(case.message), REASON_WIDTH)
    yield f"{line} # {directive} {_escaped(reason)}".rstrip() if directive else line
    details = [] if case.outcome in QUIET else [text for _, text in blocks.details(case, log_lines=LOG_LINES)]
    if details or case.outcome in TOLD:
        severity = SEVERITIES.get(case.outcome, "fail")
        yield from _diagnostic(reason, severity, where(case), case.seconds, details)


def _invalid(number: int, invalid: InvalidSuite) -> Iterator[str]:
    yield f"not ok {number} - {_escaped(invalid.path)}: suite file is valid"
    first = invalid.mistakes[0]
    details = [text for mistake in invalid.mistakes for _, text in blocks.mistake(mistake)]
    yield from _diagnostic(clip(plain(first.what), REASON_WIDTH), "error", first.excerpt.place, 0.0, details)


def _diagnostic(message: str, severity: str, place: Place, seconds: float, details: Iterable[str]) -> Iterator[str]:
    """The YAML block: texts as JSON, which is YAML too, and the explanation as it stands on a terminal."""
    yield f"{INDENT}---"
    yield f"{INDENT}message: {json.dumps(message)}"
    yield f"{INDENT}severity: {severity}"
    yield f"{INDENT}duration_ms: {seconds * 1_000:.3f}"
    yield f"{INDENT}at: {{file: {json.dumps(visible(place.path))}, line: {place.line}, column: {place.column}}}"
    yield f"{INDENT}details: |2"  # its indentation is not to be guessed from a first line that begins with blanks
    yield from (f"{INDENT}{INDENT}{line}".rstrip() for line in details)
    yield f"{INDENT}..."


def _escaped(text: str) -> str:
    """*text* for a description or a reason, where ``#`` begins a directive."""
    return _DIRECTIVE.sub(r"\\x23", visible(text)).replace("\\", "\\\\").replace("#", "\\#").strip()
