"""What a benchmark found: one line of a table each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.rounds import Ratio


class Aim(NamedTuple):
    """What is to be reached."""

    bound: float
    is_least: bool  # at least that much; else at most

    def __str__(self) -> str:
        return f"at {'least' if self.is_least else 'most'} {self.bound:g}"

    def reached(self, value: float) -> bool:
        """Whether *value* is on the right side."""
        return value >= self.bound if self.is_least else value <= self.bound


class Figure(NamedTuple):
    """One line of a table."""

    what: str
    found: Ratio
    detail: str  # the times behind it
    aim: Aim | None = None
    unit: str = "times"

    @property
    def verdict(self) -> str:
        """Whether the aim is reached."""
        return "" if self.aim is None else "yes" if self.aim.reached(self.found.value) else "**no**"


def at_most(bound: float) -> Aim:
    """A figure that is to be small."""
    return Aim(bound, is_least=False)


def at_least(bound: float) -> Aim:
    """A figure that is to be large."""
    return Aim(bound, is_least=True)


def number(value: float) -> str:
    """Three digits, or all of a large one."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= factor:
            return f"{number(value / factor)} {unit}"
    return f"{number(value / 1e-9)} ns"
