"""The fields of a packet that a suite names: those to check, and those that do not count."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.packets import layers
from bpftest.packets.difference import FieldDifference
from bpftest.packets.dissection import Field, Header, headers, path
from bpftest.packets.headers import chain, declared
from bpftest.packets.shapes import shape
from bpftest.packets.shown import shown
from bpftest.packets.sources import SourceError, hex_bytes
from bpftest.wording import meant

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

    from bpftest.packets.sources import Packet, Scope

# Of (data, link, chain), the last two as in sources.Packet.
FieldChecks = Callable[[bytes, str, Sequence[str]], tuple[FieldDifference, ...]]

NAME = re.compile(r"([A-Za-z]\w*)(\[([1-9]\d?)\])?(?:\.(\w+))?")


class Name(NamedTuple):
    """The parts of "IP[2].ttl"."""

    word: str  # "IP"
    header: str  # "IP[2]", as dissection.Header has it
    field: str  # "ttl", "" for the whole header


def field_checks(fields: Mapping[str, Any], scope: Scope) -> FieldChecks:
    """What compares the named *fields* ({"IP.ttl": 63, "IP[2].dst": "10.0.0.1"}) with a packet's.

    Values are written as in an expression; {"hex": ".."} for bytes that are not text. Raises SourceError with the
    name as its key, for names and values that Scapy does not know.
    """
    own = declared(scope.headers)
    wanted = [(name, _wanted(name, value, own), value) for name, value in fields.items()]

    def check(data: bytes, link: str, names: Sequence[str]) -> tuple[FieldDifference, ...]:
        found = headers(data, link, chain(names, scope.headers))
        by_name = {one.name: one for one in found}
        differences = []
        for text, (name, value), written in wanted:
            header = by_name.get(name.header)
            if header is None:
                actual = f"no {name.header} header: {path(found)}"
                differences.append(FieldDifference(text, 0, str(written), actual))
                continue
            field = next((one for one in header.fields if one.name == name.field), None)
            if field is None:
                differences.append(FieldDifference(text, header.start, str(written), "absent"))
            elif not _holds(header, field, value, data):
                texts = _as_shown(header, field, value, written), shown(header.layer, field)
                differences.append(FieldDifference(text, field.start // 8, *texts))
        return tuple(differences)

    return check


def _wanted(text: str, written: Any, own: Mapping[str, type[Layer]]) -> tuple[Name, Any]:
    """(name, value for Scapy's field). *own*: the layers that the suite declares. Raises SourceError."""
    try:
        name = parsed_name(text, own)
        return name, _value(name, written, own)
    except SuiteError as error:
        raise SourceError(error.what, error.hint, key=text) from error


def _value(name: Name, written: Any, own: Mapping[str, type[Layer]]) -> Any:
    """The value for Scapy's field *name*. Raises SuiteError."""
    accepts = shape(own.get(name.word) or layers.layer(name.word)).accepts
    if not name.field:
        raise SuiteError(f"{name.header} is a header, not a field", f"its fields: {', '.join(accepts)}")
    if isinstance(written, dict):
        if list(written) != ["hex"]:
            raise SuiteError(f"{name.header}.{name.field} takes one value", 'such as 63, 10.0.0.1 or {hex: "00ff"}')
        return hex_bytes(str(written["hex"]), "hex")
    if isinstance(written, list):
        written = [tuple(one) if isinstance(one, list) else one for one in written]
    return accepts[name.field](written)


def parsed_name(text: str, own: Mapping[str, type[Layer]]) -> Name:
    """The name, if Scapy knows it or the suite declares it. Raises SuiteError."""
    match = NAME.fullmatch(text)
    if not match:
        raise SuiteError(f"'{text}' is not the name of a field", "such as IP.ttl, IP[2].ttl for the second IP header")
    word, _, nth, field = match.groups()
    if word not in layers.LAYERS and word not in own:
        close = meant(word, (*own, *layers.LAYERS))
        raise SuiteError(f"there is no layer {word}", f"did you mean {close}?" if close else "")
    accepts = shape(own.get(word) or layers.layer(word)).accepts
    if field is not None and field not in accepts:
        close = meant(field, accepts)
        raise SuiteError(
            f"{word} has no field {field}",
            f"did you mean {word}.{close}?" if close else f"its fields: {', '.join(accepts)}",
        )
    header = f"{word}[{nth}]" if nth and int(nth) > 1 else word
    return Name(word, header, field or "")


def _holds(header: Header, field: Field, value: Any, data: bytes) -> bool:
    """Whether *field* has *value*, in Scapy's terms or in its bytes."""
    try:
        if field.kind.any2i(header.layer, value) == field.value:
            return True
        encoded = field.kind.addfield(header.layer, b"", field.kind.any2i(header.layer, value))
        return bool(encoded == data[field.start // 8 : field.end // 8])
    except Exception:  # noqa: BLE001  # a value that this packet's field cannot have
        return False


def _as_shown(header: Header, field: Field, value: Any, written: Any) -> str:
    try:
        return shown(header.layer, field._replace(value=field.kind.any2i(header.layer, value)))
    except Exception:  # noqa: BLE001  # a value that this packet's field cannot have
        return str(written)


def mask_without(names: Sequence[str], made: Packet, scope: Scope) -> bytes:
    """A mask as long as the packet in which the bits of the fields or headers *names* are 0, all others 1.

    Raises SourceError with the key "ignore" and the index of the name that the packet does not have.
    """
    data, own = made.data, declared(scope.headers)
    found = headers(data, made.link, chain(made.chain, scope.headers))
    by_name = {one.name: one for one in found}
    mask = (1 << (8 * len(data))) - 1
    for index, text in enumerate(names):
        try:
            start, end = _place(parsed_name(text, own), by_name)
        except SuiteError as error:
            raise SourceError(error.what, error.hint, key="ignore", index=index) from error
        except KeyError:
            raise SourceError(f"the packet has no {text}", f"it is {path(found)}", key="ignore", index=index) from None
        mask &= ~(((1 << (end - start)) - 1) << (8 * len(data) - end))
    return mask.to_bytes(len(data), "big")


def _place(name: Name, by_name: Mapping[str, Header]) -> tuple[int, int]:
    """(start, end) in bits of the field or header. Raises KeyError if the packet does not have it."""
    header = by_name[name.header]
    if not name.field:
        return 8 * header.start, 8 * header.end
    fields = {one.name: one for one in header.fields}
    return fields[name.field].start, fields[name.field].end
