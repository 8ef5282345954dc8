"""Bytes → an expression that builds them again: its fields as the packet has them, those that follow left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.packets import layers
from bpftest.packets.arithmetic import SIZE_MAX
from bpftest.packets.dissection import Header, headers, stack
from bpftest.packets.expression import NESTED_MAX, built
from bpftest.packets.fields import differences
from bpftest.packets.framing import link_of
from bpftest.packets.headers import chain as chain_of
from bpftest.packets.making import is_layer
from bpftest.packets.shapes import shape

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

    from bpftest.packets.sources import Packet, Scope

TRIES = 6  # each names more of the fields that are not what Scapy computes
PLAIN = ("Raw", "Padding")  # layers that hold bytes
FIRST = {"ethernet": ("Ether",), "ip": ("IP", "IPv6")}  # layers that a packet of each link begins with
LONG = 8  # bytes; more of the same are written as a product


class Written(NamedTuple):
    """An expression."""

    text: str  # `built` makes the same bytes of it
    unread: str = ""  # the first header that is written as bytes, since no fields make it; "": none


class _NoWords(Exception):
    """What a packet holds, and no expression says."""


def written(packet: Packet, scope: Scope) -> Written:
    """An expression that builds `packet.data`. *scope*: of its suite, whose headers it may name.

    It has been built, and compared. Raises SuiteError for a packet that is longer than expressions can be.
    """
    data = packet.data
    if len(data) > SIZE_MAX:
        raise SuiteError(f"the packet has {len(data)} bytes, and an expression makes {SIZE_MAX} at most")
    chain = chain_of(packet.chain, scope.headers)
    found = stack(headers(data, packet.link, chain))
    for count in range(len(found), 0, -1):
        rest = found[count:]
        if rest and all(one.name == "Raw" for one in rest):
            continue  # as in the attempt before
        parts = _Parts(found[:count], data[rest[0].start :] if rest else b"", scope)
        text = _same(parts, data, packet.link, chain)
        if text:
            return Written(text, _unread(rest))
    return Written(_whole(packet, scope), _unread(found))


def _unread(rest: Sequence[Header]) -> str:
    return rest[0].name if rest and rest[0].name not in PLAIN else ""


def _whole(packet: Packet, scope: Scope) -> str:
    """An expression of the bytes alone; of which a layer is said to begin with it, where nobody would guess that."""
    if packet.link and packet.link != link_of(packet.data):
        for first in FIRST[packet.link]:
            text = f"{first}({_literal(packet.data)})"
            if _built(text, scope) == packet.data:
                return text
    return as_bytes(packet.data)


def as_bytes(data: bytes) -> str:
    """An expression that says nothing but the bytes."""
    return f"Raw({_literal(data)})"


class _Parts:
    """Headers, and the bytes behind them that are to be written as such."""

    def __init__(self, found: Sequence[Header], rest: bytes, scope: Scope) -> None:
        self.found = found
        self.rest = rest
        self.scope = scope

    def text(self, named: set[str]) -> str:
        """The expression that gives the fields *named*, "IP.ttl", where the layer has them. Raises _NoWords."""
        parts = [_layer(one.layer, one.name, named, self.scope) for one in self.found]
        if self.rest:
            parts.append(as_bytes(self.rest))
        return "/".join(parts)


def _same(parts: _Parts, data: bytes, link: str, chain: Sequence[type[Layer]]) -> str:
    """The shortest expression of *parts* that is found to build *data*; "" if none does."""
    every = {f"{one.name}.{name}" for one in parts.found for name in one.layer.fields}
    named = {f"{one.name}.{name}" for one in parts.found for name in _own(one.layer, _padded)}
    try:
        for _ in range(TRIES):
            text = parts.text(named)
            made = _built(text, parts.scope)
            if made == data:
                return text
            found = differences(data, made, link, None, chain)
            # A checksum that is right in both needs no word, as soon as what it is the sum of is right.
            more = {one.name for one in found if not one.derived} & every or {one.name for one in found} & every
            if not more - named:
                break
            named |= more
        text = parts.text(every)
    except _NoWords:
        return ""
    return text if _built(text, parts.scope) == data else ""


def _built(text: str, scope: Scope) -> bytes:
    """The bytes that *text* builds; none if it is refused, as a length that does not fit is."""
    try:
        return built(text, scope)[0]
    except SuiteError:
        return b""


def _own(layer: Layer, alike: Callable[[Any, Any], bool]) -> Iterator[str]:
    """The fields of *layer* that are not what they are unless given. Whether computed ones are, building tells."""
    kind = shape(type(layer))
    for name, value in layer.fields.items():
        usual = layer.overloaded_fields.get(name, layer.default_fields.get(name))
        if name in kind.volatile or (name not in kind.computed and not alike(value, usual)):
            yield name


def _equal(value: Any, usual: Any) -> bool:
    with suppress(Exception):  # Scapy's values compare with their like
        return bool(value == usual)
    return False


def _padded(value: Any, usual: Any) -> bool:
    """Whether *value* may be what a field makes of *usual*; where it is not, building tells."""
    if isinstance(value, bytes) and isinstance(usual, bytes):
        return value.rstrip(b"\0") == usual.rstrip(b"\0")
    return not usual if value == [] else _equal(value, usual)


def _layer(layer: Layer, header: str, named: set[str], scope: Scope) -> str:
    """*layer* without its payload, with the fields of its *header* that are *named*."""
    kind = type(layer)
    if kind.__name__ in PLAIN:
        return f"{kind.__name__}({_literal(bytes(layer.fields.get('load', b'')))})"
    return _call(layer, [name for name in layer.fields if f"{header}.{name}" in named], scope, 1)


def _call(layer: Layer, names: Sequence[str], scope: Scope, depth: int) -> str:
    kind = type(layer)
    if kind.__name__ not in layers.LAYERS and kind.__name__ not in scope.headers:
        raise _NoWords
    if depth > NESTED_MAX:
        raise _NoWords
    given = (f"{name}={_value(layer.fields[name], _kind(layer, name), scope, depth)}" for name in names)
    return f"{kind.__name__}({', '.join(given)})"


def _kind(layer: Layer, name: str) -> str:
    return type(layer.get_field(name)).__name__


def _held(packet: Layer, scope: Scope, depth: int) -> str:
    """A packet in a field of another, with all that a new one would not have."""
    parts = []
    for layer in packet.iterpayloads():
        if type(layer).__name__ in PLAIN:
            parts.append(_layer(layer, "", set(), scope))
            continue
        own, computed = set(_own(layer, _equal)), shape(type(layer)).computed
        names = [
            name for name, value in layer.fields.items() if name in own or (name in computed and value is not None)
        ]
        parts.append(_call(layer, names, scope, depth + 1))
    return "/".join(parts)


def _value(value: Any, kind: str, scope: Scope, depth: int) -> str:
    """A field's value as an expression says it. *kind*: the class of the field. Raises _NoWords."""
    if type(value).__name__ == "FlagValue":
        text = str(value)
        return str(int(value)) if not text or "?" in text else json.dumps(text)
    if value is None or isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return f"{int(value):#x}" if kind.startswith("X") else str(int(value))
    if isinstance(value, bytes):
        return _literal(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        parts = [_value(one, kind, scope, depth) for one in value]
        end = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{', '.join(parts)}]" if isinstance(value, list) else f"({', '.join(parts)}{end})"
    if is_layer(value):
        return _held(value, scope, depth)
    raise _NoWords


def _literal(data: bytes) -> str:
    """*data* as an expression says it: b"text" where it is printable, else hex."""
    if len(data) > LONG and data.count(data[:1]) == len(data):
        return f"{_literal(data[:1])} * {len(data)}" if data[0] else f"bytes({len(data)})"
    if all(32 <= byte < 127 for byte in data):
        return f"b{json.dumps(data.decode('ascii'))}"
    return f'bytes.fromhex("{data.hex()}")'
