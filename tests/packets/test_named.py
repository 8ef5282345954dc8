from __future__ import annotations

from typing import Any

import pytest

from bpftest.packets.fields import FieldDifference
from bpftest.packets.named import field_checks, mask_without
from bpftest.packets.sources import Scope, SourceError, packet


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Ether()/IP(ttl=63)/UDP(dport=53)", {"IP.ttl": 63, "UDP.dport": 53}),
        ('IP(src="10.0.0.1")', {"IP.src": "10.0.0.1", "IP.chksum": 0xF1E7}),
        ('Ether(dst="02:00:00:00:00:0A")', {"Ether.dst": "02:00:00:00:00:0a", "Ether.type": 0x9000}),
        ('Ether(dst="02:00:00:00:00:0A")', {"Ether.dst": "2:0:0:0:0:A"}),
        ("Ether()/IPv6()", {"Ether.type": "IPv6", "IPv6.nh": 59}),
        ('IPv6(dst="2001:db8::1")/TCP()', {"IPv6.dst": "2001:0db8:0::1"}),
        ('IP(dst="1.1.1.1")/IP(dst="2.2.2.2")', {"IP[2].dst": "2.2.2.2", "IP.dst": "1.1.1.1", "IP[1].dst": "1.1.1.1"}),
        ('IP(flags="DF", proto=6)', {"IP.flags": "DF", "IP.proto": "tcp"}),
        ('IP()/TCP(flags="SA")', {"TCP.flags": "SA"}),
        ('IP()/TCP(flags="SA")', {"TCP.flags": "AS"}),
        ('IP()/TCP(flags="SA")', {"TCP.flags": 0x12}),
        (
            'IP()/TCP(options=[("MSS", 1460), ("NOP", None)])',
            {"TCP.options": [["MSS", 1460], ["NOP", None], ["EOL", None]]},
        ),
        ("IP()/UDP(dport=9)/b'hello'", {"Raw.load": "hello"}),
        ("IP()/UDP(dport=9)/b'\\x00\\xff'", {"Raw.load": {"hex": "00 ff"}}),
        ('IP()/ICMP(type=3, code="host-unreachable")', {"ICMP.type": "dest-unreach", "ICMP.code": "host-unreachable"}),
        ('IP()/ICMP(type=3, code="host-unreachable")', {"ICMP.type": 3, "ICMP.code": 1}),
        ('IP()/UDP()/DNS(qd=DNSQR(qname="x.org"))', {"DNSQR.qname": "x.org", "DNS.qdcount": 1}),
        (
            'Ether()/ARP(psrc="10.0.0.1", hwsrc="02:00:00:00:00:01")',
            {"ARP.psrc": "10.0.0.1", "ARP.hwsrc": "02:00:00:00:00:01"},
        ),
        ('IP(options=[IPOption_RR(routers=["1.2.3.4"])])', {"IPOption_RR.routers": ["1.2.3.4"]}),
        (
            "IP()/UDP()/BOOTP()/DHCP(options=[('message-type', 'offer'), 'end'])",
            {"DHCP.options": [["message-type", "offer"], "end"]},
        ),
        ("IP()/UDP()/BOOTP(sname='box')", {"BOOTP.sname": "box"}),
    ],
)
def test_fields_that_are_so_are_no_difference(text: str, fields: dict[str, Any]) -> None:
    made = packet(text, Scope())

    assert field_checks(fields, Scope())(made.data, made.link, ()) == ()


@pytest.mark.parametrize(
    ("text", "fields", "found"),
    [
        ("IP(ttl=64)", {"IP.ttl": 63}, [FieldDifference("IP.ttl", 8, "63", "64")]),
        ("IP()/IP(ttl=5)", {"IP[2].ttl": 63}, [FieldDifference("IP[2].ttl", 28, "63", "5")]),
        ("IP()", {"IP.chksum": 5}, [FieldDifference("IP.chksum", 10, "0x0005", "0x7ce7")]),
        ('IP()/TCP(flags="S")', {"TCP.flags": "SA"}, [FieldDifference("TCP.flags", 32, "SA", "S")]),
        ("IP(proto=6)", {"IP.proto": "udp"}, [FieldDifference("IP.proto", 9, "udp (17)", "tcp (6)")]),
        ('IP(dst="1.1.1.1")', {"IP.dst": "2.2.2.2"}, [FieldDifference("IP.dst", 16, "2.2.2.2", "1.1.1.1")]),
        (
            "IP()/ICMP(type=3, code=1)",
            {"ICMP.code": "port-unreachable"},
            [FieldDifference("ICMP.code", 21, "port-unreachable (3)", "host-unreachable (1)")],
        ),
        ("IP()/UDP(dport=9)/b'abc'", {"Raw.load": "abd"}, [FieldDifference("Raw.load", 28, "b'abd'", "b'abc'")]),
        ("IP()/TCP()", {"UDP.dport": 53}, [FieldDifference("UDP.dport", 0, "53", "no UDP header: IP / TCP")]),
        ("IP()/IP()", {"IP[3].ttl": 1}, [FieldDifference("IP[3].ttl", 0, "1", "no IP[3] header: IP / IP")]),
        ("IP()/GRE()", {"GRE.key": 1}, [FieldDifference("GRE.key", 20, "1", "absent")]),
        (
            "IP(ttl=1)/UDP(dport=2)",
            {"IP.ttl": 2, "UDP.dport": 2, "UDP.sport": 54},
            [FieldDifference("IP.ttl", 8, "2", "1"), FieldDifference("UDP.sport", 20, "54", "53")],
        ),
    ],
)
def test_fields_that_are_not_so_are_told(text: str, fields: dict[str, Any], found: list[FieldDifference]) -> None:
    made = packet(text, Scope())

    assert list(field_checks(fields, Scope())(made.data, made.link, ())) == found


@pytest.mark.parametrize(
    ("fields", "key", "what", "hint"),
    [
        ({"IP.tll": 1}, "IP.tll", "IP has no field tll", "did you mean IP.ttl?"),
        ({"IP.ttl": 1, "ip.ttl": 1}, "ip.ttl", "there is no layer ip", "did you mean IP?"),
        (
            {"IP": 1},
            "IP",
            "IP is a header, not a field",
            "its fields: version, ihl, tos, len, id, flags, frag, ttl, proto, chksum, src, dst, options",
        ),
        ({"ttl": 1}, "ttl", "there is no layer ttl", ""),
        (
            {"IP[0].ttl": 1},
            "IP[0].ttl",
            "'IP[0].ttl' is not the name of a field",
            "such as IP.ttl, IP[2].ttl for the second IP header",
        ),
        ({"IP.ttl": 256}, "IP.ttl", "IP.ttl takes a number from 0 to 255, not 256", ""),
        ({"IP.ttl": None}, "IP.ttl", "IP.ttl takes a number, not None", "leave it out"),
        (
            {"IP.src": "10.0.0"},
            "IP.src",
            "IP.src takes an IPv4 address, not '10.0.0'",
            'write an address, such as "10.0.0.1"',
        ),
        ({"Raw.load": {"hex": "0"}}, "Raw.load", "1 hex digits are not whole bytes", "two digits a byte"),
        ({"IP.ttl": {"min": 1}}, "IP.ttl", "IP.ttl takes one value", 'such as 63, 10.0.0.1 or {hex: "00ff"}'),
    ],
)
def test_a_name_or_value_that_cannot_be_is_refused(fields: dict[str, Any], key: str, what: str, hint: str) -> None:
    with pytest.raises(SourceError) as mistake:
        field_checks(fields, Scope())

    assert (mistake.value.key, mistake.value.what, mistake.value.hint) == (key, what, hint)


@pytest.mark.parametrize(
    ("text", "names", "zeros"),
    [
        ("IP()", ["IP.ttl"], [8]),
        ("IP()/UDP()", ["UDP.chksum", "IP.chksum"], [10, 11, 26, 27]),
        ("IP()/UDP()/b'abc'", ["Raw"], [28, 29, 30]),
        ("Ether()/IP(options=[IPOption_RR(routers=['1.2.3.4'])])", ["IPOption_RR.routers"], [37, 38, 39, 40]),
    ],
)
def test_ignored_fields_are_zero_bits_of_the_mask(text: str, names: list[str], zeros: list[int]) -> None:
    made = packet(text, Scope())

    mask = mask_without(names, made, Scope())
    assert [at for at, byte in enumerate(mask) if not byte] == zeros
    assert {byte for byte in mask if byte} == {0xFF}
