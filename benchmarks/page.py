"""docs/benchmarks.md: the tables between its two marks are what was measured last, all else is written by hand."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from benchmarks.figures import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.figures import Figure

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "benchmarks.md")
BEGIN, END = "<!-- measured by make bench -->", "<!-- end of what is measured -->"


def write(measured: str, path: str = PAGE) -> None:
    """Puts *measured* between the marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{measured}\n{END}{after}")


def tables(figures: Sequence[Figure], rounds: str) -> str:
    """All that was measured, in Markdown: first what has an aim."""
    aimed = [f"| {one.what} | {one.aim} | {_found(one)} | {one.verdict} | {one.detail} |" for one in figures if one.aim]
    others = [f"| {one.what} | {_found(one)} | {one.detail} |" for one in figures if not one.aim]
    return "\n".join(
        (
            *("| what | aim | reached | yes or no | measured |", "| --- | --- | --- | --- | --- |", *aimed, ""),
            f"Measured on {_machine()}. {rounds}",
            "",
            *("Beside these:", "", "| what | ratio | measured |", "| --- | --- | --- |", *others, ""),
        )
    )


def _found(figure: Figure) -> str:
    value, low, high = (number(one) for one in figure.found)
    unit = "" if figure.unit == "times" else f" {figure.unit}"
    return f"{value}{unit} ({low} to {high})"


def _machine() -> str:
    system = os.uname()
    python = ".".join(map(str, sys.version_info[:3]))
    cpus, gigabytes = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_first('/proc/cpuinfo', 'model name')}, {cpus} CPUs, {gigabytes:.0f} GiB, {system.sysname} {system.release} "
        f"{system.machine}, Python {python}"
    )


def _first(path: str, key: str) -> str:
    """What the first line with *key* says."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines: Iterable[str] = (line.partition(":")[2].strip() for line in file if line.startswith(key))
        return next(iter(lines), "a CPU")
