"""Runs the benchmarks and prints a table. Needs root, clang and bpftool."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 9
CASES = 10_000
LOOP_CASES = 200  # of the bpftool loops; they are slow, and a case costs the same however many there are
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "pass.bpf.c")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    aim: str
    detail: str


def main() -> None:
    """Prints the table."""
    folder = tempfile.mkdtemp(prefix="bpftest-bench-")
    try:
        built = os.path.join(folder, "pass.bpf.o")
        _compile(built)
        figures = [_cold(folder, built), *_against_bpftool(folder, built)]
    finally:
        shutil.rmtree(folder)
    print(f"{os.uname().release} {os.uname().machine}, Python {sys.version.split()[0]}, medians of {ROUNDS} rounds\n")
    for figure in figures:
        print(f"{figure.what:<60} {figure.value:8.1f} times   aim: {figure.aim}\n    {figure.detail}")


def _cold(folder: str, built: str) -> Figure:
    suite = os.path.join(folder, "one.yaml")
    _write_suite(suite, built, 1)
    ours, python = _interleaved(
        lambda: _run([sys.executable, "-m", "bpftest", "run", suite]), lambda: _run([sys.executable, "-c", "pass"])
    )
    detail = f"{ours * 1000:.1f} ms against {python * 1000:.1f} ms"
    return Figure("one hex case from cold / python -c pass", ours / python, "at most 5", detail)


# What people write: each case is a line of hex; its packet is made, run, and the return value looked at.
LOOP = """while read -r hex; do
    printf "$(printf %s "$hex" | sed 's/../\\\\x&/g')" > packet.bin
    bpftool prog run pinned {pinned} data_in packet.bin | grep -q 'Return value: 2,' || echo "FAIL $hex"
done < cases.txt"""
# The least that such a loop can be: one packet, and nothing is looked at.
BARE_LOOP = "for i in $(seq {cases}); do bpftool prog run pinned {pinned} data_in packet.bin > /dev/null; done"


def _against_bpftool(folder: str, built: str) -> list[Figure]:
    suite = os.path.join(folder, "many.yaml")
    _write_suite(suite, built, CASES)
    with open(os.path.join(folder, "cases.txt"), "w", encoding="ascii") as file:
        file.writelines(f"{_hex(index)}\n" for index in range(LOOP_CASES))
    pinned = f"/sys/fs/bpf/bpftest-bench-{os.getpid()}"
    _run(["bpftool", "prog", "load", built, pinned])
    try:
        ours, loop, bare = _interleaved(
            lambda: _run([sys.executable, "-m", "bpftest", "run", suite]),
            lambda: _run(["bash", "-c", LOOP.format(pinned=pinned)], folder),
            lambda: _run(["bash", "-c", BARE_LOOP.format(pinned=pinned, cases=LOOP_CASES)], folder),
        )
    finally:
        os.unlink(pinned)
    return [
        _rate(f"{CASES:,} hex cases, whole process / a loop over bpftool that tests", ours, loop, "at least 75"),
        _rate(f"{CASES:,} hex cases, whole process / a loop over bpftool alone", ours, bare, "the least to beat"),
    ]


def _rate(what: str, ours: float, loop: float, aim: str) -> Figure:
    """How many times more cases a second."""
    detail = f"{CASES / ours:,.0f} cases a second against {LOOP_CASES / loop:,.0f}"
    return Figure(what, (CASES / ours) / (LOOP_CASES / loop), aim, detail)


def _interleaved(*commands: Callable[[], None]) -> list[float]:
    """The median seconds of each command, run in turn so that a slow moment of the machine meets all of them."""
    for command in commands:
        command()
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(ROUNDS):
        for command, taken in zip(commands, times, strict=True):
            started = time.perf_counter()
            command()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def _write_suite(path: str, built: str, cases: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"version: 1\nobject: {built}\ncases:\n")
        file.writelines(_case(index) for index in range(cases))


def _case(index: int) -> str:
    return f'  - name: case {index}\n    packet: {{hex: "{_hex(index)}"}}\n    expect: {{retval: XDP_PASS}}\n'


def _hex(index: int) -> str:
    return (bytes(12) + b"\x90\x00" + index.to_bytes(4, "big") + bytes(46)).hex()


def _compile(built: str) -> None:
    from bpftest.kernel.compile import compiled

    shutil.copyfile(compiled(PROGRAM), built)


def _run(command: list[str], folder: str | None = None) -> None:
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(HERE)}
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")


main()
