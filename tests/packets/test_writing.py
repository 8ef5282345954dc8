"""Bytes back to expressions: each is built again, and compared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest.errors import SuiteError
from bpftest.packets.sources import Packet, Scope, packet
from bpftest.packets.writing import Written, written
from bpftest.plan.request import built
from bpftest.suite.parse import read_suite
from tests.packets.corpus import TEXTS

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.yaml"))
HEADERS = {"Probe": [{"name": "kind", "type": "u8"}, {"name": "seq", "type": "le32"}]}
ETHER = 'Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")'


def again(made: Packet, scope: Scope) -> bytes:
    """The bytes that the expression builds which is written for *made*."""
    return packet({"scapy": written(made, scope).text}, scope).data


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Ether()/IP()/UDP()", "Ether()/IP()/UDP()"),
        (f'{ETHER}/IP(dst="10.0.0.1", ttl=3)/TCP(dport=443)', f'{ETHER}/IP(ttl=3, dst="10.0.0.1")/TCP(dport=443)'),
        ('IP()/TCP(flags="SA", chksum=7)', 'IP()/TCP(flags="SA", chksum=0x7)'),
        ("IP(len=99)/UDP()", "IP(len=99)/UDP()"),
        ('IP()/TCP(options=[("MSS", 1460), ("NOP", None)])', None),
        ('IP()/TCP(options=[("Timestamp", (1, 2)), (254, b"x")])/b"ab"', None),
        ("IP(options=[IPOption_RR(routers=['1.2.3.4'])])/ICMP()", None),
        ('IP()/UDP()/DNS(qd=[DNSQR(qname="a.org")])', 'IP()/UDP()/DNS(qd=[DNSQR(qname=b"a.org.")])'),
        ('Ether()/IP()/UDP()/b"hello"', 'Ether()/IP()/UDP()/Raw(b"hello")'),
        ('IP()/UDP(dport=9)/(b"A" * 40)', 'IP()/UDP(dport=9)/Raw(b"A" * 40)'),
        ("IP()/UDP()/Padding(bytes(18))", "IP()/UDP()/Padding(bytes(18))"),
        (r"""Raw(b'"\\')""", r'Raw(b"\"\\")'),
        ("Raw(b'\\0\\1')", 'Raw(bytes.fromhex("0001"))'),
        ('Raw(b"")', 'Raw(b"")'),
    ],
)
def test_an_expression_says_what_is_not_as_usual_and_no_more(text: str, expression: str | None) -> None:
    made = packet(text, Scope())
    result = written(made, Scope())

    assert packet({"scapy": result.text}, Scope()).data == made.data
    assert result.unread == ""
    if expression is not None:
        assert result.text == expression


@pytest.mark.parametrize("text", TEXTS)
def test_the_packets_of_the_corpus_are_built_again(text: str) -> None:
    made = packet(text, Scope())

    assert again(made, Scope()) == made.data


def of_suite(path: Path) -> Iterator[tuple[str, Packet]]:
    suite = read_suite(str(path), {})
    scope = Scope(suite.variables, suite.packets, suite.headers, os.path.dirname(path))
    for case in suite.cases:
        for step in case.steps:
            if step.packet is not None and "from" not in step.packet:
                yield case.name, built(step.packet, scope)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_packets_of_all_suites_are_built_again_from_their_fields(path: Path) -> None:
    scope = Scope(headers=read_suite(str(path), {}).headers)

    found = {name: (again(made, scope) == made.data, written(made, scope).unread) for name, made in of_suite(path)}

    assert found == dict.fromkeys(found, (True, ""))


def test_headers_of_the_suite_are_named() -> None:
    scope = Scope(headers=HEADERS)
    made = packet("IP()/UDP(dport=9)/Probe(seq=7)", scope)

    assert written(made, scope) == Written("IP()/UDP(dport=9)/Probe(seq=7)")


def test_what_no_fields_build_is_written_as_bytes_and_told() -> None:
    made = packet("IP()/ICMP(type=3)/raw(IP()/TCP())[0:28]", Scope())

    result = written(made, Scope())

    assert (result.unread, result.text.rpartition("/")[2]) == ("TCPerror", 'Raw(bytes.fromhex("0014005000000000"))')
    assert packet({"scapy": result.text}, Scope()).data == made.data


def test_a_packet_that_no_expression_can_make_is_refused() -> None:
    with pytest.raises(SuiteError, match="the packet has 80000 bytes, and an expression makes 73152 at most"):
        written(Packet(bytes(80_000)), Scope())


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(["", "ethernet", "ip"]))
def test_any_bytes_are_built_again(data: bytes, link: str) -> None:
    assert again(Packet(data, link=link), Scope()) == data


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_packets_are_built_again(text: str, changes: list[tuple[int, int]], data: st.DataObject) -> None:
    made = packet(text, Scope())
    damaged = bytearray(made.data)
    for at, byte in changes:
        if at < len(damaged):
            damaged[at] = byte
    end = data.draw(st.integers(0, len(damaged)))

    assert again(made._replace(data=bytes(damaged[:end])), Scope()) == bytes(damaged[:end])
