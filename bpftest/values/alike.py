"""Bytes as text, in the way that a value of the same type was written."""

from __future__ import annotations

from collections.abc import Mapping

from bpftest.btf import Array, Btf, Enum, Struct
from bpftest.values.comparison import text_as
from bpftest.values.decoding import read
from bpftest.values.encoding import is_form, overlaid
from bpftest.values.slots import Slot


def alike(btf: Btf, type_id: int, data: bytes, like: object = None) -> str:
    """*data* as text, an address where *like* has one; as natural as can be where *like* says nothing.

    Raises SuiteError where *like* cannot be a value of the type, ObjectError where the BTF cannot be true.
    """
    return _alike(Slot(btf, type_id, ""), data, like)


def plainly(value: object) -> str:
    """A value as suites write it, without the quotes that YAML may need: `{ttl: 5, peer: 10.0.0.9}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {plainly(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(plainly, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _alike(slot: Slot, data: bytes, like: object) -> str:
    held = slot.type
    if isinstance(like, Mapping) and "struct" in like:
        return _alike(*overlaid(slot, like)[:1], data, like.get("fields"))
    if like is None or isinstance(held, Enum):
        return plainly(read(data, slot))
    if isinstance(held, Struct) and isinstance(like, Mapping) and not is_form(slot, like):
        natural = read(data, slot)
        if not isinstance(natural, Mapping) or "hex" in natural:
            return plainly(natural)
        return "{" + ", ".join(f"{name}: {_alike(slot.field(name), data, like.get(name))}" for name in natural) + "}"
    if isinstance(held, Array) and isinstance(like, (list, tuple)):
        parts = [*like, *[like[-1] if like else None] * held.count][: held.count]
        texts = [_alike(element, data, one) for element, one in zip(slot.elements(held.count), parts, strict=True)]
        return "[" + ", ".join(texts) + "]"
    return text_as(slot.alone(), like, slot.bytes_of(data))
