"""A line at the bottom of the terminal that says how far the run is, and is gone when anything else is written."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bpftest.events import CaseFinished, RunStarted
from bpftest.reporters.printable import columns, visible
from bpftest.reporters.words import BAD

if TYPE_CHECKING:
    from typing import TextIO

    from bpftest.events import Event
    from bpftest.reporters import Reporter

EVERY_S = 0.1  # seconds between two looks of the line
ERASE = "\r\x1b[K"


def progress(shown: Reporter, terminal: TextIO) -> Reporter:
    """*shown*, the report on stdout, with the line on *terminal*, which is taken away while *shown* writes."""
    ran = bad = planned = 0
    drawn = False
    next_look = time.monotonic() + EVERY_S

    def report(event: Event) -> None:
        nonlocal ran, bad, planned, drawn, next_look
        if drawn:
            terminal.write(ERASE)
            terminal.flush()
            drawn = False
        shown(event)
        if isinstance(event, RunStarted):
            planned = event.cases
        elif isinstance(event, CaseFinished):
            ran += 1
            bad += event.outcome in BAD
        if isinstance(event, CaseFinished) and time.monotonic() >= next_look:
            failed = f", {bad:,} failed" if bad else ""
            terminal.write(_fitting(f"  {ran:,}/{planned:,}{failed}  {visible(event.id)}", _width(terminal) - 1))
            terminal.flush()
            drawn = True
            next_look = time.monotonic() + EVERY_S

    return report


def _width(terminal: TextIO) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _fitting(line: str, width: int) -> str:
    """The part of *line* that one row of the terminal has room for."""
    while columns(line) > width:
        line = line[: width if len(line) > width else len(line) - 1]
    return line
