"""Whatever a suite says, and whatever a program gives back: bytes or a SourceError, and never anything else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpftest.packets import layers
from bpftest.packets.checksums import checksums
from bpftest.packets.dissection import headers
from bpftest.packets.fields import differences
from bpftest.packets.framing import link_of, with_ethernet
from bpftest.packets.hexrows import rows
from bpftest.packets.named import field_checks, mask_without
from bpftest.packets.sources import Packet, Scope, SourceError, packet
from tests.packets.corpus import PACKETS, TEXTS

SCOPE = Scope(
    variables={"a": 1, "b": "text"}, packets={"c": "IP()/UDP()"}, headers={"H": [{"name": "x", "type": "u8"}]}
)
FIELDS = [
    "ttl",
    "src",
    "dst",
    "type",
    "options",
    "load",
    "flags",
    "qd",
    "data",
    "len",
    "chksum",
    "x",
    "vlan",
    "addresses",
]

atoms = st.one_of(
    st.integers(-1, 1 << 40).map(str),
    st.sampled_from(["None", "True", "1.5", "a", "b", "c", "nothing", "IP", '"10.0.0.1"', '"::1"', '"S"', '"MSS"']),
    st.binary(max_size=20).map(repr),
    st.text(max_size=8).map(repr),
    st.sampled_from([f"{name}()" for name in layers.LAYERS] + ["H()"]),
)


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["/", "/", "/", "*", "+", "-", "|", "&", "^", "<<", ">>", "**", "%", "@"])
    return st.one_of(
        st.tuples(parts, operators, parts).map("".join),
        st.tuples(st.sampled_from(list(layers.LAYERS)), st.sampled_from(FIELDS), parts).map(
            "{0[0]}({0[1]}={0[2]})".format
        ),
        st.tuples(st.sampled_from(["IP", "Ether", "Raw", "DNS", "bytes", "raw", "bytes.fromhex"]), parts).map(
            "{0[0]}({0[1]})".format
        ),
        st.lists(parts, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(parts, max_size=3).map(lambda items: f"({', '.join(items)})"),
        st.tuples(parts, st.sampled_from(["IP", "UDP", "1:2", ":3", "0", "IP:2"])).map("{0[0]}[{0[1]}]".format),
        st.tuples(st.sampled_from(["-", "~", "not ", "+", "*"]), parts).map("".join),
    )


expressions = st.recursive(atoms, larger, max_leaves=12)


def attempted(make: Callable[[], Any]) -> tuple[Any, SourceError | None]:
    """(what *make* gives, None) or (None, its mistake)."""
    try:
        return make(), None
    except SourceError as error:
        return None, error


def made(text: str) -> bytes | None:
    """The bytes of the expression, None if it is a mistake, which then has its place."""
    data, error = attempted(lambda: packet(text, SCOPE).data)
    if error is not None:
        offset, width = error.span or (0, 0)
        assert 0 <= offset <= offset + width <= max(len(text), 1)
        assert error.what
    return data


@settings(max_examples=600, deadline=None)
@given(expressions)
def test_an_expression_is_bytes_or_a_mistake_and_the_same_twice(text: str) -> None:
    assert made(text) == made(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
@example("(" * 51)
@example("IP()\\")
@example('"""')
@example("# nothing")
def test_any_text_is_bytes_or_a_mistake(text: str) -> None:
    made(text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.integers(0, 300), st.text(max_size=3), st.integers(0, 5))
def test_a_packet_with_a_slip_of_the_pen_is_bytes_or_a_mistake(text: str, at: int, written: str, lost: int) -> None:
    made(text[:at] + written + text[at + lost :])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["hex", "base64", "scapy"]), st.text(max_size=40), st.text(max_size=10))
def test_any_source_is_a_packet_or_a_mistake(key: str, text: str, metadata: str) -> None:
    packet_made, error = attempted(lambda: packet({key: text, "metadata": metadata, "pad_to": 60}, SCOPE))

    assert isinstance(packet_made, Packet) or (error is not None and error.key in (key, "metadata", "pad_to"))


def read_every_way(expected: bytes, actual: bytes, link: str) -> None:
    found = differences(expected, actual, link)
    assert bool(found) is (expected != actual)
    assert [one.derived for one in found] == sorted(one.derived for one in found)
    for data in (expected, actual):
        checksums(data, link)
        placed = [one for one in headers(data, link) if not one.is_inner]
        assert [one.end for one in placed[:-1]] == [one.start for one in placed[1:]]
        assert not data or placed[-1].end == len(data)
        assert data[12:14] == b"" or with_ethernet(data)[14:] == data
    assert bool(rows(expected, actual).rows) is (expected != actual)
    field_checks({"IP.ttl": 1, "UDP.dport": 2, "Raw.load": "x"}, Scope())(actual, link, ())


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=120), st.binary(max_size=120), st.sampled_from(["", "ethernet", "ip"]))
@example(b"", b"\x45", "ip")
@example(b"\x60", b"\x60" * 40, "ip")
@example(b"\x81\x00" * 60, b"\x88\x47" * 60, "ethernet")
def test_any_bytes_can_be_compared_and_described(expected: bytes, actual: bytes, link: str) -> None:
    read_every_way(expected, actual, link)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(PACKETS), st.data())
def test_a_damaged_packet_can_be_compared_and_described(scapys: object, data: st.DataObject) -> None:
    expected = bytes(scapys)  # type: ignore[call-overload]
    actual = bytearray(expected)
    for at in data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=4)):
        actual[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 20]))
    read_every_way(expected, bytes(actual[: len(actual) - cut]), data.draw(st.sampled_from(["", link_of(expected)])))


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.sampled_from(["", "ethernet", "ip"]), st.text(max_size=12))
def test_any_name_is_a_mask_or_a_mistake(data: bytes, link: str, name: str) -> None:
    for one in (name, "Ether", "IP.ttl", "Raw.load", "IP[2].ttl"):
        mask, error = attempted(partial(mask_without, [one], Packet(data, b"", link), Scope()))
        assert len(mask) == len(data) if error is None else (error.key, error.index) == ("ignore", 0)


@pytest.mark.parametrize("tag", [b"\x81\x00\x00\x01", b"\x88\x47\x00\x00\x01\x40"])
def test_a_tower_of_headers_is_read_in_time(tag: bytes) -> None:
    data = bytes(12) + tag * 10_000

    assert differences(data, data + b"\0", "ethernet")
