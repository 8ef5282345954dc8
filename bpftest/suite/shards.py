"""One of several parts of the selected cases, for machines that share the work of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHARDS_MAX = 10_000


class Shard(NamedTuple):
    """Part *number*, from 1, of so many."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def shard(text: str) -> Shard:
    """What --shard *text*, M/N, means. Raises UsageError."""
    parts = text.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdecimal() and len(part) < 9 for part in parts):
        number, of = map(int, parts)
        if 1 <= number <= of <= SHARDS_MAX:
            return Shard(number, of)
    raise UsageError(f"--shard {text!r} is no part of a whole", f"M/N, with M from 1 to N, and N at most {SHARDS_MAX}")


def slices(counts: Iterable[int], which: Shard, total: int) -> Iterator[tuple[int, int]]:
    """From where to where the cases of each suite belong to *which* shard; *counts*: how many each has, *total* in all.

    Shards are slices of all cases in the order of the files, and differ by one case at most. A suite is cut only where
    a shard ends in it.
    """
    start, stop = (total * number // which.of for number in (which.number - 1, which.number))
    first = 0
    for count in counts:
        yield min(max(start - first, 0), count), min(max(stop - first, 0), count)
        first += count
