"""The bytes of a BTF type → a value as suites write it, which `encode` takes back."""

from __future__ import annotations

import struct
from math import isnan
from typing import Any

from bpftest.btf import Array, Btf, Enum, Float, Int, Pointer, Struct
from bpftest.errors import ObjectError
from bpftest.values.addresses import address_text
from bpftest.values.bits import FLOAT_CODES, load_bits, signed
from bpftest.values.forms import byte_count, clean_text
from bpftest.values.numbers import number_of
from bpftest.values.slots import Slot


def decode(btf: Btf, type_id: int, data: bytes) -> Any:
    """The value of *data* as *type_id*, as natural as it can be.

    `encode(btf, type_id, decode(btf, type_id, data), base=data) == data`; without base, all bits but the padding are
    the same. A __be32, a struct in_addr or in6_addr, a __be32[4] and six numbers of one byte are addresses; several
    bits of an enum of single bits are `A|B`. What has no natural value is `{hex: ...}`: text that does not print,
    other arrays of bytes, NaN, a union none of whose members has all of its bits. Raises ObjectError.
    """
    number = number_of(btf, type_id)
    if number is not None and len(data) == number.end and not number.address:
        return int.from_bytes(data, number.order, signed=number.signed)
    slot = Slot(btf, type_id, "")
    if len(data) != slot.size:
        raise ObjectError(f"there are {byte_count(len(data))}, but {slot.type_name} has {slot.size}")
    return read(data, slot)


def read(data: bytes, slot: Slot) -> Any:
    """The value in *slot* of *data*."""
    value = address_text(slot.bytes_of(data)) if slot.is_address else _natural(data, slot)
    return {"hex": slot.bytes_of(data).hex(" ")} if value is None else value


def read_number(data: bytes, slot: Slot) -> int:
    """The number in *slot* of *data*, whose type is an integer, an enum or a pointer."""
    first, bits = slot.number_bits
    number = load_bits(data, first, bits, slot.number_order)
    return signed(number, bits) if slot.is_signed else number


def constants(slot: Slot, number: int, *, several: bool = False) -> str:
    """The name of *number* in an enum, or those of its bits; "" if it has none.

    *several*: its bits may be told in any enum, not just in one whose constants are all of one bit.
    """
    names = slot.btf.constants(slot.type_id).names
    if number in names or number <= 0 or not (several or all(_is_bit(one) for one in names if one)):
        return names.get(number, "")
    flags = [flag for flag in names if _is_bit(flag) and flag & number]
    return "|".join(names[flag] for flag in flags) if sum(flags) == number else ""


def _is_bit(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _natural(data: bytes, slot: Slot) -> Any:
    """What is not an address; None for what can be shown in hex only."""
    match slot.type:
        case Int() | Pointer():
            number = read_number(data, slot)
            return number if not slot.is_boolean else bool(number) if number in {0, 1} else None
        case Enum():
            number = read_number(data, slot)
            return constants(slot, number) or number
        case Float(size=size) if size in FLOAT_CODES:
            order = "<" if slot.btf.byteorder == "little" else ">"
            (value,) = struct.unpack(order + FLOAT_CODES[size], slot.bytes_of(data))
            return None if isnan(value) else value  # there are many NaN
        case Array(count=count):
            return _array(data, slot, count)
        case Struct():
            cover = slot.btf.layout(slot.type_id).cover if slot.size else ()
            return None if cover is None else {name: read(data, slot.field(name)) for name in cover}
    return None


def _array(data: bytes, slot: Slot, count: int) -> Any:
    if slot.is_text:
        return clean_text(slot.bytes_of(data))
    if slot.is_octets:
        return None
    return [read(data, element) for element in slot.elements(count if slot.size else 0)]
