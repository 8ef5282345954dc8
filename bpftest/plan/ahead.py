"""The expressions that the planning of a suite will come to, before it does: many are built in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.packets.sources import is_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.packets.sources import Scope
    from bpftest.suite.model import Suite, Written


def expressions(suite: Suite, scope: Scope) -> Iterator[str]:
    """The expressions of packets and outputs that no run has built yet, roughly in the order of planning.

    It need not be exact: what is missing is built when it is asked for.
    """
    for case in suite.cases:
        for step in case.steps:
            for written in (step.packet, *(step.expect[key] for key in step.expect if key == "output")):
                text = _text(written)
                if text and is_new(text, scope):
                    yield text


def _text(written: Written | None) -> str:
    """The expression in a packet source, or in what is expected of a packet; "" if there is none."""
    said = None if written is None else written.value
    text = said.get("scapy") if isinstance(said, dict) else said
    return text if isinstance(text, str) and "(" in text else ""
