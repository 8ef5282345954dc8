"""What is measured: each method of Bench compares a few commands, and gives the figures that come of it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import material, memory
from benchmarks.figures import Figure, at_least, at_most, seconds
from benchmarks.rounds import Program, interleaved, ratio, spread
from benchmarks.stateful import write_suites

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Size(NamedTuple):
    """How much is measured."""

    cases: int = 10_000
    loop_cases: int = 200  # of bpftool's loop: it is slow, and a case costs the same however many there are
    files: int = 1_000  # of ten cases
    large_files: int = 10  # of *cases*
    state_cases: int = 10_000
    loaded_cases: int = 1_000  # of those with state that are loaded for each
    rounds: int = 5
    short_rounds: int = 15  # of what takes less than a second


QUICK = Size(300, 20, 20, 2, 50, 20, 2, 2)


# The load, and then a bpftool process for each packet. The names are in a bpffs of its own, which goes away with it.
LOOP = """mount -t bpf none /sys/fs/bpf
bpftool prog load pass.bpf.o /sys/fs/bpf/pinned
head -n {cases} packets.txt | while read -r hex; do
    printf "$(printf %s "$hex" | sed 's/../\\\\x&/g')" > packet.bin
    bpftool prog run pinned /sys/fs/bpf/pinned data_in packet.bin | grep -q 'Return value: 2,' || exit 1
done"""
SWEEP = """version: 1
object: pass.bpf.o
cases:
  - name: every port
    rows: [{port: 0..65535}]
    packet: Ether()/IP()/UDP(dport=$port)
    expect: {retval: XDP_PASS}
"""


class Bench:
    """What is measured, and all that it takes."""

    def __init__(self, folder: str, size: Size) -> None:
        self._folder, self._size = folder, size
        self._program = Program(folder)
        material.compile_object(self._path("pass.bpf.o"), "pass.bpf.c")
        material.compile_program(self._path("loop"), "loop.c")
        shutil.copyfile(os.path.join(material.HERE, "handwritten.py"), self._path("test_handwritten.py"))
        material.packets(folder, size.cases)
        self._one = self._suites("one", 1, 1)
        self._many = self._suites("many", 1, size.cases)
        self._parted = self._suites("parted", 10, size.cases // 10)
        self._scapy = self._suites("scapy", 10, size.cases // 10, material.scapy_packet)

    def all(self) -> Iterator[Figure]:
        """All that is measured."""
        yield from self._cold()
        yield from self._many_cases()
        yield self._run_stage()
        yield self._reading()
        yield from self._memory()
        yield self._repeated()
        yield self._isolation()
        yield from self._workers()
        yield from self._files()
        yield self._junit()
        yield self._sweep()
        yield self._kept()
        yield from self._with_state("with vmlinux.h", ("-DKERNEL_TYPES",), self._size.loaded_cases)
        yield from self._with_state("without", (), self._size.state_cases)

    def _cold(self) -> Iterator[Figure]:
        program = self._program
        one_scapy = self._suites("one-scapy", 1, 1, material.scapy_packet)
        taken = interleaved(
            self._size.short_rounds,
            python=lambda: program.python("-c", "pass"),
            hex=lambda: program.bpftest(self._one),
            cold=lambda: self._without_packets(one_scapy),
            cached=lambda: program.bpftest(one_scapy),
        )
        aims = {
            "hex": ("one hex case from cold", at_most(4)),
            "cold": ("one Scapy case, cold", at_most(20)),
            "cached": ("one Scapy case, cached", at_most(4)),
        }
        for name, (what, aim) in aims.items():
            detail = _both(taken[name], taken["python"])
            yield Figure(f"{what} / `python -c pass`", ratio(taken[name], taken["python"]), detail, aim)

    def _many_cases(self) -> Iterator[Figure]:
        """Whole processes, all of which do the same: run each packet and look at its return value."""
        program, cases = self._program, self._size.cases
        pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")
        taken = interleaved(
            self._size.rounds,
            hex=lambda: program.bpftest(self._many),
            parted=lambda: program.bpftest(self._parted),
            c=lambda: program.seconds("./loop", "pass.bpf.o", "packets.bin", "pass", "2"),
            bpftool=self._bpftool,
            pytest=lambda: program.python(*pytest, "test_handwritten.py"),
            cold=lambda: self._without_packets(self._scapy),
            cached=lambda: program.bpftest(self._scapy),
        )
        loop = taken["bpftool"]
        rows = (
            ("hex cases in one file faster than the loop over bpftool", loop, taken["hex"], at_least(100)),
            ("hex cases in one file / the C loop", taken["hex"], taken["c"], at_most(50)),
            (
                "Scapy expressions, cold, 2 workers, faster than the loop over bpftool",
                loop,
                taken["cold"],
                at_least(25),
            ),
            ("Scapy expressions, cached / hex", taken["cached"], taken["parted"], at_most(1.1)),
            ("hex cases in ten files, 2 workers, faster than the loop over bpftool", loop, taken["parted"], None),
            ("hex cases in ten files, 2 workers / the C loop", taken["parted"], taken["c"], None),
            ("hex cases in one file faster than pytest with ctypes", taken["pytest"], taken["hex"], None),
        )
        for what, above, below, aim in rows:
            yield Figure(f"{cases:,} {what}", ratio(above, below), _both(above, below), aim)

    def _bpftool(self) -> float:
        """The seconds that all cases would take; only some are run."""
        cases = self._size.loop_cases
        loop = ("unshare", "-m", "bash", "-ec", LOOP.format(cases=cases))
        return self._program.seconds(*loop) * self._size.cases / cases

    def _run_stage(self) -> Figure:
        program, cases = self._program, self._size.cases
        taken = interleaved(
            self._size.rounds,
            ours=lambda: self._stage("running", self._file("many")),
            c=lambda: program.told("./loop", "pass.bpf.o", "packets.bin", "pass", "2"),
        )
        detail = _both(*([one / cases for one in taken[name]] for name in ("ours", "c")))
        found = ratio(taken["ours"], taken["c"])
        return Figure("run stage a case / the C loop", found, f"{detail} a case", at_most(6))

    def _reading(self) -> Figure:
        usual, ours = self._stages("reading_as_usual", "reading", self._file("many"))
        what = f"reading and checking {self._size.cases:,} cases, faster than CSafeLoader + jsonschema"
        return Figure(what, ratio(usual, ours), _both(usual, ours), at_least(8))

    def _memory(self) -> Iterator[Figure]:
        size, program = self._size, self._program
        large = self._suites("large", size.large_files, size.cases)
        command = (sys.executable, "-m", "bpftest", "run")
        peaks = [(memory.peak(program, *command, large), memory.peak(program, *command, self._one)) for _ in range(2)]
        cases = size.large_files * size.cases
        for what, key, aim in (("of the largest process", 0, at_most(4)), ("of all processes, added up", 1, None)):
            found = spread([many[key] / one[key] for many, one in peaks])
            many, one = peaks[0]
            detail = f"{many[key]:.0f} MiB, {one[key]:.0f} MiB"
            yield Figure(f"peak memory {what}: {cases:,} cases / 1", found, detail, aim)
        taken = interleaved(2, large=lambda: program.bpftest(large), many=lambda: program.bpftest(self._many))
        detail = _both(taken["large"], taken["many"])
        what = f"{cases:,} cases in {size.large_files} files / {size.cases:,} in one"
        yield Figure(what, ratio(*taken.values()), detail)

    def _repeated(self) -> Figure:
        for name, repeat in (("twice", 2), ("once", 1)):
            self._suites(name, 1, min(200, self._size.cases), defaults=f"defaults: {{repeat: {repeat}}}\n")
        taken = interleaved(
            self._size.rounds,
            twice=lambda: self._stage("later_case", self._file("twice")),
            once=lambda: self._stage("later_case", self._file("once")),
        )
        detail = _both(taken["twice"], taken["once"])
        what = "XDP, a case with repeat=2 / repeat=1, after the first case"
        return Figure(what, ratio(taken["twice"], taken["once"]), detail, at_most(3))

    def _isolation(self) -> Figure:
        """The time that the worker adds, a case, while reading, planning, running and telling are the same."""
        by_worker, alone = self._stages("by_worker", "alone", self._file("many"))
        cases = self._size.cases
        added = [1e6 * (one - other) / cases for one, other in zip(by_worker, alone, strict=True)]
        return Figure("isolation by a worker, a case", spread(added), _both(by_worker, alone), at_most(5), "µs")

    def _workers(self) -> Iterator[Figure]:
        program = self._program
        taken = interleaved(
            self._size.rounds,
            hex1=lambda: program.bpftest("-j1", self._parted),
            hex2=lambda: program.bpftest("-j2", self._parted),
            cold1=lambda: self._without_packets("-j1", self._scapy),
            cold2=lambda: self._without_packets("-j2", self._scapy),
        )
        for key, cases in (("hex", "hex cases"), ("cold", "Scapy expressions, cold")):
            one, two = taken[f"{key}1"], taken[f"{key}2"]
            what = f"{self._size.cases:,} {cases} in ten files: 2 workers faster than 1"
            yield Figure(what, ratio(one, two), _both(one, two))

    def _files(self) -> Iterator[Figure]:
        program, files = self._program, self._size.files
        many = self._suites("files", files, 10)
        same = self._suites("same", 10, files)
        taken = interleaved(3, files=lambda: program.bpftest(many), same=lambda: program.bpftest(same))
        what = f"{files:,} files of 10 cases / the same cases in ten files"
        yield Figure(what, ratio(taken["files"], taken["same"]), _both(taken["files"], taken["same"]))

    def _junit(self) -> Figure:
        program, cases = self._program, self._size.cases
        taken = interleaved(
            self._size.rounds,
            report=lambda: program.bpftest("--junit-xml", "report.xml", self._many),
            none=lambda: program.bpftest(self._many),
        )
        what = f"{cases:,} hex cases with --junit-xml / without"
        return Figure(what, ratio(taken["report"], taken["none"]), _both(taken["report"], taken["none"]))

    def _sweep(self) -> Figure:
        program, runs = self._program, 65_536
        with open(self._path("sweep.yaml"), "w", encoding="utf-8") as file:
            file.write(SWEEP)
        ports = self._path("ports")
        os.mkdir(ports)
        material.packets(ports, runs)
        taken = interleaved(
            self._size.rounds,
            ours=lambda: program.bpftest("sweep.yaml"),
            c=lambda: program.seconds("./loop", "pass.bpf.o", "ports/packets.bin", "pass", "2"),
        )
        per_second = [runs / statistics.median(taken[name]) for name in ("ours", "c")]
        detail = f"{per_second[0]:,.0f} runs a second, {per_second[1]:,.0f}"
        return Figure(f"a sweep of {runs:,} runs, whole process / the C loop", ratio(taken["ours"], taken["c"]), detail)

    def _kept(self) -> Figure:
        """An XDP program that runs twice in each case, kept in the kernel's dispatcher or not."""
        suite = self._suites("kept", 1, 50, defaults="defaults: {repeat: 2}\n")
        taken = interleaved(
            self._size.rounds,
            kept=lambda: self._program.bpftest(suite),
            plain=lambda: self._program.python("-c", UNKEPT, "run", suite),
        )
        what = "50 XDP cases with repeat=2: attached to lo faster than not attached"
        return Figure(what, ratio(taken["plain"], taken["kept"]), _both(taken["plain"], taken["kept"]))

    def _with_state(self, kind: str, cflags: tuple[str, ...], loaded_cases: int) -> Iterator[Figure]:
        """Cases that seed and check maps, against the same cases with the object loaded again for each.

        An object that includes vmlinux.h, as most do, is slow to load: libbpf reads all types of the kernel for it.
        """
        folder = tempfile.mkdtemp(dir=self._folder)
        built = os.path.join(folder, "stateful.bpf.o")
        material.compile_object(built, "stateful.bpf.c", cflags)
        found = []
        for how, cases in (("fresh", loaded_cases), ("reset", self._size.state_cases)):
            os.mkdir(os.path.join(folder, how))
            write_suites(os.path.join(folder, how), built, cases)
            command = (sys.executable, "-m", "benchmarks.stateful", how, os.path.join(folder, how))
            found.append(json.loads(self._program.output(*command)))
        fresh, reset = found
        if fresh["verdicts"] != reset["verdicts"][:loaded_cases]:
            sys.exit("cases with state have other verdicts when the object is loaded for each")
        for key in ("run", "whole"):
            theirs, ours = ([one[key] / len(one["verdicts"])] for one in (fresh, reset))
            what = f"cases on three maps, {kind}, {key}: faster than a load for each"
            yield Figure(what, ratio(theirs, ours), f"{_both(theirs, ours)} a case; one round")

    def _without_packets(self, *arguments: str) -> float:
        """bpftest with no packet built before."""
        shutil.rmtree(self._program.packet_cache, ignore_errors=True)
        return self._program.bpftest(*arguments)

    def _stages(self, one: str, other: str, path: str) -> list[list[float]]:
        taken = interleaved(
            self._size.rounds, one=lambda: self._stage(one, path), other=lambda: self._stage(other, path)
        )
        return list(taken.values())

    def _stage(self, name: str, path: str) -> float:
        return self._program.told(sys.executable, "-m", "benchmarks.stages", name, path)

    def _suites(
        self, name: str, files: int, cases: int, packet: material.Case = material.hex_packet, defaults: str = ""
    ) -> str:
        return material.suites(self._path(name), files, cases, packet, defaults)

    def _file(self, name: str) -> str:
        """The only suite of that folder."""
        return os.path.join(self._path(name), "suite0000.yaml")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


UNKEPT = """import sys
from bpftest import cli
from bpftest.kernel import dispatcher
dispatcher.keep = lambda *_: None
sys.exit(cli.main())"""


def _both(above: Sequence[float], below: Sequence[float]) -> str:
    """The median times behind a ratio."""
    return f"{seconds(statistics.median(above))}, {seconds(statistics.median(below))}"
