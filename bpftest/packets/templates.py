"""Many packets that differ in a few numbers, without building each: the bytes that the numbers go to, and how.

What makes the packets is a function, *exact*: a packet is built by Scapy in a third of a millisecond. A template is
made of some of them. In it each run of bytes that is not always the same is a slot. Either its value, as one number,
grows by the same step with each number (a port, an address, a length in words, in either byte order); or it is an
Internet checksum, which does so in the arithmetic of RFC 1071, modulo 65535. The template is held against samples, of
which it needs two for each number. If one of them differs there is no template, and each packet is built.
"""

from __future__ import annotations

import random
from itertools import islice, product, repeat
from math import gcd, prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Numbers = tuple[int, ...]
    Samples = dict[Numbers, bytes]

LOW = 256  # first values of each range that are samples: protocols, types and lengths that mean something are there
RANDOM = 64  # further samples
CORNERS_MAX = 64  # samples with each number at one of its ends: all of them, for up to six ranges
SLOT_MAX = 16  # bytes
ORDERS = ("big", "little", "sum")
ONES = 0xFFFF  # the modulus of an Internet checksum


class Slot(NamedTuple):
    """Bytes that depend on the numbers."""

    start: int
    size: int  # bytes
    base: int  # the value where all numbers are 0
    steps: Numbers  # what each number adds, times itself
    order: str  # of its bytes: "big", "little"; "sum": a checksum, the complement of the value modulo ONES

    def value(self, numbers: Numbers) -> int:
        """The value for *numbers*."""
        return self.base + sum(map(int.__mul__, self.steps, numbers))

    def written(self, numbers: Numbers) -> bytes | None:
        """The bytes for *numbers*; None for a checksum that may be written as 0 or as 0xffff."""
        value = self.value(numbers)
        if self.order != "sum":
            return _bytes(value, self.size, self.order)
        rest = value % ONES
        return (ONES - rest).to_bytes(2, "big") if rest else None


class Template(NamedTuple):
    """Packets of one length that differ in the values of *slots*."""

    first: bytes  # one of them
    slots: tuple[Slot, ...]  # in their order
    ranges: tuple[range, ...]

    def packet(self, numbers: Numbers) -> bytes | None:
        """The packet of *numbers*; None where it cannot be told."""
        made = bytearray(self.first)
        for slot in self.slots:
            written = slot.written(numbers)
            if written is None:
                return None
            made[slot.start : slot.start + slot.size] = written
        return bytes(made)

    def packets(self, exact: Callable[[Numbers], bytes]) -> Iterator[bytes]:
        """The packets of all numbers, the last one counting fastest; *exact* builds the few that cannot be told."""
        if not self.slots:
            yield from repeat(self.first, prod(map(len, self.ranges)))
            return
        *outer, inner = self.ranges
        for before in product(*outer):
            untold = self._untold(before, inner)
            if not untold:
                yield from self._row(before, inner)
                continue
            for index, made in enumerate(self._row(before, inner)):
                yield exact((*before, inner[index])) if index in untold else made

    def _row(self, before: Numbers, numbers: range) -> Iterator[bytes]:
        """The packets of *before* and each of *numbers*; a checksum that cannot be told is 0xffff in it."""
        parts: list[Iterable[bytes]] = []
        at = 0
        for slot in self.slots:
            parts += (repeat(self.first[at : slot.start]), _values(slot, before, numbers))
            at = slot.start + slot.size
        parts.append(repeat(self.first[at:]))
        return map(b"".join, zip(*parts, strict=False))

    def _untold(self, before: Numbers, numbers: range) -> set[int]:
        """Which of the *numbers*, from 0, make a checksum that cannot be told."""
        found: set[int] = set()
        for slot in self.slots:
            if slot.order == "sum":
                step, value = slot.steps[-1], slot.value((*before, numbers[0]))
                period = ONES // gcd(step, ONES)
                some = (one for one in range(min(period, len(numbers))) if (value + step * one) % ONES == 0)
                for first in some:
                    found.update(range(first, len(numbers), period))
        return found


def chosen(ranges: tuple[range, ...]) -> list[Numbers]:
    """The numbers whose packets are samples: both ends, small ones, powers of two and what is beside them, others."""
    first = tuple(numbers[0] for numbers in ranges)
    wanted = [first]
    for at, numbers in enumerate(ranges):
        bits = range(numbers[-1].bit_length() + 1)
        powers = {(1 << bit) + beside for bit in bits for beside in (-1, 0, 1)}
        ones = [*numbers[: LOW + 1], *sorted(powers), *numbers[-2:]]
        wanted += [(*first[:at], one, *first[at + 1 :]) for one in ones if one in numbers]
    # A checksum that never passes zero looks like any other number; where it ends at zero, it does so at a corner.
    wanted += islice(product(*((numbers[0], numbers[-1]) for numbers in ranges)), CORNERS_MAX)
    pseudo_random = random.Random(1)  # noqa: S311 - the same samples every time
    wanted += [tuple(map(pseudo_random.choice, ranges)) for _ in range(RANDOM)]
    return list(dict.fromkeys(wanted))


def fitted(samples: Samples, ranges: tuple[range, ...]) -> Template | None:
    """The template of which all *samples* are, the packets of chosen(ranges) by their numbers; None: there is none."""
    first = next(iter(samples.values()))
    if any(len(packet) != len(first) for packet in samples.values()):
        return None
    slots: list[Slot] = []
    for start, end in _different(list(samples.values())):
        found = _slots(start, end, samples, ranges)
        if found is None:
            return None
        slots += found
    return Template(first, tuple(slots), ranges)


def _different(packets: Sequence[bytes]) -> list[tuple[int, int]]:
    """(start, end) of each run of bytes that are not the same in all *packets*."""
    first, bits = int.from_bytes(packets[0], "big"), 0
    for packet in packets:
        bits |= first ^ int.from_bytes(packet, "big")
    runs: list[tuple[int, int]] = []
    for at, byte in enumerate(bits.to_bytes(len(packets[0]), "big")):
        if byte and runs and runs[-1][1] == at:
            runs[-1] = runs[-1][0], at + 1
        elif byte:
            runs.append((at, at + 1))
    return runs


def _slots(start: int, end: int, samples: Samples, ranges: tuple[range, ...]) -> list[Slot] | None:
    """The slots of the bytes from *start* to *end*: one, or several beside each other; None if they are none."""
    if end - start > SLOT_MAX:
        return None
    for middle in range(end, start, -1):
        slots = [slot for order in ORDERS if (slot := _slot(start, middle, samples, ranges, order))]
        behind = _slots(middle, end, samples, ranges) if slots and middle < end else []
        if slots and behind is not None:
            return [slots[0], *behind]
    return None


def _slot(start: int, end: int, samples: Samples, ranges: tuple[range, ...], order: str) -> Slot | None:
    """The slot from *start* to *end*, if all *samples* are as it says; *order*: one of ORDERS."""
    if order == "sum" and end - start != 2:
        return None
    first = tuple(numbers[0] for numbers in ranges)
    base = _number(samples[first][start:end], order)
    steps = []
    for at, numbers in enumerate(ranges):
        if len(numbers) == 1:
            steps.append(0)
            continue
        beside = (*first[:at], numbers[1], *first[at + 1 :])
        step = _number(samples[beside][start:end], order) - base
        steps.append(step % ONES if order == "sum" else step)
    base -= sum(map(int.__mul__, steps, first))
    slot = Slot(start, end - start, base, tuple(steps), order)
    if not _fits(slot, ranges):
        return None
    for its, packet in samples.items():
        written = slot.written(its)
        if written is None:  # a checksum of zero: either form
            written = packet[start:end] if packet[start:end] in (b"\0\0", b"\xff\xff") else None
        if written != packet[start:end]:
            return None
    return slot


def _fits(slot: Slot, ranges: tuple[range, ...]) -> bool:
    """Whether the bytes of *slot* hold its value, whatever the numbers are: the extremes are at the ends."""
    if slot.order == "sum":
        return True
    ends = [(step * numbers[0], step * numbers[-1]) for step, numbers in zip(slot.steps, ranges, strict=True)]
    least, most = slot.base + sum(map(min, ends)), slot.base + sum(map(max, ends))
    return least >= 0 and most < 1 << 8 * slot.size


def _number(content: bytes, order: str) -> int:
    if order == "sum":
        return ONES - int.from_bytes(content, "big")
    return int.from_bytes(content, "little" if order == "little" else "big")


def _bytes(value: int, size: int, order: str) -> bytes:
    return value.to_bytes(size, "little" if order == "little" else "big")


def _values(slot: Slot, before: Numbers, numbers: range) -> Iterator[bytes]:
    """The bytes of *slot* for *before* and each of *numbers*."""
    size, step, value = slot.size, slot.steps[-1], slot.value((*before, numbers[0]))
    if slot.order == "sum":
        step %= ONES
        return ((ONES - (value + step * at) % ONES).to_bytes(2, "big") for at in range(len(numbers)))
    if step == 0:
        return repeat(_bytes(value, size, slot.order), len(numbers))
    values = range(value, value + step * len(numbers), step)
    if slot.order == "little":
        return (one.to_bytes(size, "little") for one in values)
    return (one.to_bytes(size, "big") for one in values)
