"""What the benchmark runs: objects, suites, packets, all made in its folder."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable

HERE = os.path.dirname(os.path.abspath(__file__))
Case = Callable[[int], str]  # what a case says of its packet, by its number


def hex_packet(index: int) -> str:
    """`packet: {hex: ..}`, another one for each case."""
    return f'packet: {{hex: "{frame(index).hex()}"}}'


def scapy_packet(index: int) -> str:
    """`packet:` as an expression, another one for each case."""
    return f"packet: Ether()/IP(dst='10.0.{index >> 8 & 255}.{index & 255}')/UDP(sport={index % 60000 + 1}, dport=53)"


def frame(index: int) -> bytes:
    """64 bytes with the number of a case in them."""
    return bytes(12) + b"\x90\x00" + index.to_bytes(4, "big") + bytes(46)


def suite(path: str, cases: Iterable[int], packet: Case = hex_packet, defaults: str = "") -> str:
    """Writes a suite with these cases, on pass.bpf.o beside it. Gives its path."""
    built = os.path.join(os.path.dirname(os.path.dirname(path)), "pass.bpf.o")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"version: 1\nobject: {built}\n{defaults}cases:\n")
        file.writelines(
            f"  - name: case {index}\n    {packet(index)}\n    expect: {{retval: XDP_PASS}}\n" for index in cases
        )
    return path


def suites(folder: str, files: int, cases: int, packet: Case = hex_packet, defaults: str = "") -> str:
    """Writes *files* suites of *cases* cases into a new *folder*. Gives that."""
    os.mkdir(folder)
    for number in range(files):
        path = os.path.join(folder, f"suite{number:04}.yaml")
        suite(path, range(number * cases, (number + 1) * cases), packet, defaults)
    return folder


def packets(folder: str, cases: int) -> None:
    """Writes the packets of the hex cases for those that read no suites: packets.bin, packets.txt."""
    frames = [frame(index) for index in range(cases)]
    with open(os.path.join(folder, "packets.bin"), "wb") as file:
        file.writelines(struct.pack("<I", len(one)) + one for one in frames)
    with open(os.path.join(folder, "packets.txt"), "w", encoding="ascii") as file:
        file.writelines(f"{one.hex()}\n" for one in frames)


def compile_object(built: str, source: str, cflags: tuple[str, ...] = ()) -> None:
    """Compiles a BPF program of this folder."""
    from bpftest.kernel.compile import compiled

    shutil.copyfile(compiled(os.path.join(HERE, source), cflags), built)


def compile_program(built: str, source: str) -> None:
    """Compiles a C program of this folder against libbpf."""
    from bpftest.kernel.compile import clang_path

    subprocess.run([clang_path(), "-O2", "-o", built, os.path.join(HERE, source), "-lbpf"], check=True)
