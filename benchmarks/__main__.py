"""Runs the benchmarks and prints a table. Needs root, clang and bpftool."""

from __future__ import annotations

import json
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
    from typing import Any

ROUNDS = 9
CASES = 10_000
LOOP_CASES = 200  # of the bpftool loops; they are slow, and a case costs the same however many there are
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "pass.bpf.c")
STATEFUL = os.path.join(HERE, "stateful.bpf.c")
FRESH_CASES = 1000  # of those that load the kernel's types for each; the same holds for them


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
        _compile(built, PROGRAM)
        figures = [
            _cold(folder, built),
            *_against_bpftool(folder, built),
            *_with_state(folder, "with vmlinux.h", ("-DKERNEL_TYPES",), FRESH_CASES),
            *_with_state(folder, "without", (), CASES),
            _repeated(folder),
        ]
    finally:
        shutil.rmtree(folder)
    print(f"{os.uname().release} {os.uname().machine}, Python {sys.version.split()[0]}, medians of {ROUNDS} rounds\n")
    for figure in figures:
        print(f"{figure.what:<64} {figure.value:8.1f} times   aim: {figure.aim}\n    {figure.detail}")


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


def _with_state(folder: str, kind: str, cflags: tuple[str, ...], fresh_cases: int) -> list[Figure]:
    """Cases that seed and check maps, against the same cases with the object loaded again for each.

    An object that includes vmlinux.h, as most do, is slow to load: libbpf reads all types of the kernel for it.
    """
    from benchmarks.stateful import write_suites

    folder = tempfile.mkdtemp(dir=folder)
    built = os.path.join(folder, "stateful.bpf.o")
    _compile(built, STATEFUL, cflags)
    few, all_cases = os.path.join(folder, "few"), os.path.join(folder, "all")
    for path, cases in ((few, fresh_cases), (all_cases, CASES)):
        os.mkdir(path)
        write_suites(path, built, cases)
    fresh, reset = _staged("fresh", few), _staged("reset", all_cases)
    if fresh["verdicts"] != reset["verdicts"][:fresh_cases]:
        sys.exit("cases with state have other verdicts when the object is loaded for each")
    return [
        _saved(f"{CASES:,} cases on three maps, {kind}, {key} / a load for each", reset, fresh, key, aim)
        for key, aim in (("run", "at least 20"), ("whole", "none"))
    ]


def _staged(how: str, folder: str) -> dict[str, Any]:
    """What benchmarks.stateful prints."""
    return json.loads(_run([sys.executable, "-m", "benchmarks.stateful", how, folder]))  # type: ignore[no-any-return]


def _saved(what: str, reset: dict[str, Any], fresh: dict[str, Any], key: str, aim: str) -> Figure:
    """How many times less a case takes."""
    ours, theirs = (1e6 * one[key] / len(one["verdicts"]) for one in (reset, fresh))
    return Figure(what, theirs / ours, aim, f"{ours:,.0f} us a case against {theirs:,.0f} us; the same verdicts")


def _repeated(folder: str) -> Figure:
    """An XDP program that runs twice in each case, kept in the kernel's dispatcher or not."""
    suite, built = os.path.join(folder, "twice.yaml"), os.path.join(folder, "pass.bpf.o")
    _write_suite(suite, built, TWICE_CASES, "defaults: {repeat: 2}\n")
    kept, plain = _interleaved(
        lambda: _run([sys.executable, "-m", "bpftest", "run", suite]),
        lambda: _run([sys.executable, "-c", UNKEPT, "run", suite]),
    )
    detail = f"{kept * 1000:.0f} ms against {plain * 1000:.0f} ms for {TWICE_CASES} cases, whole process"
    return Figure("XDP with repeat: 2, attached to lo / not attached", plain / kept, "none", detail)


TWICE_CASES = 50
UNKEPT = """import sys
from bpftest import cli
from bpftest.kernel import dispatcher
dispatcher.keep = lambda *_: None
sys.exit(cli.main())"""


def _interleaved(*commands: Callable[[], object]) -> list[float]:
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


def _write_suite(path: str, built: str, cases: int, defaults: str = "") -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"version: 1\nobject: {built}\n{defaults}cases:\n")
        file.writelines(_case(index) for index in range(cases))


def _case(index: int) -> str:
    return f'  - name: case {index}\n    packet: {{hex: "{_hex(index)}"}}\n    expect: {{retval: XDP_PASS}}\n'


def _hex(index: int) -> str:
    return (bytes(12) + b"\x90\x00" + index.to_bytes(4, "big") + bytes(46)).hex()


def _compile(built: str, source: str, cflags: tuple[str, ...] = ()) -> None:
    from bpftest.kernel.compile import compiled

    shutil.copyfile(compiled(source, cflags), built)


def _run(command: list[str], folder: str | None = None) -> bytes:
    """What *command* prints."""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(HERE)}
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")
    return done.stdout


main()
