"""The packet expressions of a suite, before it is planned: many are built in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.suite.model import Case, Written


def expressions(cases: Iterable[Case]) -> Iterator[str]:
    """The expressions of packets and outputs of *cases*, roughly in the order in which planning comes to them.

    It need not be exact: what is missing is built when it is asked for.
    """
    for case in cases:
        for step in case.steps:
            for written in (step.packet, *(step.expect[key] for key in step.expect if key == "output")):
                text = _text(written)
                if text:
                    yield text


def _text(written: Written | None) -> str:
    """The expression in a packet source, or in what is expected of a packet; "" if there is none."""
    said = None if written is None else written.value
    text = said.get("scapy") if isinstance(said, dict) else said
    return text if isinstance(text, str) and "(" in text else ""
