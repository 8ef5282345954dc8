"""The report as one HTML file for a browser: nothing is fetched, and nothing but our own script can run in it."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.events import (
    CaseFinished,
    InvalidSuite,
    Outcome,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.reporters import files, html_case
from bpftest.reporters.html_case import safe
from bpftest.reporters.open_suite import OpenSuite
from bpftest.reporters.printable import clip, visible
from bpftest.reporters.words import BAD, COUNTED, counted, duration, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

    from bpftest.events import Event
    from bpftest.reporters import Reporter

LISTED_MAX = 200  # cases that did not pass and are listed at the top
SLOWEST = 10  # cases
REASON_WIDTH = 300  # characters
TAGS_MAX = 500
MANY = 500  # cases; browsers lay out those of a longer page as they come into view

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")


def html(path: str) -> Reporter:
    """A reporter that leaves an HTML file at *path* when the run is over, however it ends.

    Raises HostError when *path* cannot be written, at the start of the run.
    """
    return _Html(path)


class _Link(NamedTuple):
    """A case as lists of cases show it."""

    anchor: str
    outcome: Outcome
    path: str
    name: str
    message: str
    seconds: float


class _Html:
    """The state of the report: suites that are done stand in a nameless file, which the summary precedes at the end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: dict[str, OpenSuite[str]] = {}  # by path: the suites of several workers may overlap
        self._counts: Counter[Outcome] = Counter()
        self._bad: list[_Link] = []
        self._slowest: list[_Link] = []
        self._tags: set[str] = set()
        self._invalid: list[InvalidSuite] = []
        self._cases = 0
        self._run: RunStarted
        self._body: IO[bytes]
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RunStarted: self._run_started,
            SuiteStarted: self._suite_started,
            CaseFinished: self._case_finished,
            SuiteFinished: self._suite_finished,
            InvalidSuite: self._invalid.append,
            RunFinished: self._run_finished,
        }

    def __call__(self, event: Event) -> None:
        try:
            self._handlers[type(event)](event)
        except OSError as error:
            raise files.cannot_write(self._path, error) from error

    def _run_started(self, run: RunStarted) -> None:
        self._run = run
        self._body = files.scratch(self._path)

    def _suite_started(self, started: SuiteStarted) -> None:
        self._open[started.path] = OpenSuite(started)

    def _case_finished(self, case: CaseFinished) -> None:
        suite = self._open[case.path]
        self._cases += 1
        anchor = f"case-{self._cases}"
        suite.add(case, html_case.case(case, anchor))
        if len(self._tags) < TAGS_MAX:
            self._tags.update(
                tag for name, value in case.properties if name == "tags" for tag in value.split(" ") if tag
            )
        self._list(_Link(anchor, case.outcome, case.path, case.name, clip(case.message, REASON_WIDTH), case.seconds))

    def _list(self, link: _Link) -> None:
        if link.outcome in BAD and len(self._bad) < LISTED_MAX:
            self._bad.append(link)
        if link.outcome is not Outcome.SKIPPED:
            self._slowest.append(link)
        if len(self._slowest) > SLOWEST:
            self._slowest.remove(min(self._slowest, key=lambda it: it.seconds))

    def _suite_finished(self, finished: SuiteFinished) -> None:
        self._write(self._open.pop(finished.path), finished.seconds)

    def _write(self, suite: OpenSuite[str], seconds: float) -> None:
        path, title = escape(visible(suite.started.path)), safe(suite.started.title)
        bad = any(suite.counts[outcome] for outcome in BAD)
        head = (
            f'<details class="suite" data-path="{path}"{" open" if bad else ""}>\n'
            f"<summary><h3>{path}{f' <small>{title}</small>' if title else ''}</h3>"
            f'<span class="counts">{summary(suite.counts)}</span><span class="time">{duration(seconds).strip()}</span>'
            "</summary>\n"
        )
        self._body.write(f"{head}{''.join(suite.cases)}</details>\n".encode())
        self._counts += suite.counts

    def _run_finished(self, finished: RunFinished) -> None:
        for suite in self._open.values():  # interrupted
            self._write(suite, suite.seconds)
        self._open.clear()
        with self._body, files.replacing(self._path) as out:
            out.write("".join(self._head(finished)).encode())
            self._body.seek(0)
            shutil.copyfileobj(self._body, out)
            out.write("".join(self._tail()).encode())

    # --- the parts around the suites ------------------------------------------------------------------------------

    def _head(self, end: RunFinished) -> Iterator[str]:
        style, script = _part("page.css"), _part("page.js")
        verdict = self._verdict(end)
        policy = (
            f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
            "base-uri 'none'; form-action 'none'"
        )
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        yield f"<title>{safe(verdict)} - bpftest</title>\n<style>{style}</style>\n</head>\n<body>\n<header>\n"
        yield f'<h1>{safe(verdict)}</h1>\n<p class="about">{safe(self._about(end))}</p>\n'
        yield f"{_bar(self._counts)}</header>\n"
        yield f"<main{' class=many' if self._cases > MANY else ''}>\n{self._filter()}"
        yield from self._failures()
        if self._cases:
            yield "<h2>Suites</h2>\n"

    def _verdict(self, end: RunFinished) -> str:
        if self._invalid:
            return f"{counted(len(self._invalid), 'suite')} not valid, nothing ran"
        bad = Counter({outcome: self._counts[outcome] for outcome in BAD})
        cases = counted(self._counts.total(), "case")
        said = f"{summary(bad).partition(', ')[2]} of {cases}" if bad.total() else summary(self._counts)
        return f"{said}, interrupted by {end.interrupted}" if end.interrupted else said

    def _about(self, end: RunFinished) -> str:
        run = self._run
        ran = self._counts.total()
        cases = f"{ran:,} of {counted(run.cases, 'case')}" if ran < run.cases else counted(ran, "case")
        parts = [
            f"{cases} in {end.seconds:.2f} s",
            run.timestamp,
            f"{run.kernel} {run.machine}",
            run.host,
            f"bpftest {run.version}",
            *(f"{name} {value}" for name, value in run.properties),
        ]
        return " · ".join(part for part in parts if part.strip())

    def _filter(self) -> str:
        boxes = "".join(
            f'<label class="outcome"><input type="checkbox" name="outcome" value="{outcome.value}" checked>'
            f'<b class="{outcome.value}">{outcome.value}</b> {self._counts[outcome]:,}</label>\n'
            for outcome in Outcome
            if self._counts[outcome]
        )
        tags = "".join(f'<option value="{safe(tag)}">{safe(tag)}</option>\n' for tag in sorted(self._tags))
        return (
            '<form class="filter" role="search" aria-label="Cases to show" hidden>\n'
            f'<fieldset><legend class="unseen">Outcome</legend>\n{boxes}</fieldset>\n'
            '<input type="search" name="text" aria-label="Words in the name, path or message" '
            'placeholder="Filter by words" autocomplete="off">\n'
            f'<select name="tag" aria-label="Tag"{"" if tags else " hidden"}><option value="">any tag</option>\n'
            f"{tags}</select>\n"
            '<output aria-live="polite"></output>\n</form>\n'
        )

    def _failures(self) -> Iterator[str]:
        if self._invalid:
            yield "<h2>Not valid</h2>\n"
            for invalid in self._invalid:
                yield f'<h3>{escape(visible(invalid.path))}</h3>\n<ul class="index">\n'
                yield from map(html_case.mistake, invalid.mistakes)
                yield "</ul>\n"
        bad = sum(self._counts[outcome] for outcome in BAD)
        if bad:
            more = bad - len(self._bad)
            yield '<section class="listed">\n<h2>What did not pass</h2>\n'
            yield from _links(self._bad)
            yield f'<p class="about">and {more:,} more, in the suites below</p>\n' if more else ""
            yield "</section>\n"

    def _tail(self) -> Iterator[str]:
        slowest = sorted(self._slowest, key=lambda it: -it.seconds)
        if len(slowest) > 1:
            yield '<section class="listed">\n<h2>Slowest cases</h2>\n'
            yield from _links([it._replace(message="") for it in slowest], times=True)
            yield "</section>\n"
        yield f"</main>\n<script>{_part('page.js')}</script>\n</body>\n</html>\n"


def _links(links: Iterable[_Link], *, times: bool = False) -> Iterator[str]:
    yield '<ul class="index">\n'
    for it in links:
        lead = (
            f'<span class="time">{duration(it.seconds)}</span>'
            if times
            else f'<span class="word {it.outcome.value}">{it.outcome.value}</span>'
        )
        why = f'<span class="why">{safe(it.message)}</span>' if it.message else ""
        yield f'<li>{lead} <a href="#{it.anchor}">{escape(visible(f"{it.path}::{it.name}"))}</a>{why}</li>\n'
    yield "</ul>\n"


def _bar(counts: Counter[Outcome]) -> str:
    """A bar whose parts are as wide as the counts are large."""
    total = counts.total()
    if not total:
        return ""
    parts, left = [], 0.0
    for outcome in COUNTED:
        width = 100 * counts[outcome] / total
        if width:
            parts.append(f'<rect class="{outcome.value}" x="{left:.3f}" width="{width:.3f}" height="1"/>')
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="{summary(counts)}">'
        f"{''.join(parts)}</svg>\n"
    )


def _part(name: str) -> str:
    with open(os.path.join(PAGE, name), encoding="utf-8") as file:
        return f"\n{file.read()}"


def _digest(text: str) -> str:
    """What allows the inline *text* in a Content-Security-Policy, and nothing else."""
    from base64 import b64encode
    from hashlib import sha256

    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
