"""What a run tells its reporters: a few kinds of frozen, plain values that can be sent between processes.

A run is: RunStarted, then for each suite SuiteStarted, CaseFinished for each case, SuiteFinished (or
InvalidSuite alone, when the file is not valid), then RunFinished, always, even after an interrupt.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import NamedTuple

from bpftest.errors import Place


class Outcome(Enum):
    """How a case ended; the value is the word that reports print."""

    PASSED = "PASS"
    FAILED = "FAIL"  # an expectation did not hold
    ERROR = "ERROR"  # could not find out
    SKIPPED = "SKIP"  # always with its reason
    XFAILED = "XFAIL"  # failed, as its `xfail` says
    FLAKY = "FLAKY"  # failed or errored, and did not when it was run again, as --retries says


class Excerpt(NamedTuple):
    """A place and the lines around it, as they stood in the file when it was read."""

    place: Place
    lines: tuple[tuple[int, str], ...] = ()  # (number from 1, text); the place's own line is among them


class Mistake(NamedTuple):
    """One mistake of a suite file."""

    what: str
    hint: str
    excerpt: Excerpt


class Mismatch(NamedTuple):
    """One thing that was expected and is not so, both sides in the words of the suite."""

    what: str  # IP.ttl, retval, ctx.mark, length
    expected: str
    actual: str
    offset: int | None = None  # bytes from the start of the packet
    derived: bool = False  # only follows from another difference: a checksum, a length


class HexRow(NamedTuple):
    """Sixteen bytes or fewer of a packet on both sides; "" where a side has ended."""

    offset: int  # of the first byte, bytes from the start of the packet
    expected: str  # "00 1c 00 **", two characters a byte, one blank between
    actual: str
    marks: str  # "^^" under each byte that differs, blanks elsewhere


class Finding(NamedTuple):
    """What one expectation found. It held if there are no mismatches."""

    key: str  # the key under `expect:`
    held: str = ""  # what was as expected, to be shown beside what was not: "XDP_TX (3)"
    mismatches: tuple[Mismatch, ...] = ()
    rows: tuple[HexRow, ...] = ()
    excerpt: Excerpt | None = None  # of the expectation; only where it did not hold
    step: str = ""  # of a case with several: the one that expects it
    packet: str = ""  # hex: the whole packet that was expected, where that is what did not hold


class Packet(NamedTuple):
    """A packet of a step that is not as expected."""

    name: str  # input, expected, actual
    data: str  # hex, without metadata
    link: str  # what it begins with: "ethernet", "ip", "" not known
    step: str = ""  # as in Finding


class Problem(NamedTuple):
    """Why there is no verdict; or, of a failed `loads` or `load_error`, what the kernel has against the program."""

    kind: str  # dotted: bpftest.LoadError, bpftest.RunError, bpftest.Timeout
    message: str  # one line
    hint: str = ""
    text: str = ""  # several lines: a compiler's output, the verifier's log
    excerpt: Excerpt | None = None  # of the suite, or of the C source
    facts: tuple[tuple[str, str], ...] = ()  # what else is known, by name: ("instruction", "1: (69) r1 = ..")


class RunStarted(NamedTuple):
    version: str  # of bpftest
    kernel: str  # "Linux 6.18.44"
    machine: str  # "x86_64"
    host: str
    timestamp: str  # UTC, ISO 8601, seconds
    suites: int
    cases: int
    properties: tuple[tuple[str, str], ...] = ()  # ("jit", "on"); of --shuffle ("seed", "1234")


class SuiteStarted(NamedTuple):
    path: str  # as the user named it
    title: str  # "" if the suite has none
    cases: int
    timestamp: str  # UTC, ISO 8601, seconds


class CaseFinished(NamedTuple):
    path: str  # of the suite
    name: str  # of the case; f"{path}::{name}" can be pasted back
    place: Place  # of the case in the suite
    outcome: Outcome
    seconds: float
    kind: str = ""  # of a failure or error: bpftest.RetvalMismatch, bpftest.LoadError
    message: str = ""  # one line: why it did not pass, the reason of a skip or xfail
    findings: tuple[Finding, ...] = ()  # in the order of the suite; empty if all held
    problem: Problem | None = None
    notes: tuple[str, ...] = ()  # worth knowing beside the verdict, a line each
    properties: tuple[tuple[str, str], ...] = ()  # ("program", "firewall"), ("retval", "XDP_TX (3)")
    printed: tuple[tuple[str, str], ...] = ()  # (where, a line) that programs printed in what failed: ("printk", "x")
    packets: tuple[Packet, ...] = ()  # of what failed
    saved: tuple[str, ...] = ()  # files in which they are kept: "folder/{input,actual}.pcap"
    earlier: tuple[CaseFinished, ...] = ()  # of a case that was run again: each of its runs before, FAILED or ERROR

    @property
    def id(self) -> str:
        """What selects this case on the command line."""
        return f"{self.path}::{self.name}"

    @property
    def telling(self) -> CaseFinished:
        """The run of it that tells most: of a flaky case the last one that failed, of any other the last one."""
        return self.earlier[-1] if self.outcome is Outcome.FLAKY and self.earlier else self


class SuiteFinished(NamedTuple):
    path: str
    seconds: float


class InvalidSuite(NamedTuple):
    """A suite file with mistakes: none of it ran."""

    path: str
    mistakes: tuple[Mistake, ...]


class RunFinished(NamedTuple):
    seconds: float
    interrupted: str = ""  # "SIGINT", "SIGTERM" or ""
    rerun: str = ""  # the command that runs those again that failed or errored


Event = RunStarted | SuiteStarted | CaseFinished | SuiteFinished | InvalidSuite | RunFinished


def timestamp() -> str:
    """The time now, as events tell it: UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
