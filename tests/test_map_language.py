"""What suites say of maps and global variables: bytes for the kernel, and checks of what it might have held."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.errors import SuiteError
from bpftest.expectations import Context
from bpftest.expectations.globals import globals_
from bpftest.expectations.maps import maps
from bpftest.kernel.door import Bulk, Contents, Delete, Handle, Patch, Read, Size, Write
from bpftest.map_values.closed import CLOSED, closed
from bpftest.maps import DEVICES, KEYLESS, REFERENCES, TYPES, VALUES, Declared, variable
from bpftest.packets.sources import Scope
from bpftest.plan import Object, plan
from bpftest.plan.entries import changes
from bpftest.plan.setup import sizes_of
from bpftest.plan.state import initial_state
from bpftest.suite.document import document
from bpftest.suite.model import Case, Written
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.expecting import Broken, check, context, ran, refused, written
from tests.golden import assert_golden
from tests.suite.mistakes import report


@pytest.fixture
def kept(build: Callable[..., str]) -> Context:
    """What is known of tests/programs/kept.bpf.c."""
    return known(build("kept"))


@pytest.fixture
def every(build: Callable[..., str]) -> Context:
    """What is known of tests/programs/every_map.bpf.c."""
    return known(build("every_map"))


def known(path: str) -> Context:
    found = read_object(path)
    types = Btf(found.btf)
    programs = tuple(program.name for program in found.programs)
    here = context("xdp", types=lambda: types, variables=found.variables, programs=programs, sockets=("web", "dns"))
    return here._replace(scope=Scope(folder=os.path.dirname(path)))


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def flow(packets: int, mac: str = "00" * 6, flags: int = 0) -> bytes:
    """A struct flow of kept.bpf.c."""
    return u32(packets) + bytes.fromhex(mac) + flags.to_bytes(2, "little")


def padded(value: bytes) -> bytes:
    """The value of one CPU among those of all."""
    return value.ljust((len(value) + 7) // 8 * 8, b"\0")


COUNTS = Contents("counts", ((u32(0), u64(0)), (u32(3), u64(30))))
FLOWS = Contents("flows", ((u32(9), flow(3, "020000000001", 1)), (u32(8), None)))
HITS = Contents("hits", ((u32(0), u64(5) + u64(7)),))
PER_FLOW = Contents("per_flow", ((u32(1), padded(flow(1)) + padded(flow(2, flags=3))),))
ROUTES = Contents("routes", ((u32(8) + bytes([10, 0, 0, 0]), u32(7)), (u32(16) + bytes([10, 1, 0, 0]), u32(8))))
UNTYPED = Contents("untyped", ((b"\1\0", u32(5)),))
EMPTY = Contents("flows", ())


@pytest.mark.parametrize(
    ("text", "contents", "held", "broken"),
    [
        # Entries
        ("{counts: [{key: 0, value: 0}, {key: 3, value: 30}]}", [COUNTS], "counts", []),
        ("{counts: [{key: 3, value: 31}]}", [COUNTS], "", [("counts[3]", "31", "30")]),
        (
            "{counts: [{key: 0, value: 1}, {key: 3, value: 31}]}",
            [COUNTS],
            "",
            [("counts[0]", "1", "0"), ("counts[3]", "31", "30")],
        ),
        ("{flows: [{key: 9, value: {packets: 3}}]}", [FLOWS], "flows", []),
        (
            "{flows: [{key: 0.0.0.9, value: {packets: 3}}]}",
            [Contents("flows", ((b"\0\0\0\x09", flow(3)),))],
            "flows",
            [],
        ),
        ('{flows: [{key: 9, value: {packets: 3, mac: "02:00:00:00:00:01"}}]}', [FLOWS], "flows", []),
        (
            '{flows: [{key: 9, value: {packets: 4, mac: "02:00:00:00:00:02"}}]}',
            [FLOWS],
            "",
            [("flows[9].packets", "4", "3"), ("flows[9].mac", "02:00:00:00:00:02", "02:00:00:00:00:01")],
        ),
        ("{counts: [{key: 0, value: 0}], flows: {count: 1}}", [COUNTS, FLOWS], "counts, flows", []),
        # Absent
        ("{flows: [{key: 8, absent: true}]}", [FLOWS], "flows", []),
        (
            "{flows: [{key: 9, absent: true}]}",
            [FLOWS],
            "",
            [("flows[9]", "no entry", "{packets: 3, mac: 02:00:00:00:00:01, flags: 1}")],
        ),
        (
            "{flows: [{key: 8, value: {packets: 1}}]}",
            [FLOWS],
            "",
            [("flows[8]", "{packets: 1}", "no entry; the map has key 9")],
        ),
        (
            "{flows: [{key: 8, value: {packets: 1}}]}",
            [EMPTY],
            "",
            [("flows[8]", "{packets: 1}", "no entry; the map is empty")],
        ),
        # Count, exactly
        ("{flows: {count: 1}}", [FLOWS], "flows", []),
        ("{flows: {count: 2}}", [FLOWS], "", [("flows count", "2", "1")]),
        ("{flows: {count: 0}}", [FLOWS], "", [("flows count", "0", "1")]),
        ("{flows: {count: 1, entries: [{key: 9, value: {packets: 3}}]}}", [FLOWS], "flows", []),
        (
            "{flows: {count: 2, entries: [{key: 9, value: {packets: 4}}]}}",
            [FLOWS],
            "",
            [("flows count", "2", "1"), ("flows[9].packets", "4", "3")],
        ),
        ("{flows: {exactly: []}}", [EMPTY], "flows", []),
        ("{counts: {exactly: [{key: 0, value: 0}, {key: 3, value: 30}]}}", [COUNTS], "counts", []),
        ("{counts: {exactly: [{key: 0, value: 0}]}}", [COUNTS], "", [("counts[3]", "0", "30")]),
        (
            "{flows: {exactly: [{key: 7, value: {packets: 1}}]}}",
            [Contents("flows", ((u32(9), flow(3)),))],
            "",
            [
                ("flows[7]", "{packets: 1}", "no entry"),
                ("flows[9]", "no entry", "{packets: 3, mac: 00:00:00:00:00:00, flags: 0}"),
            ],
        ),
        # Per CPU
        ("{hits: [{key: 0, value: {sum: 12}}]}", [HITS], "hits", []),
        ("{hits: [{key: 0, value: {sum: 11}}]}", [HITS], "", [("hits[0] sum", "11", "12")]),
        ("{hits: [{key: 0, value: {percpu: [5, 7]}}]}", [HITS], "hits", []),
        ("{hits: [{key: 0, value: {percpu: [5]}}]}", [HITS], "hits", []),
        ("{hits: [{key: 0, value: {percpu: [5, 8]}}]}", [HITS], "", [("hits[0] cpu 1", "8", "7")]),
        (
            "{hits: [{key: 0, value: {percpu: [5, 7, 0]}}]}",
            [HITS],
            "",
            [("hits[0]", "values of 3 CPUs", "values of 2 CPUs")],
        ),
        ("{hits: [{key: 0, value: 5}]}", [HITS], "", [("hits[0] cpu 1", "5", "7")]),
        ("{hits: [{key: 0, value: 5}]}", [Contents("hits", ((u32(0), u64(5) * 4),))], "hits", []),
        ("{per_flow: [{key: 1, value: {sum: {packets: 3, flags: 3}}}]}", [PER_FLOW], "per_flow", []),
        (
            "{per_flow: [{key: 1, value: {sum: {packets: 4}}}]}",
            [PER_FLOW],
            "",
            [("per_flow[1].packets sum", "4", "3")],
        ),
        ("{per_flow: [{key: 1, value: {percpu: [{packets: 1}, {flags: 3}]}}]}", [PER_FLOW], "per_flow", []),
        (
            "{per_flow: [{key: 1, value: {packets: 1}}]}",
            [PER_FLOW],
            "",
            [("per_flow[1] cpu 1.packets", "1", "2")],
        ),
        # Prefixes, and bytes without types
        ("{routes: [{key: 10.0.0.0/8, value: 7}]}", [ROUTES], "routes", []),
        (
            "{routes: {exactly: [{key: 10.0.0.0/8, value: 7}]}}",
            [ROUTES],
            "",
            [("routes[10.1.0.0/16]", "no entry", "8")],
        ),
        ("{untyped: [{key: {u16: 1}, value: {u32: 5}}]}", [UNTYPED], "untyped", []),
        ('{untyped: [{key: {hex: "0100"}, value: 5}]}', [UNTYPED], "untyped", []),
        ("{untyped: [{key: 1, value: 6}]}", [UNTYPED], "", [("untyped[1]", "6", "5")]),
        ("{untyped: {exactly: []}}", [UNTYPED], "", [("untyped[01 00]", "no entry", "05 00 00 00")]),
    ],
)
def test_maps_hold_what_is_said(kept: Context, text: str, contents: list[Contents], held: str, broken: Broken) -> None:
    assert check(f"maps: {text}", kept, ran(contents=tuple(contents))) == (held, broken)


BSS = Contents(".bss", ((bytes(4), u32(3) + b"rest of the section"),))
DATA = Contents(".data", ((bytes(4), flow(6, flags=1)),))
RODATA = Contents(".rodata", ((bytes(4), b"\7\0"),))


@pytest.mark.parametrize(
    ("text", "held", "broken"),
    [
        ("{passed: 3}", "passed 3", []),
        ("{passed: 3, last: {packets: 6}, limit: 7}", "passed 3, last {packets: 6}, limit 7", []),
        ("{passed: 4}", "", [("passed", "4", "3")]),
        ("{passed: -4, last: {packets: 5, flags: 1}}", "", [("passed", "-4", "3"), ("last.packets", "5", "6")]),
    ],
)
def test_globals_have_the_values_that_are_said(kept: Context, text: str, held: str, broken: Broken) -> None:
    assert check(f"globals: {text}", kept, ran(contents=(BSS, DATA, RODATA))) == (held, broken)


def test_only_what_is_compared_is_read(kept: Context) -> None:
    contents = written(
        "maps: {counts: [{key: 0, value: 0}, {key: 3, value: 0}], flows: {count: 1}, routes: {exactly: []}}"
    )
    variables = written("globals: {passed: 1, last: {packets: 1}}")

    assert maps(contents, kept).looks.reads == (Read("counts", (u32(0), u32(3))), Read("flows"), Read("routes"))
    assert globals_(variables, kept).looks.reads == (Read(".bss", (bytes(4),)), Read(".data", (bytes(4),)))


# --- types of maps ------------------------------------------------------------------------------------------------

ABSENT = None


def held(
    name: str, *entries: tuple[bytes, bytes | None], inner: tuple[tuple[tuple[bytes, bytes], ...], ...] = ()
) -> Contents:
    return Contents(name, entries, inner)


def ids(**numbers: int) -> tuple[tuple[Handle, int], ...]:
    """What the kernel tells of programs, or of maps."""
    return tuple((Handle("map" if name in MAPS else "program", name), number) for name, number in numbers.items())


MAPS = ("inner", "other_inner")
ITEMS = tuple((b"", u32(number)) for number in (1, 2))
ONE, TWO, THREE = u32(1), u32(2), u32(3)


@pytest.mark.parametrize(
    ("text", "reply", "held_text", "broken"),
    [
        # Queues and stacks: as they will be taken out
        ("{queue: [1]}", {"contents": (held("queue", *ITEMS),)}, "queue", []),
        ("{queue: {exactly: [1, 2], count: 2}}", {"contents": (held("queue", *ITEMS),)}, "queue", []),
        ("{queue: {exactly: [1]}}", {"contents": (held("queue", *ITEMS),)}, "", [("queue[1]", "no more values", "2")]),
        (
            "{stack: [2, 2, {value: 3}]}",
            {"contents": (held("stack", *ITEMS),)},
            "",
            [("stack[0]", "2", "1"), ("stack[2]", "3", "no more values")],
        ),
        ("{stack: [10.0.0.1]}", {"contents": (held("stack"),)}, "", [("stack[0]", "10.0.0.1", "the stack is empty")]),
        ("{queue: {count: 3}}", {"contents": (held("queue", *ITEMS),)}, "", [("queue count", "3", "2")]),
        (
            "{queue: {unchanged: true}}",
            {"contents": (held("queue", *ITEMS[1:]),), "before": (held("queue", *ITEMS),)},
            "",
            [("queue[0]", "1", "2"), ("queue[1]", "2", "no more values")],
        ),
        (
            "{bloom_filter: [1, {value: 2, absent: true}, 3]}",
            {"contents": (held("bloom_filter", (ONE, ONE), (TWO, TWO), (THREE, ABSENT)),)},
            "",
            [
                ("bloom_filter[2]", "not in the filter", "in the filter"),
                ("bloom_filter[3]", "in the filter", "not in the filter"),
            ],
        ),
        # What stands for a program, a map or a socket
        (
            "{prog_array: [{key: 0, value: &p {program: pass}}, {key: 1, value: *p}, {key: 2, absent: true}]}",
            {
                "contents": (held("prog_array", (u32(0), u32(17)), (ONE, u32(18)), (TWO, u32(19))),),
                "ids": ids(**{"pass": 17, "another": 18}),
            },
            "",
            [
                ("prog_array[1]", "{program: pass}", "{program: another}"),
                ("prog_array[2]", "no entry", "a program that the case does not name (id 19)"),
            ],
        ),
        (
            "{array_of_maps: {exactly: [{key: 0, value: {map: inner}}]}}",
            {"contents": (held("array_of_maps", (u32(0), u32(7)), (ONE, u32(8))),), "ids": ids(inner=7, other_inner=8)},
            "",
            [("array_of_maps[1]", "no entry", "{map: other_inner}")],
        ),
        (
            "{hash_of_maps: [{key: 5, value: [{key: 1, value: 2}]}, {key: 6, value: {count: 0}}]}",
            {
                "contents": (
                    held("hash_of_maps", (u32(5), u32(7)), (u32(6), u32(8)), inner=(((ONE, THREE),), ((ONE, ONE),))),
                )
            },
            "",
            [("hash_of_maps[5][1]", "2", "3"), ("hash_of_maps[6] count", "0", "1")],
        ),
        (
            "{sockmap: [{key: 0, value: &web {socket: web}}, {key: 1, value: *web}, {key: 2, value: *web}]}",
            {
                "contents": (held("sockmap", (u32(0), u64(70)), (ONE, u64(71)), (TWO, u64(72))),),
                "cookies": (("web", 70), ("dns", 71)),
            },
            "",
            [
                ("sockmap[1]", "{socket: web}", "{socket: dns}"),
                ("sockmap[2]", "{socket: web}", "a socket that the case does not name (cookie 72)"),
            ],
        ),
        (
            "{sk_storage: [{key: {socket: web}, value: 1}, {key: {socket: dns}, value: 2}]}",
            {"contents": (held("sk_storage", (bytes(4), TWO), (bytes(4), ABSENT)),)},
            "",
            [("sk_storage[web]", "1", "2"), ("sk_storage[dns]", "2", "no entry")],
        ),
        # Devices
        (
            "{devmap: [{key: 0, value: lo}, {key: 1, value: {ifindex: 2, program: leaving}}]}",
            {"contents": (held("devmap", (u32(0), ONE + u32(17)), (ONE, ONE + u32(0))),), "ids": ids(leaving=17)},
            "",
            [("devmap[1].ifindex", "2", "1"), ("devmap[1].program", "leaving", "none")],
        ),
        (
            "{cpumap: {exactly: [{key: 0, value: {program: on_cpu}}]}}",
            {
                "contents": (held("cpumap", (u32(0), u32(192) + u32(17)), (ONE, u32(64) + u32(18))),),
                "ids": ids(on_cpu=17),
            },
            "",
            [("cpumap[1]", "no entry", "{qsize: 64, program: a program that the case does not name (id 18)}")],
        ),
        # Arrays are whole, and what was there before
        (
            "{array: {exactly: []}}",
            {"contents": (held("array", (u32(0), u32(0)), (ONE, TWO)),)},
            "",
            [("array[1]", "0", "2")],
        ),
        (
            "{percpu_array: {exactly: []}}",
            {"contents": (held("percpu_array", (u32(0), u64(0) + u64(3))),)},
            "",
            [("percpu_array[0] cpu 1", "0", "3")],
        ),
        (
            "{hash: {unchanged: true}}",
            {"contents": (held("hash", (ONE, ONE), (THREE, ONE)),), "before": (held("hash", (ONE, ONE), (TWO, ONE)),)},
            "",
            [("hash[2]", "1", "no entry"), ("hash[3]", "no entry", "1")],
        ),
        (
            "{percpu_hash: {unchanged: true}}",
            {
                "contents": (held("percpu_hash", (ONE, u64(1) + u64(2))),),
                "before": (held("percpu_hash", (ONE, u64(1) + u64(1))),),
            },
            "",
            [("percpu_hash[1] cpu 1", "1", "2")],
        ),
        # Which keys there are instead, as the suite writes keys
        (
            "{hash: [{key: 10.0.0.3, value: 1}]}",
            {
                "contents": (
                    held("hash", (bytes([10, 0, 0, 3]), ABSENT), *((bytes([10, 0, 0, last]), ONE) for last in (20, 9))),
                )
            },
            "",
            [("hash[10.0.0.3]", "1", "no entry; the map has keys 10.0.0.9, 10.0.0.20")],
        ),
        (
            "{hash: [{key: 99, value: 1}]}",
            {"contents": (held("hash", (u32(99), ABSENT), *((u32(number), ONE) for number in range(9))),)},
            "",
            [("hash[99]", "1", "no entry; the map has keys 0, 1, 2, 3, 4, 5, 6, 7, ..")],
        ),
    ],
)
def test_each_type_of_map_is_told_in_the_words_of_the_suite(
    every: Context, text: str, reply: dict[str, object], held_text: str, broken: Broken
) -> None:
    assert check(f"maps: {text}", every, ran(**reply)) == (held_text, broken)


def test_of_many_differences_the_first_are_told_and_the_others_counted(every: Context) -> None:
    there = held("lru_hash", *((u32(number), ONE) for number in range(30)))

    _, broken = check("maps: {lru_hash: {exactly: []}, queue: {count: 1}}", every, ran(contents=(there, held("queue"))))

    assert broken == [
        *((f"lru_hash[{number}]", "no entry", "1") for number in range(20)),
        ("lru_hash", "no more differences", "10 more"),
        ("queue count", "1", "0"),
    ]


def test_what_is_looked_at_is_what_the_forms_need(every: Context) -> None:
    want = written(
        """maps:
    hash: [{key: 1, value: 1}, {key: 2, absent: true}]
    lru_hash: {unchanged: true, count: 1}
    queue: [1]
    bloom_filter: [5]
    prog_array: {exactly: [{key: 0, value: {program: pass}}]}
    hash_of_maps: [{key: 1, value: {count: 0}}]
    sk_storage: [{key: {socket: dns}, value: 1}]
    array: [{key: 0, value: 1}]"""
    )

    looks = maps(want, every).looks

    assert looks.reads == (
        Read("hash", (ONE, TWO), rest=9),
        Read("lru_hash"),
        Read("queue"),
        Read("bloom_filter", (u32(5),)),
        Read("prog_array"),
        Read("hash_of_maps", (ONE,), inner=True, rest=9),
        Read("sk_storage", (bytes(4),), (Handle("socket", "dns"),)),
        Read("array", (u32(0),)),
    )
    assert looks.before == (Read("lru_hash"),)
    assert looks.handles == (Handle("program", "pass"),)


# --- what is put in -----------------------------------------------------------------------------------------------


def said(text: str) -> Written:
    """What *text* says under its only key, as a case has it in line 2."""
    read = document("fw.yaml", f"case:\n  {text}\n")
    (key,) = read.data["case"]
    return Written(read, read.data["case"], key)


def put(name: str, key: bytes, value: bytes | tuple[bytes, ...], *handles: Handle) -> Write:
    return Write(name, key, value, *handles)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{array: [{key: 3, value: 7}]}", [put("array", u32(3), u32(7))]),
        ("{hash: [{key: 10.0.0.1, value: {be32: 1}}]}", [put("hash", b"\n\0\0\1", b"\0\0\0\1")]),
        ("{hash: [{key: 1, delete: true}, {key: 1, value: 2}]}", [Delete("hash", ONE), put("hash", ONE, TWO)]),
        (
            "{percpu_hash: [{key: 1, value: {percpu: [1, 2]}}, {key: 2, value: 3}]}",
            [put("percpu_hash", ONE, (ONE, TWO)), put("percpu_hash", TWO, THREE)],
        ),
        ("{lpm_trie: [{key: 10.0.0.0/8, value: 1}]}", [put("lpm_trie", u32(8) + b"\n\0\0\0", ONE)]),
        ("{queue: [1, {value: 2}]}", [put("queue", b"", ONE), put("queue", b"", TWO)]),
        ("{stack: [10.0.0.1], bloom_filter: [3]}", [put("stack", b"", b"\n\0\0\1"), put("bloom_filter", b"", THREE)]),
        (
            "{prog_array: [{key: 0, value: {program: another}}]}",
            [put("prog_array", u32(0), bytes(4), Handle("program", "another"))],
        ),
        (
            "{devmap: [{key: 0, value: {ifindex: lo, program: leaving}}, {key: 1, value: 2}]}",
            [
                put("devmap", u32(0), ONE + bytes(4), Handle("program", "leaving", 4)),
                put("devmap", ONE, TWO + bytes(4)),
            ],
        ),
        ("{plain_devmap: [{key: 0, value: {ifindex: 1}}]}", [put("plain_devmap", u32(0), ONE)]),
        (
            "{cpumap: [{key: 0, value: {qsize: 192, program: on_cpu}}]}",
            [put("cpumap", u32(0), u32(192) + bytes(4), Handle("program", "on_cpu", 4))],
        ),
        (
            "{sockmap: [{key: 0, value: {socket: web}}]}",
            [put("sockmap", u32(0), bytes(8), Handle("socket", "web", 0, 8))],
        ),
        (
            "{narrow_sockmap: [{key: 0, value: {socket: web}}]}",
            [put("narrow_sockmap", u32(0), bytes(4), Handle("socket", "web"))],
        ),
        (
            "{sk_storage: [{key: {socket: dns}, value: 5}, {key: {socket: web}, delete: true}]}",
            [
                Write("sk_storage", bytes(4), u32(5), None, Handle("socket", "dns")),
                Delete("sk_storage", bytes(4), Handle("socket", "web")),
            ],
        ),
        (
            "{array_of_maps: [{key: 0, value: {map: inner}}, {key: 1, value: [{key: 2, value: 3}]}]}",
            [
                put("array_of_maps", u32(0), bytes(4), Handle("map", "inner")),
                Write("array_of_maps", ONE, inner=(Write("", TWO, THREE),)),
            ],
        ),
        (
            "{hash_of_maps: [{key: 1, value: []}, {key: 2, value: {fill: {keys: 1..2, value: 3}}}]}",
            [Write("hash_of_maps", ONE, inner=()), Write("hash_of_maps", TWO, inner=(Bulk("", 2, ONE + TWO, THREE),))],
        ),
        ("{hash: [], queue: []}", []),
        ("{hash: {fill: {keys: 1..3, value: 7}}}", [Bulk("hash", 3, ONE + TWO + THREE, u32(7))]),
        ("{hash: {fill: {keys: [3, 10.0.0.1], value: 7}}}", [Bulk("hash", 2, THREE + b"\n\0\0\1", u32(7))]),
        ("{percpu_array: {fill: {keys: 0..0, value: 7}}}", [Bulk("percpu_array", 1, u32(0), u32(7))]),
    ],
)
def test_entries_are_bytes_and_what_they_name(every: Context, text: str, expected: list[object]) -> None:
    assert list(changes(said(f"maps: {text}"), every)) == expected


def test_keys_without_types_are_counted_too(kept: Context) -> None:
    (made,) = changes(said("maps: {untyped: {fill: {keys: 254..257, value: {u32: 1}}}}"), kept)

    assert made == Bulk("untyped", 4, bytes([254, 0, 255, 0, 0, 1, 1, 1]), ONE)


def test_entries_are_read_from_a_file_beside_the_suite(every: Context, tmp_path: Path) -> None:
    (tmp_path / "pairs.bin").write_bytes(ONE + u32(10) + TWO + u32(20))
    beside = every._replace(scope=Scope(folder=str(tmp_path)))

    assert changes(said("maps: {hash: {file: pairs.bin}}"), beside) == (Bulk("hash", 2, ONE + TWO, u32(10) + u32(20)),)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "'pairs.bin' has 0 bytes, which is no multiple of 8"),
        (bytes(9), "'pairs.bin' has 9 bytes, which is no multiple of 8"),
        (bytes(32) + u32(4) + bytes(4), "array key: 4 is beyond the 4 entries of the map"),
    ],
)
def test_a_file_of_another_size_or_with_other_keys_is_refused(
    every: Context, tmp_path: Path, content: bytes, what: str
) -> None:
    (tmp_path / "pairs.bin").write_bytes(content)
    beside = every._replace(scope=Scope(folder=str(tmp_path)))

    with pytest.raises(SuiteError) as raised:
        changes(said("maps: {array: {file: pairs.bin}}"), beside)

    assert raised.value.what == what


def test_the_sizes_of_a_suite_go_before_those_of_the_object(every: Context) -> None:
    want = said(
        "maps: {array: {max_entries: 8}, hash_of_maps: {inner: {max_entries: 1}}, ringbuf: {max_entries: 8192}}"
    )
    sizes = sizes_of(want, every.types)
    sized = every._replace(sizes=sizes)

    assert sizes == (Size("array", 8), Size("hash_of_maps", None, 1), Size("ringbuf", 8192))
    assert changes(said("maps: {array: [{key: 7, value: 1}]}"), sized) == (Write("array", u32(7), ONE),)
    with pytest.raises(SuiteError, match=r"2 entries do not fit into 'hash_of_maps\.inner', which has room for 1"):
        changes(said("maps: {hash_of_maps: [{key: 1, value: [{key: 1, value: 1}, {key: 2, value: 1}]}]}"), sized)


# --- what is refused ----------------------------------------------------------------------------------------------

EXPECTED_IN_KEPT = [
    "maps: {count: [{key: 0, value: 0}]}",
    "maps: {events: [1]}",
    "maps: {counts: [{key: 0}]}",
    "maps: {counts: [{key: zero, value: 0}]}",
    "maps: {counts: [{key: 0, value: -1}]}",
    "maps: {flows: [{key: 9, value: {packet: 1}}]}",
    "maps: {hits: [{key: 0, value: {sum: many}}]}",
    "maps: {per_flow: [{key: 0, value: {sum: 3}}]}",
    "maps: {routes: [{key: 10.0.0.0, value: 7}]}",
    "maps: {routes: [{key: 10.0.0.0/33, value: 7}]}",
    "maps: {routes: [{key: 10.0.0.1/8, value: 7}]}",
    'maps: {routes: [{key: "2001:db8::/32", value: 7}]}',
    "globals: {pased: 1}",
    "globals: {passed: 4294967296}",
    "globals: {last: {packet: 1}}",
    "maps: {flows: [{kye: 9, value: {packets: 1}}]}",
    "maps: {flows: [9]}",
    "maps: {flows: {records: []}}",
    "maps: {counts: [{key: 4, value: 0}]}",
    "maps: {counts: [{key: 3, absent: true}]}",
    "maps: {counts: {count: 4}}",
    "globals: {last: {mac: [1, 2, 300]}}",
    "globals: {pased: 1, passed: -4294967296, last: {packet: 1, mac: [1, 300]}}",
    "maps: {routes: [{key: {length: 8, adress: [10]}, value: 7}, {key: {length: -8, address: [10, 256]}, value: x}]}",
    "maps: {flows: [{key: -1, value: {packet: 2}}, 9], hit: {count: 3}, hits: [{key: 0, value: {percpu: [1, x, y]}}]}",
]
EXPECTED_IN_EVERY = [
    "maps: {queue: [{key: 1, value: 1}]}",
    "maps: {queue: [{value: 1, absent: true}]}",
    "maps: {queue: [many, 1, more]}",
    "maps: {bloom_filter: [many, 1, more]}",
    "maps: {bloom_filter: {count: 1}}",
    "maps: {bloom_filter: {exactly: [1]}}",
    "maps: {sk_storage: {unchanged: true}}",
    "maps: {sk_storage: [{key: 1, value: 1}]}",
    "maps: {ringbuf: [1]}",
    "maps: {prog_array: [{key: 0, value: pass}]}",
    "maps: {prog_array: [{key: 0, value: {program: past}}]}",
    "maps: {sockmap: [{key: 0, value: {socket: wbe}}]}",
    "maps: {narrow_sockmap: [{key: 0, value: {socket: web}}]}",
    "maps: {array_of_maps: [{key: 0, value: {map: iner}}]}",
    "maps: {array_of_maps: [{key: 0, value: {unchanged: true}}]}",
    "maps: {array_of_maps: [{key: 0, value: [5]}]}",
    "maps: {array_of_maps: [{key: 0, value: [{key: 1, value: -1}]}]}",
    "maps: {devmap: [{key: 0, value: {ifindex: wan}}]}",
    "maps: {devmap: [{key: 0, value: {index: 1}}]}",
    "maps: {cpumap: [{key: 0, value: {qsize: 64, program: on_cpus}}]}",
    "maps: {percpu_hash: [{key: 0, value: {percpu: 1}}]}",
]
PUT_IN_KEPT = [
    "maps: {count: [{key: 0, value: 0}]}",
    "maps: {flows: [{key: 1, value: {packet: 2}}]}",
    "maps: {flows: [{key: 1, value: {packets: -2}}]}",
    "maps: {flows: [{key: 1, value: {mac: [1, 2, 300]}}]}",
    "maps: {routes: [{key: 10.0.0.0, value: 7}]}",
    "maps: {routes: [{key: {length: 8, adress: [10]}, value: 7}, {key: {length: -8, address: [10, 256]}, value: x}]}",
    "maps: {flows: [{key: -1, value: {packet: 2}}, 9], count: [1], hits: {fill: {keys: [1, x, -1], value: y}}}",
    "maps: {flows: {fill: {keys: 0..1, value: {packet: 2}}}}",
    "maps: {routes: {fill: {keys: 0..3, value: 1}}}",
    "maps: {untyped: {fill: {keys: 65535..65536, value: 1}}}",
]
PUT_IN_EVERY = [
    "maps: {queue: [{key: 1, value: 2}]}",
    "maps: {queue: [1, 2, 3, 4, 5]}",
    "maps: {queue: {file: pairs.bin}}",
    "maps: {hash: [1]}",
    "maps: {hash: [{kye: 1, value: 2}]}",
    "maps: {hash: [{key: 1}]}",
    "maps: {hash: [" + ", ".join(f"{{key: {key}, value: 1}}" for key in range(5)) + "]}",
    "maps: {hash: {file: nowhere.bin}}",
    "maps: {hash: {fill: {keys: 0..4, value: 1}}}",
    "maps: {hash: {fill: {keys: [1, 2, 3, 4, 5], value: 1}}}",
    "maps: {hash: {fill: {keys: 3..1, value: 1}}}",
    "maps: {hash: {fill: {keys: 1..2, value: {percpu: [1]}}}}",
    "maps: {lru_hash: {fill: {keys: 0..99999999, value: 1}}}",
    "maps: {lru_hash: {fill: {keys: 4294967290..4294967300, value: 1}}}",
    "maps: {percpu_hash: {fill: {keys: 1..2, value: {percpu: [1]}}}}",
    "maps: {percpu_hash: [{key: 1, value: {sum: 3}}]}",
    "maps: {percpu_hash: [{key: 1, value: {percpu: 3}}]}",
    "maps: {array: [{key: 4, value: 1}]}",
    "maps: {array: [{key: 1, delete: true}]}",
    "maps: {array: {fill: {keys: 0..4, value: 1}}}",
    "maps: {ringbuf: [1]}",
    "maps: {perf_event_array: [{key: 0, value: 1}]}",
    "maps: {prog_array: [{key: 0, value: 3}]}",
    "maps: {prog_array: [{key: 9, value: {program: pass}}]}",
    "maps: {sockhash: [{key: 0, value: {socket: wbe}}]}",
    "maps: {sk_storage: [{key: 5, value: 5}]}",
    "maps: {hash_of_maps: [{key: 0, value: 5}]}",
    "maps: {hash_of_maps: [{key: 0, value: [5]}]}",
    "maps: {hash_of_maps: [{key: 0, value: [{key: 5, delete: true}]}]}",
    "maps: {hash_of_maps: [{key: 0, value: {map: hash_of_maps}}]}",
    "maps: {hash_of_maps: [{key: 0, value: {map: queue}}]}",
    "maps: {devmap_hash: [{key: 7, value: {ifindex: right}}]}",
    "maps: {devmap: [{key: 0, value: {ifindex: 0}}]}",
    "maps: {plain_devmap: [{key: 0, value: {ifindex: 1, program: leaving}}]}",
    "maps: {cpumap: [{key: 0, value: {program: on_cpu}}]}",
    "maps: {cpumap: [{key: 0, value: {qsise: 2}}]}",
]
SIZES = [
    "maps: {arrray: {max_entries: 1}}",
    "maps: {ringbuf: {max_entries: 5000}}",
    "maps: {hash: {inner: {max_entries: 5}}}",
]


def mistake(want: Written, read: Callable[[Written], object]) -> str:
    """What is wrong with *want*, as people see it."""
    with pytest.raises(SuiteError) as raised:
        read(want)
    return report(raised.value.mistakes, want.document.lines)


def test_what_cannot_be_expected_of_maps_and_globals_is_refused_at_its_place(kept: Context, every: Context) -> None:
    told = [f"{text}\n{refused(text, kept)}" for text in EXPECTED_IN_KEPT]
    told += [f"{text}\n{refused(text, every)}" for text in EXPECTED_IN_EVERY]

    assert_golden("map_language/expected.txt", "\n".join(told))


def test_what_cannot_be_put_into_maps_is_refused_at_its_place(kept: Context, every: Context) -> None:
    told = [f"{text}\n{mistake(said(text), lambda want: changes(want, kept))}" for text in PUT_IN_KEPT]
    told += [f"{text}\n{mistake(said(text), lambda want: changes(want, every))}" for text in PUT_IN_EVERY]
    told += [f"{text}\n{mistake(said(text), lambda want: sizes_of(want, every.types))}" for text in SIZES]

    assert_golden("map_language/put_in.txt", "\n".join(told))


SPECIAL = [
    "maps: {kept: [{key: 1, value: {lock: {val: 1}, number: 5}}]}",
    "maps: {kept: [{key: 1, value: {lok: 1}}]}",
    "maps: {kept: [{key: 1, value: 1}]}",
]


def test_a_field_that_the_kernel_keeps_to_itself_is_refused_and_not_proposed(build: Callable[..., str]) -> None:
    locked = known(build("reset", "-DLOCKED"))

    told = [f"{text}\n{refused(text, locked)}" for text in SPECIAL]
    told += [f"{text}\n{mistake(said(text), lambda want: changes(want, locked))}" for text in SPECIAL]

    assert_golden("map_language/special.txt", "\n".join(told))


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        ("TIMER", "{timer: {}}", "kept.timer: the kernel keeps struct bpf_timer to itself"),
        ("KPTR", "{node: 1}", "kept.node: the kernel keeps struct bpftest_node * to itself"),
    ],
)
def test_each_kind_of_field_that_the_kernel_keeps_is_refused(
    build: Callable[..., str], kind: str, value: str, what: str
) -> None:
    text = refused(f"maps: {{kept: [{{key: 1, value: {value}}}]}}", known(build("reset", f"-D{kind}")))

    assert f"{what}: it is not written, and reads as zeros\n" in text


def test_every_mistake_of_a_case_about_its_state_is_found_at_once(build: Callable[..., str]) -> None:
    path = build("kept")
    text = f"""version: 1
object: {path}
cases:
  - name: one
    packet: {{zeros: 64}}
    maps: {{count: [], flows: [{{key: x, value: {{packets: -1}}}}]}}
    globals: {{passd: 1, limit: x}}
    expect:
      maps: {{counts: [{{key: 9, value: 1}}, {{key: 1, value: x}}], hit: {{count: 1}}}}
      globals: {{pased: 1}}
      runs: {{keep: 1}}
"""
    with pytest.raises(InvalidSuiteFile) as raised:
        plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))})

    assert [str(fault).removeprefix("suite.yaml:") for fault in raised.value.faults] == [
        "6:12: no map 'count' in the object",
        '6:37: flows key: "x" does not fit __u32',
        "6:57: flows value.packets: -1 does not fit __u32 (0 to 4294967295)",
        "7:15: no global variable 'passd' in the object",
        '7:32: limit: "x" does not fit short',
        "9:29: counts key: 9 is beyond the 4 entries of the map",
        '9:59: counts: "x" does not fit __u64',
        "9:64: no map 'hit' in the object",
        "10:17: no global variable 'pased' in the object",
        "11:14: no program 'keep' in the object",
    ]


def test_a_later_step_tells_what_an_earlier_one_named(build: Callable[..., str]) -> None:
    path = build("every_map")
    text = f"""version: 1
object: {path}
program: pass
cases:
  - name: one
    packet: {{zeros: 64}}
    maps: {{array_of_maps: [{{key: 0, value: {{map: inner}}}}]}}
    steps:
      - maps: {{prog_array: [{{key: 0, value: {{program: another}}}}]}}
      - expect: {{maps: {{cpumap: [{{key: 0, value: {{program: on_cpu}}}}]}}}}
      - expect: {{maps: {{prog_array: {{exactly: []}}}}}}
      - expect: {{retval: XDP_PASS}}
"""
    (job,) = plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))}).jobs
    asked = [step.ask([]).request.setup.handles for step in job.steps if step.ask]

    inner, another, on_cpu = Handle("map", "inner"), Handle("program", "another"), Handle("program", "on_cpu", 4)
    assert [set(handles) for handles in asked] == [set(), {on_cpu, another, inner}, {on_cpu, another, inner}, set()]


def test_every_type_of_map_is_open_to_suites_or_closed_for_a_reason() -> None:
    open_to_suites = {*VALUES, *KEYLESS, *REFERENCES, *DEVICES, "sk_storage"}

    assert open_to_suites | CLOSED.keys() == {*TYPES, ""}
    assert open_to_suites & CLOSED.keys() == {"xskmap"}  # sockets can be put in, and not read


def test_a_map_that_is_closed_to_suites_is_told_with_the_reason() -> None:
    told = []
    for kind in CLOSED:
        error = closed(Declared("table", kind, None, 4, None, 4))
        assert error is not None
        told.append(f"{error.what}\n  hint: {error.hint}\n" if error.hint else f"{error.what}\n")

    assert_golden("map_language/closed.txt", "".join(told))


# --- global variables wherever a compiler puts them ---------------------------------------------------------------


@pytest.fixture
def scattered(build: Callable[..., str]) -> Context:
    """What is known of tests/programs/globals.bpf.c."""
    return known(build("globals"))


def test_variables_of_every_section_are_set_where_they_are(scattered: Context) -> None:
    want = said("globals: {count.calls: 1, hidden: 4, limits: {ports: [22]}, budget: 5, name: last}")

    state = initial_state(Case("one", want, (), globals=want), scattered)

    assert {(patch.section, patch.content) for patch in state.setup.patches} == {
        (".bss", ONE),
        (".data", u32(4)),
        (".data", b"last\0\0\0\0"),
        (".data.limits", u32(10) + bytes([22, 0, 187, 1, 0, 0, 0, 0])),
    }
    assert state.constants == (Patch(".rodata.budget", 0, u64(5)),)


def test_externs_are_where_libbpf_puts_them(scattered: Context) -> None:
    """By alignment, the largest first, then by size, then by name."""
    names = ("LINUX_HAS_BPF_COOKIE", "CONFIG_BPF", "CONFIG_NOWHERE", "LINUX_KERNEL_VERSION", "CONFIG_NOWHERE_FLAG")
    found = [variable(scattered.types(), scattered.variables, name) for name in (*names, "CONFIG_NOWHERE_TEXT")]

    assert [(one.section, one.offset, len(one.initial)) for one in found] == [
        (".kconfig", 0, 8),
        (".kconfig", 8, 4),
        (".kconfig", 12, 4),
        (".kconfig", 16, 4),
        (".kconfig", 20, 1),
        (".kconfig", 21, 12),
    ]


def test_what_the_kernel_was_configured_with_cannot_be_set(scattered: Context) -> None:
    want = said("globals: {CONFIG_BPF: TRI_NO}")

    text = mistake(want, lambda globals_: initial_state(Case("one", want, (), globals=globals_), scattered))

    assert text == (
        "fw.yaml:2:13: 'CONFIG_BPF' holds what the kernel was configured with: it cannot be set\n"
        "  |   globals: {CONFIG_BPF: TRI_NO}\n"
        "  |             ^^^^^^^^^^\n"
        "  hint: a 'const volatile' variable can; or say 'requires: {config: [..]}'\n"
    )
