"""Numbers that are expected: one, or any between two bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from bpftest.suite.model import Written


class Bounds(NamedTuple):
    """The least and the most that a number may be."""

    least: int
    most: int | None  # None: any number

    def hold(self, number: int) -> bool:
        """Whether *number* is within them."""
        return self.least <= number and (self.most is None or number <= self.most)

    def text(self) -> str:
        """The bounds for people: "3", "1 to 3", "at least 1"."""
        if self.most is None:
            return f"at least {self.least:,}"
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


def bounds(want: Written) -> Bounds:
    """A number, or {min: .., max: ..}. Raises SuiteError, at its place, for bounds between which there is none."""
    said = want.value
    if isinstance(said, int):
        return Bounds(said, said)
    least, most = said.get("min", 0), said.get("max")
    if most is not None and least > most:
        raise SuiteError(f"no number is at least {least} and at most {most}", "swap them", want.place())
    return Bounds(least, most)


def count(want: Written) -> Bounds:
    """The same of how many there are of something. Raises SuiteError, at its place, where any number would do."""
    found = bounds(want)
    if found == Bounds(0, None):
        hint = "give it a 'max', or leave it out"
        raise SuiteError("every number is at least 0: this would always pass", hint, want.place())
    return found
