"""The ways in which the runs of a sweep differ, and how their runs are called."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bpftest.plan.step import JobStep

    Point = tuple[Any, ...]  # a value of each variable
    # What goes into a run: data_in and ctx_in, as Request has them; and the packet as Asked has it, b"" if nobody asks.
    Input = tuple[bytes | None, bytes | None, bytes]
    Span = tuple[int, int]  # indices of the first run and the last, both among them

SPANS_SHOWN = 8  # runs beside each other, as one, that a report lists


class Axis(NamedTuple):
    """A way in which runs differ: one or several variables, and the values that they go through together."""

    before: tuple[str, ...]  # what stands before the value of each variable: "port = ", "truncated to "
    after: str  # what stands behind the last: " bytes"
    values: tuple[Sequence[Any], ...]  # of each variable; none at all: the packet as it is
    exact: Callable[[Point], JobStep]  # the step with these values. Raises SuiteError
    inputs: Callable[[], Iterator[Input]]  # of each run, in order
    inputs_with_packets: Callable[[], Iterator[Input]]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return prod(map(len, self.values))

    def point(self, index: int) -> Point:
        """The values of the run *index*, from 0; those of the last variable count fastest."""
        found: list[Any] = []
        for values in reversed(self.values):
            index, at = divmod(index, len(values))
            found.insert(0, values[at])
        return tuple(found)

    def points(self) -> Iterator[Point]:
        """The values of each run, in order."""
        return product(*self.values)

    def label(self, index: int) -> str:
        """What the run *index* is called: "truncated to 37 bytes", "port = 4, ttl = 1"."""
        if not self.values:
            return "the packet as it is"
        return self._text([str(value) for value in self.point(index)])

    def said(self, spans: Sequence[Span]) -> str:
        """Several runs in words: "truncated to 14..20, 33 bytes"."""
        shown, more = spans[:SPANS_SHOWN], ", ..." if len(spans) > SPANS_SHOWN else ""
        if len(self.values) == 1:
            return self._text([", ".join(self._span(*span) for span in shown) + more])
        return "; ".join(self._apart(span) for span in shown) + more

    def _span(self, first: int, last: int) -> str:
        (values,) = self.values
        if first == last:
            return str(values[first])
        if isinstance(values, range):
            return f"{values[first]}..{values[last]}"
        return ", ".join(map(str, values[first : last + 1]))

    def _apart(self, span: Span) -> str:
        first, last = span
        return self.label(first) if first == last else f"{self.label(first)} to {self.label(last)}"

    def _text(self, values: list[str]) -> str:
        return ", ".join(map(str.__add__, self.before, values)) + self.after


class Sweep(NamedTuple):
    """All runs of a case that runs more than once."""

    axes: tuple[Axis, ...]
    alike: bool = True  # the runs differ in packet and context alone, and are judged by the same checks
    tolerant: bool = False  # a packet that the kernel does not take is left out
    left_out: tuple[str, ...] = ()  # what no kernel takes, and why, in words

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(axis.runs for axis in self.axes)
