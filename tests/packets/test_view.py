"""What `bpftest packet` shows of a packet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest.packets.sources import Scope, packet
from bpftest.packets.view import view
from tests.golden import assert_golden
from tests.packets.corpus import TEXTS

SHOWN = [
    "Ether()/IP(ttl=63)/UDP(dport=53)",
    'Ether()/Dot1Q(vlan=7)/IP(options=[IPOption_NOP()])/TCP(flags="SA", options=[("MSS", 1460)])/b"hello"',
    "IPv6()/ICMPv6EchoRequest()",
    "IP(len=99, chksum=1)/UDP(len=4, chksum=0)/Raw(bytes(40))",
    'Raw("no packet")',
]


def shown(text: str) -> list[str]:
    made = packet(text, Scope())
    return list(view(made.data, made.link))


def test_packets_are_shown_like_this() -> None:
    texts = ["\n".join([f"### {text}", *shown(text), ""]) for text in SHOWN]

    assert_golden("packets/view.txt", "\n".join(texts))


@pytest.mark.parametrize(
    ("text", "name", "remark"),
    [
        ("IP()/UDP()", "IP.chksum", "valid"),
        ("IP()/UDP()", "UDP.chksum", "valid"),
        ("IP()/UDP(chksum=1)", "UDP.chksum", "not valid: 0x0172 is"),
        ("IP(chksum=1)/UDP()", "IP.chksum", "not valid: 0x7cce is"),
        ("IP()/UDP(chksum=0)", "UDP.chksum", "none"),
        ("IP(len=99)/UDP()", "IP.len", "not as computed: 28"),
        ("IP()/UDP(len=99)/b'ab'", "UDP.len", "not as computed: 10"),
        ("IP()/UDP()/b'ab'", "UDP.len", ""),
        ("IPv6(plen=99)/TCP()", "IPv6.plen", "not as computed: 20"),
    ],
)
def test_what_is_not_valid_is_marked(text: str, name: str, remark: str) -> None:
    (line,) = [line for line in shown(text) if line.split()[0:1] == [name]]

    assert line.split(maxsplit=3)[3:] == ([remark] if remark else [])


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", ["0 bytes"]),
        (b"A", ["1 byte: Raw", "", "Raw       @0  1 byte", "Raw.load  @0  b'A'", "", f"0000  {'41':<47}  A"]),
    ],
)
def test_bytes_that_are_no_packet_are_shown_as_bytes(data: bytes, lines: list[str]) -> None:
    assert list(view(data)) == lines


@pytest.mark.parametrize("text", TEXTS)
def test_all_bytes_of_a_packet_are_shown(text: str) -> None:
    data = packet(text, Scope()).data

    rows = [line[6:53] for line in shown(text)[-((len(data) + 15) // 16) :]] if data else []

    assert bytes.fromhex("".join(rows)) == data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(["", "ethernet", "ip"]))
def test_any_bytes_can_be_shown(data: bytes, link: str) -> None:
    assert all(line.isprintable() for line in view(data, link))
