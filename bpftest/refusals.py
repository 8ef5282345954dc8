"""Why a program is not in the kernel, in words: the verifier's reason with its line of C, or what libbpf says."""

from __future__ import annotations

import itertools
import os
import re
from typing import TYPE_CHECKING

from bpftest.errnos import errno_name, errno_text
from bpftest.errors import Place
from bpftest.events import Excerpt, Problem
from bpftest.reading import read_regular
from bpftest.verifier_hints import hint
from bpftest.verifier_log import SourceLine, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.door import LoadReport
    from bpftest.suite.model import Program
    from bpftest.verifier_log import Refusal

KIND = "bpftest.LoadError"
SOURCE_SIZE = 4 * 1024 * 1024  # bytes; a file with more is not looked into
AROUND = 2  # lines that are shown before and behind the one that is refused
NEAR = 10  # lines of the log are shown around it, where the file is not at hand, if they are no farther away

# What an errno of BPF_PROG_LOAD says when the verifier has no words for it.
LOAD_HINTS = {
    "EPERM": "the kernel refuses programs of this type here: a security module, lockdown, or a missing capability",
    "EINVAL": "the kernel does not know this program type, attach type or load flag",
    "E2BIG": "the program is too large for the verifier",
    "ENOSPC": "the verifier's log does not fit: ask for less with load.log_level",
}
# The same where a map of the object is refused.
MAP_HINTS = {
    "EPERM": "the kernel refuses maps of this type here: a security module, lockdown, or a missing capability",
    "EINVAL": "this kernel does not take a map of this type, with these sizes and flags",
    "E2BIG": "the map is larger than the kernel makes any",
    "ENOMEM": "the map does not fit into memory",
}
ERRNO_ALONE = re.compile(r": failed to load: -\d+$")  # what libbpf says of a program after it has said why
# What libbpf says where the kernel lacks a type, a function or a variable that a program names.
LACKING = re.compile(r"not found in kernel|failed to find kernel BTF")


def load_problem(report: LoadReport, program: Program, folder: str) -> Problem:
    """Why the kernel refuses what *program* says, as *report* has it. *folder*: that of the suite."""
    name = errno_name(report.errno)
    said = refusal(report.log)
    if said.reason:
        what = f"the verifier refuses '{report.program}': {said.reason} ({name})"
        seen = _excerpt(said, program, folder)
        facts = tuple(_facts(said, seen))
        return Problem(KIND, what, hint(said.reason) or said.suggestion, report.log, seen, facts)
    why = _cause(report.libbpf) or errno_text(report.errno)
    return Problem(KIND, f"'{report.program}' cannot be loaded ({name}): {why}", _load_hint(name, why), report.libbpf)


def _cause(warnings: str) -> str:
    """The warning of libbpf that says why: what it says before that is the way there, what it says after follows."""
    lines = [line.removeprefix("libbpf: ") for line in warnings.splitlines() if not ERRNO_ALONE.search(line)]
    for line, following in itertools.pairwise(lines):
        if following.startswith("failed to load object"):
            return line
    return lines[0] if lines else ""


def _load_hint(errno_name: str, said: str) -> str:
    """What to do where libbpf has *said* what is refused."""
    if "BTF into kernel" in said:
        return (
            "this kernel does not take the types (BTF) of the object: they may be of a kind that it does not know yet"
        )
    if LACKING.search(said):
        return "requires: {features: [kfunc:NAME]} or {kernel: ..} skips the case where the kernel has it not"
    return (MAP_HINTS if said.startswith("map '") else LOAD_HINTS).get(errno_name, "")


def _facts(said: Refusal, seen: Excerpt | None) -> Iterator[tuple[str, str]]:
    """What the log tells beside its reason and the lines that are *seen* already."""
    if said.because and said.because != said.reason:
        yield "because", said.because
    if said.at is not None and seen is None:
        yield "line", said.at.text
    shown = dict(seen.lines).values() if seen else ()
    for source in said.walked:
        if not any(source.text == line.strip() for line in shown):
            place = f"{source.file}:{source.line}   " if source.line else ""
            yield "walked", f"{place}{source.text}"
    if said.insn:
        yield "instruction", said.insn
    if said.registers:
        yield "last known", said.registers


def _excerpt(said: Refusal, program: Program, folder: str) -> Excerpt | None:
    """The line of C that is refused, and those around it: from its file, or as far as the log has them."""
    if said.at is None:
        return None
    path, lines, number = _source(said.at, program, folder)
    if not lines and not number:
        return None
    if not lines:
        known = {one.line: one.text for one in (*said.walked, said.at) if one.file == said.at.file}
        lines = {line: known[line] for line in sorted(known) if abs(line - number) <= NEAR}
    text = lines[number]
    start = len(text) - len(text.lstrip())
    if said.at.column > start:
        start = min(said.at.column, len(text)) - 1
    place = Place(path, number, start + 1, max(1, len(text.rstrip()) - start))
    return Excerpt(place, tuple(lines.items()))


def _source(at: SourceLine, program: Program, folder: str) -> tuple[str, dict[int, str], int]:
    """(path, lines around *at* by number, its own number); no lines, where no file is the one that was compiled."""
    for path in _candidates(at, program, folder):
        lines = _lines(path)
        number = at.line or _only(lines, at.text)
        # A file that was changed since, or that has only its name in common, would tell of another line.
        if 0 < number <= len(lines) and lines[number - 1].strip() == at.text:
            return path, _around(lines, number), number
    return at.file, {}, at.line


def _around(lines: list[str], number: int) -> dict[int, str]:
    """The line *number* and those around it, without blank ones at the ends."""
    first, last = max(1, number - AROUND), min(len(lines), number + AROUND)
    while not lines[first - 1].strip():
        first += 1
    while not lines[last - 1].strip():
        last -= 1
    return {line: lines[line - 1] for line in range(first, last + 1)}


def _candidates(at: SourceLine, program: Program, folder: str) -> Iterator[str]:
    """Files that may hold the line *at*: the suite's own `source`, and what has the name beside it or the object.

    What an object says is a stranger's word: but for the `source` that the suite names, files outside of the suite's
    folder are not opened for it, wherever links lead.
    """
    source = program.source.file if program.source else ""
    if source and at.file in ("", os.path.basename(source)):
        yield source
    if not at.file:
        return
    root = os.path.join(os.path.realpath(folder), "")
    beside = [os.path.dirname(path) for path in (source, program.object) if path]
    for path in dict.fromkeys(os.path.join(one, at.file) for one in (*beside, folder)):
        if os.path.realpath(path).startswith(root):
            yield path


def _lines(path: str) -> list[str]:
    try:
        return read_regular(path, SOURCE_SIZE).decode("utf-8", "replace").split("\n")
    except OSError:
        return []


def _only(lines: list[str], text: str) -> int:
    """The number of the only line that says *text*, 0 where there is none or more."""
    found = [number for number, line in enumerate(lines, 1) if line.strip() == text]
    return found[0] if len(found) == 1 else 0
