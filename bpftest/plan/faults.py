"""The mistakes of a suite, collected while it is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.suite.model import Written


class UnknownError(SuiteError):
    """Whether this is a mistake cannot be told without the object, which has a problem of its own."""


class Faults:
    """What has been found so far."""

    def __init__(self) -> None:
        self._found: list[SuiteError] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, fault: SuiteError) -> None:
        """One more mistake, which knows its place."""
        self._found.append(fault)

    def of(self, where: Written, step: Callable[..., Any], *arguments: Any) -> Any:
        """What *step* gives; None if it raises a SuiteError, which is kept with its own place or that of *where*."""
        try:
            return step(*arguments)
        except SuiteError as error:
            known = [one for one in error.mistakes if not isinstance(one, UnknownError)]
            self._found += [one.at(where.part(one.span)) for one in known]
            return None

    def in_order(self) -> tuple[SuiteError, ...]:
        """Each mistake once, from the top of the file: cases that share a default share its mistakes."""
        unique = {str(fault): fault for fault in self._found}
        return tuple(sorted(unique.values(), key=_position))


def _position(fault: SuiteError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)
