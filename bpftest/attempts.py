"""A case that is run again where it fails or errors: several runs, one verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bpftest.events import CaseFinished

BAD = (Outcome.FAILED, Outcome.ERROR)
GOOD = (Outcome.PASSED, Outcome.XFAILED)  # what makes a case flaky, after a run that was bad


def retried(case: CaseFinished, again: Callable[[], CaseFinished], retries: int) -> CaseFinished:
    """The verdict on *case*: as long as it fails or errors it is run *again*, at most *retries* times."""
    earlier: list[CaseFinished] = []
    while case.outcome in BAD and len(earlier) < retries:
        earlier.append(case)
        case = again()
    return settled(earlier, case)


def settled(earlier: Sequence[CaseFinished], last: CaseFinished) -> CaseFinished:
    """The verdict on a case of which *last* was the last run, and all those *earlier*, in their order, were bad.

    It took as long as all its runs. A case that passes at last, or fails as its xfail says, is flaky. An xfail is
    therefore as strict as ever: a case that passes in each of its runs, although it should not, has failed.
    """
    if not earlier:
        return last
    runs = len(earlier) + 1
    seconds = sum(one.seconds for one in earlier) + last.seconds
    case = last._replace(earlier=tuple(earlier), seconds=seconds)
    if last.outcome in BAD:
        return case._replace(notes=(*last.notes, f"it was run {runs} times, and passed in none of them"))
    if last.outcome in GOOD:
        message = f"did not pass in {len(earlier)} of {runs} runs: {earlier[-1].message}"
        return case._replace(outcome=Outcome.FLAKY, kind=earlier[-1].kind, message=message)
    return case
