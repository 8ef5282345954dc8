"""A fresh process that takes damaged copies of an object the whole way, as `bpftest run` would: a suite is planned with
each, and run. It ends well if each makes a verdict, or an error that says why; if one of them ends it, that is seen.

argv: the object, whose program is in damaged.bpf.c; how many copies. stdout: JSON {outcome: how many}.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bpftest import elf
from bpftest.errors import BpftestError, ObjectError
from bpftest.events import CaseFinished
from bpftest.executors.local import RunningKernel
from bpftest.plan import Object, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.model import Suite
from bpftest.suite.parse import InvalidSuiteFile, suite

# The maps of a damaged object may want all memory there is, so the suite says how large they are.
SUITE = """
version: 1
object: damaged.o
program: damaged
load: {maps: {flows: {max_entries: 8}, rooms: {max_entries: 2, inner: {max_entries: 2}}, events: {max_entries: 4096}}}
cases:
  - name: one
    packet: {zeros: 64}
    globals: {limit: 7, total: 1, last: {name: before}}
    maps:
      flows:
        - key: 1
          value: {source: 10.0.0.1, port: 80, state: STARTED, bytes: 1, bits: [{low: 7}, {high: -4}], name: eth0}
    expect:
      retval: 1
      globals: {total: 8, last: {source: 10.0.0.1, state: STARTED, bytes: 65}}
      maps:
        flows: [{key: 1, value: {port: 80, bytes: 65, bits: [{low: 7}, {high: -5}], name: eth0}}]
        rooms: [{key: 0, absent: true}]
        events: {records: [{struct: flow, fields: {port: 80, raw: {hex: "41 00 00 00 00 00 00 00"}}}]}
"""
SECTIONS = (".BTF", ".BTF.ext", ".maps", ".rodata", ".data", ".symtab", ".strtab", ".rel.BTF", ".reltc")
WORDS = [0, 1, 2, 4, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x01000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


def places(content: bytes) -> list[tuple[int, int]]:
    """(offset, size) in bytes of what suites reach an object by, its types as often as all the rest."""
    found, names_at = elf._sections(content)
    names = elf._part(content, found[names_at])
    named = {elf._text(names, one.name_offset): (one.offset, one.size) for one in found}
    return [named[name] for name in SECTIONS] + [named[".BTF"]] * len(SECTIONS)


def mutated(content: bytes, seed: int) -> bytes:
    """*content* with one to eight bytes or words changed."""
    chance = random.Random(seed)  # noqa: S311 - to be the same each time
    where = places(content)
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        offset, size = chance.choice(where)
        if chance.random() < 0.5:
            damaged[offset + chance.randrange(size)] = chance.randrange(256)
        else:
            at = offset + chance.randrange(0, size - 3, 4)
            struct.pack_into("<I", damaged, at, chance.choice([*WORDS, chance.randrange(200)]))
    return bytes(damaged)


def outcome(read: Suite, path: Path, content: bytes) -> str:
    """What becomes of the suite where the object is *content*."""
    path.write_bytes(content)
    found: Object | BpftestError
    try:
        found = Object(str(path), *elf.read_object(str(path)))
    except ObjectError as error:
        found = error
    try:
        made = plan(read, {(str(path), ()): found})
    except InvalidSuiteFile as error:
        return "INVALID" if all(fault.what and fault.place for fault in error.faults) else "a fault says too little"
    _, case, _ = run_suite(made, frozenset({"one"}), RunningKernel())
    if not isinstance(case, CaseFinished) or (case.problem is not None and not case.problem.message):
        return "an event says too little"
    return case.outcome.value


def main() -> None:
    sound = Path(sys.argv[1]).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        read = suite(document(f"{folder}/suite.yaml", SUITE))
        path = Path(folder, "damaged.o")
        assert outcome(read, path, sound) == "PASS"
        said = Counter(outcome(read, path, mutated(sound, seed)) for seed in range(int(sys.argv[2])))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
