"""What differs between two packets."""

from __future__ import annotations

from typing import NamedTuple


class FieldDifference(NamedTuple):
    """A field that is not as expected, both sides as a user writes them."""

    name: str  # "IP.ttl", "IP[2].ttl" (the second IP header), "Raw.load"; "layers"; "byte 14"
    offset: int  # bytes from the start of the packet
    expected: str
    actual: str
    derived: bool = False  # a checksum or length that is right for its packet: only follows from the others
