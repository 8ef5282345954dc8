"""Reports: callables that hear the events of a run and know nothing else.

To add a format, write a file here with one function that takes what the format needs (a stream, a path) and
returns a Reporter, and give it a line in REPORTERS. What several formats say with the same words stands in
``blocks`` (how a failure is explained), ``words`` (counts and times), ``printable`` (text from elsewhere, made safe to
show), ``lines`` (reports that are lines), ``files`` (reports that are files) and ``record`` (events as plain data).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from bpftest.events import Event

Reporter = Callable[[Event], None]

REPORTERS = {  # name of the format -> module:function, imported when the format is asked for
    "console": "bpftest.reporters.console:console",
    "concise": "bpftest.reporters.concise:concise",
    "durations": "bpftest.reporters.durations:durations",
    "github": "bpftest.reporters.github:github",
    "github-summary": "bpftest.reporters.github:step_summary",
    "html": "bpftest.reporters.html:html",
    "json": "bpftest.reporters.json_report:json_report",
    "jsonl": "bpftest.reporters.jsonl:jsonl",
    "junit": "bpftest.reporters.junit:junit",
    "tap": "bpftest.reporters.tap:tap",
}


def factory(name: str) -> Callable[..., Reporter]:
    """The function behind the format *name*, a key of REPORTERS; its arguments are the format's own."""
    module, function = REPORTERS[name].split(":")
    made: Callable[..., Any] = getattr(import_module(module), function)
    return made
