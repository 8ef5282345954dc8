"""A case for each frame of a capture, with a name that tells the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.drafts.cases import Case, Remark
from bpftest.drafts.scalars import flow
from bpftest.errors import SuiteError
from bpftest.packets.captures import count_frames, frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.drafts.cases import Block

ROWS_MIN = 33  # frames from which on one table stands for all of them
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
ETHERTYPES = {0x0806: "ARP", 0x8847: "MPLS", 0x8863: "PPPoE", 0x8864: "PPPoE", 0x88CC: "LLDP", 0x888E: "EAPOL"}
PROTOCOLS = {1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 58: "ICMPv6"}
PROTOCOLS |= {89: "OSPF", 132: "SCTP"}  # numbers of IANA's protocol-numbers
WITH_PORTS = (6, 17, 132)
ETHERNET_HEADER = 14  # bytes


def frame_cases(folder: str, name: str, like: Case) -> list[Block]:
    """A case for each frame of the capture *name* in *folder*, in all else *like* a case of its program."""
    cases = [_case(folder, name, index, like) for index in range(1, count_frames(folder, name) + 1)]
    first = cases[0]
    return [first._replace(above=like.above) if isinstance(first, Case) else first, *cases[1:]]


def table_of(name: str, like: Case) -> Case:
    """One case for all frames of the capture *name*."""
    given = (("rows", (flow({"pcap": name}),)), *(one for one in like.given if one[0] not in ("packet", "rows")))
    program = like.program.replace("$", "$$")
    return like._replace(name=f"{program} runs on frame $frame", given=given, is_table=True)


def _case(folder: str, name: str, index: int, like: Case) -> Block:
    try:
        data, link = frame(folder, name, index)
    except SuiteError as error:
        return Remark((f"No case for frame {index}: {error.what}",))
    if link == "ip" and like.prog_type.sees == "ethernet":
        return Remark(
            (f"No case for frame {index}: it has no Ethernet header, which {like.prog_type.name} programs see",)
        )
    packet = ("packet", (flow({"pcap": name, "index": index}),))
    given = (packet, *(one for one in like.given if one[0] != "packet"))
    return like._replace(name=f"frame {index}: {frame_text(data, link)}", given=given, above=())


def frame_text(data: bytes, link: str) -> str:
    """What the frame is, in a few words: "IP 10.0.0.1 > 10.0.0.2 TCP dport 80"."""
    words = []
    if link == "ethernet" and len(data) < ETHERNET_HEADER:
        return f"{len(data)} bytes"
    if link == "ethernet":
        ethertype, at = int.from_bytes(data[12:14], "big"), ETHERNET_HEADER
        while ethertype in VLAN_TYPES and len(data) >= at + 4:
            words.append(f"VLAN {int.from_bytes(data[at : at + 2], 'big') & 0xFFF}")
            ethertype, at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        if ethertype not in (0x0800, 0x86DD):
            return " ".join([*words, ETHERTYPES.get(ethertype, f"EtherType {ethertype:#06x}")])
        data = data[at:]
    return " ".join([*words, *_ip_words(data)])


def _ip_words(packet: bytes) -> Iterator[str]:
    """The words for an IPv4 or IPv6 packet, as far as its bytes go."""
    from ipaddress import ip_address

    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        name, source, target, protocol = "IP", packet[12:16], packet[16:20], packet[9]
        behind = packet[4 * (packet[0] & 15) :]
        first = not int.from_bytes(packet[6:8], "big") & 0x1FFF
    elif version == 6 and len(packet) >= 40:
        name, source, target, protocol = "IPv6", packet[8:24], packet[24:40], packet[6]
        behind, first = packet[40:], True
    else:
        yield f"{len(packet)} bytes of an IP packet"
        return
    yield f"{name} {ip_address(source)} > {ip_address(target)} {PROTOCOLS.get(protocol, f'protocol {protocol}')}"
    if protocol in WITH_PORTS and first and len(behind) >= 4:
        yield f"dport {int.from_bytes(behind[2:4], 'big')}"
