"""What several reports say in the same words: counts, times, and where a case went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.events import Outcome

if TYPE_CHECKING:
    from collections import Counter

    from bpftest.errors import Place
    from bpftest.events import CaseFinished

COUNTED = {  # in the order of a summary
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error",
    Outcome.SKIPPED: "skipped",
    Outcome.XFAILED: "xfailed",
    Outcome.FLAKY: "flaky",
}
BAD = (Outcome.FAILED, Outcome.ERROR)
TOLD = (*BAD, Outcome.FLAKY)  # what is always explained
SLOW_S = 2.0  # seconds; a case that takes longer is marked


def counted(number: int, noun: str) -> str:
    """1 case, 2 cases."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """*seconds* in eight columns."""
    return f"{seconds * 1_000:5.1f} ms" if seconds < 0.99995 else f"{seconds:6.2f} s"


def summary(counts: Counter[Outcome]) -> str:
    """The counts in words, those that are 0 left out, except of cases that passed."""
    parts = []
    for outcome, word in COUNTED.items():
        if counts[outcome] or outcome is Outcome.PASSED:
            parts.append(
                f"{counts[outcome]:,} {word}{'s' if outcome is Outcome.ERROR and counts[outcome] != 1 else ''}"
            )
    return ", ".join(parts)


def where(case: CaseFinished) -> Place:
    """The place to look at first: of the expectation that did not hold, of the problem, or of the case."""
    case = case.telling
    if case.problem and case.problem.excerpt:
        return case.problem.excerpt.place
    excerpts = (finding.excerpt for finding in case.findings if finding.mismatches)
    return next((excerpt.place for excerpt in excerpts if excerpt), case.place)
