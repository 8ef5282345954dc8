"""The runs of several machines or shards as one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, InvalidSuite, RunFinished, RunStarted, SuiteFinished, SuiteStarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bpftest.events import Event


def merged(runs: Iterable[Iterable[Event]]) -> Iterator[Event]:
    """One run of all the cases of *runs*, at least one; the cases of a suite file stand together, wherever they ran.

    It took as long as the longest of them, since shards run side by side; a suite as long as all its parts.
    """
    starts: list[RunStarted] = []
    ends: list[RunFinished] = []
    invalid: dict[str, InvalidSuite] = {}
    suites: dict[str, _Parts] = {}
    for run in runs:
        for event in run:
            if isinstance(event, RunStarted):
                starts.append(event)
            elif isinstance(event, RunFinished):
                ends.append(event)
            elif isinstance(event, InvalidSuite):
                invalid.setdefault(event.path, event)  # every shard finds the same mistakes
            else:
                suites.setdefault(event.path, _Parts()).add(event)
    yield _started(starts, len(suites) + len(invalid))
    for suite in suites.values():
        yield from suite.events()
    yield from invalid.values()
    yield RunFinished(max(end.seconds for end in ends), next((end.interrupted for end in ends if end.interrupted), ""))


class _Parts:
    """What several runs tell of one suite file."""

    def __init__(self) -> None:
        self._starts: list[SuiteStarted] = []
        self._cases: list[CaseFinished] = []
        self._seconds = 0.0

    def add(self, event: SuiteStarted | CaseFinished | SuiteFinished) -> None:
        """Take one event of it."""
        if isinstance(event, SuiteStarted):
            self._starts.append(event)
        elif isinstance(event, CaseFinished):
            self._cases.append(event)
        else:
            self._seconds += event.seconds

    def events(self) -> Iterator[Event]:
        """The suite as one."""
        first = self._starts[0]
        planned = sum(start.cases for start in self._starts)
        yield first._replace(cases=planned, timestamp=min(start.timestamp for start in self._starts))
        yield from sorted(self._cases, key=lambda case: case.place.line) if len(self._starts) > 1 else self._cases
        yield SuiteFinished(first.path, self._seconds)


def _started(starts: Sequence[RunStarted], suites: int) -> RunStarted:
    return RunStarted(
        version=_all(start.version for start in starts),
        kernel=_all(start.kernel for start in starts),
        machine=_all(start.machine for start in starts),
        host=_all(start.host for start in starts),
        timestamp=min(start.timestamp for start in starts),
        suites=suites,
        cases=sum(start.cases for start in starts),
        properties=tuple(dict.fromkeys(pair for start in starts for pair in start.properties)),
    )


def _all(values: Iterable[str]) -> str:
    """Each of *values* once."""
    return ", ".join(dict.fromkeys(values))
