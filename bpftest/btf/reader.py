"""BTF bytes → types by id, each read when it is first asked for."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bpftest.btf.layout import Layout, layout_of
from bpftest.btf.records import SHAPES, Record, damaged, parsed
from bpftest.btf.spelling import spelled_type
from bpftest.btf.types import (
    Array,
    DataSec,
    Enum,
    Float,
    Int,
    Kind,
    Pointer,
    Qualifier,
    Struct,
    Type,
    Typedef,
    Var,
    Void,
)
from bpftest.errors import ObjectError

MAGICS: dict[bytes, Literal["little", "big"]] = {b"\x9f\xeb": "little", b"\xeb\x9f": "big"}
HEADER_SIZE = 24  # bytes of struct btf_header; a newer kernel's may be longer
POINTER_SIZE = 8  # bytes
NAME_MAX = 512  # bytes: KSYM_NAME_LEN, the longest name that the kernel takes in BTF
DEPTH_MAX = 32  # typedefs and qualifiers, or dimensions, on the way to a type: MAX_RESOLVE_DEPTH of the kernel
SIZE_MAX = 0xFFFFFFFF  # bytes: sizes are 32-bit


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable of the program."""

    section: str  # ".rodata", ".bss.counters"
    name: str
    type: int
    offset: int  # bytes, from the start of the section; clang may leave 0, libbpf fills it in
    size: int  # bytes; likewise


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants of an enum, to be looked up."""

    numbers: Mapping[str, int]  # by name
    names: Mapping[int, str]  # by number; the first where several have the same


class Btf:
    """The types in *data*: a header, type records and strings, as they stand in the .BTF section of an object.

    To make one only notes where each type begins. Whatever the bytes are, no method raises anything but
    ObjectError, when they cannot be true.
    """

    def __init__(self, data: bytes) -> None:
        self.byteorder, types, self._strings = _sections(data)
        self._words = array("I", types)
        if self.byteorder != sys.byteorder:
            self._words.byteswap()
        self._starts = _starts(self._words)
        self._types: dict[int, Type] = {0: Void()}
        self._resolved: dict[int, Type] = {}
        self._typedefs: dict[int, tuple[str, ...]] = {}
        self._sizes: dict[int, int] = {}
        self._layouts: dict[int, Layout] = {}
        self._constants: dict[int, Constants] = {}

    def __len__(self) -> int:
        """How many types there are, with void, which is type 0."""
        return len(self._starts)

    def type(self, type_id: int) -> Type:
        """The type *type_id*."""
        found = self._types.get(type_id)
        if found is None:
            found = self._types[type_id] = self._read(type_id)
        return found

    def resolve(self, type_id: int) -> Type:
        """What *type_id* is behind its typedefs and qualifiers."""
        if type_id not in self._resolved:
            self._resolved[type_id], self._typedefs[type_id] = self._behind(type_id)
        return self._resolved[type_id]

    def typedefs(self, type_id: int) -> tuple[str, ...]:
        """The names of the typedefs that `resolve` goes through, outermost first."""
        self.resolve(type_id)
        return self._typedefs[type_id]

    def sizeof(self, type_id: int) -> int:
        """The size of a value of *type_id*, in bytes."""
        if type_id not in self._sizes:
            self._sizes[type_id] = self._measured(type_id)
        return self._sizes[type_id]

    def layout(self, type_id: int) -> Layout:
        """Where the fields of the struct or union *type_id*, or of what it is a typedef of, are."""
        return layout_of(self, self._layouts, type_id)

    def constants(self, type_id: int) -> Constants:
        """The constants of the enum *type_id*, or of what it is a typedef of; of any other type there are none."""
        if type_id not in self._constants:
            found = self.resolve(type_id)
            values = found.values if isinstance(found, Enum) else ()
            names: dict[int, str] = {}
            for name, number in values:
                names.setdefault(number, name)
            self._constants[type_id] = Constants(dict(values), names)
        return self._constants[type_id]

    def spelled(self, type_id: int) -> str:
        """The type as C has it, for messages: `struct cfg`, `__be16`, `char[16]`, `enum verdict`."""
        return spelled_type(self, type_id)

    def find(self, name: str, kinds: Collection[Kind]) -> int | None:
        """The first type of one of *kinds* that has this name, or None."""
        offsets = set(self._offsets(name))
        return next((found for found in self._ids(kinds) if self._words[self._starts[found]] in offsets), None)

    def names(self, kinds: Collection[Kind]) -> tuple[str, ...]:
        """The names of all types of *kinds*, without the anonymous ones, in the order of their ids."""
        return tuple(name for found in self._ids(kinds) if (name := self._text(self._words[self._starts[found]])))

    def variables(self) -> Iterator[Variable]:
        """The global variables, section by section."""
        for section in map(self.type, self._ids([Kind.DATASEC])):
            if isinstance(section, DataSec):
                yield from self._variables_of(section)

    def _variables_of(self, section: DataSec) -> Iterator[Variable]:
        for type_id, offset, size in section.entries:
            var = self.type(type_id)
            if isinstance(var, Var):  # a Func there is one of the kernel's that the program calls
                yield Variable(section.name, var.name, var.type, offset, size)

    def _ids(self, kinds: Collection[Kind]) -> Iterator[int]:
        wanted = {int(kind) for kind in kinds}
        for type_id in range(1, len(self)):
            if self._words[self._starts[type_id] + 1] >> 24 & 0x1F in wanted:
                yield type_id

    def _read(self, type_id: int) -> Type:
        if not 0 < type_id < len(self):
            raise damaged(f"there is no type {type_id}, the last one is {len(self) - 1}")
        start = self._starts[type_id]
        end = self._starts[type_id + 1] if type_id + 1 < len(self) else len(self._words)
        name, info, word, *rest = self._words[start:end]
        kind = Kind(info >> 24 & 0x1F)
        return parsed(Record(kind, bool(info >> 31), info & 0xFFFF, self._text(name), word, rest, self._text))

    def _behind(self, type_id: int) -> tuple[Type, tuple[str, ...]]:
        """What `resolve` and `typedefs` give."""
        names: list[str] = []
        alias = type_id
        for _ in range(DEPTH_MAX):
            found = self.type(alias)
            if not isinstance(found, (Typedef, Qualifier)):
                return found, tuple(names)
            if isinstance(found, Typedef):
                names.append(found.name)
            alias = found.type
        raise damaged(f"type {type_id} is behind more than {DEPTH_MAX} typedefs and qualifiers")

    def _measured(self, type_id: int) -> int:
        """What `sizeof` gives."""
        count = 1
        for _ in range(DEPTH_MAX):
            found = self.resolve(type_id)
            if not isinstance(found, Array):
                return self._size(type_id, found, count)
            count *= found.count
            type_id = found.element
        raise damaged(f"an array has more than {DEPTH_MAX} dimensions")

    def _size(self, type_id: int, element: Type, count: int) -> int:
        """The size of *count* values of *type_id*, which is *element*, in bytes."""
        if isinstance(element, Pointer):
            size = count * POINTER_SIZE
        elif isinstance(element, (Int, Struct, Enum, Float)):
            size = count * element.size
        else:
            raise ObjectError(f"{self.spelled(type_id)} has no size")
        if size > SIZE_MAX:
            raise damaged(f"an array has {size:#x} bytes")
        return size

    def _text(self, offset: int) -> str:
        """The name at *offset* of the string section."""
        end = self._strings.find(b"\0", offset, offset + NAME_MAX + 1)
        if end < 0:
            raise damaged(f"there is no name of up to {NAME_MAX} bytes at byte {offset} of its strings")
        try:
            name = self._strings[offset:end].decode()
        except UnicodeDecodeError:
            raise damaged(f"the name at byte {offset} of its strings is not UTF-8") from None
        if not name.isprintable():
            raise damaged(f"the name {name!a} cannot be printed")
        return name

    def _offsets(self, name: str) -> Iterator[int]:
        """Where *name* is in the string section; a name may share the end of another."""
        wanted = name.encode() + b"\0"
        offset = self._strings.find(wanted) if name else -1
        while offset >= 0:
            yield offset
            offset = self._strings.find(wanted, offset + 1)


def _sections(data: bytes) -> tuple[Literal["little", "big"], bytes, bytes]:
    """The byte order, the type section and the string section."""
    if len(data) < HEADER_SIZE:
        raise damaged(f"it has {len(data)} bytes, its header alone has {HEADER_SIZE}")
    byteorder = MAGICS.get(bytes(data[:2]))
    if not byteorder:
        raise damaged(f"it begins with {data[:2].hex(' ')}, not with 9f eb")
    version, _, header, types_at, types, strings_at, strings = struct.unpack_from(
        "<BBIIIII" if byteorder == "little" else ">BBIIIII", data, 2
    )
    if version != 1:
        raise ObjectError(f"the BTF has version {version}; bpftest reads version 1")
    if types_at % 4 or types % 4 or header < HEADER_SIZE:
        raise damaged("its type section is not made of 32-bit words")
    if header + max(types_at + types, strings_at + strings) > len(data):
        raise damaged(f"it ends at byte {len(data)}, inside one of its sections")
    types_at, strings_at = header + types_at, header + strings_at
    return byteorder, data[types_at : types_at + types], data[strings_at : strings_at + strings]


def _starts(words: array[int]) -> array[int]:
    """The index in *words* of each type's first word, by type id. This is the hot loop: a kernel has 120,000 types."""
    fixed, each = [0] * 32, [0] * 32  # words, by kind
    for known, (after, element) in SHAPES.items():
        fixed[known], each[known] = 3 + after, element
    starts = array("I", [0])  # void has no words
    at, end = 0, len(words)
    while at + 2 < end:
        info = words[at + 1]
        kind = info >> 24 & 0x1F
        if not fixed[kind]:
            raise ObjectError(f"the BTF has a type of kind {kind}, which bpftest does not know")
        starts.append(at)
        at += fixed[kind] + each[kind] * (info & 0xFFFF)
    if at != end:
        raise damaged(f"its last type should end at word {at}, its type section ends at {end}")
    return starts
