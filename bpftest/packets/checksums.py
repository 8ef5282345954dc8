"""Internet checksums of a packet, checked without Scapy.

Read: Ethernet with VLAN tags, PPPoE and MPLS; IPv4, IPv6 and its extension headers; TCP, UDP, ICMP, ICMPv6,
IGMP, SCTP, GRE; and what IP-in-IP, GRE, VXLAN, Geneve and GTP-U carry. Not read: fragments beyond their IP
header, packets that an ICMP error quotes, packets that are cut off.
"""

from __future__ import annotations

from typing import NamedTuple

from bpftest.packets.framing import link_of

HEADERS_MAX = 32  # of one packet: more is a loop somebody built

IP4, IP6, MPLS, PPPOE, BRIDGED = 0x0800, 0x86DD, 0x8847, 0x8864, 0x6558  # EtherTypes
VLANS = (0x8100, 0x88A8, 0x9100)
PPP = {0x0021: IP4, 0x0057: IP6}
ICMP, IGMP, IP4_IN_IP, TCP, UDP, IP6_IN_IP, GRE, ICMP6, SCTP = 1, 2, 4, 6, 17, 41, 47, 58, 132  # protocols
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
SOURCE_ROUTES = (131, 137)  # IPv4 options: loose, strict
VXLAN, GENEVE, GTP_U = (4789, 8472), 6081, 2152  # UDP ports
CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2, IGMP: 2}  # bytes from the start of the header
NAMES = {TCP: "TCP.chksum", UDP: "UDP.chksum", ICMP: "ICMP.chksum", ICMP6: "ICMPv6.cksum", IGMP: "IGMP.chksum"}


class Checksum(NamedTuple):
    """A checksum that stands in a packet."""

    name: str  # "IP.chksum", "IP[2].chksum", "UDP.chksum", as Scapy names the field
    offset: int  # bytes from the start of the packet
    expected: str  # "0x67ce"; what it should be
    actual: str

    @property
    def valid(self) -> bool:
        """Whether it is what it should be."""
        return self.expected == self.actual


def checksums(data: bytes, link: str = "") -> tuple[Checksum, ...]:
    """Every checksum found in the packet, outermost first. *link*: as in sources.Packet. Never raises.

    A UDP checksum of 0 over IPv4 says that there is none, and is not among them; over IPv6 it is not valid
    (RFC 8200), but for tunnels (RFC 6935).
    """
    walk = _Walk(data)
    if (link or link_of(data)) == "ethernet":
        walk.ethernet(0)
    else:
        walk.ip(0, len(data))
    return tuple(walk.found)


def _sum(data: bytes) -> int:
    """The Internet checksum of *data* (RFC 1071)."""
    number = int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
    folded = number % 0xFFFF or (0xFFFF if number else 0)  # a sum with end-around carry
    return 0xFFFF - folded


def _last_stop(options: bytes, destination: bytes) -> bytes:
    """Where a packet with the IPv4 *options* goes in the end: a source route has further addresses (RFC 791)."""
    at = 0
    while at + 3 <= len(options) and options[at] != 0:
        size = 1 if options[at] == 1 else options[at + 1]
        if options[at] in SOURCE_ROUTES and size >= 7 and options[at + 2] <= size:
            return options[at + size - 4 : at + size]
        at += max(size, 1)
    return destination


class _Walk:
    """A packet that is being read; each method reads a header at an offset and goes on with what it carries."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.found: list[Checksum] = []
        self.headers = 0
        self.seen: dict[str, int] = {}  # headers by name

    def number(self, at: int, size: int = 2) -> int:
        return int.from_bytes(self.data[at : at + size], "big")

    def name(self, name: str) -> str:
        """*name* of the next header of its kind: "IP.chksum", then "IP[2].chksum"."""
        layer, _, field = name.partition(".")
        nth = self.seen[layer] = self.seen.get(layer, 0) + 1
        return f"{layer}[{nth}].{field}" if nth > 1 else name

    def note(self, name: str, at: int, expected: int, size: int = 2) -> None:
        actual = self.number(at, size)
        self.found.append(Checksum(name, at, f"0x{expected:0{2 * size}x}", f"0x{actual:0{2 * size}x}"))

    def ethernet(self, at: int) -> None:
        self.by_type(self.number(at + 12), at + 14, len(self.data))

    def by_type(self, kind: int, at: int, end: int) -> None:
        """What EtherType *kind* says stands at *at*."""
        self.headers += 1
        if self.headers > HEADERS_MAX or at >= end:
            return
        if kind in VLANS:
            self.by_type(self.number(at + 2), at + 4, end)
        elif kind == PPPOE:
            self.by_type(PPP.get(self.number(at + 6), 0), at + 8, end)
        elif kind == MPLS:
            while at + 4 < end and not self.data[at + 2] & 1:
                at += 4
            self.ip(at + 4, end)
        elif kind == BRIDGED:
            self.ethernet(at)
        elif kind in (IP4, IP6):
            self.ip(at, end)

    def ip(self, at: int, end: int) -> None:
        """IPv4 or IPv6, as the first four bits say."""
        self.headers += 1
        if self.headers > HEADERS_MAX or at >= end:
            return
        version = self.data[at] >> 4
        if version == 4 and end - at >= 20:
            self.ip4(at, end)
        elif version == 6 and end - at >= 40:
            self.ip6(at, end)

    def ip4(self, at: int, end: int) -> None:
        size = 4 * (self.data[at] & 15)
        length = self.number(at + 2)
        if size < 20 or at + size > end:
            return
        header = self.data[at : at + size]
        self.note(self.name("IP.chksum"), at + 10, _sum(header[:10] + header[12:]))
        is_fragment = self.number(at + 6) & 0x3FFF
        if not is_fragment and size <= length <= end - at:
            addresses = header[12:16] + _last_stop(header[20:], header[16:20])
            self.payload(self.data[at + 9], at + size, at + length, addresses)

    def ip6(self, at: int, end: int) -> None:
        length = self.number(at + 4)
        if length > end - at - 40:
            return
        end = at + 40 + length
        source, destination = self.data[at + 8 : at + 24], self.data[at + 24 : at + 40]
        following, at = self.data[at + 6], at + 40
        while following in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION) and at + 8 <= end:
            if following == FRAGMENT and self.number(at + 2) & 0xFFF9:
                return
            if following == ROUTING:
                destination = self.last_hop(at, destination)
            size = {FRAGMENT: 8, AUTHENTICATION: 4 * self.data[at + 1] + 8}.get(following, 8 * self.data[at + 1] + 8)
            following, at = self.data[at], at + size
        self.payload(following, at, end, source + destination)

    def last_hop(self, at: int, destination: bytes) -> bytes:
        """Where a packet with the routing header at *at* goes in the end: that address is in the checksums."""
        kind, left, size = self.data[at + 2], self.data[at + 3], 8 * self.data[at + 1]
        if not left or size < 16:
            return destination
        first = at + 8 if kind == 4 else at + 8 + size - 16  # a segment routing header has its list backwards
        return self.data[first : first + 16]

    def payload(self, protocol: int, at: int, end: int, addresses: bytes) -> None:
        """What IP carries from *at* to *end*; *addresses*: source and destination."""
        if protocol in (IP4_IN_IP, IP6_IN_IP):
            self.ip(at, end)
        elif protocol == GRE:
            self.gre(at, end)
        elif protocol == SCTP and end - at >= 12:
            packet = self.data[at : at + 8] + bytes(4) + self.data[at + 12 : end]
            self.note(self.name("SCTP.chksum"), at + 8, _crc32c(packet), 4)
        elif protocol == UDP and end - at >= 8:
            self.udp(at, end, addresses)
        elif protocol in CHECKSUM_AT and end - at >= CHECKSUM_AT[protocol] + 2:
            place = at + CHECKSUM_AT[protocol]
            self.note(self.name(NAMES[protocol]), place, self.computed(protocol, at, end, addresses))

    def computed(self, protocol: int, at: int, end: int, addresses: bytes) -> int:
        """The checksum of what stands from *at* to *end*, with the pseudo header where the protocol has one."""
        place = at + CHECKSUM_AT[protocol]
        before = b""
        if protocol not in (ICMP, IGMP):
            before = addresses + (end - at).to_bytes(4, "big") + protocol.to_bytes(4, "big")
        return _sum(before + self.data[at:place] + bytes(2) + self.data[place + 2 : end])

    def udp(self, at: int, end: int, addresses: bytes) -> None:
        length, port, name = self.number(at + 4), self.number(at + 2), self.name("UDP.chksum")
        if not 8 <= length <= end - at:
            return
        end = at + length
        is_tunnel = port in (*VXLAN, GENEVE, GTP_U)
        if self.number(at + 6) or (len(addresses) == 32 and not is_tunnel):
            self.note(name, at + 6, self.computed(UDP, at, end, addresses) or 0xFFFF)
        if port in VXLAN and end - at > 16:
            self.ethernet(at + 16)
        elif port == GENEVE and end - at > 16:
            self.by_type(self.number(at + 10), at + 16 + 4 * (self.data[at + 8] & 63), end)
        elif port == GTP_U and end - at > 16 and self.data[at + 9] == 255:
            self.ip(self.after_gtp(at + 8, end), end)

    def after_gtp(self, at: int, end: int) -> int:
        """The offset behind the GTP-U header at *at* and its extension headers (3GPP TS 29.281, 5.1 and 5.2)."""
        flags = self.data[at]
        if not flags & 7:
            return at + 8
        following, at = (self.number(at + 11, 1) if flags & 4 else 0), at + 12
        while following and at < end and self.data[at]:
            at += 4 * self.data[at]
            following = self.number(at - 1, 1)
        return at

    def gre(self, at: int, end: int) -> None:
        flags, kind, name = self.number(at), self.number(at + 2), self.name("GRE.chksum")
        if end - at < 4 or flags & 0x4007:  # routing, or a version that is not 0
            return
        behind = at + 4 + sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
        if flags & 0x8000 and behind <= end:
            self.note(name, at + 4, _sum(self.data[at : at + 4] + bytes(2) + self.data[at + 6 : end]))
        if kind == 0x88BE and flags & 0x1000:  # ERSPAN type II
            kind, behind = BRIDGED, behind + 8
        self.by_type(kind, behind, end)


def _crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A), as the bytes on the wire read."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return int.from_bytes((crc ^ 0xFFFFFFFF).to_bytes(4, "little"), "big")
