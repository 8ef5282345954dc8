from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpftest.packets.cache import Cache
from bpftest.packets.fields import FieldDifference, differences
from bpftest.packets.headers import chain
from bpftest.packets.named import field_checks
from bpftest.packets.patterns import pattern
from bpftest.packets.sources import Packet, Scope, SourceError, packet

PROBE = [
    {"name": "magic", "type": "u16", "default": 0xBEEF},
    {"name": "seq", "type": "u32"},
    {"name": "vip", "type": "ip4"},
]
EVERY = [
    {"name": "a", "type": "u8", "default": 1},
    {"name": "b", "type": "u16", "default": 2},
    {"name": "c", "type": "u24", "default": 3},
    {"name": "d", "type": "u32", "default": 4},
    {"name": "e", "type": "u64", "default": 5},
    {"name": "f", "type": "le16", "default": 6},
    {"name": "g", "type": "le32", "default": 7},
    {"name": "h", "type": "le64", "default": 8},
    {"name": "i", "type": "ip4", "default": "10.0.0.1"},
    {"name": "j", "type": "ip6", "default": "2001:db8::1"},
    {"name": "k", "type": "mac", "default": "02:00:00:00:00:01"},
    {"name": "l", "type": "bytes", "length": 4, "default": "aabb"},
]


def bytes_of(text: str, **headers: Any) -> bytes:
    return packet(text, Scope(headers=headers)).data


def test_every_type_has_its_bytes() -> None:
    made = bytes_of("Every()", Every=EVERY)

    assert made.hex(" ", -4) == bytes.fromhex(
        "01 0002 000003 00000004 0000000000000005 0600 07000000 0800000000000000"
        "0a000001 20010db8000000000000000000000001 020000000001 aabb0000"
    ).hex(" ", -4)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Probe()", "beef0000000000000000"),
        ('Probe(seq=7, vip="10.0.0.9")', "beef000000070a000009"),
        (
            'IP(src="10.0.0.1", dst="10.0.0.2")/UDP(dport=9)/Probe()/"hello"',
            "4500002b00010000401166bf0a0000010a000002003500090017",
        ),
        ("Probe()/Probe(seq=1)", "beef0000000000000000beef0000000100000000"),
        ("(Probe()/Probe(seq=1))[Probe:2]", "beef0000000100000000"),
        ("bytes(Probe())[2:6]", "00000000"),
    ],
)
def test_a_declared_header_is_a_layer(text: str, made: str) -> None:
    assert bytes_of(text, Probe=PROBE).hex().startswith(made)


def test_headers_of_two_suites_do_not_meet() -> None:
    other = [{"name": "magic", "type": "u8", "default": 1}]

    assert [bytes_of("Probe()", Probe=one).hex() for one in (PROBE, other, PROBE)] == [
        "beef0000000000000000",
        "01",
        "beef0000000000000000",
    ]


@pytest.mark.parametrize(
    ("text", "fields", "what"),
    [
        ("Probe(seq=-1)", PROBE, "Probe.seq takes a number from 0 to 4294967295, not -1"),
        ('Probe(vip="x")', PROBE, "Probe.vip takes an IPv4 address, not 'x'"),
        ("Probe(length=1)", PROBE, "Probe has no field length"),
        ("Every(l=b'12345')", EVERY, "Every.l takes 4 bytes at most, not 5"),
        ("Every(c=1 << 24)", EVERY, "Every.c takes a number from 0 to 16777215, not 16777216"),
        ("IP()", PROBE, "header IP has the name of a Scapy layer"),
        ("Probe()", [{"name": "a-b", "type": "u8"}], "field 'a-b' of header Probe is not a name"),
        ("Probe()", [{"name": "a", "type": "u8"}, {"name": "a", "type": "u8"}], "header Probe has two fields a"),
        ("Probe()", [{"name": "a", "type": "u9"}], "field a of header Probe has no type 'u9'"),
        ("Probe()", [{"name": "a", "type": "u8", "default": 256}], "Probe.a takes a number from 0 to 255, not 256"),
        ("Probe()", [{"name": "a", "type": "mac", "default": "x"}], "Probe.a takes a MAC address, not 'x'"),
        ("Probe()", [{"name": "a", "type": "bytes"}], "field a of header Probe needs a length from 1 to 65535"),
        (
            "Probe()",
            [{"name": "a", "type": "bytes", "length": 1, "default": "zz"}],
            "default of field a of header Probe is not hex: 'zz'",
        ),
        (
            "Probe()",
            [{"name": "a", "type": "bytes", "length": 1, "default": "0102"}],
            "Probe.a takes 1 bytes at most, not 2",
        ),
    ],
)
def test_a_mistake_in_a_header_is_told(text: str, fields: Any, what: str) -> None:
    with pytest.raises(SourceError) as mistake:
        bytes_of(text, **{text.split("(", maxsplit=1)[0]: fields})

    assert mistake.value.what == what


# --- read back ----------------------------------------------------------------------------------------------------

OWN: dict[str, Any] = {"Probe": PROBE, "Tail": [{"name": "end", "type": "u16"}]}
SCOPE = Scope(headers=OWN)


def compared(expected: str, actual: str, scope: Scope = SCOPE) -> list[tuple[str, int, str, str]]:
    """What differs, without what only follows from it."""
    want, got = packet(expected, scope), packet(actual, scope)
    found = differences(want.data, got.data, want.link, None, chain(want.chain, scope.headers))
    return [(one.name, one.offset, one.expected, one.actual) for one in found if not one.derived]


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        ("IP()/UDP(dport=9)/Probe(seq=7)", "IP()/UDP(dport=9)/Probe(seq=8)", [("Probe.seq", 30, "7", "8")]),
        ("Probe(seq=7)/b'x'", "Probe(seq=7)/b'y'", [("Raw.load", 10, "b'x'", "b'y'")]),
        (
            'Ether()/IP()/UDP()/Probe(vip="10.0.0.9")/IP(ttl=3)/UDP(sport=5)/Tail(end=1)/b"x"',
            'Ether()/IP()/UDP()/Probe(vip="10.0.0.8")/IP(ttl=4)/UDP(sport=6)/Tail(end=2)/b"y"',
            [
                ("Probe.vip", 48, "10.0.0.9", "10.0.0.8"),
                ("IP[2].ttl", 60, "3", "4"),
                ("UDP[2].sport", 72, "5", "6"),
                ("Tail.end", 80, "1", "2"),
                ("Raw.load", 82, "b'x'", "b'y'"),
            ],
        ),
        ("IP()/Probe()/Probe(seq=1)", "IP()/Probe()/Probe(seq=2)", [("Probe[2].seq", 32, "1", "2")]),
        (
            "IP()/UDP(dport=9)/Probe()",
            "IP()/TCP(dport=9)",
            [("layers", 20, "IP / UDP / Probe", "IP / TCP"), ("IP.proto", 9, "udp (17)", "tcp (6)")],
        ),
        (
            "IP()/UDP(dport=9)/Probe()",
            "IP()/UDP(dport=9)/b'short'",
            [("layers", 28, "IP / UDP / Probe", "IP / UDP / Raw")],
        ),
    ],
)
def test_a_declared_header_is_read_where_the_expected_packet_has_it(
    expected: str, actual: str, found: list[tuple[str, int, str, str]]
) -> None:
    assert compared(expected, actual) == found


def test_where_a_declared_header_stands_is_kept_with_the_bytes(tmp_path: Path) -> None:
    text, path = "IP()/UDP(dport=9)/Probe()", str(tmp_path / "cache.json")
    for _ in range(2):
        scope = Scope(headers=OWN, cache=Cache(path))
        assert packet(text, scope).chain == ("IP", "UDP", "Probe")
        scope.cache.save()

    assert packet("IP()/UDP(dport=9)/b'x'", SCOPE).chain == ()


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"Probe.seq": 7, "Probe.vip": "10.0.0.9", "Probe.magic": 0xBEEF, "Tail.end": 3}, ()),
        ({"Probe.seq": 8}, (FieldDifference("Probe.seq", 30, "8", "7"),)),
    ],
)
def test_fields_of_declared_headers_are_checked_where_the_packet_of_the_case_has_them(
    fields: dict[str, Any], found: tuple[FieldDifference, ...]
) -> None:
    made = packet('IP()/UDP(dport=9)/Probe(seq=7, vip="10.0.0.9")/Tail(end=3)', SCOPE)
    in_frame = Packet(bytes(12) + b"\x08\x00" + made.data, b"", "ethernet", made.chain)

    assert field_checks(fields, SCOPE)(made.data, made.link, made.chain) == found
    moved = tuple(one._replace(offset=one.offset + 14) for one in found)
    assert field_checks(fields, SCOPE)(in_frame.data, in_frame.link, in_frame.chain) == moved


def test_a_declared_header_and_its_fields_can_be_ignored() -> None:
    want = {"scapy": "Probe(seq=7)/Tail(end=1)", "ignore": ["Probe.seq", "Tail"]}

    assert pattern(want, SCOPE).mask == bytes.fromhex("ffff 00000000 ffffffff 0000")


def test_padding_stays_behind_a_declared_header() -> None:
    padded = packet({"scapy": "Ether()/IP()/UDP(dport=9)/Probe()", "pad_to": 60}, SCOPE)

    assert field_checks({"Probe.magic": 1, "Padding.load": "x"}, SCOPE)(padded.data, padded.link, padded.chain) == (
        FieldDifference("Probe.magic", 42, "1", "48879"),
        FieldDifference("Padding.load", 52, "b'x'", bytes(8).hex()),
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Prob.seq", "there is no layer Prob"),
        ("Probe.sq", "Probe has no field sq"),
        ("Probe", "Probe is a header, not"),
    ],
)
def test_an_unknown_field_of_a_declared_header_is_told(name: str, what: str) -> None:
    with pytest.raises(SourceError) as mistake:
        field_checks({name: 1}, SCOPE)

    assert mistake.value.what.startswith(what)
    assert "seq" in mistake.value.hint or "did you mean Probe" in mistake.value.hint
