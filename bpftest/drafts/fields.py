"""A value of a BTF type as lines of YAML: its fields by name, each with its type as a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.btf import Array, Enum, Float, Int, Pointer, Struct, is_special
from bpftest.drafts.scalars import flow, key
from bpftest.values.addresses import address_text
from bpftest.values.decoding import read, read_number
from bpftest.values.forms import clean_text
from bpftest.wording import MAX_SHOWN, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.btf import Btf, Member
    from bpftest.values.slots import Slot

ELEMENTS = 4  # of an array that are written; those behind them are as they were
OCTETS = 16  # bytes in hex, or characters of a text, beyond which a value is no line for people
DIMENSIONS = 3  # of an array
FIELDS = 32  # of a struct
CONSTANTS = 32  # of an enum
WIDTH = 100  # characters of a line, without what stands before it
INDENT = "  "


def field_lines(slot: Slot, label: str, data: bytes | None, room: Iterator[object]) -> list[str]:
    """The lines for the value in *slot* of *data*, or for zeros: "label: value  # type", a struct's fields below.

    What nobody can write in a line is a comment as a whole. *room*: gives a value for each struct that there is room
    for; the types may be a stranger's, and in each other more often than there are lines in the world.
    """
    type_name = shown(slot.type_name)
    if is_special(slot.btf, slot.type_id):
        return [f"# {label} {type_name}, which the kernel keeps to itself"]
    held = slot.type
    if isinstance(held, Struct) and not slot.is_address:
        inner = _inner(slot, data, room)
        return [f"{label}  # {type_name}", *indented(inner)] if inner else [f"{label} {{}}  # {type_name}"]
    if isinstance(held, Array) and isinstance(slot.btf.resolve(held.element), Struct) and not slot.is_address:
        inner = [line for element in slot.elements(min(held.count, 1)) for line in _inner(element, data, room)]
        return [f"{label}  # {type_name}", *indented(listed(inner))] if inner else [f"# {label} {type_name}"]
    value = inline(slot, data)
    if value is None:
        return [f"# {label} {type_name}"]
    return [f"{label} {flow(value)}  # {type_name}", *_constants(slot)]


def indented(lines: Iterable[str]) -> Iterator[str]:
    """*lines*, one level further to the right."""
    return (f"{INDENT}{line}" for line in lines)


def listed(lines: list[str]) -> Iterator[str]:
    """*lines* of a mapping as an element of a list."""
    return (("- " if index == 0 else INDENT) + line for index, line in enumerate(lines))


def inline(slot: Slot, data: bytes | None, dimension: int = 1) -> Any:
    """The value in *slot* of *data*, or of zeros, as a suite can write it in a line; None where it cannot.

    *dimension*: of the array that an array is.
    """
    held = slot.type
    if slot.is_address:
        return address_text(bytes(slot.size) if data is None else slot.bytes_of(data))
    if isinstance(held, (Int, Enum, Pointer, Float)):
        return _number(slot, data)
    if not isinstance(held, Array) or dimension > DIMENSIONS:
        return None
    if slot.is_text:
        text = "" if data is None else clean_text(slot.bytes_of(data))
        return text if text is not None and len(text) <= MAX_SHOWN else None
    if slot.is_octets:
        short = slot.size <= OCTETS
        return {"hex": (bytes(slot.size) if data is None else slot.bytes_of(data)).hex(" ")} if short else None
    values = [inline(element, data, dimension + 1) for element in slot.elements(min(held.count, ELEMENTS))]
    return values if values and None not in values else None


def _number(slot: Slot, data: bytes | None) -> Any:
    """The number in *slot*, or the name of a constant, unless that is one that no C has."""
    content = bytes(slot.size + 1) if data is None else slot.bytes_of(data)
    value = read(content, slot.alone())
    if isinstance(value, str) and not all(map(str.isidentifier, value.split("|"))):
        return read_number(content, slot.alone())
    return value


def _inner(slot: Slot, data: bytes | None, room: Iterator[object]) -> list[str]:
    """The lines of the fields of a struct or union; none where there is nothing to write in it, or no room."""
    if next(room, None) is None:
        return []
    fields = slot.btf.layout(slot.type_id).fields
    taken = list(_apart(slot.btf, list(fields.items())[:FIELDS]))
    lines = [line for name in taken for line in field_lines(slot.field(name), f"{key(name)}:", data, room)]
    if others := [name for name in fields if name not in taken]:
        lines.append(f"# and {shown(', '.join(others))}")
    return lines if any(not line.lstrip().startswith("#") for line in lines) else []


def _apart(btf: Btf, fields: Iterable[tuple[str, Member]]) -> Iterator[str]:
    """The names of the fields that share no bits with one before them: of a union the first alone."""
    end = 0
    for name, member in sorted(fields, key=lambda field: field[1].bit_offset):
        if member.bit_offset >= end:
            yield name
            end = member.bit_offset + (member.bit_size or 8 * btf.sizeof(member.type))


def wrapped(line: str) -> list[str]:
    """*line*, of many words, in as many lines as it takes; what cannot be printed is escaped."""
    from textwrap import wrap

    printable = "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)
    return wrap(printable, WIDTH, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)


def _constants(slot: Slot) -> list[str]:
    """The names of an enum's constants, as comments."""
    names = list(slot.btf.constants(slot.type_id).numbers)
    more = [f"and {len(names) - CONSTANTS} more"] if len(names) > CONSTANTS else []
    return [f"# {line}" for line in wrapped(", ".join([*map(shown, names[:CONSTANTS]), *more]))] if names else []
