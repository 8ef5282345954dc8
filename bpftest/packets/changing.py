"""The field of a packet is given another value, by Scapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets import expression, layers, making
from bpftest.packets.dissection import Header, headers, path
from bpftest.packets.headers import chain, declared
from bpftest.packets.named import Name, parsed_name
from bpftest.packets.shapes import shape, unwrapped
from bpftest.packets.sources import Packet, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scapy.packet import Packet as Layer

    from bpftest.packets.sources import Scope


def built_with(text: str, field: str, value: int | str, scope: Scope) -> Packet:
    """The packet of the expression *text* with *value* in its *field* ("IP.ihl", "IP[2].ttl").

    Raises SourceError with the key "field" for a field that the packet does not have, SuiteError for a value that the
    field does not take.
    """
    layers.load_all()
    name, changed = _name(field, scope), False

    def change(made: Layer) -> None:
        nonlocal changed
        _set(made, name, value, declared(scope.headers))
        changed = True

    data, link, names = expression.built(text, scope, change)
    made = Packet(data, b"", link, names)
    return made if changed else replaced(made, field, value, scope)


def _name(field: str, scope: Scope) -> Name:
    try:
        return parsed_name(field, declared(scope.headers))
    except SuiteError as error:
        raise SourceError(error.what, error.hint, key="field") from None


def _set(made: Layer, name: Name, value: int | str, own: Mapping[str, type[Layer]]) -> None:
    """Gives the field *name* of *made* its *value*. Raises SuiteError."""
    word, _, nth = name.header.partition("[")
    cls = own.get(word) or layers.layer(word)
    layer = made.getlayer(cls, int(nth.rstrip("]") or 1))
    if layer is None:
        raise SourceError(f"the packet has no {name.header}", f"it is {making.names(made)}", key="field")
    if name.field in shape(type(layer)).late:
        making.set_late(layer, name.field, value)
    else:
        layer.setfieldval(name.field, shape(type(layer)).accepts[name.field](value))
    making.refuse_overflow(layer)


def replaced(given: Packet, field: str, value: int | str, scope: Scope) -> Packet:
    """*given* with the bits of its *field*, as Scapy reads it, replaced and nothing else. Raises as built_with."""
    layers.load_all()
    name = _name(field, scope)
    found = headers(given.data, given.link, chain(given.chain, scope.headers))
    header = next((one for one in found if one.name == name.header), None)
    if header is None:
        raise SourceError(f"the packet has no {name.header}", f"Scapy reads it as {path(found)}", key="field")
    place = next((one for one in header.fields if one.name == name.field), None)
    if place is None:
        raise SourceError(f"{name.header} of this packet has no {name.field}", key="field")
    size, width = 8 * len(given.data), place.end - place.start
    number = _bits(header, name, place.kind, value, width)
    mask = ((1 << width) - 1) << (size - place.end)
    changed = int.from_bytes(given.data, "big") & ~mask | number << (size - place.end)
    return given._replace(data=changed.to_bytes(len(given.data), "big"))


def _bits(header: Header, name: Name, kind: Any, value: int | str, width: int) -> int:
    """The *width* bits of a field of Scapy's *kind* with *value*, as a number. Raises SuiteError."""
    from scapy.fields import _BitField

    accepted = shape(type(header.layer)).accepts[name.field](value)
    internal = kind.any2i(header.layer, accepted)
    if isinstance(unwrapped(kind), _BitField):
        return int(internal)
    encoded: bytes = kind.addfield(header.layer, b"", internal)
    if 8 * len(encoded) != width:
        what = f"{name.header}.{name.field} would have {len(encoded)} bytes, and has {width // 8} in this packet"
        raise SuiteError(what, "only a field of an expression can get another length")
    return int.from_bytes(encoded, "big")
