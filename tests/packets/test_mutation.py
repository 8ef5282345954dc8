"""A packet with another value in one field is what the expression says that has that value."""

from __future__ import annotations

from typing import Any

import pytest

from bpftest.errors import SuiteError
from bpftest.packets.mutation import Mutation, mutated
from bpftest.packets.sources import Scope, SourceError, packet

SCOPE = Scope(packets={"base": "Ether()/IP()/UDP(dport=5)/b'abc'", "made": {"hex": "ff" * 12 + "9000"}})


def data(source: Any, field: str, value: int | str) -> bytes:
    return mutated(source, Mutation(field, value), SCOPE).data


def built(source: Any) -> bytes:
    return packet(source, SCOPE).data


@pytest.mark.parametrize(
    ("field", "value", "expression"),
    [
        ("IP.ihl", 4, "Ether()/IP(ihl=4)/UDP(dport=5)/b'abc'"),
        ("UDP.dport", 65535, "Ether()/IP()/UDP(dport=65535)/b'abc'"),
        ("UDP.len", 0, "Ether()/IP()/UDP(dport=5, len=0)/b'abc'"),
        ("UDP.chksum", 7, "Ether()/IP()/UDP(dport=5, chksum=7)/b'abc'"),
        ("IP.flags", "MF", "Ether()/IP(flags='MF')/UDP(dport=5)/b'abc'"),
        ("IP.src", "192.0.2.1", "Ether()/IP(src='192.0.2.1')/UDP(dport=5)/b'abc'"),
        ("Ether.type", 0x86DD, "Ether(type=0x86dd)/IP()/UDP(dport=5)/b'abc'"),
    ],
)
def test_what_an_expression_leaves_to_scapy_is_computed_of_the_changed_packet(
    field: str, value: int | str, expression: str
) -> None:
    assert data("base", field, value) == built(expression)
    assert data("Ether()/IP()/UDP(dport=5)/b'abc'", field, value) == built(expression)


def test_what_an_expression_says_itself_stays() -> None:
    assert data("IP(chksum=1)/UDP(chksum=2)", "UDP.dport", 9) == built("IP(chksum=1)/UDP(chksum=2, dport=9)")


def test_the_second_header_of_a_kind_is_named_by_its_number() -> None:
    assert data("IP()/IP()/UDP()", "IP[2].ttl", 3) == built("IP()/IP(ttl=3)/UDP()")


def test_padding_and_metadata_stay() -> None:
    source = {"scapy": "Ether()/IP()/UDP(dport=5)", "pad_to": 60, "metadata": "01020304"}
    made = mutated(source, Mutation("UDP.dport", 6), SCOPE)
    assert made == packet({**source, "scapy": "Ether()/IP()/UDP(dport=6)"}, SCOPE)
    given = {"hex": built("Ether()/IP()/UDP(dport=5)").hex(), "metadata": "01020304"}
    assert mutated(given, Mutation("IP.ttl", 6), SCOPE).metadata == bytes.fromhex("01020304")


@pytest.mark.parametrize(
    ("field", "value", "changes"),
    [
        ("IP.ihl", 4, {14: 0x44}),
        ("IP.flags", "MF", {20: 0x20}),
        ("UDP.dport", 0x0105, {36: 1}),
        ("Ether.src", "02:00:00:00:00:01", {6: 2, 11: 1}),
    ],
)
def test_of_bytes_the_bits_of_the_field_change_and_nothing_else(
    field: str, value: int | str, changes: dict[int, int]
) -> None:
    before = built("base")
    for source in ({"hex": before.hex()}, f"bytes.fromhex('{before.hex()}')"):
        after = data(source, field, value)
        assert {at: byte for at, byte in enumerate(after) if byte != before[at]} == changes


@pytest.mark.parametrize(
    ("source", "field", "value", "what"),
    [
        ("base", "TCP.dport", 1, "the packet has no TCP"),
        ("base", "IP[2].ttl", 1, "the packet has no IP[2]"),
        ("base", "IP.tll", 1, "IP has no field tll"),
        ("base", "Udp.dport", 1, "there is no layer Udp"),
        ("made", "IP.ttl", 1, "the packet has no IP"),
    ],
)
def test_a_field_that_is_not_there_is_told_as_one(source: str, field: str, value: int, what: str) -> None:
    with pytest.raises(SourceError) as raised:
        data(source, field, value)
    assert (raised.value.what, raised.value.key) == (what, "field")


@pytest.mark.parametrize(
    ("source", "field", "value", "what"),
    [
        ("base", "IP.ihl", 16, "IP.ihl takes a number from 0 to 15, not 16"),
        ({"hex": "ff" * 12 + "0800" + "45" + "00" * 19}, "IP.ihl", 16, "IP.ihl takes a number from 0 to 15, not 16"),
        ("base", "IP.src", 5, "IP.src takes an IPv4 address, not 5"),
        ("base", "IP.proto", "tpc", "IP.proto has no value called 'tpc'"),
    ],
)
def test_a_value_that_the_field_does_not_take_is_told(source: Any, field: str, value: int | str, what: str) -> None:
    with pytest.raises(SuiteError) as raised:
        data(source, field, value)
    assert raised.value.what == what
