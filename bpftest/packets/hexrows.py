"""Two packets beside each other in hex."""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple

WIDTH = 16  # bytes of a row
ROWS_MAX = 8


class Row(NamedTuple):
    """Sixteen bytes or fewer of a packet on both sides; "" where a side has ended."""

    offset: int  # of the first byte, bytes from the start of the packet
    expected: str  # "00 1c 00 **", two characters a byte, one blank between; * where any nibble will do
    actual: str
    marks: str  # "^^" under each byte that differs, blanks elsewhere


class Rows(NamedTuple):
    """The first rows that differ, and how many more do."""

    rows: tuple[Row, ...]
    more: int = 0


def rows(expected: bytes, actual: bytes, mask: bytes | None = None) -> Rows:
    """The rows of 16 bytes that differ, the first 8 of them.

    *mask*: as long as *expected*, a bit 1 counts; None: all count. A byte that only one side has differs.
    """
    found: list[Row] = []
    more = 0
    for offset in range(0, max(len(expected), len(actual)), WIDTH):
        want, got = expected[offset : offset + WIDTH], actual[offset : offset + WIDTH]
        row_mask = b"\xff" * WIDTH if mask is None else mask[offset : offset + WIDTH].ljust(WIDTH, b"\xff")
        marks = _marks(want, got, row_mask)
        if not marks:
            continue
        if len(found) < ROWS_MAX:
            found.append(Row(offset, _masked(want, row_mask), got.hex(" "), marks))
        else:
            more += 1
    return Rows(tuple(found), more)


def _marks(expected: bytes, actual: bytes, mask: bytes) -> str:
    """The marks "^^" under each byte that differs; "" if none does."""
    marks = [
        "  " if want is not None and got is not None and not (want ^ got) & bits else "^^"
        for want, got, bits in zip_longest(expected, actual, mask[: max(len(expected), len(actual))])
    ]
    return " ".join(marks).rstrip()


def _masked(data: bytes, mask: bytes) -> str:
    """*data* in hex, with a * for each nibble of which no bit counts."""
    if mask == b"\xff" * WIDTH:
        return data.hex(" ")
    return " ".join(
        ("*" if not bits >> 4 else f"{byte >> 4:x}") + ("*" if not bits & 15 else f"{byte & 15:x}")
        for byte, bits in zip(data, mask, strict=False)
    )
