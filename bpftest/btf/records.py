"""A record of the type section → a type. Nothing is taken on trust: damage is an ObjectError."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bpftest.btf.types import (
    Array,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Kind,
    Member,
    Pointer,
    Qualifier,
    Struct,
    Type,
    Typedef,
    Var,
)
from bpftest.errors import ObjectError


def damaged(why: str) -> ObjectError:
    """The error for bytes that are no BTF, or say what cannot be."""
    return ObjectError(f"the BTF is damaged: {why}", "build the object again, with clang -g")


@dataclass(frozen=True, slots=True)
class Record:
    """A struct btf_type with what follows it."""

    kind: Kind
    flag: bool  # kind_flag
    vlen: int
    name: str
    word: int  # the union of size and type
    rest: Sequence[int]  # the 32-bit words after it, as many as SHAPES says
    text: Callable[[int], str]  # what stands at an offset into the string section


# kind: 32-bit words after the struct btf_type, and words for each of its vlen elements.
SHAPES = {
    Kind.INT: (1, 0),
    Kind.PTR: (0, 0),
    Kind.ARRAY: (3, 0),
    Kind.STRUCT: (0, 3),
    Kind.UNION: (0, 3),
    Kind.ENUM: (0, 2),
    Kind.FWD: (0, 0),
    Kind.TYPEDEF: (0, 0),
    Kind.VOLATILE: (0, 0),
    Kind.CONST: (0, 0),
    Kind.RESTRICT: (0, 0),
    Kind.FUNC: (0, 0),  # its vlen is the linkage
    Kind.FUNC_PROTO: (0, 2),
    Kind.VAR: (1, 0),
    Kind.DATASEC: (0, 3),
    Kind.FLOAT: (0, 0),
    Kind.DECL_TAG: (1, 0),
    Kind.TYPE_TAG: (0, 0),
    Kind.ENUM64: (0, 3),
}


def parsed(record: Record) -> Type:
    """The type that *record* describes. Raises ObjectError."""
    return _PARSERS[record.kind](record)


def _int(record: Record) -> Int:
    (word,) = record.rest
    encoding, offset, bits = word >> 24 & 0xF, word >> 16 & 0xFF, word & 0xFF
    if not 1 <= record.word <= 16 or not 1 <= bits <= 8 * record.word - offset:
        raise damaged(f"{record.name!r} is an integer of {record.word} bytes, {bits} bits from bit {offset} on")
    return Int(
        name=record.name,
        size=record.word,
        bits=bits,
        offset=offset,
        signed=bool(encoding & 1),
        is_char=bool(encoding & 2) or record.name == "char",  # clang calls `char` no more than SIGNED
        is_bool=bool(encoding & 4),
    )


def _array(record: Record) -> Array:
    element, _, count = record.rest
    return Array(element, count)


def _struct(record: Record) -> Struct:
    members = []
    for name, type_id, offset in _rows(record, 3):
        bit_size = offset >> 24 if record.flag else 0
        members.append(Member(record.text(name), type_id, offset & 0xFFFFFF if record.flag else offset, bit_size))
    return Struct(record.name, record.word, tuple(members), record.kind is Kind.UNION)


def _enum(record: Record) -> Enum:
    values = [(record.text(name), _signed(value, 32, record)) for name, value in _rows(record, 2)]
    return _checked_enum(record, values)


def _enum64(record: Record) -> Enum:
    values = [(record.text(name), _signed(high << 32 | low, 64, record)) for name, low, high in _rows(record, 3)]
    return _checked_enum(record, values)


def _checked_enum(record: Record, values: list[tuple[str, int]]) -> Enum:
    if record.word not in {1, 2, 4, 8}:
        raise damaged(f"enum {record.name!r} has {record.word} bytes")
    return Enum(record.name, record.word, record.flag, tuple(values))


def _float(record: Record) -> Float:
    if record.word not in {2, 4, 8, 12, 16}:
        raise damaged(f"{record.name!r} is a floating-point number of {record.word} bytes")
    return Float(record.name, record.word)


def _func_proto(record: Record) -> FuncProto:
    return FuncProto(record.word, tuple((record.text(name), type_id) for name, type_id in _rows(record, 2)))


def _datasec(record: Record) -> DataSec:
    return DataSec(record.name, record.word, tuple((var, offset, size) for var, offset, size in _rows(record, 3)))


def _decl_tag(record: Record) -> DeclTag:
    return DeclTag(record.name, record.word, _twos_complement(record.rest[0], 32))


def _rows(record: Record, width: int) -> Iterator[tuple[int, ...]]:
    """What follows the struct btf_type, *width* words at a time."""
    words = iter(record.rest)
    return zip(*[words] * width)  # noqa: B905 # the rest is a multiple of the width, by SHAPES


def _signed(word: int, bits: int, record: Record) -> int:
    """The value of an enum's constant: kind_flag says whether it is signed."""
    return _twos_complement(word, bits) if record.flag else word


def _twos_complement(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


_PARSERS: dict[Kind, Callable[[Record], Type]] = {
    Kind.INT: _int,
    Kind.PTR: lambda record: Pointer(record.word),
    Kind.ARRAY: _array,
    Kind.STRUCT: _struct,
    Kind.UNION: _struct,
    Kind.ENUM: _enum,
    Kind.FWD: lambda record: Fwd(record.name, record.flag),
    Kind.TYPEDEF: lambda record: Typedef(record.name, record.word),
    Kind.VOLATILE: lambda record: Qualifier(record.word),
    Kind.CONST: lambda record: Qualifier(record.word),
    Kind.RESTRICT: lambda record: Qualifier(record.word),
    Kind.FUNC: lambda record: Func(record.name, record.word, record.vlen),
    Kind.FUNC_PROTO: _func_proto,
    Kind.VAR: lambda record: Var(record.name, record.word, record.rest[0]),
    Kind.DATASEC: _datasec,
    Kind.FLOAT: _float,
    Kind.DECL_TAG: _decl_tag,
    Kind.TYPE_TAG: lambda record: Qualifier(record.word, record.name),
    Kind.ENUM64: _enum64,
}
