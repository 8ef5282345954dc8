"""A suite whose cases are still coming, for reports that write it when it is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from bpftest.events import CaseFinished, Outcome, SuiteStarted

Text = TypeVar("Text", str, bytes)


class OpenSuite(Generic[Text]):
    """What is known of the suite so far; its cases wait as text."""

    def __init__(self, started: SuiteStarted) -> None:
        self.started = started
        self.cases: list[Text] = []
        self.seconds = 0.0  # of all cases
        self.counts: Counter[Outcome] = Counter()

    def add(self, case: CaseFinished, text: Text) -> None:
        """One more case, and how the report tells it."""
        self.cases.append(text)
        self.seconds += case.seconds
        self.counts[case.outcome] += 1
