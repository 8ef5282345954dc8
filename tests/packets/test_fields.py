from __future__ import annotations

import pytest

from bpftest.packets.dissection import headers
from bpftest.packets.fields import FieldDifference, differences
from bpftest.packets.sources import Scope, packet
from tests.golden import assert_golden
from tests.packets.corpus import PACKETS, TEXTS

PAIRS = [  # expected, actual
    (
        'Ether()/IP(src="10.0.0.1", dst="10.0.0.2", ttl=63)/UDP()',
        'Ether()/IP(src="10.0.0.1", dst="10.0.0.2", ttl=64)/UDP()',
    ),
    ("Ether()/IP(ttl=63)/UDP()", "Ether()/IP(ttl=63, chksum=0x1234)/UDP()"),
    ("Ether()/IP(ttl=63)/UDP()", "Ether()/IP(ttl=64, chksum=0x7dce)/UDP()"),
    ("Ether()/IP()/UDP(dport=9)/b'hello'", "Ether()/Dot1Q(vlan=7)/IP()/UDP(dport=9)/b'hello'"),
    ("Ether()/IP()/UDP(dport=9)/b'hello'", "Ether()/IP()/TCP(dport=9)/b'hello'"),
    ("Ether()/IP()/UDP(dport=9)/b'hello'", "Ether()/IP()/UDP(dport=9)/b'help'"),
    ("Ether()/IP()/UDP(dport=9)/b'hello'", "Ether()/IP()/UDP(dport=9)"),
    ("IP()/UDP(dport=9)/(b'A' * 100)", "IP()/UDP(dport=9)/(b'A' * 60 + b'B' + b'A' * 39)"),
    ("IP()/UDP(dport=9)/(b'A' * 100)", "IP()/UDP(dport=9)/(b'A' * 101)"),
    ("IP()/UDP(dport=9)/b'x'/Padding(bytes(4))", "IP()/UDP(dport=9)/b'x'/Padding(bytes(3))"),
    ('Ether(dst="02:00:00:00:00:01", type="IPv4")', 'Ether(dst="02:00:00:00:00:02", type="IPv6")'),
    ('IP(flags="DF")/TCP(flags="S")', 'IP()/TCP(flags="SA", options=[("MSS", 1460)])'),
    ("IP()/TCP(reserved=1, window=1)", "IP()/TCP(reserved=2, window=2)"),
    ("IP(options=[IPOption_NOP()])/TCP()", 'IP(options=[IPOption_RR(routers=["1.2.3.4"])])/TCP()'),
    ("IP()/IP(ttl=1)/IP(ttl=2)", "IP()/IP(ttl=2)/IP(ttl=1)"),
    ("IP()/ICMP()", "IP()/ICMP(type=3, code=1)"),
    ("IP()/ICMP(id=1)", "IP()/ICMP(id=2)"),
    ("IP()/GRE()/IP()", "IP()/GRE(key_present=1, key=5)/IP()"),
    ("IPv6(hlim=64)/UDP()", "IPv6(hlim=63, fl=5)/UDP()"),
    ('IPv6(src="2001:db8::1")/TCP()', 'IPv6(src="2001:db8::2")/TCP()'),
    ("ARP(op=1)", 'ARP(op=2, psrc="10.0.0.1")'),
    ('IP()/UDP()/DNS(qd=DNSQR(qname="x.org"))', 'IP()/UDP()/DNS(id=1, qd=DNSQR(qname="y.org", qtype="AAAA"))'),
    ('IP()/UDP()/DNS(an=DNSRR(rrname="x", rdata="1.2.3.4"))', 'IP()/UDP()/DNS(an=DNSRR(rrname="x", rdata="1.2.3.5"))'),
    ("IP()/UDP(sport=5)/VXLAN(vni=1)/Ether()/IP(ttl=1)", "IP()/UDP(sport=5)/VXLAN(vni=2)/Ether()/IP(ttl=2)"),
    ("Ether()/MPLS(label=1)/IP()", "Ether()/MPLS(label=2)/IP()"),
    ("IP()/SCTP(tag=1)", "IP()/SCTP(tag=2)"),
    (
        "IP()/UDP()/BOOTP()/DHCP(options=[('message-type', 1), 'end'])",
        "IP()/UDP()/BOOTP()/DHCP(options=[('message-type', 2), 'end'])",
    ),
    ("b'abc'", "b'abd'"),
    ("b'abc'", "b''"),
    ("Ether()/IP()", "b'abc'"),
]


def bytes_of(text: str) -> tuple[bytes, str]:
    made = packet(text, Scope())
    return made.data, made.link


def line(one: FieldDifference) -> str:
    return (
        f"    {one.name:<20} @{one.offset:<4} {one.expected}  |  {one.actual}{'  (derived)' if one.derived else ''}\n"
    )


def test_differences_are_told_by_field() -> None:
    told = []
    for expected, actual in PAIRS:
        (want, link), (got, _) = bytes_of(expected), bytes_of(actual)
        told.append(f"{expected}\n{actual}\n{''.join(map(line, differences(want, got, link)))}\n")

    assert_golden("packets/differences.txt", "".join(told))


def test_equal_packets_do_not_differ() -> None:
    data, link = bytes_of("Ether()/IP()/UDP()")

    assert differences(data, data, link) == ()


def test_bits_that_do_not_count_do_not_differ() -> None:
    want, link = bytes_of("Ether()/IP(ttl=63, id=7)/UDP()")
    got, _ = bytes_of("Ether()/IP(ttl=64, id=8)/UDP()")
    chksum, ttl = b"\xff" * 24 + b"\0\0" + b"\xff" * 16, b"\xff" * 22 + b"\0" + b"\xff" * 19
    mask = bytes(one & two for one, two in zip(chksum, ttl, strict=True))

    assert differences(want, got, link, mask) == (FieldDifference("IP.id", 18, "7", "8"),)
    assert differences(want, want[:22] + b"\x05" + want[23:], link, mask) == ()


def test_a_checksum_that_the_program_forgot_is_no_consequence() -> None:
    want, link = bytes_of("Ether()/IP(ttl=63)/UDP()")
    got = want[:22] + b"\x40" + want[23:24] + b"\x7c\xce" + want[26:]
    forgotten = want[:22] + b"\x3e" + want[23:]

    assert [one.derived for one in differences(want, got, link)] == [False, True]
    assert [one.name for one in differences(want, forgotten, link)] == ["IP.ttl"]
    wrong = got[:24] + b"\x00\x00" + got[26:]
    assert [(one.name, one.derived) for one in differences(want, wrong, link)] == [
        ("IP.ttl", False),
        ("IP.chksum", False),
    ]


@pytest.mark.parametrize(("text", "made"), list(zip(TEXTS, PACKETS, strict=True)), ids=TEXTS)
def test_every_byte_of_a_packet_belongs_to_a_field(text: str, made: object) -> None:
    data = bytes(made)  # type: ignore[call-overload]
    link = packet(text, Scope()).link
    found = headers(data, link)

    read = set()
    for header in found:
        fields = header.fields or [header._replace(start=8 * header.start, end=8 * header.end)]
        for field in fields:
            read.update(range(field.start, field.end))
    assert read == set(range(8 * len(data)))
    assert [one.name for one in found if not one.fields and one.end > one.start] == []


def test_a_flipped_bit_is_found_in_its_field() -> None:
    data, link = bytes_of('Ether()/Dot1Q(vlan=7)/IP(flags="DF")/TCP(options=[("MSS", 1460)])/b"load"')

    for header in headers(data, link):
        for field in header.fields:
            if field.name in ("type", "version", "ihl", "len", "proto", "frag", "dataofs"):
                continue  # these tell how the rest is read
            bit = 8 * len(data) - field.end
            got = (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")
            found = differences(data, got, link)
            assert f"{header.name}.{field.name}" in [one.name for one in found], field
