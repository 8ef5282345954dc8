from __future__ import annotations

from typing import Any

import pytest

from bpftest.packets.patterns import Pattern, pattern
from bpftest.packets.sources import Scope, SourceError

SCOPE = Scope(packets={"answer": {"hex": "0102", "metadata": "09"}})
IP_UDP = bytes.fromhex("4500001c0001000040117cce7f0000017f0000010035003500080172")


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("IP()/UDP()", Pattern(IP_UDP, link="ip")),
        ({"hex": "01 02"}, Pattern(b"\x01\x02")),
        ({"hex": "01 ** 2* *3"}, Pattern(b"\x01\x00\x20\x03", b"\xff\x00\xf0\x0f")),
        ({"hex": "0* # ** is a comment\n"}, Pattern(b"\x00", b"\xf0")),
        ({"hex": "0*", "pad_to": 3}, Pattern(b"\0\0\0", b"\xf0\xff\xff")),
        ({"hex": "01", "prefix": True}, Pattern(b"\x01", prefix=True)),
        ({"hex": "*1", "prefix": True}, Pattern(b"\x01", b"\x0f", prefix=True)),
        ({"hex": "01", "metadata": ""}, Pattern(b"\x01", metadata=b"")),
        ({"hex": "01", "metadata": "07"}, Pattern(b"\x01", metadata=b"\x07")),
        ("answer", Pattern(b"\x01\x02", metadata=b"\x09")),
        ({"scapy": "IP()/UDP()", "ignore": []}, Pattern(IP_UDP, link="ip")),
        (
            {"scapy": "IP()/UDP()", "ignore": ["IP.id", "IP.flags", "UDP.chksum"]},
            Pattern(IP_UDP, b"\xff" * 4 + b"\0\0\x1f" + b"\xff" * 19 + b"\0\0", link="ip"),
        ),
        (
            {"scapy": "IP()/UDP()", "ignore": ["UDP"]},
            Pattern(IP_UDP, b"\xff" * 20 + bytes(8), link="ip"),
        ),
        (
            {"hex": IP_UDP.hex()[:-1] + "*", "ignore": ["IP.ttl"]},
            Pattern(IP_UDP[:-1] + b"\x70", b"\xff" * 8 + b"\0" + b"\xff" * 18 + b"\xf0"),
        ),
    ],
)
def test_a_source_gives_its_pattern(source: Any, made: Pattern) -> None:
    assert pattern(source, SCOPE) == made


def test_the_second_header_of_a_kind_can_be_ignored() -> None:
    made = pattern({"scapy": "IP()/IP()", "ignore": ["IP[2].ttl"]}, SCOPE)

    assert made.mask == b"\xff" * 28 + b"\0" + b"\xff" * 11


@pytest.mark.parametrize(
    ("made", "data", "holds"),
    [
        (Pattern(b"ab"), b"ab", True),
        (Pattern(b"ab"), b"abc", False),
        (Pattern(b"ab"), b"a", False),
        (Pattern(b"ab", prefix=True), b"abc", True),
        (Pattern(b"ab", prefix=True), b"ab", True),
        (Pattern(b"ab", prefix=True), b"a", False),
        (Pattern(b"\x10\x20", b"\xf0\xff"), b"\x1f\x20", True),
        (Pattern(b"\x10\x20", b"\xf0\xff"), b"\x2f\x20", False),
        (Pattern(b"\x1f\x20", b"\xf0\xff"), b"\x10\x20", True),
        (Pattern(b"\x10\x20", b"\xf0\xff"), b"\x1f\x20\x00", False),
        (Pattern(b"\x10\x20", b"\xf0\xff"), b"\x1f", False),
        (Pattern(b"\x10\x20", b"\xf0\xff", prefix=True), b"\x1f\x20\x00", True),
        (Pattern(b"\x00", b"\x00"), b"\xff", True),
        (Pattern(b"\x00\x20", b"\x00\xff"), b"\x20", False),
        (Pattern(b""), b"", True),
    ],
)
def test_a_pattern_matches_what_it_describes(made: Pattern, data: bytes, holds: bool) -> None:
    assert made.matches(data) is holds


def test_only_as_much_as_a_prefix_has_is_compared() -> None:
    assert [Pattern(b"ab", prefix=prefix).compared(b"abc") for prefix in (False, True)] == [b"abc", b"ab"]


@pytest.mark.parametrize(
    ("source", "where", "what", "hint"),
    [
        ({"hex": "*"}, ("hex", None, (0, 1)), "1 hex digits are not whole bytes", "two digits a byte"),
        ({"hex": "** zz"}, ("hex", None, (3, 1)), "'z' is not a hex digit", "* is any nibble"),
        (
            {"scapy": "IP()", "ignore": ["IP.ttl", "UDP.chksum"]},
            ("ignore", 1, None),
            "the packet has no UDP.chksum",
            "it is IP",
        ),
        (
            {"scapy": "IP()", "ignore": ["IP.cksum"]},
            ("ignore", 0, None),
            "IP has no field cksum",
            "did you mean IP.chksum?",
        ),
        ({"scapy": "IP()", "ignore": ["Ip.ttl"]}, ("ignore", 0, None), "there is no layer Ip", "did you mean IP?"),
        (
            {"scapy": "IP()", "ignore": ["IP.ttl", "IP.ids"]},
            ("ignore", 1, None),
            "IP has no field ids",
            "did you mean IP.id?",
        ),
        ({"scapy": "IP()", "ignore": ["IP[2]"]}, ("ignore", 0, None), "the packet has no IP[2]", "it is IP"),
        ({"scapy": "IP()", "ignore": ["ttl"]}, ("ignore", 0, None), "there is no layer ttl", ""),
        (
            {"scapy": "IP()", "ignore": ["IP ttl"]},
            ("ignore", 0, None),
            "'IP ttl' is not the name of a field",
            "such as IP.ttl, IP[2].ttl for the second IP header",
        ),
    ],
)
def test_a_mistake_names_the_entry(source: Any, where: tuple[Any, ...], what: str, hint: str) -> None:
    with pytest.raises(SourceError) as mistake:
        pattern(source, SCOPE)

    error = mistake.value
    assert ((error.key, error.index, error.span), error.what, error.hint) == (where, what, hint)
