"""How much memory a command takes, with all processes that it starts."""

from __future__ import annotations

import os
import time
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.rounds import Program

LOOK_S = 0.005


class Peak(NamedTuple):
    """MiB, of memory that is in use at the same moment (Rss: what processes share counts in each)."""

    largest: float  # of the process that had most
    together: float  # the peaks of all processes, added up


def peak(program: Program, *command: str) -> Peak:
    """The peaks of *command*, which may not fail."""
    with TemporaryFile() as out:
        process = program.started(*command, out=out)
        most: dict[int, int] = {}
        while process.poll() is None:
            for pid in _family(process.pid):
                most[pid] = max(most.get(pid, 0), _peak(pid))
            time.sleep(LOOK_S)
        _, errors = process.communicate()
        if process.returncode != 0:
            out.seek(0)
            raise SystemExit((out.read() + errors).decode(errors="replace"))
    return Peak(max(most.values()) / 1024, sum(most.values()) / 1024)


def _family(pid: int) -> list[int]:
    """The process and those below it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _peak(pid: int) -> int:
    """VmHWM, KiB; 0 of a process that is gone."""
    try:
        with open(os.path.join("/proc", str(pid), "status"), encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0
