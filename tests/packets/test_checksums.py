from __future__ import annotations

import pytest

from bpftest.packets.checksums import Checksum, checksums
from bpftest.packets.sources import Scope, packet
from tests.packets.corpus import TEXTS

WRONG_ON_PURPOSE = (
    "chksum=0",
    "len=1000",
    "len=100)",
    "ihl=4",
    "version=5",
    "dataofs=15",
    "4500001c",
)  # entries of the corpus


def invalid(data: bytes, link: str) -> tuple[Checksum, ...]:
    return tuple(one for one in checksums(data, link) if not one.valid)


def found(text: str) -> tuple[bytes, tuple[Checksum, ...]]:
    made = packet(text, Scope())
    return made.data, checksums(made.data, made.link)


@pytest.mark.parametrize("text", [text for text in TEXTS if not any(wrong in text for wrong in WRONG_ON_PURPOSE)])
def test_what_scapy_builds_is_valid(text: str) -> None:
    made = packet(text, Scope())

    assert invalid(made.data, made.link or "ethernet") == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ether()/IP()/TCP()", ["IP.chksum", "TCP.chksum"]),
        ("Ether()/Dot1AD()/Dot1Q()/IP()/UDP()", ["IP.chksum", "UDP.chksum"]),
        ("IP()/ICMP()", ["IP.chksum", "ICMP.chksum"]),
        ("IP()/IGMP()", ["IP.chksum", "IGMP.chksum"]),
        ("IP()/SCTP()/SCTPChunkData(data=b'x')", ["IP.chksum", "SCTP.chksum"]),
        ("IPv6()/UDP()", ["UDP.chksum"]),
        ("IPv6()/ICMPv6EchoRequest()", ["ICMPv6.cksum"]),
        ("IPv6()/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/TCP()", ["TCP.chksum"]),
        ('IPv6()/IPv6ExtHdrRouting(addresses=["::2", "::3"], segleft=1)/UDP()', ["UDP.chksum"]),
        ('IPv6()/IPv6ExtHdrSegmentRouting(addresses=["::2", "::3"], segleft=1)/UDP()', ["UDP.chksum"]),
        ("IPv6()/IPv6ExtHdrFragment(m=0, offset=0)/UDP()", ["UDP.chksum"]),
        ("IPv6()/IPv6ExtHdrFragment(m=1)/UDP()", []),
        ("IP(flags='MF')/UDP()", ["IP.chksum"]),
        ("IP(frag=1)/UDP()", ["IP.chksum"]),
        ("IP()/UDP(chksum=0)", ["IP.chksum"]),
        ("IP()/IP()/TCP()", ["IP.chksum", "IP[2].chksum", "TCP.chksum"]),
        ("IP()/IPv6()/TCP()", ["IP.chksum", "TCP.chksum"]),
        ("IP()/GRE()/IP()/UDP()", ["IP.chksum", "IP[2].chksum", "UDP.chksum"]),
        ("IP()/GRE(chksum_present=1, key_present=1)/IPv6()/UDP()", ["IP.chksum", "GRE.chksum", "UDP.chksum"]),
        ("IP()/GRE(seqnum_present=1)/ERSPAN_II()/Ether()/IP()", ["IP.chksum", "IP[2].chksum"]),
        ("IP()/UDP()/VXLAN()/Ether()/IP()/UDP()", ["IP.chksum", "UDP.chksum", "IP[2].chksum", "UDP[2].chksum"]),
        ("IP()/UDP(chksum=0)/VXLAN()/Ether()/IP()/UDP()", ["IP.chksum", "IP[2].chksum", "UDP[2].chksum"]),
        ("IPv6()/UDP(chksum=0)/VXLAN()/Ether()/IPv6()/TCP()", ["TCP.chksum"]),
        (
            "IP()/UDP()/GENEVE(options=[GeneveOptions(data=b'1234')])/Ether()/IP()",
            ["IP.chksum", "UDP.chksum", "IP[2].chksum"],
        ),
        ("IP()/UDP()/GTP_U_Header()/IP()/TCP()", ["IP.chksum", "UDP.chksum", "IP[2].chksum", "TCP.chksum"]),
        ("IP()/UDP()/GTP_U_Header()/GTPPDUSessionContainer(QFI=1)/IP()", ["IP.chksum", "UDP.chksum", "IP[2].chksum"]),
        ("Ether()/MPLS(s=0)/MPLS(s=1)/IP()/UDP()", ["IP.chksum", "UDP.chksum"]),
        ("Ether()/PPPoE()/PPP()/IP()/UDP()", ["IP.chksum", "UDP.chksum"]),
        ("IP()/ICMP(type=3)/IP(chksum=1)/UDP(chksum=1)", ["IP.chksum", "ICMP.chksum"]),
        (
            'IP(options=[IPOption_NOP(), IPOption_LSRR(routers=["1.1.1.1", "2.2.2.2"])])/TCP()',
            ["IP.chksum", "TCP.chksum"],
        ),
        ('IP(options=[IPOption_RR(routers=["1.1.1.1"]), IPOption_NOP()])/UDP()', ["IP.chksum", "UDP.chksum"]),
        ("Ether()/ARP()", []),
        ("Ether()/IPv6()", []),
    ],
)
def test_every_checksum_is_found_and_right(text: str, names: list[str]) -> None:
    _, all_found = found(text)

    assert [one.name for one in all_found] == names
    assert [one for one in all_found if not one.valid] == []


@pytest.mark.parametrize(
    "text",
    [
        "Ether()/IP()/TCP()",
        "IPv6()/UDP()/b'odd'",
        "IP()/ICMP()/b'x'",
        "IPv6()/ICMPv6EchoRequest()",
        "IP()/SCTP()",
        "IP()/GRE(chksum_present=1)",
        "IP()/UDP()/VXLAN()/Ether()/IP()/UDP()",
    ],
)
def test_a_wrong_checksum_is_told_with_the_right_one(text: str) -> None:
    data, right = found(text)
    for one in right:
        size = len(one.actual) // 2 - 1
        wrong = data[: one.offset] + b"\x12\x34\x56\x78"[:size] + data[one.offset + size :]
        told = {other.name: other for other in invalid(wrong, packet(text, Scope()).link)}
        assert told[one.name] == Checksum(one.name, one.offset, one.actual, "0x12345678"[: 2 + 2 * size])


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("IPv6()/UDP(chksum=0)", [Checksum("UDP.chksum", 46, "0xff72", "0x0000")]),
        ("IP(chksum=0)", [Checksum("IP.chksum", 10, "0x7ce7", "0x0000")]),
        ("IP(len=21, chksum=0)", [Checksum("IP.chksum", 10, "0x7ce6", "0x0000")]),
    ],
)
def test_a_zero_is_a_checksum_where_one_must_be(text: str, bad: list[Checksum]) -> None:
    assert list(invalid(packet(text, Scope()).data, "ip")) == bad


def test_a_udp_checksum_of_zero_is_sent_as_ones() -> None:
    header = bytes.fromhex("4500001e000000004011000000000000000000000000000000 0a 0001".replace(" ", ""))
    data = header + (0xFFFF - 17 - 10 - 10).to_bytes(2, "big")  # with protocol and twice the length: 0xffff

    assert [one.expected for one in checksums(data, "ip")][1] == "0xffff"


def test_the_crc_of_sctp_is_that_of_the_standard() -> None:
    # "123456789": the check value of CRC-32C, as in the catalogue of parametrised CRCs
    from bpftest.packets.checksums import _crc32c

    assert _crc32c(b"123456789") == int.from_bytes((0xE3069283).to_bytes(4, "little"), "big")
