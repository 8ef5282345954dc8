"""The report for editors and grep: a line for each case that did not pass, as compilers write them, and the counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, InvalidSuite, Outcome, RunFinished
from bpftest.reporters.lines import lines
from bpftest.reporters.printable import clip, plain, visible
from bpftest.reporters.words import BAD, counted, summary, where

if TYPE_CHECKING:
    from typing import TextIO

    from bpftest.events import Event
    from bpftest.reporters import Reporter

REASON_WIDTH = 500  # characters


def concise(out: TextIO, bad: tuple[Outcome, ...] = BAD) -> Reporter:
    """A reporter that writes ``FILE:LINE:COLUMN: OUTCOME name: reason`` to *out*. *bad*: with what a run fails."""
    write = lines(out)
    counts: Counter[Outcome] = Counter()

    def report(event: Event) -> None:
        if isinstance(event, CaseFinished):
            counts[event.outcome] += 1
            if event.outcome in bad or event.outcome is Outcome.FLAKY:
                reason = clip(plain(event.message), REASON_WIDTH)
                write(f"{visible(str(where(event)))}: {event.outcome.value} {visible(event.name)}: {reason}")
        elif isinstance(event, InvalidSuite):
            for mistake in event.mistakes:
                write(f"{visible(str(mistake.excerpt.place))}: ERROR {plain(mistake.what)}")
        elif isinstance(event, RunFinished):
            stopped = f"; interrupted by {plain(event.interrupted)}" if event.interrupted else ""
            write(f"{counted(counts.total(), 'case')} in {event.seconds:.2f} s: {summary(counts)}{stopped}")

    return report
