"""Headers that a suite declares: protocols of the user's own, as layers for expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets.layers import LAYERS, layer, load

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

TYPES = ("u8", "u16", "u24", "u32", "u64", "le16", "le32", "le64", "ip4", "ip6", "mac", "bytes")
LENGTH_MAX = 65_535  # of a field of bytes

_made: dict[str, type[Layer]] = {}  # by name and fields


def header(name: str, fields: Sequence[Mapping[str, Any]]) -> type[Layer]:
    """The layer *name* with *fields*: {name, type, default, length}, as the suite declares them. Raises SuiteError."""
    key = repr((name, fields))
    if key not in _made:
        _check(name, fields)
        load("scapy.packet")
        from scapy.packet import Packet

        described = {"name": name, "fields_desc": [_field(name, one) for one in fields], "__module__": __name__}
        make: Any = type(Packet)
        _made[key] = make(name, (Packet,), described)
    return _made[key]


def declared(headers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, type[Layer]]:
    """The layers that a suite declares, by name. Raises SuiteError."""
    return {name: header(name, fields) for name, fields in headers.items()}


def chain(names: Sequence[str], headers: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[type[Layer], ...]:
    """The layers with *names*, of which the suite declares some in *headers*. Raises SuiteError."""
    own = declared(headers) if names else {}
    return tuple(own.get(name) or layer(name) for name in names)


def is_declared(kind: type[Layer]) -> bool:
    """Whether the layer is one that a suite declares."""
    return kind.__module__ == __name__


def _check(name: str, fields: Sequence[Mapping[str, Any]]) -> None:
    if name in LAYERS:
        raise SuiteError(f"header {name} has the name of a Scapy layer", "choose another name")
    for what, word in [("header", name), *(("field", one["name"]) for one in fields)]:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word):
            raise SuiteError(f"{what} {word!r} of header {name} is not a name", "letters, digits and _")
    seen: set[str] = set()
    for one in fields:
        if one["name"] in seen:
            raise SuiteError(f"header {name} has two fields {one['name']}")
        seen.add(one["name"])


def _field(name: str, described: Mapping[str, Any]) -> Any:
    """Scapy's field for one of TYPES."""
    import scapy.fields as kinds

    own, kind, default = described["name"], described["type"], described.get("default")
    numbers = {
        "u8": kinds.ByteField,
        "u16": kinds.ShortField,
        "u24": kinds.ThreeBytesField,
        "u32": kinds.IntField,
        "u64": kinds.LongField,
        "le16": kinds.LEShortField,
        "le32": kinds.LEIntField,
        "le64": kinds.LELongField,
    }
    addresses = {
        "ip4": (kinds.IPField, "0.0.0.0"),  # noqa: S104  # no socket is bound
        "ip6": (kinds.IP6Field, "::"),
        "mac": (kinds.MACField, "00:00:00:00:00:00"),
    }
    if kind in numbers:
        return _checked(name, numbers[kind](own, 0), 0 if default is None else default)
    if kind in addresses:
        make, nothing = addresses[kind]
        return _checked(name, make(own, nothing), nothing if default is None else default)
    if kind == "bytes":
        return _bytes_field(name, described)
    raise SuiteError(f"field {own} of header {name} has no type '{kind}'", f"types are: {', '.join(TYPES)}")


def _bytes_field(name: str, described: Mapping[str, Any]) -> Any:
    from scapy.fields import XStrFixedLenField

    own, length, default = described["name"], described.get("length"), described.get("default", "")
    if not isinstance(length, int) or not 0 < length <= LENGTH_MAX:
        raise SuiteError(f"field {own} of header {name} needs a length from 1 to {LENGTH_MAX}", "such as length: 4")
    try:
        content = bytes.fromhex(str(default))
    except ValueError:
        raise SuiteError(f"default of field {own} of header {name} is not hex: {default!r}") from None
    return _checked(name, XStrFixedLenField(own, b"", length=length), content)


def _checked(name: str, field: Any, default: Any) -> Any:
    """*field* with *default*, if that fits."""
    from bpftest.packets.shapes import accept

    field.default = field.any2i(None, accept(f"{name}.{field.name}", field)(default))
    return field
