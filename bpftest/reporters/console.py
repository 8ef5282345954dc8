"""The report for people: a line a case, failures explained where they happen, and a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bpftest.events import (
    CaseFinished,
    InvalidSuite,
    Outcome,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.reporters import blocks
from bpftest.reporters.printable import clip, columns, inert, padded, plain, shell_word, visible
from bpftest.reporters.words import BAD, SLOW_S, TOLD, counted, duration, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TextIO

    from bpftest.events import Event
    from bpftest.reporters import Reporter

INDENT = " " * 4  # of a block below the line of its case
NAME_WIDTH = 40  # columns after which the reason beside a name stands
REASON_WIDTH = 300  # characters of a reason that are shown beside a name
SLOW = "SLOW"  # a case that passed, and took long
LOG_LINES = 15  # of a compiler's or verifier's output; -vv shows all
BUFFERED = 500  # lines that wait to be written together where nobody looks on

BOLD, DIM, RED, GREEN, YELLOW, BLUE = "1", "2", "31", "32", "33", "34"  # parameters of the ANSI sequence SGR
OUTCOME_COLORS = {
    Outcome.PASSED: GREEN,
    Outcome.FAILED: f"{BOLD};{RED}",
    Outcome.ERROR: f"{BOLD};{RED}",
    Outcome.SKIPPED: YELLOW,
    Outcome.XFAILED: YELLOW,
    Outcome.FLAKY: f"{BOLD};{YELLOW}",
}
LINE_COLORS = {  # by what a line of a block shows
    "title": f"{BOLD};{RED}",
    "place": BLUE,
    "frame": BLUE,
    "caret": RED,
    "expected": GREEN,
    "actual": RED,
    "marks": RED,
    "held": DIM,
    "help": BOLD,
}


def console(
    out: TextIO, *, color: bool, unicode: bool, per_case: bool, verbosity: int = 0, bad: tuple[Outcome, ...] = BAD
) -> Reporter:
    """A reporter that writes to *out*.

    *unicode*: False writes ASCII alone, every other character as its escape; *per_case*: a line for each case,
    not only for each file and for cases that did not pass; *verbosity*: -1 only cases that did not pass, and the
    summary; 1 what is known of cases that passed, too; 2 the full output of compilers and of the verifier. *bad*:
    outcomes with which the run fails: the summary lists their cases, and those that are flaky.
    """
    return _Console(_Writer(out, color=color, unicode=unicode), per_case=per_case, verbosity=verbosity, bad=bad)


def use_color(mode: str, stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour what goes to *stream*: --color over NO_COLOR over FORCE_COLOR over the terminal.

    *mode*: auto, always or never.
    """
    if mode != "auto":
        return mode == "always"
    if environ.get("NO_COLOR"):
        return False
    if forced := environ.get("FORCE_COLOR"):
        return forced != "0"
    return stream.isatty() and environ.get("TERM") != "dumb"


def use_unicode(stream: TextIO) -> bool:
    """Whether *stream* is encoded as UTF-8 or another form of Unicode."""
    return (stream.encoding or "").lower().startswith("utf")


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether a CI system runs us, as they all say it: with the variable CI."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}


class _Writer:
    """Lines on their way to a stream: painted, and written many at a time, but soon where a person looks on."""

    def __init__(self, out: TextIO, *, color: bool, unicode: bool) -> None:
        self._out = out
        self._color = color
        self._unicode = unicode
        self._limit = 1 if out.isatty() else BUFFERED
        self._lines: list[str] = []
        self._last = ""  # the line above the next one

    def painted(self, text: str, color: str | None) -> str:
        """*text* in *color*, if there are colours."""
        return f"\x1b[{color}m{text}\x1b[0m" if self._color and color and text else text

    def dot(self) -> str:
        """What stands between the parts of a line."""
        return " · " if self._unicode else " - "

    def line(self, text: str) -> None:
        """Add one line."""
        self._lines.append(inert(text))
        self._last = text

    def gap(self) -> None:
        """Leave one line free, but not at the top."""
        if self._last:
            self.line("")

    def block(self, lines: Iterable[blocks.Line], indent: str = "") -> None:
        """Add the lines of a block."""
        for role, text in lines:
            self.line(self.painted(indent + text, LINE_COLORS.get(role)))

    def settle(self) -> None:
        """Write what waits, if it is time to."""
        if len(self._lines) >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines.clear()
            self._out.write(text if self._unicode else text.encode("ascii", "backslashreplace").decode())
            self._out.flush()


class _Console:
    """The state of the report: what was counted, and under which suite the next line would stand."""

    def __init__(self, writer: _Writer, *, per_case: bool, verbosity: int, bad: tuple[Outcome, ...]) -> None:
        self._to = writer
        self._per_case = per_case
        self._verbosity = verbosity
        self._failing = bad
        self._words = {it: writer.painted(f"{it.value:<5}", OUTCOME_COLORS[it]) for it in Outcome}
        self._planned = 0
        self._suite = ""  # the one whose path was written last
        self._counts: dict[str, Counter[Outcome]] = {}  # by suite
        self._bad: list[tuple[Outcome, str, str]] = []  # what the summary lists: outcome, place, what is there
        self._explained: dict[str, dict[tuple[str, ...], str]] = {}  # by suite: problem -> the first case that had it
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RunStarted: self._run_started,
            SuiteStarted: self._suite_started,
            CaseFinished: self._case_finished,
            SuiteFinished: self._suite_finished,
            InvalidSuite: self._invalid_suite,
            RunFinished: self._run_finished,
        }

    def __call__(self, event: Event) -> None:
        self._handlers[type(event)](event)
        self._to.settle()

    def _run_started(self, run: RunStarted) -> None:
        self._planned = run.cases
        about = [f"--shuffle={value}" for name, value in run.properties if name == "seed"]  # what repeats the order
        if self._verbosity >= 0:
            what = f"{counted(run.suites, 'file')}, {counted(run.cases, 'case')}"
            about = [f"bpftest {run.version}", f"{run.kernel} {run.machine}", what, *about]
        if about:
            self._to.line(self._to.dot().join(map(plain, about)))
            self._to.gap()
            self._to.flush()

    def _suite_started(self, suite: SuiteStarted) -> None:
        self._counts.setdefault(suite.path, Counter())

    def _case_finished(self, case: CaseFinished) -> None:
        self._counts[case.path][case.outcome] += 1
        if case.outcome is Outcome.PASSED:
            if self._per_case and self._verbosity >= 0:
                self._line_of_case(case, SLOW if case.seconds > SLOW_S else plain(case.message))
                if self._verbosity > 0:
                    self._to.block(self._details(case), INDENT)
            elif case.seconds > SLOW_S and self._verbosity >= 0:
                self._to.line(f"{SLOW}  [{duration(case.seconds)}] {visible(case.id)}")
            return
        if case.outcome in self._failing or case.outcome is Outcome.FLAKY:
            place = shell_word(f"{case.place.path}:{case.place.line}")
            self._bad.append((case.outcome, place, visible(case.name)))
        first = self._first_with(case)
        reason = f"same error as '{visible(first)}'" if first else clip(plain(case.message), REASON_WIDTH)
        details = self._details(case) if not first and (case.outcome in TOLD or self._verbosity > 0) else []
        if self._per_case:
            self._line_of_case(case, reason)
            self._to.block(details, INDENT)
        else:
            self._block_of_case(case, reason, details)
        self._to.flush()

    def _first_with(self, case: CaseFinished) -> str:
        """The name of the suite's first case with the same problem; "" if *case* is the first, or has other news."""
        problem = case.problem
        if problem is None or blocks.explained(case):
            return ""
        explained = self._explained.setdefault(case.path, {})
        first = explained.setdefault((problem.kind, problem.message, problem.text), case.name)
        return "" if first == case.name else first

    def _details(self, case: CaseFinished) -> list[blocks.Line]:
        extra = case.properties if self._verbosity > 0 else ()
        return blocks.details(case, extra, log_lines=None if self._verbosity > 1 else LOG_LINES)

    def _line_of_case(self, case: CaseFinished, reason: str) -> None:
        if self._suite != case.path:
            self._suite = case.path
            self._to.gap()
            self._to.line(visible(case.path))
        took = " " * 8 if case.outcome is Outcome.SKIPPED else duration(case.seconds)
        name = visible(case.name)
        if reason:
            name = f"{padded(name, NAME_WIDTH)}{' ' if columns(name) < NAME_WIDTH else '  '}{reason}"
        self._to.line(f"  {self._words[case.outcome]} [{took}] {name}")

    def _block_of_case(self, case: CaseFinished, reason: str, details: list[blocks.Line]) -> None:
        """What stands for *case* where cases that passed have no line."""
        line = f"{self._words[case.outcome]} {visible(case.id)}"
        if not details:
            self._to.line(f"{line}  {reason}".rstrip())
            return
        self._to.gap()
        self._to.line(line)
        if reason and not (case.outcome is Outcome.FAILED and blocks.explained(case)):
            self._to.line(f"error: {reason}" if case.problem else f"  {reason}")
        self._to.block(details)
        self._to.gap()

    def _suite_finished(self, suite: SuiteFinished) -> None:
        counts = self._counts[suite.path]
        if not self._per_case and self._verbosity >= 0:
            worst = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED)
            outcome = next((it for it in worst if counts[it] and it in self._failing), Outcome.PASSED)
            path = padded(visible(suite.path), NAME_WIDTH)
            self._to.line(f"{self._words[outcome]} [{duration(suite.seconds)}] {path} {summary(counts)}")
        self._to.flush()
        self._explained.pop(suite.path, None)

    def _invalid_suite(self, suite: InvalidSuite) -> None:
        self._bad.append((Outcome.ERROR, shell_word(suite.path), counted(len(suite.mistakes), "mistake")))
        for mistake in suite.mistakes:
            self._to.gap()
            self._to.block(blocks.mistake(mistake))
        self._to.flush()

    def _run_finished(self, run: RunFinished) -> None:
        counts = sum(self._counts.values(), Counter())
        ran = counts.total()
        self._to.gap()
        if run.interrupted:
            left = counted(max(0, self._planned - ran), "case")
            self._to.line(f"Interrupted by {plain(run.interrupted)}, {left} did not run")
        cases = f"{ran:,} of {self._planned:,} cases" if ran < self._planned else counted(ran, "case")
        forbidden = counts[Outcome.SKIPPED] and Outcome.SKIPPED in self._failing
        said = f"{summary(counts)}{'; none may be skipped' if forbidden else ''}"
        self._to.line(f"Summary  {cases} in {run.seconds:.2f} s: {said}")
        width = max((columns(place) for _, place, _ in self._bad), default=0)
        for outcome, place, what in self._bad:
            self._to.line(f"  {self._words[outcome]}  {padded(place, width)}  {what}")
        if run.rerun:
            self._to.line(f"  rerun: {visible(run.rerun)}")
        self._to.flush()
