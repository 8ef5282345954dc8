"""Mistakes as the golden files show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bpftest.errors import SuiteError

Lines = Callable[[int, int], tuple[tuple[int, str], ...]]


def report(faults: Iterable[SuiteError], lines: Lines) -> str:
    """Each mistake: where and what, the line with the place underlined, the hint."""
    return "\n".join(line for fault in faults for line in told(fault, lines)) + "\n"


def told(fault: SuiteError, lines: Lines) -> list[str]:
    place = fault.place
    assert place
    ((_, line),) = lines(place.line, place.line)
    marks = "".join("\t" if character == "\t" else " " for character in line[: place.column - 1]) + "^" * place.width
    return [str(fault), f"  | {line}", f"  | {marks}", *([f"  hint: {fault.hint}"] if fault.hint else ())]
