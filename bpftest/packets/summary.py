"""A packet in one line."""

from __future__ import annotations

from bpftest.packets.dissection import Header, headers, split, stack
from bpftest.packets.shown import shown

PAIRS = (("src", "dst"), ("psrc", "pdst"), ("sport", "dport"))  # "10.0.0.1 > 10.0.0.2"
DETAILS = {  # fields that tell one header from another of its kind
    "ARP": ("op",),
    "DNSQR": ("qname",),
    "Dot1AD": ("vlan",),
    "Dot1Q": ("vlan",),
    "GENEVE": ("vni",),
    "GTP_U_Header": ("teid",),
    "ICMP": ("type", "code"),
    "MPLS": ("label",),
    "TCP": ("flags",),
    "VXLAN": ("vni",),
}


def summary(data: bytes, link: str = "") -> str:
    """The packet in one line: "Ether / IP 10.0.0.1 > 10.0.0.2 / UDP 53 > 53 / Raw 5 bytes". Never raises."""
    return " / ".join(_one(header) for header in stack(headers(data, link)))


def _one(header: Header) -> str:
    word, _ = split(header.name)
    if word in ("Raw", "Padding"):
        return f"{word} {header.end - header.start} bytes"
    texts = {field.name: shown(header.layer, field) for field in header.fields}
    parts = [word]
    if word not in ("Ether", "Dot3"):  # their addresses are long, and seldom what matters
        parts += [f"{texts[left]} > {texts[right]}" for left, right in PAIRS if left in texts and right in texts]
    details = DETAILS.get(word, ("type",) if word.startswith("ICMPv6") else ())
    parts += [texts[name] if name == "flags" else f"{name} {texts[name]}" for name in details if name in texts]
    return " ".join(parts)
