"""Packets as suites write them, made by Scapy itself: this file is Python, its text is what bpftest gets.

Every entry names all addresses, since Scapy would ask the machine for those that are missing.
"""

from __future__ import annotations

import ast
from pathlib import Path

from bpftest.packets.layers import load_all

load_all()  # as bpftest does, before anything else imports Scapy

# ruff: noqa: E402, S104  # addresses of packets, not of sockets
from scapy.compat import raw
from scapy.contrib.bfd import BFD
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.etherip import EtherIP
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPEchoRequest, GTPHeader, GTPPDUSessionContainer
from scapy.contrib.lldp import (
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUPortID,
    LLDPDUSystemName,
    LLDPDUTimeToLive,
)
from scapy.contrib.macsec import MACsec
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.contrib.nsh import NSH
from scapy.contrib.wireguard import Wireguard, WireguardTransport
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DUID_LL, DHCP6_Solicit, DHCP6OptClientId, DHCP6OptIA_NA
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT, DNSRRSRV, EDNS0ClientSubnet
from scapy.layers.eap import EAP, EAPOL
from scapy.layers.igmp import IGMP, IGMPv3, IGMPv3_MQ, IGMPv3_MR, IGMPv3_MR_Group
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPerror,
    IPOption,
    IPOption_LSRR,
    IPOption_NOP,
    IPOption_Router_Alert,
    IPOption_RR,
    IPOption_Timestamp,
    TCPerror,
    UDPerror,
)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPerror6,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    IPv6ExtHdrSegmentRouting,
    IPv6ExtHdrSegmentRoutingTLVHMAC,
    Jumbo,
    Pad1,
    PadN,
    RouterAlert,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, CookedLinux, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import PPP, PPPoE, PPPoED
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkInit, SCTPChunkSACK
from scapy.layers.vrrp import VRRP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Padding, Raw

PACKETS = [
    # Ethernet, VLANs
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01"),
    Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01", type=0x88B5) / b"\x00\x01\x02",
    Ether(dst=b"\x01\x80\xc2\x00\x00\x00", src="02:00:00:00:00:01", type=0x9000) / ("x" * 46),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / Dot1Q(vlan=7)
    / IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / Dot1Q(vlan=4095, prio=7, dei=1) / Raw(b"abc"),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / Dot1AD(vlan=100)
    / Dot1Q(vlan=7)
    / IP(src="1.2.3.4", dst="4.3.2.1"),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x8100)
    / Dot1Q(vlan=1)
    / Dot1Q(vlan=2)
    / Dot1Q(vlan=3),
    Dot3(dst="01:80:c2:00:00:00", src="02:00:00:00:00:01")
    / LLC(dsap=0x42, ssap=0x42, ctrl=3)
    / STP(rootid=1, bridgeid=2, age=1),
    Dot3(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / LLC() / SNAP(OUI=0xC, code=0x2000) / Raw(b"cdp"),
    CookedLinux(pkttype=4, src=b"\x02\x00\x00\x00\x00\x01\x00\x00") / IP(src="10.0.0.1", dst="10.0.0.2"),
    # ARP
    Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01")
    / ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2"),
    ARP(op=2, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", hwdst="02:00:00:00:00:02", pdst="10.0.0.2"),
    ARP(op="who-has", hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst="10.0.0.2"),
    ARP(hwtype=1, ptype=0x0800, hwlen=6, plen=4, op=1, hwsrc="02:00:00:00:00:01", psrc="0.0.0.0", pdst="10.0.0.2"),
    # IPv4
    IP(src="10.0.0.1", dst="10.0.0.2"),
    IP(src="10.0.0.1", dst="10.0.0.2", ttl=1),
    IP(src="10.0.0.1", dst="10.0.0.2", ttl=0, tos=0xB8, id=0x1234),
    IP(src="10.0.0.1", dst="10.0.0.2", flags="DF"),
    IP(src="10.0.0.1", dst="10.0.0.2", flags="MF+DF", frag=8191),
    IP(src="10.0.0.1", dst="10.0.0.2", flags=1, frag=185, proto=17) / Raw(b"A" * 64),
    IP(src="10.0.0.1", dst="10.0.0.2", chksum=0xFFFF, len=1000),
    IP(src="10.0.0.1", dst="10.0.0.2", len=None, chksum=None, ihl=None),
    IP(src="10.0.0.1", dst="10.0.0.2", ihl=4) / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2", version=5, ihl=15) / b"",
    IP(src="255.255.255.255", dst="0.0.0.0", proto=255),
    IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_NOP(), IPOption_RR(length=7, routers=["1.2.3.4"])]) / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_Router_Alert()]) / IGMP(type=0x16, gaddr="239.1.1.1"),
    IP(src="10.0.0.1", dst="10.0.0.2", options=IPOption_Timestamp(timestamp=1)) / TCP(),
    IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_LSRR(routers=["1.1.1.1", "2.2.2.2"])]) / TCP(dport=80),
    IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption(b"\x94\x04\x00\x00")]) / UDP(dport=1),
    IP(src="10.0.0.1", dst="10.0.0.2") / IP(src="192.168.0.1", dst="192.168.0.2") / TCP(dport=443),
    IP(src="10.0.0.1", dst="10.0.0.2") / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(dport=53),
    # TCP
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=12345, dport=443, flags="S", seq=1000, window=64240),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=12345, dport=443, flags="SA", seq=4294967295, ack=1001),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="PA") / Raw(b"GET / HTTP/1.1\r\nHost: x.org\r\n\r\n"),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags=0),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="FSRPAUECN"),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags=0x02 | 0x10),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="R", reserved=7, urgptr=65535, dataofs=15),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=[("MSS", 1460), ("NOP", None), ("WScale", 7)]),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / TCP(options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (123, 0)), ("EOL", None)]),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="A", options=[("NOP", None), ("NOP", None), ("SAck", (1, 100))]),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=[(254, b"\x01\x02\x03"), ("NOP", None)]),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(options=[("TFO", (1, 2))]),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(chksum=0, dport=80) / ("A" * 1000),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=1, dport=65535, flags="S"),
    # UDP
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=0, dport=0, len=8, chksum=0),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / b"hello",
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / "hello" / b"world",
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / Raw(load="hello"),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / Raw(load=b"\xff" * 3),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=1000 + 1, sport=1 << 10) / (b"ab" * 5 + b"c"),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9, len=100) / b"short",
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / bytes(18),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / bytes([1, 2, 3, 255]),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / bytes.fromhex("dead beef"),
    IPv6(src="::1", dst="::1") / UDP(dport=9) / b"odd",
    IPv6(src="2001:db8::1", dst="ff02::1", hlim=255, tc=0xFF, fl=0xFFFFF) / UDP(chksum=0),
    # padding
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / IP(src="1.1.1.1", dst="2.2.2.2")
    / UDP()
    / Padding(b"\x00" * 18),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP() / b"" / Padding(load=b"\xaa\xbb"),
    # ICMP
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8, id=1, seq=65535) / b"abcdefgh",
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type="echo-reply", id=0x1234),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / ICMP(type=3, code=4, nexthopmtu=1400)
    / bytes(IP(src="10.0.0.2", dst="9.9.9.9") / UDP())[:28],
    IP(src="10.0.0.1", dst="10.0.0.2")
    / ICMP(type="dest-unreach", code="host-unreachable")
    / IPerror(src="1.1.1.1", dst="2.2.2.2")
    / UDPerror(),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / ICMP(type=11, code=0)
    / IPerror(src="1.1.1.1", dst="2.2.2.2")
    / TCPerror(dport=80),
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=5, gw="10.0.0.254"),
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=13, ts_ori=1, ts_rx=2, ts_tx=3),
    IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3) / raw(IP(src="1.2.3.4", dst="5.6.7.8") / TCP())[0:28],
    # IPv6 and its extension headers
    IPv6(src="2001:db8::1", dst="2001:db8::2"),
    IPv6(src="fe80::1", dst="fe80::2", plen=None, nh=17) / (b"\x00" * 8),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6EchoRequest(),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\x00" * 4)]) / UDP(),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70000)]) / b"x",
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrDestOpt(options=[Pad1(), Pad1()], autopad=1) / TCP(),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=1, offset=0, m=1) / UDP() / b"12345678",
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(nh=17, id=0xFFFFFFFF, offset=8191, m=0) / b"tail",
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6ExtHdrRouting(addresses=["2001:db8::5", "2001:db8::6"], segleft=2)
    / UDP(),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6ExtHdrSegmentRouting(addresses=["2001:db8::5", "2001:db8::6"], segleft=1)
    / TCP(),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6ExtHdrSegmentRouting(addresses=["fc00::1"], tag=7, tlv_objects=[IPv6ExtHdrSegmentRoutingTLVHMAC()])
    / IPv6(src="2001:db8::3", dst="2001:db8::4"),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6ExtHdrHopByHop()
    / IPv6ExtHdrDestOpt()
    / IPv6ExtHdrRouting()
    / ICMPv6EchoReply(id=3),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / IPv6(src="2001:db8::3", dst="2001:db8::4")
    / ICMPv6EchoRequest(data=b"ping"),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(),
    # ICMPv6
    IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(id=7, seq=8, data="hello"),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / ICMPv6PacketTooBig(mtu=1280)
    / IPerror6(src="::1", dst="::2")
    / UDPerror(),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6DestUnreach(code=4) / raw(IPv6(src="::1", dst="::2") / UDP()),
    IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6TimeExceeded() / b"quote",
    IPv6(src="fe80::1", dst="ff02::1:ff00:2", hlim=255)
    / ICMPv6ND_NS(tgt="fe80::2")
    / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"),
    IPv6(src="fe80::2", dst="fe80::1", hlim=255)
    / ICMPv6ND_NA(tgt="fe80::2", R=0, S=1, O=1)
    / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:02"),
    IPv6(src="fe80::1", dst="ff02::2") / ICMPv6ND_RS(),
    IPv6(src="fe80::1", dst="ff02::1")
    / ICMPv6ND_RA(routerlifetime=1800, M=1)
    / ICMPv6NDOptPrefixInfo(prefix="2001:db8::", prefixlen=64)
    / ICMPv6NDOptMTU(mtu=1500)
    / ICMPv6NDOptRDNSS(dns=["2001:db8::53"]),
    IPv6(src="fe80::1", dst="ff02::16") / ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=4, dst="ff02::1:3")]),
    # tunnels
    IP(src="10.0.0.1", dst="10.0.0.2") / GRE() / IP(src="192.168.0.1", dst="192.168.0.2") / ICMP(),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / GRE(key_present=1, key=0xDEADBEEF, seqnum_present=1, sequence_number=1)
    / IPv6(src="::1", dst="::2"),
    IP(src="10.0.0.1", dst="10.0.0.2") / GRE(chksum_present=1) / IP(src="192.168.0.1", dst="192.168.0.2") / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / GRE(proto=0x6558)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / IP(src="1.1.1.1", dst="2.2.2.2"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / GRE(seqnum_present=1)
    / ERSPAN_II(session_id=5, vlan=6)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / GRE(seqnum_present=1)
    / ERSPAN_III(session_id=1023)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=12345, dport=4789)
    / VXLAN(vni=0xABCDEF)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / IP(src="192.168.0.1", dst="192.168.0.2")
    / TCP(dport=80),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP()
    / VXLAN(vni=42, flags=8)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01"),
    IPv6(src="2001:db8::1", dst="2001:db8::2")
    / UDP(chksum=0)
    / VXLAN()
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=1)
    / GENEVE(vni=7)
    / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / b"in",
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=1)
    / GENEVE(vni=7, options=[GeneveOptions(classid=0x102, type=0x80, data=b"1234")])
    / IP(src="1.1.1.1", dst="2.2.2.2"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP()
    / GTP_U_Header(teid=0x12345678)
    / IP(src="172.16.0.1", dst="8.8.8.8")
    / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP()
    / GTP_U_Header(teid=1)
    / GTPPDUSessionContainer(type=0, QFI=9)
    / IPv6(src="::1", dst="::2"),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=2123, dport=2123)
    / GTPHeader(teid=0, S=1, seq=1, gtp_type=1)
    / GTPEchoRequest(),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / MPLS(label=16, s=1, ttl=64)
    / IP(src="1.1.1.1", dst="2.2.2.2")
    / UDP(),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / MPLS(label=100, s=0)
    / MPLS(label=1048575, cos=7, s=1)
    / IPv6(src="::1", dst="::2"),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / MPLS(label=3, s=1)
    / EoMCW(seq=1)
    / Ether(dst="02:00:00:00:00:04", src="02:00:00:00:00:03"),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / NSH(spi=42, si=254, ttl=62)
    / IP(src="1.1.1.1", dst="2.2.2.2")
    / TCP(),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / PPPoED(code=9, sessionid=0),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01")
    / PPPoE(sessionid=1)
    / PPP(proto=0x21)
    / IP(src="1.1.1.1", dst="2.2.2.2")
    / UDP(),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=1701, dport=1701)
    / L2TP(hdr=0, tunnel_id=1, session_id=2)
    / PPP()
    / IP(src="1.1.1.1", dst="2.2.2.2"),
    IP(src="10.0.0.1", dst="10.0.0.2") / EtherIP() / Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / b"in",
    IP(src="10.0.0.1", dst="10.0.0.2") / ESP(spi=0x1000, seq=1, data=b"\xcc" * 24),
    IP(src="10.0.0.1", dst="10.0.0.2") / AH(nh=6, spi=1, seq=1, payloadlen=4, icv=b"\x00" * 12) / TCP(),
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / MACsec(SL=0, PN=1, SCI=b"\x00" * 8) / b"secret",
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=51820, dport=51820)
    / Wireguard()
    / WireguardTransport(receiver_index=1, counter=2, encrypted_encapsulated_packet=b"x" * 16),
    # SCTP, multicast, routing
    IP(src="10.0.0.1", dst="10.0.0.2") / SCTP(sport=1, dport=2, tag=3) / SCTPChunkInit(init_tag=1, a_rwnd=1000),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / SCTP(sport=1, dport=38412)
    / SCTPChunkData(tsn=1, stream_id=2, data=b"ngap", beginning=1, ending=1),
    IP(src="10.0.0.1", dst="10.0.0.2") / SCTP(chksum=0) / SCTPChunkSACK(cumul_tsn_ack=1),
    IP(src="10.0.0.1", dst="224.0.0.1", ttl=1) / IGMP(type=0x11, gaddr="0.0.0.0"),
    IP(src="10.0.0.1", dst="224.0.0.22", ttl=1)
    / IGMPv3(type=0x22)
    / IGMPv3_MR(records=[IGMPv3_MR_Group(rtype=4, maddr="239.1.1.1")]),
    IP(src="10.0.0.1", dst="239.1.1.1", ttl=1)
    / IGMPv3(type=0x11)
    / IGMPv3_MQ(gaddr="239.1.1.1", srcaddrs=["10.0.0.9"]),
    IP(src="10.0.0.1", dst="224.0.0.18", ttl=255, proto=112) / VRRP(vrid=1, priority=100, addrlist=["10.0.0.254"]),
    IP(src="10.0.0.1", dst="10.0.0.2", ttl=255)
    / UDP(sport=49152, dport=3784)
    / BFD(sta=3, my_discriminator=1, your_discriminator=2),
    # DNS
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5353, dport=53) / DNS(id=1, rd=1, qd=DNSQR(qname="www.example.com")),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=5353, dport=53)
    / DNS(rd=1, qd=[DNSQR(qname="example.com", qtype="AAAA")]),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / DNS(qd=DNSQR(qname=b"x.org.", qtype=255, qclass="ANY")),
    IP(src="10.0.0.2", dst="10.0.0.1")
    / UDP(sport=53, dport=5353)
    / DNS(qr=1, aa=1, qd=DNSQR(qname="x.org"), an=DNSRR(rrname="x.org", ttl=60, rdata="192.0.2.1")),
    IP(src="10.0.0.2", dst="10.0.0.1")
    / UDP(sport=53, dport=5353)
    / DNS(
        qr=1,
        qd=[DNSQR(qname="x.org")],
        an=[
            DNSRR(rrname="x.org", type="CNAME", rdata="y.org"),
            DNSRR(rrname="y.org", type="AAAA", rdata="2001:db8::1"),
            DNSRR(rrname="y.org", type="TXT", rdata="hello"),
        ],
        ar=[DNSRROPT(rdata=[EDNS0ClientSubnet()])],
    ),
    IP(src="10.0.0.2", dst="10.0.0.1")
    / UDP(sport=53, dport=1)
    / DNS(qr=1, rcode=3, qd=DNSQR(qname="nx.org"), an=[], ns=[]),
    IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=53, flags="PA") / DNS(qd=DNSQR(qname="x.org")),
    IP(src="10.0.0.2", dst="10.0.0.1")
    / UDP()
    / DNS(qr=1, an=DNSRRSRV(rrname="_sip._udp.x.org", port=5060, target="sip.x.org")),
    # DHCP
    Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01")
    / IP(src="0.0.0.0", dst="255.255.255.255")
    / UDP(sport=68, dport=67)
    / BOOTP(chaddr=b"\x02\x00\x00\x00\x00\x01", xid=0x12345678, flags=0x8000)
    / DHCP(options=[("message-type", "discover"), ("param_req_list", [1, 3, 6, 15]), "end"]),
    IP(src="10.0.0.1", dst="10.0.0.2")
    / UDP(sport=67, dport=68)
    / BOOTP(op=2, yiaddr="10.0.0.9", siaddr="10.0.0.1")
    / DHCP(
        options=[
            ("message-type", 2),
            ("server_id", "10.0.0.1"),
            ("lease_time", 3600),
            ("router", "10.0.0.1", "10.0.0.2"),
            "end",
            "pad",
        ]
    ),
    BOOTP(chaddr="02:00:00:00:00:01")
    / DHCP(options=[("hostname", "box"), ("client_id", b"\x01\x02"), (82, b"\x01\x04\x00\x00\x00\x01"), "end"]),
    IPv6(src="fe80::1", dst="ff02::1:2")
    / UDP()
    / DHCP6_Solicit(trid=0x123456)
    / DHCP6OptClientId(duid=DUID_LL(lladdr="02:00:00:00:00:01"))
    / DHCP6OptIA_NA(iaid=1),
    # link layer neighbours
    Ether(dst="01:80:c2:00:00:0e", src="02:00:00:00:00:01", type=0x88CC)
    / LLDPDUChassisID(subtype=4, id="02:00:00:00:00:01")
    / LLDPDUPortID(subtype=5, id="eth0")
    / LLDPDUTimeToLive(ttl=120)
    / LLDPDUSystemName(system_name="switch")
    / LLDPDUEndOfLLDPDU(),
    Ether(dst="01:80:c2:00:00:03", src="02:00:00:00:00:01") / EAPOL(version=1, type=0) / EAP(code=1, id=1, type=1),
    # bytes, parts of packets, arithmetic
    Raw(b"\x00\x01"),
    Raw("text"),
    Raw(load=b"x" * 64),
    Raw(bytes(4) + b"\xff"),
    Raw(b"0123456789"[2:5]),
    Raw(bytes.fromhex("00 11 22")) / b"\x33",
    IP(bytes.fromhex("4500001c00010000401166cd0a0000010a000002003500350008ed54")),
    Ether(bytes.fromhex("0200000000020200000000010800") + bytes(IP(src="10.0.0.1", dst="10.0.0.2"))),
    IP(src="10.0.0.1", dst="10.0.0.2", tos=46 << 2, id=0x0F, ttl=64 - 1) / UDP(),
    (IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / b"abc")[UDP],
    (IP(src="10.0.0.1", dst="10.0.0.2") / IP(src="1.1.1.1", dst="2.2.2.2") / UDP())[IP:2],
    Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / (IP(src="1.1.1.1", dst="2.2.2.2") / TCP(sport=7)),
    IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=0xFFFF & ~1, dport=0x0F ^ 0xFF) / Raw(-1 * -5 * b"z"),
]


def _texts() -> list[str]:
    """The entries of PACKETS as they stand above."""
    source = Path(__file__).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PACKETS":
            entries = node.value
            assert isinstance(entries, ast.List)
            texts = [ast.get_source_segment(source, entry) for entry in entries.elts]
            return [text for text in texts if text]
    raise AssertionError("no PACKETS")


TEXTS = _texts()
