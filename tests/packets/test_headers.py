from __future__ import annotations

from typing import Any

import pytest

from bpftest.packets.sources import Scope, SourceError, packet

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
