"""`loads` and `load_error`: what the verifier says. Nothing is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bpftest.errnos import errno_number, errno_text
from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, placed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import LoadReport, Observation
    from bpftest.suite.model import Written


def loads(want: Written, _context: Context) -> Check:
    """The verifier accepts the program, and its log says these texts in this order."""
    finds = _log_check(want)

    def check(observation: Observation) -> Finding:
        report = observation.load
        if report.errno:
            actual = f"{errno_text(report.errno)}: {_reason(report)}"
            return Finding("loads", mismatches=(Mismatch("loads", "true", actual),), excerpt=excerpt(want))
        return finds("the program loads", report)

    return check


def load_error(want: Written, _context: Context) -> Check:
    """The kernel refuses to load the program, with this errno, these texts in its log, and for this line of C."""
    number = placed(want["errno"], errno_number) if "errno" in want else None
    finds, differ = _log_check(want), _place_check(want)

    def check(observation: Observation) -> Finding:
        report = observation.load
        expected = errno_text(number) if number is not None else "a refusal"
        if not report.errno:
            mismatch = Mismatch("load_error", expected, "none: the program loads")
            return Finding("load_error", mismatches=(mismatch,), excerpt=excerpt(want))
        said = finds(errno_text(report.errno), report)
        mismatches = (*said.mismatches, *differ(report))
        if number not in (None, report.errno):
            mismatches = (Mismatch("errno", expected, errno_text(report.errno)), *mismatches)
            return Finding("load_error", "", mismatches, excerpt=excerpt(want))
        return said._replace(mismatches=mismatches, excerpt=excerpt(want) if mismatches else None)

    return check


def _reason(report: LoadReport) -> str:
    """Why the kernel refuses, in the verifier's words; in libbpf's, whose first line tells, where it has none."""
    from bpftest.verifier_log import refusal  # only where a program is refused

    return refusal(report.log).reason or report.libbpf.partition("\n")[0].removeprefix("libbpf: ")


def _place_check(want: Written) -> Callable[[LoadReport], tuple[Mismatch, ...]]:
    """What differs where the program is to be refused for the line of C under `at`."""
    if "at" not in want:
        return lambda _report: ()
    wanted = want["at"].value

    def differ(report: LoadReport) -> tuple[Mismatch, ...]:
        from bpftest.verifier_log import refusal  # only where a program is refused

        at = refusal(report.log).at
        if at is None or not at.line:
            return (Mismatch("at", wanted, "none: the log names no line"),)
        actual = f"{at.file}:{at.line}"
        return () if actual == wanted else (Mismatch("at", wanted, f"{actual}   {at.text}"),)

    return differ


def _log_check(want: Written) -> Callable[[str, LoadReport], Finding]:
    """A check that the texts under `log` stand in the log, each behind the one before; told what *held* so far."""
    searches = [(text.value, placed(text, _search)) for text in _texts(want)]

    def check(held: str, report: LoadReport) -> Finding:
        log = f"{report.log}\n{report.libbpf}"
        start, behind = 0, ""
        for text, search in searches:
            found = search.search(log, start)
            if not found:
                mismatch = Mismatch("log", f"'{text}'{behind}", _reason(report) or _size(report.log))
                return Finding(str(want.key), held, (mismatch,), excerpt=excerpt(want))
            start, behind = found.end(), f" behind '{text}'"
        return Finding(str(want.key), held)

    return check


def _size(log: str) -> str:
    return f"{log.count(chr(10)):,} lines without it" if log else "an empty log"


def _texts(want: Written) -> list[Written]:
    if "log" not in want:
        return []
    log = want["log"]
    return [log] if isinstance(log.value, str) else [log[index] for index in range(len(log.value))]


def _search(text: str) -> re.Pattern[str]:
    if len(text) < 3 or not (text.startswith("/") and text.endswith("/")):
        return re.compile(re.escape(text))
    try:
        return re.compile(text[1:-1], re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        hint = "between slashes stands what Python's re takes; a text without them is looked for as it is"
        raise SuiteError(f"{text} is no regular expression: {error}", hint) from None
