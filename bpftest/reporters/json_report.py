"""The report as one JSON document, which schemas/report.schema.json describes; other reports are made from it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from bpftest.events import (
    CaseFinished,
    InvalidSuite,
    Outcome,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.reporters import files
from bpftest.reporters.open_suite import OpenSuite
from bpftest.reporters.record import FORMAT, data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from bpftest.events import Event
    from bpftest.reporters import Reporter


def json_report(path: str) -> Reporter:
    """A reporter that leaves a JSON document at *path* when the run is over, however it ends.

    Raises HostError when *path* cannot be written, at the start of the run.
    """
    return _Json(path)


class _Json:
    """The state of the report: suites that are done stand in a nameless file, which is copied at the end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: dict[str, OpenSuite[bytes]] = {}  # by path: the suites of several workers may overlap
        self._counts: Counter[Outcome] = Counter()
        self._invalid: list[InvalidSuite] = []
        self._suites = 0  # written so far
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
        self._body = files.scratch(self._path)
        self._body.write(b'{"format": %d,\n"run": %s,\n"suites": [' % (FORMAT, _text(data(run))))

    def _suite_started(self, started: SuiteStarted) -> None:
        self._open[started.path] = OpenSuite(started)

    def _case_finished(self, case: CaseFinished) -> None:
        suite = self._open[case.path]
        told = data(case)
        del told["path"]  # the suite has it
        suite.add(case, _text({"id": data(case.id), **told}))

    def _suite_finished(self, finished: SuiteFinished) -> None:
        self._write(self._open.pop(finished.path), finished.seconds)

    def _run_finished(self, finished: RunFinished) -> None:
        for suite in self._open.values():  # interrupted
            self._write(suite, suite.seconds)
        self._open.clear()
        invalid, end = _text(data(tuple(self._invalid))), {**data(finished), "counts": _counts(self._counts)}
        self._body.write(b'],\n"invalid": %s,\n"end": %s}\n' % (invalid, _text(end)))
        with self._body, files.replacing(self._path) as out:
            self._body.seek(0)
            shutil.copyfileobj(self._body, out)

    def _write(self, suite: OpenSuite[bytes], seconds: float) -> None:
        head = _text({**data(suite.started), "seconds": seconds, "counts": _counts(suite.counts)})
        self._body.write((b",\n" if self._suites else b"\n") + head[:-1] + b', "results": [\n')
        self._body.write(b",\n".join(suite.cases))
        self._body.write(b"]}")
        self._counts += suite.counts
        self._suites += 1


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()  # ASCII, so that no reader can take it for another encoding


def _counts(counts: Counter[Outcome]) -> dict[str, int]:
    return {outcome.value: counts[outcome] for outcome in Outcome}
