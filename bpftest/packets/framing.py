"""The first header of a packet, and packets with and without their Ethernet header."""

from __future__ import annotations

ETHERNET_HEADER = 14  # bytes
VLAN_TYPES = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
OTHER_TYPES = (b"\x08\x06", b"\x88\x47", b"\x88\x48", b"\x88\x63", b"\x88\x64", b"\x88\xcc", b"\x89\x4f", b"\x88\x8e")
IP4_TYPE, IP6_TYPE = b"\x08\x00", b"\x86\xdd"


def link_of(data: bytes) -> str:
    """The first header of raw bytes: "ethernet", "ip" (IPv4 or IPv6) or "" (too short to tell).

    Bytes can be read both ways, so in this order:

    1. an IPv4 header whose total length is exactly the length of *data* is "ip";
    2. an EtherType at byte 12 (after VLAN tags) with a header that matches it behind is "ethernet";
    3. an IPv4 header with a total length that *data* has room for, or an IPv6 header, is "ip";
    4. 14 bytes or more are "ethernet".
    """
    if _is_ip4(data) and int.from_bytes(data[2:4], "big") == len(data):
        return "ip"
    if _is_ethernet(data):
        return "ethernet"
    if _is_ip4(data) or _is_ip6(data):
        return "ip"
    return "ethernet" if len(data) >= ETHERNET_HEADER else ""


def _is_ethernet(data: bytes) -> bool:
    """Whether a known EtherType stands at byte 12, and what it says follows."""
    at = 12
    while data[at : at + 2] in VLAN_TYPES and at < 28:
        at += 4
    kind, payload = data[at : at + 2], data[at + 2 :]
    if kind == IP4_TYPE:
        return payload[:1] == b"" or payload[0] >> 4 == 4
    if kind == IP6_TYPE:
        return payload[:1] == b"" or payload[0] >> 4 == 6
    return kind in OTHER_TYPES or (at > 12 and len(kind) == 2)


def _is_ip4(data: bytes) -> bool:
    """Whether an IPv4 header of plausible lengths stands at the start."""
    if len(data) < 20 or data[0] >> 4 != 4 or data[0] & 15 < 5:
        return False
    return 4 * (data[0] & 15) <= int.from_bytes(data[2:4], "big") <= len(data)


def _is_ip6(data: bytes) -> bool:
    """Whether an IPv6 header of plausible length stands at the start."""
    return len(data) >= 40 and data[0] >> 4 == 6 and int.from_bytes(data[4:6], "big") <= len(data) - 40


def ip_part(data: bytes, link: str) -> bytes:
    """What follows the Ethernet header; all of *data* if *link* is not "ethernet"."""
    return data[ETHERNET_HEADER:] if link == "ethernet" else data


def with_ethernet(ip_bytes: bytes, header: bytes | None = None) -> bytes:
    """The IP packet after an Ethernet header: *header*, 14 bytes, or zeros; its EtherType fits the IP version.

    Bytes that are neither IPv4 nor IPv6 keep the EtherType of *header*.
    """
    before = header or bytes(ETHERNET_HEADER)
    kind = {4: IP4_TYPE, 6: IP6_TYPE}.get(ip_bytes[0] >> 4 if ip_bytes else 0, before[12:14])
    return before[:12] + kind + ip_bytes
