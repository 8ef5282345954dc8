"""Which cases failed or errored when they ran last: what --lf and --ff go by, kept below .bpftest/."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bpftest.artifacts import ROOT, make_own
from bpftest.events import CaseFinished, Outcome, RunFinished, SuiteFinished
from bpftest.kernel.files import refuse_link, write_file
from bpftest.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.events import Event

PATH = os.path.join(ROOT, "last-run.json")
FORMAT = 1
SIZE_MAX = 64 << 20  # bytes; a larger file is not ours
BAD = (Outcome.FAILED, Outcome.ERROR)

Failed = dict[str, frozenset[str]]  # names of cases, by what `key` gives for their suite; none without a case


class UnreadableError(Exception):
    """The file is there and tells nothing; says why."""


def key(path: str) -> str:
    """What a suite is known by, however its path is written: the way to it from where bpftest runs."""
    return os.path.relpath(path)


def read() -> Failed:
    """The cases that failed or errored when they ran last. Raises UnreadableError."""
    try:
        refuse_link(PATH)
        content = read_regular(PATH, SIZE_MAX)
        from json import loads  # only where something has failed

        document = loads(content)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableError(f"{error.filename or PATH}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UnreadableError(f"{PATH} is damaged") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT or not _is_failed(document.get("failed")):
        raise UnreadableError(f"{PATH} is none that this bpftest has written")
    return {path: frozenset(names) for path, names in document["failed"].items() if names}


def _is_failed(held: object) -> bool:
    return isinstance(held, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in held.values()
    )


def recorded(
    events: Iterable[Event],
    base: Callable[[str], str],
    *,
    whole: bool,
    rerun: Callable[[], str],
    warn: Callable[[str], None],
) -> Iterator[Event]:
    """The same *events*; at their end it is kept which cases have failed, and the last event says how to run them.

    Of what did not run nothing changes. *base*: the name that a case has in its suite, from that in its event; *whole*:
    every case of the suites was meant to run, so that one that failed and did not run is none any more; *rerun*: gives
    the command that runs those that failed; *warn*: told why nothing could be kept.
    """
    seen = _Seen()
    for event in events:
        if isinstance(event, CaseFinished):
            seen.add(event, base)
        elif isinstance(event, SuiteFinished) and whole:
            seen.finished.add(key(event.path))
        elif isinstance(event, RunFinished) and seen.suites:
            kept = _kept(seen, warn)
            yield event._replace(rerun=rerun()) if kept and seen.bad else event
            continue
        yield event


class _Seen:
    """What a run has told so far, by suite; of cases that passed only what is news, since there are many."""

    def __init__(self) -> None:
        self.suites: dict[str, str] = {}  # their keys, by path: to make one costs more than all else here
        self.bad: dict[str, set[str]] = {}
        self.finished: set[str] = set()  # those that ran to their end, with all their cases
        self._good: dict[str, set[str]] = {}  # of those that had failed before
        self._before = _known() or {}

    def add(self, case: CaseFinished, base: Callable[[str], str]) -> None:
        """Notes what has become of *case*."""
        suite = self.suites.get(case.path)
        if suite is None:
            suite = self.suites[case.path] = key(case.path)
        if case.outcome in BAD:
            self.bad.setdefault(suite, set()).add(base(case.name))
        elif suite in self._before and base(case.name) in self._before[suite]:
            self._good.setdefault(suite, set()).add(base(case.name))

    def after(self, before: Failed) -> Failed:
        """What has failed now, of what had *before* and of what has run since; of suites that are there."""
        now: Failed = {}
        for suite in {**before, **self.bad}:
            known = frozenset() if suite in self.finished else before.get(suite, frozenset())
            names = known.difference(self._good.get(suite, ())) | self.bad.get(suite, frozenset())
            if names and os.path.exists(suite):
                now[suite] = names
        return now


def _known() -> Failed | None:
    try:
        return read()
    except UnreadableError:
        return None


def _kept(seen: _Seen, warn: Callable[[str], None]) -> bool:
    """Writes what is to be known next time, where that is something new. Whether it is known."""
    before = _known()  # once more: another run may have ended since this one began
    now = seen.after(before or {})
    if now == before:
        return True
    import json

    content = json.dumps({"format": FORMAT, "failed": {suite: sorted(now[suite]) for suite in sorted(now)}}, indent=1)
    try:
        make_own(ROOT)
        refuse_link(PATH)
        write_file(PATH, content.encode())
    except OSError as error:
        warn(f"which cases failed is not kept for --lf: {error.filename or PATH}: {error.strerror}")
        return False
    return True
