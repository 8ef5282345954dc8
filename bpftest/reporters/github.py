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
    """A reporter that writes a workflow command to *out* for each case with one of the *bad* outcomes, at the end."""
    root = environ.get("GITHUB_WORKSPACE", "")
    commands: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, CaseFinished) and event.outcome in bad:
            commands.append(_command(event.outcome.value, where(event), event.name, event.message, root))
        elif isinstance(event, InvalidSuite):
            for mistake in event.mistakes:
                text = f"{mistake.what}\n{mistake.hint}".rstrip()
                commands.append(_command("ERROR", mistake.excerpt.place, "suite file is not valid", text, root))
        elif isinstance(event, RunFinished):
            out.write("".join(f"{command}\n" for command in commands[:ANNOTATIONS_MAX]))
            if len(commands) > ANNOTATIONS_MAX:
                out.write(
                    f"{len(commands) - ANNOTATIONS_MAX:,} more have no annotation: GitHub shows {ANNOTATIONS_MAX}\n"
                )
            out.flush()

    return report


def _command(word: str, place: Place, name: str, message: str, root: str) -> str:
    """A workflow command for an error, as actions/toolkit's command.ts writes it."""
    text = "\n".join(clip(plain(line), REASON_WIDTH) for line in message.split("\n"))
    title = clip(f"{word} {visible(name)}", REASON_WIDTH)
    file = _property(visible(_in_repository(place.path, root)))
    return f"::error file={file},line={place.line},col={place.column},title={_property(title)}::{_data(text)}"


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

    *bad*: outcomes whose cases it lists. If that cannot be written, a note on stderr says so.
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
            if event.outcome in self._failing:
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
        failed = self._bad or self._invalid or end.interrupted
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
            yield f"{self._more:,} more did not pass."
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
        yield f"| Suite | {' | '.join(COUNTED.values())} | time |"
        yield f"| --- |{' ---: |' * (len(COUNTED) + 1)}"
        for path, (counts, seconds) in list(self._suites.items())[:LISTED_MAX]:
            numbers = [f"{counts[outcome]:,}" if counts[outcome] else "" for outcome in COUNTED]
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
