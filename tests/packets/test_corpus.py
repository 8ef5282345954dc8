from __future__ import annotations

import pytest

from bpftest.packets.expression import built
from bpftest.packets.sources import Scope, packet
from tests.golden import assert_golden
from tests.packets.corpus import PACKETS, TEXTS

DEFAULTS = [  # what Scapy would ask the machine for
    "Ether()",
    "Ether()/IP()",
    "Ether()/IPv6()",
    "Ether()/ARP()",
    'Ether()/ARP(pdst="10.0.0.9")',
    'Ether()/IP(dst="8.8.8.8")/UDP()',
    'Ether()/IP(dst="224.0.0.251")/UDP(dport=5353)',
    "Ether()/IP()/UDP(dport=5353)",
    'Ether()/IPv6(dst="ff02::1")/UDP()',
    'IPv6(dst="2001:db8::1")/TCP()',
    "Ether()/Dot1Q(vlan=7)/IP()/TCP()",
    "Dot3()/LLC()/STP()",
    "ARP(op=2)",
    "ARP(ptype=0x86dd, hwlen=6, plen=16)",
    "IP()/GRE()/IP()/ICMP()",
    "IP()/UDP()/VXLAN()/Ether()/IP()/UDP()",
    "IP()/IGMP()",
    "IP()/VRRP()",
    "IPv6()/ICMPv6ND_NS()/ICMPv6NDOptSrcLLAddr()",
    "IPv6()/ICMPv6ND_RS()",
    "Ether()/IP()/UDP()/BOOTP()/DHCP(options=[('message-type', 'discover'), 'end'])",
    "IP()/ICMP()/IPerror()/UDPerror()",
    "IP()/SCTP()/SCTPChunkData(data=b'x')",
    "Ether()/MPLS()/IP()",
    "Ether()/NSH()/Ether()/IP()",
    'IP(proto="tcp")',
    'TCP(dport="https")',
    'Ether(type="IPv6")',
]


@pytest.mark.parametrize(("text", "made"), list(zip(TEXTS, PACKETS, strict=True)), ids=TEXTS)
def test_an_expression_gives_the_bytes_that_scapy_gives(text: str, made: object) -> None:
    assert built(text, Scope())[0] == bytes(made)  # type: ignore[call-overload]


def test_expressions_give_the_same_bytes_as_ever() -> None:
    lines = [f"{' '.join(text.split())}\n    {packet(text, Scope()).data.hex()}\n" for text in (*TEXTS, *DEFAULTS)]

    assert len(lines) > 180
    assert_golden("packets/corpus.txt", "".join(lines))


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Ether()/IP()", "ethernet"),
        ("Dot3()/LLC()", "ethernet"),
        ("IP()", "ip"),
        ("IPv6()/UDP()", "ip"),
        ("UDP()", ""),
        ("Raw(b'x')/IP()", ""),
        ("bytes(Ether()/IP())", ""),
        ("(Ether()/IP())[IP]", "ip"),
    ],
)
def test_the_first_layer_tells_the_link(text: str, link: str) -> None:
    assert packet(text, Scope()).link == link
