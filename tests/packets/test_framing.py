from __future__ import annotations

import pytest

from bpftest.packets.framing import ip_part, link_of, with_ethernet
from bpftest.packets.sources import Scope, packet
from tests.packets.corpus import TEXTS

IP4 = bytes.fromhex("4500001c0001000040117cce7f0000017f0000010035003500080172")
IP6 = bytes.fromhex("6000000000083b40") + bytes(32) + bytes(8)
MACS = bytes.fromhex("020000000002020000000001")


@pytest.mark.parametrize(
    ("data", "link"),
    [
        (b"", ""),
        (b"\x45", ""),
        (IP4, "ip"),
        (IP4[:20], "ethernet"),  # cut off: its total length does not fit
        (IP4 + bytes(4), "ip"),  # padded
        (IP6, "ip"),
        (IP6 + bytes(4), "ip"),
        (MACS + b"\x08\x00" + IP4, "ethernet"),
        (MACS + b"\x86\xdd" + IP6, "ethernet"),
        (MACS + b"\x81\x00\x00\x07\x08\x00" + IP4, "ethernet"),
        (MACS + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd" + IP6, "ethernet"),
        (MACS + b"\x08\x06" + bytes(28), "ethernet"),
        (MACS + b"\x90\x00", "ethernet"),
        (bytes(14), "ethernet"),
        (bytes(13), ""),
        (b"\x45\x00\x00\x40" + bytes(8) + b"\x08\x00" + IP4 + bytes(22), "ip"),  # total length is exact: source 8.0...
        (b"\x45\x00\x00\x3f" + bytes(8) + b"\x08\x00" + IP4 + bytes(22), "ethernet"),  # a MAC address 45:00:...
        (b"\x60" + bytes(11) + b"\x08\x00" + IP4, "ethernet"),  # a MAC address 60:00:...
    ],
)
def test_the_link_of_raw_bytes_is_guessed(data: bytes, link: str) -> None:
    assert link_of(data) == link


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if text.startswith(("Ether(dst", "IP(src", "IPv6(src")) and "ihl=4" not in text]
)
def test_real_packets_are_guessed_as_they_are(text: str) -> None:
    made = packet(text, Scope())

    if made.link == "ip" and any(odd in text for odd in ("len=1000", "len=100)", "version=5", "Jumbo")):
        return  # says of itself what is not so
    assert link_of(made.data) == made.link


@pytest.mark.parametrize(
    ("data", "link", "rest"), [(MACS + b"\x08\x00" + IP4, "ethernet", IP4), (IP4, "ip", IP4), (b"abc", "", b"abc")]
)
def test_the_ip_part_is_without_ethernet(data: bytes, link: str, rest: bytes) -> None:
    assert ip_part(data, link) == rest


@pytest.mark.parametrize(
    ("ip", "header", "made"),
    [
        (IP4, None, bytes(12) + b"\x08\x00" + IP4),
        (IP6, None, bytes(12) + b"\x86\xdd" + IP6),
        (IP6, MACS + b"\x08\x00", MACS + b"\x86\xdd" + IP6),
        (IP4, MACS + b"\x08\x00", MACS + b"\x08\x00" + IP4),
        (b"\x00", MACS + b"\x12\x34", MACS + b"\x12\x34\x00"),
        (b"", None, bytes(14)),
    ],
)
def test_an_ethernet_header_fits_the_ip_version(ip: bytes, header: bytes | None, made: bytes) -> None:
    assert with_ethernet(ip, header) == made
