from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Packet

from bpftest.drafts.cases import Case, Remark, ran
from bpftest.drafts.frames import frame_cases, frame_text, table_of
from bpftest.progtypes import PROG_TYPES

MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
HOSTS = {"src": "10.0.0.1", "dst": "10.0.0.2"}
HOSTS6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Ether(**MACS) / IP(**HOSTS) / TCP(dport=80), "IP 10.0.0.1 > 10.0.0.2 TCP dport 80"),
        (Ether(**MACS) / IPv6(**HOSTS6) / UDP(dport=53), "IPv6 2001:db8::1 > 2001:db8::2 UDP dport 53"),
        (Ether(**MACS) / Dot1Q(vlan=7) / IP(**HOSTS) / SCTP(dport=9), "VLAN 7 IP 10.0.0.1 > 10.0.0.2 SCTP dport 9"),
        (
            Ether(**MACS) / Dot1AD(vlan=100) / Dot1Q(vlan=7) / ARP(hwsrc=MACS["src"], psrc="10.0.0.1"),
            "VLAN 100 VLAN 7 ARP",
        ),
        (Ether(**MACS) / IP(**HOSTS) / ICMP(), "IP 10.0.0.1 > 10.0.0.2 ICMP"),
        (Ether(**MACS) / IPv6(**HOSTS6) / ICMPv6EchoRequest(), "IPv6 2001:db8::1 > 2001:db8::2 ICMPv6"),
        (Ether(**MACS) / IP(**HOSTS, frag=9) / UDP(dport=53), "IP 10.0.0.1 > 10.0.0.2 UDP"),
        (Ether(**MACS) / IP(**HOSTS, proto=250), "IP 10.0.0.1 > 10.0.0.2 protocol 250"),
        (Ether(**MACS, type=0x9999), "EtherType 0x9999"),
    ],
    ids=str,
)
def test_the_name_of_a_frame_tells_what_it_is(packet: Packet, text: str) -> None:
    assert frame_text(bytes(packet), "ethernet") == text


def test_a_frame_may_end_anywhere() -> None:
    whole = bytes(Ether(**MACS) / Dot1Q(vlan=7) / IP(**HOSTS) / TCP(dport=80))
    texts = [frame_text(whole[:size], "ethernet") for size in range(len(whole))]

    assert all(text and text.isprintable() for text in texts)
    assert [texts[0], texts[20]] == ["0 bytes", "VLAN 7 2 bytes of an IP packet"]
    assert frame_text(b"", "ip") == "0 bytes of an IP packet"


def test_each_frame_has_a_case_like_that_of_the_program() -> None:
    like = Case(
        "filter runs", "filter", PROG_TYPES["netfilter"], (("packet", ("IP()",)), ("ctx", ("{hook: 1}",))), ("x",)
    )

    first, second, *_ = frame_cases(str(Path("suites")), "frames/connection.pcap", like)

    given = tuple((("packet", (f"{{pcap: frames/connection.pcap, index: {n}}}",)), like.given[1]) for n in (1, 2))
    assert first == like._replace(name="frame 1: ARP", given=given[0])
    assert second == like._replace(name="frame 2: IP 192.0.2.10 > 198.51.100.1 UDP dport 53", given=given[1])


def test_one_table_stands_for_many_frames() -> None:
    like = Case(
        "filter runs",
        "filter",
        PROG_TYPES["netfilter"],
        (("packet", ("IP()",)), ("ctx", ("{hook: 1}",))),
        ran("filter"),
    )

    made = table_of("many.pcap", like)

    assert (made.name, made.given) == (
        "filter runs on frame $frame",
        (("rows", ("{pcap: many.pcap}",)), ("ctx", ("{hook: 1}",))),
    )


def test_a_frame_that_was_cut_off_or_has_no_ethernet_header_has_no_case(tmp_path: Path) -> None:
    header = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 65000000")  # of a pcap file with raw IP
    whole = bytes(8) + (20).to_bytes(4, "little") * 2 + bytes(IP())
    cut = bytes(8) + (20).to_bytes(4, "little") + (40).to_bytes(4, "little") + bytes(IP())
    (tmp_path / "raw.pcap").write_bytes(header + whole + cut)

    assert frame_cases(str(tmp_path), "raw.pcap", Case("x runs", "x", PROG_TYPES["xdp"])) == [
        Remark(("No case for frame 1: it has no Ethernet header, which xdp programs see",)),
        Remark(("No case for frame 2: frame 2 of raw.pcap was cut off when it was captured: 20 of 40 bytes",)),
    ]
