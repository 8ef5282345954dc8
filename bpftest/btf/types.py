"""What BTF can describe, a frozen value for each kind. A reference to another type is that type's id.

Source: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """BTF_KIND_* of linux/btf.h."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


@dataclass(frozen=True, slots=True)
class Void:
    """Type 0, which stands in no BTF."""


@dataclass(frozen=True, slots=True)
class Int:
    """An integer, `char` and `_Bool` among them."""

    name: str
    size: int  # bytes
    bits: int  # fewer than 8 * size only where an old compiler made a type for a bit-field
    offset: int  # of those bits, from the first bit of the bytes
    signed: bool
    is_bool: bool
    is_char: bool


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer: 8 bytes in BPF, on every machine."""

    type: int  # what it points to


@dataclass(frozen=True, slots=True)
class Array:
    """An array; a flexible one counts 0."""

    element: int
    count: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union."""

    name: str  # "" for an anonymous struct or union, and for padding bits
    type: int
    bit_offset: int  # from the first bit of the struct: the lowest of its byte, in big-endian BTF the highest
    bit_size: int  # of a bit-field; 0 for any other member


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct or a union."""

    name: str  # "" if anonymous
    size: int  # bytes
    members: tuple[Member, ...]
    is_union: bool


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum; ENUM and ENUM64 differ in nothing that a reader could see."""

    name: str  # "" if anonymous
    size: int  # bytes
    signed: bool
    values: tuple[tuple[str, int], ...]  # constants, as declared; none if it is only declared


@dataclass(frozen=True, slots=True)
class Fwd:
    """A struct or union that is declared and nowhere defined."""

    name: str
    is_union: bool


@dataclass(frozen=True, slots=True)
class Typedef:
    """Another name for a type."""

    name: str
    type: int


@dataclass(frozen=True, slots=True)
class Qualifier:
    """`const`, `volatile`, `restrict` or a type tag: no difference to the bytes of a value."""

    type: int
    tag: str = ""  # of a type tag: "kptr"


@dataclass(frozen=True, slots=True)
class Func:
    """A function of the program."""

    name: str
    proto: int
    linkage: int  # BTF_FUNC_STATIC 0, _GLOBAL 1, _EXTERN 2


@dataclass(frozen=True, slots=True)
class FuncProto:
    """The type of a function."""

    result: int
    params: tuple[tuple[str, int], ...]  # (name, type); a last ("", 0) stands for "..."


@dataclass(frozen=True, slots=True)
class Var:
    """A variable; DataSec says where it is."""

    name: str
    type: int
    linkage: int  # BTF_VAR_STATIC 0, _GLOBAL_ALLOCATED 1, _GLOBAL_EXTERN 2


@dataclass(frozen=True, slots=True)
class DataSec:
    """An ELF section and what is in it."""

    name: str
    size: int  # bytes
    entries: tuple[tuple[int, int, int], ...]  # (Var or Func, offset, size) in bytes; clang leaves 0, libbpf fills in


@dataclass(frozen=True, slots=True)
class Float:
    """A floating-point number."""

    name: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class DeclTag:
    """`__attribute__((btf_decl_tag(name)))` of a type, a member or a parameter."""

    name: str
    type: int
    component: int  # index of the member or parameter; -1 for the whole


Type = (
    Void
    | Int
    | Pointer
    | Array
    | Struct
    | Enum
    | Fwd
    | Typedef
    | Qualifier
    | Func
    | FuncProto
    | Var
    | DataSec
    | Float
    | DeclTag
)
