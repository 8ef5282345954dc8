from __future__ import annotations

import pytest

from bpftest.packets.sources import Scope, packet
from bpftest.packets.summary import summary


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('Ether()/IP(src="10.0.0.1", dst="10.0.0.2")/UDP()', "Ether / IP 10.0.0.1 > 10.0.0.2 / UDP 53 > 53"),
        (
            'Ether()/Dot1Q(vlan=7)/IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport=80, flags="SA")/b"x"',
            "Ether / Dot1Q vlan 7 / IP 10.0.0.1 > 10.0.0.2 / TCP 20 > 80 SA / Raw 1 bytes",
        ),
        ("IPv6()/ICMPv6EchoRequest()", "IPv6 ::1 > ::1 / ICMPv6EchoRequest type Echo Request (128)"),
        (
            "IP()/ICMP(type=3, code=1)",
            "IP 127.0.0.1 > 127.0.0.1 / ICMP type dest-unreach (3) code host-unreachable (1)",
        ),
        ('Ether()/ARP(psrc="10.0.0.1", pdst="10.0.0.2")', "Ether / ARP 10.0.0.1 > 10.0.0.2 op who-has (1)"),
        (
            "IP()/UDP(sport=1)/VXLAN(vni=5)/Ether()",
            "IP 127.0.0.1 > 127.0.0.1 / UDP 1 > 4789 / VXLAN vni 0x000005 / Ether",
        ),
        ("b''", "Raw 0 bytes"),
        ("b'abc'", "Raw 3 bytes"),
    ],
)
def test_a_packet_is_told_in_one_line(text: str, line: str) -> None:
    made = packet(text, Scope())

    assert summary(made.data, made.link) == line
