"""The events of a run as they come, a line of JSON each: `$defs/event` of schemas/report.schema.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bpftest.events import CaseFinished
from bpftest.reporters.record import NAMES, data

if TYPE_CHECKING:
    from typing import TextIO

    from bpftest.events import Event
    from bpftest.reporters import Reporter


def jsonl(out: TextIO) -> Reporter:
    """A reporter that writes to *out*; each line is there at once, for who reads along."""

    def report(event: Event) -> None:
        told = {"event": NAMES[type(event)]}
        if isinstance(event, CaseFinished):
            told["id"] = data(event.id)
        # What JSON leaves as it is would still steer a terminal, or be a command to a CI system that reads along.
        text = json.dumps({**told, **data(event)}).replace("\x7f", "\\u007f").replace("##", "#\\u0023")
        out.write(f"{text}\n")
        out.flush()

    return report
