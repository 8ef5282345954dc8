"""A type as C has it, for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.btf.types import Array, Enum, FuncProto, Fwd, Pointer, Qualifier, Struct, Type, Void

if TYPE_CHECKING:
    from bpftest.btf.reader import Btf

DEPTH_MAX = 32  # pointers, qualifiers and dimensions; damaged BTF may go round in circles


def spelled_type(btf: Btf, type_id: int) -> str:
    """*type_id* in C, without qualifiers and parameters: `struct cfg`, `char[16]`, `int (*)()`. Raises ObjectError."""
    declarator = ""
    for _ in range(DEPTH_MAX):
        found = btf.type(type_id)
        match found:
            case Qualifier(inner):
                type_id = inner
            case Pointer(inner):
                declarator, type_id = f"*{declarator}", inner
            case Array(inner, count):
                declarator, type_id = f"{_bound(declarator)}[{count or ''}]", inner
            case FuncProto(inner):
                declarator, type_id = f"{_bound(declarator)}()", inner
            case _:
                return _name(found) + (f" {declarator}" if declarator.startswith(("*", "(")) else declarator)
    return f"... {declarator}"


def _bound(declarator: str) -> str:
    """[] and () bind more tightly than *."""
    return f"({declarator})" if declarator.startswith("*") else declarator


def _name(found: Type) -> str:
    match found:
        case Void():
            return "void"
        case Struct(name=name, is_union=is_union) | Fwd(name=name, is_union=is_union):
            return f"{'union' if is_union else 'struct'} {name or '{...}'}"
        case Enum(name=name):
            return f"enum {name or '{...}'}"
    return getattr(found, "name", "") or "?"
