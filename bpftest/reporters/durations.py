"""The cases that took longest, listed at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, Outcome, RunFinished
from bpftest.reporters.lines import lines
from bpftest.reporters.printable import visible
from bpftest.reporters.words import counted, duration

if TYPE_CHECKING:
    from typing import TextIO

    from bpftest.events import Event
    from bpftest.reporters import Reporter


def durations(out: TextIO, limit: int) -> Reporter:
    """A reporter that lists the *limit* slowest cases on *out*; 0: all of them."""
    write = lines(out)
    slowest: list[tuple[float, str]] = []
    ran = 0
    seconds = 0.0

    def report(event: Event) -> None:
        nonlocal ran, seconds
        if isinstance(event, CaseFinished) and event.outcome is not Outcome.SKIPPED:
            ran += 1
            seconds += event.seconds
            slowest.append((event.seconds, event.id))
            if limit and len(slowest) > 2 * limit + 100:
                _keep(slowest, limit)
        elif isinstance(event, RunFinished) and slowest:
            _keep(slowest, limit)
            share = sum(took for took, _ in slowest) / seconds if seconds else 1.0
            write(f"Slowest  {len(slowest):,} of {counted(ran, 'case')}, {share:.0%} of their time")
            write(*(f"  [{duration(took)}] {visible(case_id)}" for took, case_id in slowest))

    return report


def _keep(slowest: list[tuple[float, str]], limit: int) -> None:
    slowest.sort(key=lambda one: -one[0])
    if limit:
        del slowest[limit:]
