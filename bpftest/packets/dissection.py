"""Bytes → headers and fields, each with its place, read by Scapy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.packets import layers
from bpftest.packets.framing import link_of
from bpftest.packets.headers import is_declared
from bpftest.packets.sealed import replaced, sealed
from bpftest.packets.shapes import may_end

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer


class Field(NamedTuple):
    """A field of a header and where it stands."""

    name: str  # "ttl"
    start: int  # bits from the start of the packet
    end: int
    value: Any  # as Scapy has it
    kind: Any  # Scapy's field


class Header(NamedTuple):
    """A header of a packet, or what it holds as a field: an IP option, a DNS record."""

    name: str  # "IP", "IP[2]" for the second
    start: int  # bytes from the start of the packet
    end: int
    layer: Layer
    fields: tuple[Field, ...]  # in the order of the packet; none if they cannot be placed
    is_inner: bool = False  # stands in a field of another header


def stack(found: Sequence[Header]) -> list[Header]:
    """The headers on top of each other, without what stands in their fields."""
    return [one for one in found if not one.is_inner]


def path(found: Sequence[Header]) -> str:
    """The path that they make: "Ether / IP / UDP"."""
    return " / ".join(split(one.name)[0] for one in stack(found)) or "nothing"


def split(name: str) -> tuple[str, int]:
    """The two parts of a name: "IP[2]" → ("IP", 2)."""
    word, _, nth = name.partition("[")
    return word, int(nth.rstrip("]") or 1)


def headers(data: bytes, link: str = "", chain: Sequence[type[Layer]] = ()) -> tuple[Header, ...]:
    """The headers of the packet, in order; what holds others comes before them. Never raises.

    *link*: as in sources.Packet. *chain*: as in `dissected`. What Scapy cannot read is one header Raw.
    """
    layers.load_all()
    with reading():
        packet = dissected(data, link, chain)
        found: list[_Found] = []
        with suppress(Exception):  # Scapy read it once, and may stumble the second time: then the rest is Raw
            found.extend(_chain(data, packet, 0))
        at = max((one.end for one in found), default=0)
        if at < len(data):
            found.append(_Found(at, len(data), _raw(data[at:]), ()))
    seen: Counter[str] = Counter()
    return tuple(_named(one, seen) for one in found)


@contextmanager
def reading() -> Iterator[None]:
    """While the block runs, Scapy reads UDP and TCP by the destination port first, and as DNS only what can be DNS.

    Both ports of Scapy's UDP() are 53 unless given: UDP(dport=6081)/GENEVE() or a payload of b"A" * 100 would
    be read as DNS. All layers must have been imported.
    """
    from scapy.layers.inet import TCP, UDP

    with sealed(), replaced(*_careful(TCP), *_careful(UDP)):
        yield


@cache
def _careful(layer: type[Layer]) -> tuple[tuple[Any, str, Any], ...]:
    """What to replace in *layer*, UDP or TCP."""
    from scapy.layers.dns import DNS

    first: list[Any] = []
    rest: list[Any] = []
    for choice in layer.payload_guess:
        (first if "dport" in choice[0] and choice[1] is not DNS else rest).append(choice)
    return (layer, "payload_guess", first), (layer, "default_payload_class", _guess(rest, DNS))


def _guess(
    choices: Sequence[tuple[Mapping[str, int], type[Layer]]], dns: type[Layer]
) -> Callable[[Layer, bytes], type[Layer]]:
    """A default_payload_class method: the first of *choices* that fits, else Raw."""

    def default_payload_class(layer: Layer, payload: bytes) -> type[Layer]:
        for wanted, choice in choices:
            if all(layer.getfieldval(name) == value for name, value in wanted.items()):
                message = payload[2:] if type(layer).__name__.startswith("TCP") else payload
                if choice is not dns or _can_be_dns(message):
                    return choice
        return layers.layer("Raw")

    return default_payload_class


def _can_be_dns(message: bytes) -> bool:
    """Whether *message* has a known opcode, no reserved bit, and a number of records that it has room for."""
    if len(message) < 12:
        return False
    records = sum(int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10))
    return (message[2] >> 3) & 15 <= 6 and not message[3] & 0x40 and 5 * records <= len(message) - 12


def dissected(data: bytes, link: str = "", chain: Sequence[type[Layer]] = ()) -> Layer:
    """Scapy's packet of *data*; Raw if nothing else fits.

    *chain*: the layers of a packet like it, some of which the suite declares. Scapy cannot know where these stand, nor
    what follows them: there the packet is read as the chain says, for as long as its headers are those of the chain.
    """
    kind = link or link_of(data)
    name = "Raw"
    if kind == "ethernet":
        name = "Ether"
    elif kind == "ip" and data:
        name = {4: "IP", 6: "IPv6"}.get(data[0] >> 4, "Raw")
    if data and name != "Raw":
        with suppress(Exception):  # too short, or whatever a dissector stumbles over
            return _along(layers.layer(name)(data), chain)
    if chain and chain[0] and is_declared(chain[0]):
        with suppress(Exception):
            return _along(chain[0](data), chain)
    return _raw(data)


def _along(packet: Layer, chain: Sequence[type[Layer]]) -> Layer:
    """*packet*, read again behind a declared header of *chain*, and where one follows."""
    if chain and type(packet).__name__ in layers.ETHERNET and chain[0].__name__ not in layers.ETHERNET:
        chain = (type(packet), *chain)  # the packet that the chain is of has no Ethernet header, and this one has
    lower = packet
    for here, above in pairwise(chain):
        content = getattr(lower.payload, "original", b"")
        if type(lower) is not here or not content:
            break
        if is_declared(here) or is_declared(above):
            with suppress(Exception):  # too short for the header: it stays Raw
                upper, last = above(content), lower.payload.lastlayer()
                lower.remove_payload()
                lower.add_payload(upper)
                if type(last).__name__ == "Padding":
                    lower.add_payload(last)
        lower = lower.payload
    return packet


def _raw(data: bytes) -> Layer:
    return layers.layer("Raw")(data)


class _Found(NamedTuple):
    """A Header without its number."""

    start: int
    end: int
    layer: Layer
    fields: tuple[Field, ...]
    is_inner: bool = False


def _named(one: _Found, seen: Counter[str]) -> Header:
    name = type(one.layer).__name__
    seen[name] += 1
    if seen[name] > 1:
        name = f"{name}[{seen[name]}]"
    return Header(name, one.start, one.end, one.layer, one.fields, one.is_inner)


def _chain(data: bytes, packet: Layer, at: int, *, is_inner: bool = False) -> Iterator[_Found]:
    """*packet*, which stands at byte *at* of *data*, and its payloads."""
    layer = packet
    while type(layer).__name__ != "NoPayload":
        size = _size(data, layer, at)
        fields, inner = _fields(data, layer, at, size)
        yield _Found(at, at + size, layer, fields, is_inner)
        yield from inner
        at, layer = at + size, layer.payload


def _size(data: bytes, layer: Layer, at: int) -> int:
    """The bytes of the header at *at* alone. Raises ValueError if they are not its bytes."""
    own = layer.raw_packet_cache
    if own is None:  # forgotten, because the dissector has changed a field
        own = layer.self_build()
    if data[at : at + len(own)] != own:
        raise ValueError("bytes of another header")
    return len(own)


def _fields(data: bytes, layer: Layer, at: int, size: int) -> tuple[tuple[Field, ...], list[_Found]]:
    """(fields, headers inside them) of the header of *size* bytes at *at*: read again, field by field."""
    rest: Any = layer.original or data[at : at + size]
    total = len(rest)
    placed: list[Field] = []
    inner: list[_Found] = []
    after = 0
    for kind in layer.fields_desc:
        before = after
        rest, value = kind.getfield(layer, rest)
        if value is not None:
            layer.fields.setdefault(kind.name, value)  # DNS records forget a length that others need
        after = min(_position(rest, total), 8 * size)
        start, end = at + before // 8, at + after // 8
        held = _held(data, value, start, end) if kind.holds_packets else []
        inner.extend(held)
        if after > before and not held:
            value = data[start:end] if kind.holds_packets else layer.getfieldval(kind.name)
            placed.append(Field(kind.name, 8 * at + before, 8 * at + after, value, kind))
        if not rest and may_end(kind):
            break
    return (tuple(placed), inner) if after == 8 * size else ((), [])


def _position(rest: Any, total: int) -> int:
    """Bits that have been read when *rest* is left: bytes, or (bytes, bits of the first that are read)."""
    if isinstance(rest, tuple):
        return 8 * (total - len(rest[0])) + int(rest[1])
    return 8 * (total - len(rest))


def _held(data: bytes, value: Any, at: int, end: int) -> list[_Found]:
    """The headers of the packets in a field from byte *at* to *end*; none if they do not fill it."""
    held: list[_Found] = []
    try:
        for packet in value if isinstance(value, list) else [value]:
            held.extend(_chain(data, packet, at, is_inner=True))
            at = held[-1].end
    except Exception:  # noqa: BLE001  # then the field is shown as a whole
        return []
    return held if at == end else []
