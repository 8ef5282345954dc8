"""What GitHub Actions shows of a run beside its log: annotations at lines of files, and a page of the job.

The names and messages of a suite are a stranger's: none of them ends a command, or is Markdown or HTML.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, InvalidSuite, Outcome, RunFinished, RunStarted, SuiteFinished
from bpftest.reporters import blocks
from bpftest.reporters.printable import clip, cut, plain, visible
from bpftest.reporters.words import BAD, COUNTED, counted, duration, summary, where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from bpftest.errors import Place
    from bpftest.events import Event
    from bpftest.reporters import Reporter

ANNOTATIONS_MAX = 10  # of a kind that GitHub shows of a step
REASON_WIDTH = 500  # characters
EXPLAINED_MAX = 30  # cases and suites that the page explains or lists; a page has room for 1 MiB
LISTED_MAX = 200
EXPLANATION_LENGTH = 4_000  # characters

# All of ASCII that Markdown or HTML gives a meaning, and what GitHub makes links of (@name, #1, www.); blanks, since
# several in a row would be one.
_MARKUP = re.compile(r"[^\w ,/-]|_| (?= )", re.ASCII)


def github(out: TextIO, environ: Mapping[str, str], bad: tuple[Outcome, ...] = BAD) -> Reporter:
    """A reporter that writes workflow commands to *out* at the end.

    They are an error for each case with one of the *bad* outcomes, and a warning for each that is flaky.
    """
    root = environ.get("GITHUB_WORKSPACE", "")
    commands: dict[str, list[str]] = {"error": [], "warning": []}

    def report(event: Event) -> None:
        if isinstance(event, CaseFinished) and (event.outcome in bad or event.outcome is Outcome.FLAKY):
            level = "error" if event.outcome in bad else "warning"
            title = f"{event.outcome.value} {visible(event.name)}"
            commands[level].append(_command(level, where(event), title, event.message, root))
        elif isinstance(event, InvalidSuite):
            for mistake in event.mistakes:
                text = f"{mistake.what}\n{mistake.hint}".rstrip()
                title = "ERROR suite file is not valid"
                commands["error"].append(_command("error", mistake.excerpt.place, title, text, root))
        elif isinstance(event, RunFinished):
            shown = [command for known in commands.values() for command in known[:ANNOTATIONS_MAX]]
            out.write("".join(f"{command}\n" for command in shown))
            left = sum(map(len, commands.values())) - len(shown)
            if left:
                out.write(f"{left:,} more have no annotation: GitHub shows {ANNOTATIONS_MAX}\n")
            out.flush()

    return report


def _command(level: str, place: Place, title: str, message: str, root: str) -> str:
    """A workflow command, as actions/toolkit's command.ts writes it. *level*: error or warning."""
    text = "\n".join(clip(plain(line), REASON_WIDTH) for line in message.split("\n"))
    file = _property(visible(_in_repository(place.path, root)))
    title = _property(clip(title, REASON_WIDTH))
    return f"::{level} file={file},line={place.line},col={place.column},title={title}::{_data(text)}"


def _in_repository(path: str, root: str) -> str:
    """*path* as GitHub knows the file: from the root of the checkout; as it is if it lies elsewhere."""
    whole = os.path.abspath(path)
    return os.path.relpath(whole, root) if root and whole.startswith(os.path.join(root, "")) else path


def _data(text: str) -> str:
    # "##[" would be a command of the older form to the runner, which takes one from any place of a line.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace("##", "#\\x23")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# --- the page of the job ------------------------------------------------------------------------------------------


def step_summary(path: str, bad: tuple[Outcome, ...] = BAD) -> Reporter:
    """A reporter that adds a page in Markdown to the file at *path*, which is $GITHUB_STEP_SUMMARY, at the end.

    *bad*: outcomes whose cases it lists, beside those that are flaky. If that fails, a note on stderr says so.
    """
    page = _Page(bad)

    def report(event: Event) -> None:
        page.hear(event)
        if isinstance(event, RunFinished):
            try:
                with open(path, "a", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in page.lines(event))
            except OSError as error:
                print(f"note: no step summary: {error.strerror or error}", file=sys.stderr)

    return report


class _Page:
    """What a run gives the page to say."""

    def __init__(self, failing: tuple[Outcome, ...]) -> None:
        self._failing = failing
        self._run = ""
        self._suites: dict[str, tuple[Counter[Outcome], float]] = {}
        self._bad: list[CaseFinished] = []
        self._invalid: list[InvalidSuite] = []
        self._more = 0  # bad cases that have no row

    def hear(self, event: Event) -> None:
        """Note what the page will say of *event*."""
        if isinstance(event, RunStarted):
            self._run = f"bpftest {event.version}, {event.kernel} {event.machine}"
        elif isinstance(event, CaseFinished):
            counts, seconds = self._suites.setdefault(event.path, (Counter(), 0.0))
            counts[event.outcome] += 1
            self._suites[event.path] = counts, seconds + event.seconds
            if event.outcome in self._failing or event.outcome is Outcome.FLAKY:
                if len(self._bad) < LISTED_MAX:
                    self._bad.append(event)
                else:
                    self._more += 1
        elif isinstance(event, SuiteFinished) and event.path in self._suites:
            self._suites[event.path] = self._suites[event.path][0], event.seconds
        elif isinstance(event, InvalidSuite) and len(self._invalid) < LISTED_MAX:
            self._invalid.append(event)

    def lines(self, end: RunFinished) -> Iterator[str]:
        """The page."""
        counts: Counter[Outcome] = sum((each for each, _ in self._suites.values()), Counter())
        failed = any(counts[outcome] for outcome in self._failing) or self._invalid or end.interrupted
        yield f"### {'❌' if failed else '✅'} bpftest: {summary(counts)}"
        yield ""
        stopped = f", interrupted by {end.interrupted}" if end.interrupted else ""
        yield _markdown(f"{counted(counts.total(), 'case')} in {end.seconds:.2f} s{stopped} · {self._run}")
        yield ""
        yield from self._failures()
        yield from self._table()

    def _failures(self) -> Iterator[str]:
        if not self._bad and not self._invalid:
            return
        yield "| | Where | Case | Why |"
        yield "| --- | --- | --- | --- |"
        for invalid in self._invalid:
            first = invalid.mistakes[0]
            yield _row("ERROR", _place(first.excerpt.place), "suite file is valid", first.what)
        for case in self._bad:
            yield _row(case.outcome.value, _place(where(case)), case.name, case.message)
        yield ""
        if self._more:
            yield f"{self._more:,} more are not listed."
            yield ""
        for case in self._bad[:EXPLAINED_MAX]:
            text = "\n".join(line for _, line in blocks.details(case, log_lines=30))
            yield f"<details><summary>{_markdown(case.outcome.value)} {_markdown(case.id)}</summary>"
            yield ""
            yield f"<pre>{_pre(cut(text, EXPLANATION_LENGTH))}</pre>"
            yield ""
            yield "</details>"
            yield ""

    def _table(self) -> Iterator[str]:
        if not self._suites:
            return
        flaky = any(counts[Outcome.FLAKY] for counts, _ in self._suites.values())
        shown = {outcome: word for outcome, word in COUNTED.items() if flaky or outcome is not Outcome.FLAKY}
        yield f"| Suite | {' | '.join(shown.values())} | time |"
        yield f"| --- |{' ---: |' * (len(shown) + 1)}"
        for path, (counts, seconds) in list(self._suites.items())[:LISTED_MAX]:
            numbers = [f"{counts[outcome]:,}" if counts[outcome] else "" for outcome in shown]
            yield f"| {_markdown(path)} | {' | '.join(numbers)} | {duration(seconds).strip()} |"
        if len(self._suites) > LISTED_MAX:
            yield ""
            yield f"{len(self._suites) - LISTED_MAX:,} more suites have no row."


def _place(place: Place) -> str:
    return f"{place.path}:{place.line}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(_markdown(clip(cell, REASON_WIDTH)) for cell in cells)} |"


def _markdown(text: str) -> str:
    """*text* as Markdown, and as HTML inside it, that shows just that."""
    return _MARKUP.sub(_entity, plain(text))


def _entity(match: re.Match[str]) -> str:
    return "&nbsp;" if match[0] == " " else match[0] if ord(match[0]) > 0x7F else f"&#{ord(match[0])};"


def _pre(text: str) -> str:
    """The same for the inside of <pre>, where blanks stay as they are."""
    return "\n".join(re.sub(r"[^\w ,/-]|_", _entity, line, flags=re.ASCII) for line in text.split("\n"))
