"""Where the fields of a struct or union are, those of its anonymous members among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from bpftest.btf.records import damaged
from bpftest.btf.types import Array, Enum, Int, Member, Struct
from bpftest.errors import ObjectError

if TYPE_CHECKING:
    from bpftest.btf.reader import Btf

DEPTH_MAX = 32  # structs in each other; the types of a 6.18 kernel need 18


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a struct or union, as C programs name them."""

    fields: Mapping[str, Member]  # by name, without anonymous members; bit offsets are from the start of the whole
    cover: tuple[str, ...] | None  # fields that hold all there is, no bit twice; None if no choice among unions does
    padded: bool  # whether there are bits that no field of `cover` holds
    depth: int  # levels of structs, this one counted; at most DEPTH_MAX


NO_STRUCT = Layout({}, None, padded=False, depth=0)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one member gives to its struct."""

    start: int  # bits
    end: int  # bits
    inner: Layout  # offsets in it are those of the struct


def layout_of(btf: Btf, known: dict[int, Layout], type_id: int, depth: int = 0) -> Layout:
    """The layout of *type_id*, from *known*, or computed and put there; *depth*: structs that it is inside of.

    Raises ObjectError if *type_id* has no fields, or has them where none can be. In what it gives, at every level,
    fields are inside of their structs and overlap in unions only.
    """
    found = known.get(type_id)
    if found is None:
        struct = btf.resolve(type_id)
        if not isinstance(struct, Struct):
            raise ObjectError(f"{btf.spelled(type_id)} has no fields")
        if depth < DEPTH_MAX:
            parts = [_part(btf, known, struct, member, depth) for member in struct.members]
            found = known[type_id] = _union(struct, parts) if struct.is_union else _struct(struct, parts)
    if found is None or depth + found.depth > DEPTH_MAX:
        raise damaged(f"{btf.spelled(type_id)} is inside of more than {DEPTH_MAX} structs, or of itself")
    return found


def _part(btf: Btf, known: dict[int, Layout], struct: Struct, member: Member, depth: int) -> _Part:
    member, bits = _measured(btf, member)
    end = member.bit_offset + bits
    if end > 8 * struct.size:
        raise damaged(f"{member.name!r} ends at bit {end} of {struct.name!r}, which has {struct.size} bytes")
    element = _element(btf, member.type)
    inner = layout_of(btf, known, element, depth + 1) if isinstance(btf.resolve(element), Struct) else NO_STRUCT
    if member.name:
        inner = Layout({member.name: member}, (member.name,), inner.padded, inner.depth)
    elif inner is not NO_STRUCT and element == member.type:
        inner = replace(inner, fields=_moved(inner.fields, member.bit_offset))
    else:  # bits without a name
        inner = Layout({}, (), padded=True, depth=inner.depth)
    return _Part(member.bit_offset, end, inner)


def _moved(fields: Mapping[str, Member], bits: int) -> dict[str, Member]:
    return {name: replace(field, bit_offset=field.bit_offset + bits) for name, field in fields.items()}


def _struct(struct: Struct, parts: list[_Part]) -> Layout:
    padded = False
    at = 0  # bits
    for part in parts:
        if part.start < at:
            raise damaged(f"members of struct {struct.name!r} overlap at bit {part.start}")
        padded = padded or part.inner.padded or part.start > at
        at = part.end
    covers = [part.inner.cover for part in parts if part.inner.cover is not None]
    cover = tuple(chain.from_iterable(covers)) if len(covers) == len(parts) else None
    return _layout(struct, parts, cover, padded=padded or at < 8 * struct.size)


def _union(struct: Struct, parts: list[_Part]) -> Layout:
    """Its cover is the first member that has all of its bits, or the only member."""
    if not parts:
        return _layout(struct, parts, (), padded=struct.size > 0)
    for part in parts:
        padded = part.inner.padded or part.end < 8 * struct.size
        if part.inner.cover is not None and (not padded or len(parts) == 1):
            return _layout(struct, parts, part.inner.cover, padded=padded)
    return _layout(struct, parts, None, padded=False)


def _layout(struct: Struct, parts: list[_Part], cover: tuple[str, ...] | None, *, padded: bool) -> Layout:
    fields: dict[str, Member] = {}
    for part in parts:
        twice = fields.keys() & part.inner.fields.keys()
        if twice:
            raise damaged(f"{struct.name!r} has two members {min(twice)!r}")
        fields.update(part.inner.fields)
    depth = 1 + max((part.inner.depth for part in parts), default=0)
    return Layout(fields, cover, padded and cover is not None, depth)


def _measured(btf: Btf, member: Member) -> tuple[Member, int]:
    """*member*, with the bits of an old bit-field's type as its own, and how many bits it has."""
    held = btf.resolve(member.type)
    size = btf.sizeof(member.type)
    if isinstance(held, Int) and not member.bit_size and held.bits < 8 * size:
        member = replace(member, bit_offset=member.bit_offset + held.offset, bit_size=held.bits)
    if member.bit_size:
        if not isinstance(held, (Int, Enum)) or member.bit_size > 8 * size:
            raise damaged(f"{member.name!r} is a bit-field of {member.bit_size} bits in {btf.spelled(member.type)}")
    elif member.bit_offset % 8:
        raise damaged(f"{member.name!r} begins at bit {member.bit_offset}, inside of a byte")
    return member, member.bit_size or 8 * size


def _element(btf: Btf, type_id: int) -> int:
    """The type that *type_id* is an array of, however many dimensions it has; *type_id*, if it is no array."""
    found = btf.resolve(type_id)
    while isinstance(found, Array):
        type_id = found.element
        found = btf.resolve(type_id)
    return type_id
