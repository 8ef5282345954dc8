"""What a suite expects of ring buffers and perf event arrays, against what might have come out of them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from bpftest import maps
from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.errors import SuiteError
from bpftest.events import Mismatch
from bpftest.expectations.context import Context
from bpftest.expectations.records import events
from bpftest.kernel.door import LoadReport, Observation, Records, Reply
from bpftest.packets.sources import Scope, packet
from bpftest.progtypes import PROG_TYPES
from bpftest.suite.document import document
from bpftest.suite.model import Written
from tests.golden import assert_golden
from tests.suite.mistakes import report

QUERY = 'IP(src="10.0.0.1", dst="10.0.0.2")/UDP(sport=4000, dport=53)/Raw(b"hello")'
QUERY_BYTES = packet(QUERY, Scope()).data
OTHER_PORT = packet(QUERY.replace("53", "54"), Scope()).data

Broken = list[tuple[str, str, str]]  # (what, expected, actual)


@pytest.fixture
def context(build: Callable[..., str]) -> Context:
    types = Btf(read_object(build("records")).btf)
    return Context(PROG_TYPES["xdp"], Scope(packets={"query": QUERY}), types=lambda: types)


def written(text: str) -> Written:
    """What is said of a map, as a suite has it in line 2."""
    read = document("fw.yaml", f"maps:\n  {text}\n")
    (name,) = read.data["maps"]
    return Written(read, read.data["maps"], name)


def check(text: str, context: Context, *records: bytes, lost: int = 0, full: bool = False) -> list[Mismatch]:
    """What differs, where *records* came out of the map that *text* is about."""
    want = written(text)
    name = str(want.key)
    came = Reply(records=(Records("other", (b"x",)), Records(name, records, lost, full)))
    return list(events(want, maps.declared(context.types(), name), context)(Observation(LoadReport(), came)))


def broken(text: str, context: Context, *records: bytes, lost: int = 0, full: bool = False) -> Broken:
    return [(one.what, one.expected, one.actual) for one in check(text, context, *records, lost=lost, full=full)]


def event(number: int, kind: int = 1, last: int = 0) -> bytes:
    """A struct event."""
    return struct.pack("=IIQ", number, kind, last)


def visit(last: int, name: bytes) -> bytes:
    """A struct visit of 10.0.0.last."""
    return struct.pack("=4B8s", 10, 0, 0, last, name)


def padded(record: bytes) -> bytes:
    """What comes out of a perf event array, where *record* was sent."""
    return record.ljust((len(record) + 4 + 7) // 8 * 8 - 4, b"\0")


# --- one record ---------------------------------------------------------------------------------------------------

ZEROS = " ".join(["00"] * 16)

FORMS: list[tuple[str, bytes, Broken]] = [
    ("{struct: event}", event(7), []),
    ("{struct: event, fields: {number: 7}}", event(7), []),
    ("{struct: event, fields: {number: 7, kind: SUBMITTED, last: 0}}", event(7), []),
    (
        "{struct: event, fields: {number: 8, kind: WRITTEN}}",
        event(7),
        [("ring[0].number", "8", "7"), ("ring[0].kind", "WRITTEN (2)", "SUBMITTED (1)")],
    ),
    ("{struct: event, fields: {number: 9}}", event(7)[:15], [("ring[0] length", "16 or more", "15")]),
    ("{struct: event, fields: {last: 1}}", event(7, last=1) + b"behind", []),
    (
        "{struct: visit, fields: {address: 10.0.0.9, name: nine}}",
        visit(8, b"eight"),
        [("ring[0].address", "10.0.0.9", "10.0.0.8"), ("ring[0].name", '"nine"', '"eight"')],
    ),
    ("{struct: event, packet: query}", event(7) + QUERY_BYTES, []),
    ("{struct: event, packet: 'bytes(query)[:20]'}", event(7) + OTHER_PORT[:20], []),
    ("{struct: event, packet: {hex: 45**, prefix: true}}", event(7) + OTHER_PORT, []),
    ("{struct: event, packet: {scapy: query, ignore: [UDP.dport, UDP.chksum]}}", event(7) + OTHER_PORT, []),
    (
        "{struct: event, fields: {number: 8}, packet: {scapy: query, ignore: [UDP.chksum]}}",
        event(7) + OTHER_PORT,
        [("ring[0].number", "8", "7"), ("ring[0].packet.UDP.dport", "53", "54")],
    ),
    ("{struct: event, packet: {zeros: 4}}", event(7), [("ring[0].packet length", "4", "0")]),
    ("{hex: 01 0*}", b"\1\2", []),
    ("{hex: 01 1*}", b"\1\2", [("ring[0]", "01 1*", "01 02")]),
    ("{hex: 01 02 03}", b"\1\2", [("ring[0]", "01 02 03", "01 02")]),
    ('{hex: "01"}', b"\1\2", [("ring[0]", "01", "01 02")]),
    ('{hex: "01"}', b"", [("ring[0]", "01", "nothing")]),
    ('{hex: "01", prefix: true}', b"\1\2", []),
    ('{hex: "02", prefix: true}', b"\1\2", [("ring[0]", "02", "01")]),
    (
        f'{{hex: "{"00" * 40}"}}',
        bytes(20) + b"\1" + bytes(20),
        [
            ("ring[0] from byte 16", ZEROS, f"00 00 00 00 01{ZEROS[14:]}"),
            ("ring[0] from byte 32", ZEROS[:23], ZEROS[:26]),
        ],
    ),
    (
        f'{{hex: "01 {"00" * 16}"}}',
        bytes(18),
        [("ring[0] from byte 0", f"01{ZEROS[2:]}", ZEROS), ("ring[0] from byte 16", "00", "00 00")],
    ),
    ("{text: denied}", b"denied\0\0", []),
    ("{text: den}", b"denied\0\0", [("ring[0]", '"den"', '"denied"')]),
    ("{text: dénied}", b"\xff\0", [("ring[0]", '"dénied"', "ff 00")]),
    ("{u32: 7}", b"\7\0\0\0", []),
    ("{u32: 8}", b"\7\0\0\0", [("ring[0]", "8", "7")]),
    ("{u32: 7}", b"\7\0\0", [("ring[0]", "7", "07 00 00")]),
    ("{u64: 1}", bytes(40), [("ring[0]", "1", f"{ZEROS} {ZEROS} .. (40 bytes)")]),
    ("{s8: -1}", b"\xff", []),
    ("{be16: 80}", b"\0\x50", []),
    ("{be16: 81}", b"\0\x50", [("ring[0]", "81", "80")]),
    ("{ip4: 10.0.0.9}", bytes([10, 0, 0, 8]), [("ring[0]", "10.0.0.9", "10.0.0.8")]),
    ('{mac: "02:00:00:00:00:01"}', bytes([2, 0, 0, 0, 0, 1]), []),
]


@pytest.mark.parametrize(("text", "record", "differences"), FORMS)
def test_a_record_is_compared_in_the_form_that_it_is_written_in(
    context: Context, text: str, record: bytes, differences: Broken
) -> None:
    assert broken(f"ring: {{records: [{text}]}}", context, record) == differences


# What the kernel adds to a record of a perf event array is no difference, and nothing else is taken for it.
PADDED: list[tuple[str, bytes, Broken]] = [
    ("{struct: event, fields: {number: 7}}", padded(event(7)), []),
    ("{struct: visit, fields: {address: 10.0.0.9}}", padded(visit(9, b"")), []),
    ("{struct: event, packet: query}", padded(event(7) + QUERY_BYTES), []),
    ("{struct: event, packet: {zeros: 4}}", padded(event(7)), []),  # nothing tells them from what the kernel adds
    (
        "{struct: event, packet: {zeros: 5}}",
        padded(event(7)),
        [("perf[0].packet.Raw.load", "0000000000", "00000000"), ("perf[0].packet length", "5", "4")],
    ),
    (
        "{struct: event, packet: {zeros: 3}}",
        padded(event(7) + bytes(9)),
        [("perf[0].packet.Raw.load", "000000", "00" * 12), ("perf[0].packet length", "3", "12")],
    ),
    ("{hex: 01 02}", padded(b"\1\2"), []),
    ("{hex: 01 02}", padded(b"\1\2") + bytes(8), [("perf[0]", "01 02", f"01 02{ZEROS[5:35]}")]),
    ("{u16: 7}", padded(b"\7\0"), []),
    ("{u64: 7}", padded(b"\7" + bytes(7)), []),
    ("{u64: 8}", padded(b"\7" + bytes(7)), [("perf[0]", "8", "7")]),
    ("{text: denied}", padded(b"denied"), []),
]


@pytest.mark.parametrize(("text", "record", "differences"), PADDED)
def test_the_padding_of_a_perf_event_array_is_no_difference(
    context: Context, text: str, record: bytes, differences: Broken
) -> None:
    assert broken(f"perf: {{records: [{text}]}}", context, record) == differences


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("{struct: event, packet: query}", padded(event(7) + QUERY_BYTES)),
        ("{hex: 01 02}", padded(b"\1\2")),
        ("{u64: 7}", padded(b"\7" + bytes(7))),
    ],
)
def test_a_ring_buffer_pads_nothing(context: Context, text: str, record: bytes) -> None:
    assert broken(f"ring: {{records: [{text}]}}", context, record) != []


# --- several ------------------------------------------------------------------------------------------------------


def numbered(*numbers: int) -> str:
    """An expectation of events with these numbers."""
    wanted = ", ".join(f"{{struct: event, fields: {{number: {number}}}}}" for number in numbers)
    return f"ring: {{records: [{wanted}]}}"


def missing(index: int, number: int) -> tuple[str, str, str]:
    return f"ring[{index}]", f"struct event {{number: {number}}}", "no record"


def surplus(index: int, number: int) -> tuple[str, str, str]:
    shown = f"struct event {{number: {number}, kind: SUBMITTED, last: 0}}"
    return f"ring[{index}]", "no record", shown if index else event(number).hex(" ")


SEQUENCES: dict[tuple[tuple[int, ...], tuple[int, ...]], Broken] = {
    ((), ()): [],
    ((), (5,)): [("ring[0]", "no record", event(5).hex(" "))],  # the suite names no struct
    ((1, 2, 3), (1, 2, 3)): [],
    ((1, 2, 3), (1, 3, 2)): [("ring[1].number", "2", "3"), ("ring[2].number", "3", "2")],
    ((1, 2, 3), (2, 3)): [missing(0, 1)],
    ((1, 2, 3), (1, 3)): [missing(1, 2)],
    ((1, 2, 3), (1, 2)): [missing(2, 3)],
    ((1, 2, 3), ()): [missing(0, 1), missing(1, 2), missing(2, 3)],
    ((1, 2), (9, 1, 2)): [("ring[0]", "no record", "struct event {number: 9, kind: SUBMITTED, last: 0}")],
    ((1, 2), (1, 9, 2)): [surplus(1, 9)],
    ((1, 2), (1, 2, 9)): [surplus(2, 9)],
    ((1, 1), (1, 1, 1)): [surplus(2, 1)],
    ((1, 2, 3, 4), (1, 8, 4)): [("ring[1].number", "2", "8"), missing(2, 3)],
    ((1, 2), (1, 8, 9, 2)): [surplus(1, 8), surplus(2, 9)],
    ((1, 2), (7, 8, 9)): [("ring[0].number", "1", "7"), ("ring[1].number", "2", "8"), surplus(2, 9)],
    (tuple(range(8)), ()): [missing(index, index) for index in range(8)],
    (tuple(range(12)), ()): [*(missing(index, index) for index in range(8)), ("ring count", "12", "0")],
    ((0,), tuple(range(12))): [*(surplus(index, index) for index in range(1, 9)), ("ring count", "1", "12")],
}


@pytest.mark.parametrize(("wanted", "came"), SEQUENCES)
def test_records_are_compared_in_order_and_one_that_is_missing_moves_no_other(
    context: Context, wanted: tuple[int, ...], came: tuple[int, ...]
) -> None:
    assert broken(numbered(*wanted), context, *map(event, came)) == SEQUENCES[wanted, came]


# What is expected, and how a record behind it is shown.
SHOWN = [
    ("{struct: event}", event(9), "struct event {number: 9, kind: SUBMITTED, last: 0}"),
    ("{struct: event}", event(9, 77), "struct event {number: 9, kind: 77, last: 0}"),
    ("{struct: event}", event(9) + b"more", "struct event {number: 9, kind: SUBMITTED, last: 0} and 4 bytes behind it"),
    ("{struct: event}", b"\1\2", "01 02"),
    ("{struct: event}", b"", "nothing"),
    ("{struct: event}, {struct: visit}", visit(9, b"nine"), "struct visit {address: 10.0.0.9, name: nine}"),
    ("{struct: event}, {struct: visit}", event(9), "struct event {number: 9, kind: SUBMITTED, last: 0}"),
    ("{u32: 7}", b"\1\2", "01 02"),
]


@pytest.mark.parametrize(("wanted", "last", "shown"), SHOWN)
def test_a_record_that_nobody_expects_is_shown_as_a_struct_that_it_may_be(
    context: Context, wanted: str, last: bytes, shown: str
) -> None:
    expected = {"{struct: event}": event(1), "{struct: visit}": visit(1, b"one"), "{u32: 7}": b"\7\0\0\0"}
    first = [expected[one] for one in wanted.split(", ")]

    assert broken(f"ring: {{records: [{wanted}]}}", context, *first, last) == [
        (f"ring[{len(first)}]", "no record", shown)
    ]


@pytest.mark.parametrize(
    ("text", "count", "lost", "differences"),
    [
        ("perf: {count: 2}", 2, 0, []),
        ("perf: {count: 2}", 3, 0, [("perf count", "2", "3")]),
        ("perf: {count: 0}", 0, 0, []),
        ("perf: {count: 2}", 2, 5, [("perf lost", "0", "5")]),
        ("perf: {count: 2, lost: 5}", 2, 5, []),
        ("perf: {lost: 5}", 2, 5, []),
        ("perf: {lost: 5}", 2, 4, [("perf lost", "5", "4")]),
        ("perf: {lost: 0}", 2, 4, [("perf lost", "0", "4")]),
        ("perf: {records: []}", 0, 1, [("perf lost", "0", "1")]),
        ("perf: {records: [{struct: event}], count: 2}", 1, 0, [("perf count", "2", "1")]),
    ],
)
def test_records_are_counted_and_none_may_be_lost_unnoticed(
    context: Context, text: str, count: int, lost: int, differences: Broken
) -> None:
    assert broken(text, context, *[padded(event(1))] * count, lost=lost) == differences


def test_where_records_are_missing_a_ring_buffer_that_is_full_is_told(context: Context) -> None:
    what, expected, actual = missing(1, 2)
    full = "; the ring buffer is full"

    assert broken(numbered(1), context, event(1), full=True) == []
    assert broken(numbered(1, 2), context, event(1), full=True) == [(what, expected, f"{actual}{full}")]
    assert broken("ring: {count: 2}", context, event(1), full=True) == [("ring count", "2", f"1{full}")]


def test_what_follows_from_other_differences_says_so(context: Context) -> None:
    found = check("ring: {records: [{struct: event, packet: query}]}", context, event(1) + OTHER_PORT)

    assert [(one.what, one.derived) for one in found] == [
        ("ring[0].packet.UDP.dport", False),
        ("ring[0].packet.UDP.chksum", True),
    ]
    found = check("ring: {records: [{struct: event, packet: {zeros: 5}}]}", context, event(1) + bytes(4))

    assert [(one.what, one.derived) for one in found] == [
        ("ring[0].packet.Raw.load", False),
        ("ring[0].packet length", True),
    ]


# --- mistakes -----------------------------------------------------------------------------------------------------

REFUSED = [
    "ring: [{key: 0, value: 1}]",
    "ring: {exactly: []}",
    "ring: {lost: 0}",
    "ring: {records: [{struct: evnt}]}",
    "ring: {records: [{struct: inside}]}",
    "ring: {records: [{struct: event}, {struct: event, fields: {numbr: 1}}]}",
    "ring: {records: [{struct: event, fields: {number: 1, kind: SUBMITED}}]}",
    "ring: {records: [{struct: event, fields: {number: 4294967296}}]}",
    "ring: {records: [{struct: event, fields: {number: {be16: 1}}}]}",
    "ring: {records: [{struct: event, prefix: true}]}",
    'ring: {records: [{struct: event, hex: "01"}]}',
    "ring: {records: [{fields: {number: 1}}]}",
    "ring: {records: [{hex: 0g}]}",
    "ring: {records: [{hex: 0**}]}",
    'ring: {records: [{hex: "00", fields: {number: 1}}]}',
    "ring: {records: [{u8: 256}]}",
    "ring: {records: [{ip4: 10.0.0}]}",
    "ring: {records: [{u8: 1, u16: 1}]}",
    "ring: {records: [{struct: event, packet: IPP()}]}",
    "ring: {records: [{struct: event, packet: {hex: 4g}}]}",
    "ring: {records: [{struct: event, packet: {prefix: true}}]}",
]


def test_what_cannot_be_expected_of_records_is_refused_at_its_place(context: Context) -> None:
    assert_golden("records/refused.txt", "\n".join(refused(text, context) for text in REFUSED))


def refused(text: str, context: Context) -> str:
    """What is wrong with *text*, as people see it."""
    want = written(text)
    with pytest.raises(SuiteError) as raised:
        events(want, maps.declared(context.types(), str(want.key)), context)
    return report([raised.value], want.document.lines)
