"""The verifier's log: why it refuses a program and at which line of C, and its statistics.

Its texts are no interface of the kernel, and change: what is not there, or not as it was, is left out. Known are

* up to 6.7: "; if (data + 14 > data_end)" above the instructions of a line of C;
* from 6.8 on: "; if (data + 14 > data_end) @ firewall.bpf.c:12" (verbose_linfo, kernel/bpf/log.c);
* from 7.3 on, behind that: a report with sections, Reason, At, Causal path, Suggestion (kernel/bpf/diagnostics.c).

The stack stands in the statistics as "stack depth 24+40", in 7.2 as "stack depth 24+40 max 80", in 7.3 as "stack depth
max 80".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TAIL = 512 * 1024  # characters of a log that are looked through; it can have 64 MiB
WALKED = 4  # lines of C before the one that is refused

# What is no message: instructions, lines of C, states of registers, what tells the way, statistics. From
# kernel/bpf/verifier.c and log.c; those of precision tracking stand there with log level 2 alone.
_NO_MESSAGE = re.compile(
    r"\d+: |; |;$|from \d+ to \d+|caller:|callee:| ?(?:frame\d+: )?R\d+\w*=|returning from callee:|to caller at|"
    r"Validating |func#\d+ @|Func#\d+ .*is safe|Global function .* is (?:safe|deemed)|reg type unsupported for arg#|"
    r"mark_precise:|last_idx |regs=|parent |propagating |frame \d+: |Live regs before insn:| +\d+: [.\d]+ \(|"
    r"\(\d+\) |SCC |processed \d+ insns|verification time|stack depth|insns processed|subprog \d+ \(|\s*$"
)
_INSN = re.compile(r"(\d+): \(([0-9a-f]{2})\) ([^;]*[^; ])")
_FROM = re.compile(r"from (\d+) to \d+")
_WRITTEN = re.compile(r"\d+: \([0-9a-f]{2}\) [rw]\d+ = ")  # the register before "=" is not read
_REGISTER = re.compile(r"\b[Rrw](\d{1,2})\b", re.ASCII)
_TOLD = re.compile(r"\bR(\d{1,2})\(", re.ASCII)  # whose state the reason tells: "R1(id=0,off=12,r=13)"
_VALUE = re.compile(r"\bR(\d{1,2})(?:_\w+)?=((?:\w*\((?:[^()]|\([^()]*\))*\)|[^\s;,]+))", re.ASCII)
_REPORT = "\nVerification failed: "
_SECTION = re.compile(r"^(\w[\w ]*):\n((?:  .*\n?)+)", re.MULTILINE)
# Of functions that no instruction is to blame for: check_max_stack_depth runs when all have been walked.
_NOWHERE = re.compile(r"combined stack size|stack size of subprog|tail_calls are not allowed when call stack")


class SourceLine(NamedTuple):
    """A line of C, as the object's BTF has it."""

    text: str  # without the blanks around it
    file: str = ""  # without folders; "": this kernel does not tell
    line: int = 0  # from 1; 0: this kernel does not tell
    column: int = 0  # from 1; 0: this kernel does not tell


class Refusal(NamedTuple):
    """Why the verifier refuses a program; "" and None: the log does not tell."""

    reason: str  # one line, in its words
    because: str = ""  # the same in words for people, from kernels that have such
    suggestion: str = ""  # what to do, from kernels that say so
    at: SourceLine | None = None
    walked: tuple[SourceLine, ...] = ()  # lines of C that led there, each once, the last ones
    insn: str = ""  # "6: (69) r1 = *(u16 *)(r1 +12)"
    registers: str = ""  # "R1=pkt(r=13)": of those that are meant, as the log has said last, which may be out of date


class Statistics(NamedTuple):
    """What the verifier counted, as print_verification_stats says it; None: this kernel does not tell."""

    verified_insns: int | None = None  # instructions that it walked
    max_states: int | None = None  # kept for one instruction, at most
    total_states: int | None = None
    peak_states: int | None = None  # at one time
    depths: tuple[int, ...] = ()  # bytes of stack of each function, the program first; empty from 7.3 on
    stack_max: int | None = None  # bytes of stack of the deepest chain of calls, from 7.2 on at the latest

    @property
    def stack_bytes(self) -> int | None:
        """What the verifier holds against its limit of 512 bytes, or more, where the kernel does not tell.

        It rounds what each function takes up to 16 bytes (up to 6.7, and without a JIT compiler, to 32) and adds up a
        chain of calls (check_max_stack_depth). Which calls which, the log does not tell: as if each called the next.
        """
        if self.stack_max is not None or not self.depths:
            return self.stack_max
        return sum((depth + 15) // 16 * 16 for depth in self.depths)


def statistics(log: str) -> Statistics:
    """The statistics at the end of *log*."""
    tail = log[-TAIL:]
    counted = _last(r"^processed N insns .*max_states_per_insn N total_states N peak_states N", tail)
    stack = _last(r"^stack depth(?: (\d{1,9}(?:\+\d{1,9})*))?(?: max N)?$", tail)
    insns, max_states, total, peak = map(int, counted.groups()) if counted else (None,) * 4
    depths = tuple(map(int, stack[1].split("+"))) if stack and stack[1] else ()
    return Statistics(insns, max_states, total, peak, depths, int(stack[2]) if stack and stack[2] else None)


def _last(words: str, text: str) -> re.Match[str] | None:
    """Where *text* says *words* last; N is a number. Lines of C may say anything, and stand before."""
    return next(reversed(list(re.finditer(words.replace("N", r"(\d{1,9})"), text, re.MULTILINE | re.ASCII))), None)


def refusal(log: str) -> Refusal:
    """What *log* says of a program that is refused; nothing of it is to be trusted to be there."""
    start = log.rfind(_REPORT)
    report = log[start:] if start >= 0 else ""
    lines = (log[:start] if report else log)[-TAIL:].splitlines()
    reason, end = _reason(lines)
    sections = _sections(report)
    reason = reason or sections.get("Reason", "") or report.strip().partition("\n")[0]
    if _NOWHERE.search(reason):
        return Refusal(reason, sections.get("Reason", ""), sections.get("Suggestion", ""))
    path = _path(lines, end)
    sources = _sources(path)
    insn = next((found[0] for line in path if (found := _INSN.match(line))), "")
    at = sources[0] if sources else None
    return Refusal(
        reason,
        sections.get("Reason", ""),
        sections.get("Suggestion", ""),
        _placed(at, report),
        tuple(reversed(sources[1:])),
        insn,
        _registers(path, insn, reason),
    )


def _reason(lines: list[str]) -> tuple[str, int]:
    """The first message behind the last instruction, and how many lines stand before it.

    What stands below only says more: "R1 offset is outside of the packet", or the states of a loop.
    """
    end = len(lines)
    first = ""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if not _NO_MESSAGE.match(line):
            first, end = line.strip(), number
        elif first:
            break
    return first, end


def _path(lines: list[str], end: int) -> list[str]:
    """The lines of the log on the way to the line *end*, backwards.

    With log level 2 the paths that the verifier has been through stand there too. "from 7 to 12" begins another,
    which leaves the one before at instruction 7.
    """
    path = []
    left = ""
    for line in reversed(lines[:end]):
        if left and not line.startswith(left):
            continue
        left = ""
        path.append(line)
        jump = _FROM.match(line)
        if jump:
            left = f"{jump[1]}: ("
    return path


def _sources(path: list[str]) -> list[SourceLine]:
    """The lines of C on *path*, each once, the last first; none for code that the compiler has made up."""
    found: dict[tuple[str, int, str], SourceLine] = {}
    for line in path:
        if line.startswith("; ") and (source := _source_line(line[2:])).text:
            found.setdefault((source.file, source.line, source.text), source)
            if len(found) > WALKED:
                break
    return list(found.values())


def _source_line(said: str) -> SourceLine:
    text, at, place = said.rpartition(" @ ")
    file, colon, number = place.rpartition(":")
    if at and colon and file and number.isdecimal() and len(number) < 10:
        return SourceLine(text.strip(), file.rpartition("/")[2], int(number))
    return SourceLine(said.strip())


def _placed(at: SourceLine | None, report: str) -> SourceLine | None:
    """*at* with the column that the report tells, if that is about the same line: "  main @ firewall.bpf.c:31:9"."""
    first = report.partition("\nAt:\n")[2].partition("\n")[0]
    place, _, column = first.rpartition(":")
    if at is None or place.rpartition(":")[2] != str(at.line) or not (column.isdecimal() and len(column) < 10):
        return at
    return at._replace(column=int(column))


def _sections(report: str) -> dict[str, str]:
    """The text of each section of the report, in one line. They are wrapped at 100 columns."""
    return {name: " ".join(text.split()) for name, text in _SECTION.findall(report)}


def _registers(path: list[str], insn: str, reason: str) -> str:
    """What the log says last of the registers that *insn* reads and *reason* names."""
    told = {int(number) for number in _TOLD.findall(reason)}
    wanted = {int(number) for number in _REGISTER.findall(f"{_WRITTEN.sub('', insn)} {reason}")} - told
    known: dict[int, str] = {}
    for number, value in _values(path):
        if number in wanted and number not in known:
            known[number] = value
            if len(known) == len(wanted):
                break
    return " ".join(f"R{number}={known[number]}" for number in sorted(known))


def _values(path: list[str]) -> Iterator[tuple[int, str]]:
    """(register, value), the last first."""
    for line in path:
        if "R" in line and not line.startswith("; "):
            for number, value in _VALUE.findall(line):
                yield int(number), value
