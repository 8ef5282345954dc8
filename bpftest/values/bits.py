"""Numbers of any width, anywhere in bytes.

Bits are counted as BTF does: from the lowest of the first byte on; in big-endian objects from the highest.
"""

from __future__ import annotations

from typing import Literal

ByteOrder = Literal["little", "big"]

FLOAT_CODES = {2: "e", 4: "f", 8: "d"}  # of the struct module, by size in bytes


def load_bits(data: bytes | bytearray, offset: int, bits: int, order: ByteOrder) -> int:
    """The *bits* bits of *data* from bit *offset* on, unsigned."""
    first, last, shift = _window(offset, bits, order)
    return int.from_bytes(data[first:last], order) >> shift & ((1 << bits) - 1)


def store_bits(data: bytearray, offset: int, bits: int, number: int, order: ByteOrder) -> None:
    """Puts *number*, its lowest *bits* bits, into *data* at bit *offset*."""
    first, last, shift = _window(offset, bits, order)
    mask = ((1 << bits) - 1) << shift
    others = int.from_bytes(data[first:last], order) & ~mask
    data[first:last] = (others | number << shift & mask).to_bytes(last - first, order)


def signed(number: int, bits: int) -> int:
    """What *number*, unsigned and of *bits* bits, is in two's complement."""
    return number - (1 << bits) if number >> (bits - 1) else number


def bounds(bits: int, *, is_signed: bool) -> tuple[int, int]:
    """The least and the greatest number of *bits* bits."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)


def _window(offset: int, bits: int, order: ByteOrder) -> tuple[int, int, int]:
    """The first byte, the one after the last, and how many bits are to the right of the number in there."""
    first, last = offset // 8, (offset + bits + 7) // 8
    return first, last, offset % 8 if order == "little" else 8 * last - offset - bits
