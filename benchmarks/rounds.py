"""Commands measured side by side: run in turn, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

Command = Callable[[], float]  # does what is measured, and gives the seconds that count


class Ratio(NamedTuple):
    """One time over another: the median of the ratios of the rounds, and between which ratios half of them lie."""

    value: float
    low: float
    high: float


def interleaved(rounds: int, **commands: Command) -> dict[str, list[float]]:
    """The seconds that each of *commands* takes, a round each; what is run first, to warm up, is not among them."""
    for command in commands.values():
        command()
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(command())
    return taken


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """*above* over *below*, round by round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])


def spread(values: Sequence[float]) -> Ratio:
    """The median and the quartiles of *values*."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Ratio(statistics.median(values), low, high)


class Program:
    """Starts programs in a folder, with caches of their own below it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.packet_cache = os.path.join(folder, "cache", "bpftest", "packets")
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BPFTEST", "CI"))}
        self.environment = {
            **kept,
            "PYTHONPATH": here,
            "PYTHONPYCACHEPREFIX": os.path.join(folder, "bytecode"),
            "XDG_CACHE_HOME": os.path.join(folder, "cache"),
        }

    def seconds(self, *command: str) -> float:
        """How long *command* takes, from start to end."""
        started = time.perf_counter()
        self.output(*command)
        return time.perf_counter() - started

    def told(self, *command: str) -> float:
        """The seconds that *command*, which measures itself, prints as nanoseconds."""
        return int(self.output(*command)) / 1e9

    def python(self, *arguments: str) -> float:
        """How long Python takes with *arguments*."""
        return self.seconds(sys.executable, *arguments)

    def bpftest(self, *arguments: str) -> float:
        """How long bpftest run takes with *arguments*; no case may fail."""
        return self.python("-m", "bpftest", "run", *arguments)

    def output(self, *command: str) -> bytes:
        """What *command* prints. A failure of it ends the benchmark."""
        done = self.started(*command)
        output, errors = done.communicate()
        if done.returncode != 0:
            tail = (output + errors).decode(errors="replace")[-3000:]
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
        return output

    def started(self, *command: str, out: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """*command*, running; *out*: where it writes to, for those whose output is not read while they run."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
        )
