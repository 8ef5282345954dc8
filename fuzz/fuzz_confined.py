"""A Scapy expression, from outside: whatever the confined process makes of it, there is a packet or an error."""

from __future__ import annotations

from bpftest.packets.sources import Scope, SourceError, packet
from fuzz import fuzz_expression
from fuzz.fuzz_expression import HEADERS, PACKETS, VARIABLES

SCOPE = Scope(VARIABLES, PACKETS, HEADERS)
SCOPE.seconds = 3.0

seeds = fuzz_expression.seeds
mutated = fuzz_expression.mutated


def one(data: bytes) -> None:
    """A packet, or a mistake at a place in the text."""
    text = data.decode("utf-8", "replace")
    try:
        packet(text, SCOPE)
    except SourceError as error:
        offset, width = error.span or (0, 1)
        assert error.what
        assert 0 <= offset <= offset + width <= max(len(text), 1), (error.span, len(text))
