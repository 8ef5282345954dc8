"""What the fields of each Scapy layer accept, read off Scapy's own field classes.

Only where Scapy would look a name up in the machine's /etc/protocols, /etc/services or /etc/ethertypes a
table of ours stands in.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.packets.accepted import (
    Accept,
    address,
    dhcp_options,
    each,
    flags,
    layers,
    mac,
    number,
    plain,
    tcp_options,
    text,
)

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

ETHERTYPES = {"IPv4": 0x0800, "ARP": 0x0806, "802_1Q": 0x8100, "IPv6": 0x86DD, "MPLS": 0x8847, "802_1AD": 0x88A8}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "tcp": 6,
    "udp": 17,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "sctp": 132,
}
PORTS = {
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "tftp": 69,
    "http": 80,
    "ntp": 123,
    "snmp": 161,
    "bgp": 179,
    "https": 443,
}
NUMBERS: dict[str, Mapping[str, int]] = {  # fields whose names Scapy takes from the machine's files
    **dict.fromkeys("Ether.type Dot1Q.type Dot1AD.type SNAP.code GRE.proto GRE_PPTP.proto".split(), ETHERTYPES),
    **dict.fromkeys("CookedLinux.proto CookedLinuxV2.proto ARP.ptype GENEVE.proto MACsec.type".split(), ETHERTYPES),
    **dict.fromkeys("IP.proto IPerror.proto AH.nh".split(), PROTOCOLS),
    **dict.fromkeys("TCP.sport TCP.dport TCPerror.sport TCPerror.dport".split(), PORTS),
    **dict.fromkeys("UDP.sport UDP.dport UDPerror.sport UDPerror.dport".split(), PORTS),
    **dict.fromkeys("SCTP.sport SCTP.dport SCTPerror.sport SCTPerror.dport".split(), PORTS),
}
VOLATILE = {  # defaults that are the time of day when Scapy was imported
    "ICMP": ("ts_ori", "ts_rx", "ts_tx"),
    "ICMPerror": ("ts_ori", "ts_rx", "ts_tx"),
}


class Shape(NamedTuple):
    """The fields of a layer class."""

    accepts: Mapping[str, Accept]
    late: frozenset[str]  # what they accept depends on the other fields
    computed: frozenset[str]  # their default is None: Scapy computes them
    volatile: tuple[str, ...]  # random or the time of day, unless given
    lengths: tuple[str, ...]  # lengths in less than a byte or two, which Scapy computes and would cut off


_shapes: dict[type[Layer], Shape] = {}


def shape(layer: type[Layer]) -> Shape:
    """What the fields of *layer* accept."""
    known = _shapes.get(layer)
    if known is None:
        known = _shapes[layer] = _shape(layer)
    return known


def _shape(layer: type[Layer]) -> Shape:
    fields = {field.name: unwrapped(field) for field in layer.fields_desc}
    moving = VOLATILE.get(layer.__name__, ())
    return Shape(
        accepts={name: accept(f"{layer.__name__}.{name}", field) for name, field in fields.items()},
        late=frozenset(name for name, field in fields.items() if _is_late(field)),
        computed=frozenset(name for name, field in fields.items() if field.default is None),
        volatile=tuple(name for name, field in fields.items() if name in moving or _moves(field)),
        lengths=tuple(name for name, field in fields.items() if type(field).__name__ == "BitFieldLenField"),
    )


def unwrapped(field: Any) -> Any:
    """The field inside Emph, ConditionalField, PadField and their like."""
    from scapy.fields import MultipleTypeField, _FieldContainer

    while isinstance(field, _FieldContainer) and not isinstance(field, MultipleTypeField):
        field = field.fld
    return field


def is_conditional(field: Any) -> bool:
    """Whether a packet has *field* only if other fields say so."""
    from scapy.fields import ConditionalField

    return isinstance(field, ConditionalField)


def may_end(field: Any) -> bool:
    """Whether a header may end behind *field*."""
    from scapy.fields import ConditionalField, MayEnd

    return isinstance(field.fld if isinstance(field, ConditionalField) else field, MayEnd)


def accept_late(layer: Layer, name: str, value: Any) -> Any:
    """*value* as the late field *name* of *layer* accepts it, its other fields being set. Raises SuiteError."""
    from scapy.fields import MultipleTypeField, StrFixedLenField

    field = unwrapped(layer.get_field(name))
    full_name = f"{type(layer).__name__}.{name}"
    if isinstance(field, MultipleTypeField):
        choices = [one for one, _ in field.flds]
        field, _ = field._find_fld_pkt_val(layer, value)
        if isinstance(value, str) and isinstance(field, StrFixedLenField) and any(map(_is_address, choices)):
            raise SuiteError(f"{full_name} takes an address, not '{value}'")
        value = accept(full_name, field)(value)
    else:
        value = shape(type(layer)).accepts[name](value)
    if isinstance(field, StrFixedLenField):
        value = text(full_name, field.length_from(layer))(value)
    return value


def _is_late(field: Any) -> bool:
    from scapy.fields import MultiEnumField, MultipleTypeField, StrFixedLenField

    if isinstance(field, StrFixedLenField):
        return _length(field) is None
    return isinstance(field, (MultipleTypeField, MultiEnumField))


def _is_address(field: Any) -> bool:
    from scapy.fields import IP6Field, IPField, MACField

    return isinstance(field, (MACField, IPField, IP6Field))


def _length(field: Any) -> int | None:
    """The bytes of a StrFixedLenField, None if they depend on the packet."""
    try:
        return field.length_from(None) or None
    except Exception:  # noqa: BLE001  # it looks at the packet that is not there
        return None


def _moves(field: Any) -> bool:
    """Whether the default of *field* is random."""
    from scapy.fields import MultipleTypeField

    if isinstance(field, MultipleTypeField):
        return any(_moves(one) for one in (field.dflt, *(one for one, _ in field.flds)))
    return _is_random(field.default)


def _is_random(value: Any) -> bool:
    from scapy.packet import NoPayload, Packet
    from scapy.volatile import VolatileValue

    if isinstance(value, list):
        return any(map(_is_random, value))
    if isinstance(value, Packet) and not isinstance(value, NoPayload):
        return any(_is_random(value.getfieldval(name)) for name in value.default_fields) or _is_random(value.payload)
    return isinstance(value, VolatileValue)


def accept(name: str, field: Any) -> Accept:
    """What *field*, unwrapped, accepts; *name*: "IP.ttl"."""
    from scapy.fields import FieldListField, MultipleTypeField

    if isinstance(field, FieldListField):
        return each(name, accept(name, unwrapped(field.field)))
    if isinstance(field, MultipleTypeField):
        return plain()
    for kind, make in _makers():
        if isinstance(field, kind):
            return make(name, field)
    return plain()


_MAKERS: list[tuple[Any, Callable[[str, Any], Accept]]] = []


def _makers() -> list[tuple[Any, Callable[[str, Any], Accept]]]:
    """(field class, what makes its Accept): the first that fits."""
    if not _MAKERS:
        import scapy.fields as kinds
        from scapy.layers import inet, inet6

        _MAKERS.extend(
            [
                (kinds.MACField, lambda name, _: mac(name)),
                (kinds.IPField, lambda name, _: address(name, 4)),
                (kinds.IP6Field, lambda name, _: address(name, 6)),
                (inet6.IP6ListField, lambda name, _: each(name, address(name, 6))),
                (inet.TCPOptionsField, lambda _name, _: tcp_options(inet.TCPOptions[1])),
                (kinds._PacketField, lambda name, field: layers(name, several=bool(field.islist))),
                (kinds.FlagsField, lambda name, field: flags(name, field.names, field.size)),
                ((kinds._ScalingField, kinds.BCDFloatField), _scaled),
                (
                    kinds.MultiEnumField,
                    lambda name, field: number(name, *limits(field), {one: one for one in field.s2i_all}),
                ),
                (
                    kinds._EnumField,
                    lambda name, field: number(name, *limits(field), NUMBERS.get(name, field.s2i or {})),
                ),
                (kinds.StrFixedLenField, _fixed_text),
                (kinds._StrField, _texts),
                (kinds.UUIDField, lambda name, _: text(name)),
                (kinds.Field, lambda name, field: number(name, *limits(field), {})),
            ]
        )
    return _MAKERS


def _fixed_text(name: str, field: Any) -> Accept:
    accept_text, accept_mac = text(name, _length(field)), mac(name)
    if type(field).__name__ != "_BOOTP_chaddr":
        return accept_text
    return lambda value: (accept_mac if isinstance(value, str) and ":" in value else accept_text)(value)


def _texts(name: str, field: Any) -> Accept:
    if name == "DHCP.options":
        return dhcp_options(_dhcp_accepts())
    odd = field.islist or type(field).__name__.startswith(("NI", "DomainName", "DNSStr", "RRlist"))
    return plain() if odd else text(name)


def _dhcp_accepts() -> dict[str, Accept | None]:
    """What each DHCP option accepts."""
    known = sys.modules["scapy.layers.dhcp"].DHCPRevOptions
    name = "option {} of DHCP.options"
    return {option: field and accept(name.format(option), unwrapped(field)) for option, (_, field) in known.items()}


def limits(field: Any) -> tuple[int, int]:
    """(smallest, largest) number that *field* holds."""
    import scapy.fields as kinds

    if isinstance(field, kinds._BitField):
        return 0, (1 << field.size) - 1
    if isinstance(field, (kinds.ThreeBytesField, kinds.LEThreeBytesField)):
        return 0, 0xFFFFFF
    bits = 8 * struct.calcsize(field.fmt)
    if field.fmt[-1] in "bhilq":
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def _scaled(name: str, field: Any) -> Accept:
    """A number that is stored as another one: BPDU times in 1/256 s."""
    low, high = limits(field)

    def accept_scaled(value: Any) -> Any:
        if isinstance(value, (int, float)):
            stored = value * 256 if not hasattr(field, "scaling") else (value - field.offset) / field.scaling
            if low <= stored <= high:
                return value
        raise SuiteError(f"{name} takes a number that fits {high.bit_length()} bits when it is stored, not {value!r}")

    return accept_scaled
