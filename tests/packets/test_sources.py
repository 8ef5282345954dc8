from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpftest.packets.sources import FILE_MAX, Packet, Scope, SourceError, expression_text, packet

HEADER = bytes(12) + b"\x08\x00"


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("Raw(b'abc')", Packet(b"abc")),
        ({"scapy": "Raw(b'abc')"}, Packet(b"abc")),
        (
            {"scapy": "Ether()/\n  Raw(b'x')  # the rest\n"},
            Packet(b"\xff" * 6 + bytes(6) + b"\x90\x00x", link="ethernet"),
        ),
        ({"hex": "00ff"}, Packet(b"\x00\xff")),
        ({"hex": "ffff ffff\n 02:00 # a comment: 00\n0800"}, Packet(bytes.fromhex("ffffffff02000800"))),
        ({"hex": ""}, Packet(b"")),
        ({"base64": "AgAA\n AAAC"}, Packet(b"\x02\x00\x00\x00\x00\x02")),
        ({"zeros": 3}, Packet(b"\0\0\0")),
        ({"zeros": 0}, Packet(b"")),
        ({"fill": 0x5A, "length": 2}, Packet(b"\x5a\x5a")),
        ({"hex": "01", "pad_to": 3}, Packet(b"\x01\0\0")),
        ({"hex": "01", "metadata": "00 00 00 07"}, Packet(b"\x01", b"\0\0\0\x07")),
        (
            {"scapy": "IP()", "pad_to": 22, "metadata": "01"},
            Packet(bytes.fromhex("450000140001000040007ce77f0000017f0000010000"), b"\x01", "ip"),
        ),
        ("frame", Packet(HEADER, b"\x01\x02")),
        ("Raw(frame)/b'x'", Packet(HEADER + b"x")),
        (
            "stack/b'x'",
            Packet(bytes.fromhex("4500001d0001000040117ccd7f0000017f000001003500350009896f") + b"x", link="ip"),
        ),
        ("Raw(word)", Packet(b"hello")),
        ("Raw(bytes(numbers))", Packet(b"\x01\x02")),
    ],
)
def test_a_source_gives_its_packet(source: Any, made: Packet) -> None:
    scope = Scope(
        variables={"word": "hello", "numbers": [1, 2]},
        packets={"frame": {"hex": HEADER.hex(), "metadata": "0102"}, "stack": "IP()/UDP()"},
    )

    assert packet(source, scope) == made


@pytest.mark.parametrize(
    ("source", "key", "what", "span"),
    [
        ({"hex": "0"}, "hex", "1 hex digits are not whole bytes", (0, 1)),
        ({"hex": "00 1 22"}, "hex", "5 hex digits are not whole bytes", (3, 1)),
        ({"hex": "00 0g"}, "hex", "'g' is not a hex digit", (4, 1)),
        ({"hex": "# zz\n0x00"}, "hex", "'x' is not a hex digit", (6, 1)),
        ({"hex": "00" * 73_153}, "hex", "the packet would have 73153 bytes, 73152 are allowed", None),
        ({"base64": "A*=="}, "base64", "'*' is not a base64 character", (1, 1)),
        ({"base64": "AAA"}, "base64", "this is not base64: Incorrect padding", None),
        ({"base64": "AAAA" * 30_000}, "base64", "the packet would have 90000 bytes, 73152 are allowed", None),
        ({"zeros": 73_153}, "zeros", "the packet would have 73153 bytes, 73152 are allowed", None),
        ({"zeros": -1}, "zeros", "the packet would have -1 bytes, 73152 are allowed", None),
        ({"fill": 256, "length": 1}, "fill", "`fill` is a byte, from 0 to 255, not 256", None),
        ({"fill": 1, "length": 80_000}, "length", "the packet would have 80000 bytes, 73152 are allowed", None),
        ({"fill": 1}, "fill", "`fill` needs a `length`", None),
        ({"hex": "00 00", "pad_to": 1}, "pad_to", "the packet has 2 bytes already", None),
        ({"hex": "00", "pad_to": 73_153}, "pad_to", "the packet would have 73153 bytes, 73152 are allowed", None),
        ({"hex": "00", "metadata": "0"}, "metadata", "1 hex digits are not whole bytes", (0, 1)),
        ({"scapy": "IP(ttl=300)"}, "scapy", "IP.ttl takes a number from 0 to 255, not 300", (7, 3)),
        ("IP(ttl=300)", "", "IP.ttl takes a number from 0 to 255, not 300", (7, 3)),
        ("wrong", "", "packet wrong: 'g' is not a hex digit", None),
        ("wrong/IP()", "", "packet wrong: 'g' is not a hex digit", (0, 5)),
        ("round", "", "packet round: packet round is made of itself: round → round", (0, 5)),
    ],
)
def test_a_mistake_names_the_key_and_the_place(source: Any, key: str, what: str, span: tuple[int, int] | None) -> None:
    with pytest.raises(SourceError) as mistake:
        packet(source, Scope(packets={"wrong": {"hex": "0g"}, "round": "round/UDP()"}))

    assert (mistake.value.key, mistake.value.what, mistake.value.span) == (key, what, span)


def test_a_file_is_read_beside_the_suite(tmp_path: Path) -> None:
    (tmp_path / "frame.bin").write_bytes(HEADER)

    assert packet({"file": "frame.bin"}, Scope(folder=str(tmp_path))) == Packet(HEADER)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("missing.bin", "cannot read missing.bin: No such file or directory"),
        (".", ". is not a regular file"),
        ("/dev/zero", "/dev/zero is not a regular file"),
        ("large.bin", f"large.bin has {FILE_MAX + 5} bytes, 73152 are allowed"),
        ("nul\0.bin", "cannot read nul\0.bin: embedded null byte"),
    ],
)
def test_a_file_that_is_no_packet_is_refused(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(FILE_MAX + 5))

    with pytest.raises(SourceError) as mistake:
        packet({"file": name}, Scope(folder=str(tmp_path)))

    assert (mistake.value.key, mistake.value.what) == ("file", what)


@pytest.mark.parametrize(
    ("source", "text"),
    [("IP()", "IP()"), ({"scapy": "IP()"}, "IP()"), ({"scapy": "IP()", "pad_to": 60}, None), ({"hex": "00"}, None)],
)
def test_what_is_only_an_expression_has_a_text(source: Any, text: str | None) -> None:
    assert expression_text(source) == text
