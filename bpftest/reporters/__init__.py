"""Reports: callables that hear the events of a run and know nothing else.

To add a format, write a file here with one function that takes what the format needs (a stream, a path) and
returns a Reporter, and give it a line in REPORTERS. What several formats say with the same words stands in
``blocks`` (how a failure is explained), ``printable`` (text from elsewhere, made safe to show) and ``files``
(reports that are files).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from bpftest.events import Event

Reporter = Callable[[Event], None]

REPORTERS = {  # name of the format -> module:function, imported when the format is asked for
    "console": "bpftest.reporters.console:console",
    "junit": "bpftest.reporters.junit:junit",
}


def factory(name: str) -> Callable[..., Reporter]:
    """The function behind the format *name*, a key of REPORTERS; its arguments are the format's own."""
    module, function = REPORTERS[name].split(":")
    made: Callable[..., Any] = getattr(import_module(module), function)
    return made
