"""A value, as suites write it → the bytes of its BTF type."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from bpftest.btf import Array, Btf, Enum, Float, Int, Kind, Pointer, Struct
from bpftest.errors import ObjectError, SuiteError, each
from bpftest.values.addresses import ADDRESS_NAMES, address_bytes
from bpftest.values.bits import FLOAT_CODES, bounds, store_bits
from bpftest.values.forms import byte_count, form_bytes, form_of, out_of_range, text_bytes
from bpftest.values.numbers import number_fields, number_of
from bpftest.values.slots import Slot
from bpftest.values.written import brief, choices, either, listed

NEW_MAX = 64 * 1024 * 1024  # bytes of a value that is made from nothing; maps take less


def encode(btf: Btf, type_id: int, value: object, *, path: str = "value", base: bytes | None = None) -> bytes:
    """The bytes of *value* as *type_id*.

    What *value* does not name (other fields, the elements after its last, padding) is as in *base*, zero if that
    is None. *path*: what errors call the value. Raises SuiteError for a value that does not fit, ObjectError where
    the BTF cannot be true.
    """
    number = number_of(btf, type_id)
    content = number.bytes_of(value) if number is not None else None
    if content is not None and (base is None or len(base) == len(content)):
        return content
    slot = Slot(btf, type_id, path)
    if base is None and slot.size > NEW_MAX:
        raise SuiteError(f"{path}: {slot.type_name} has {slot.size} bytes, more than a suite can write")
    if base is not None and len(base) != slot.size:
        raise ObjectError(f"{path}: there are {byte_count(len(base))}, but {slot.type_name} has {slot.size}")
    data = bytearray(slot.size if base is None else base)
    write(data, slot, value)
    return bytes(data)


def struct_id(btf: Btf, name: object, *, path: str = "value") -> int:
    """The type that `{struct: NAME}` means: a struct, a union, or a typedef of one. Raises SuiteError."""
    for kind in (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF):
        found = btf.find(name, [kind]) if isinstance(name, str) else None
        if found and isinstance(btf.resolve(found), Struct):
            return found
    structs = btf.names([Kind.STRUCT, Kind.UNION])
    raise SuiteError(f"{path}: the object has no struct {brief(name)}", choices("structs", name, structs))


def overlaid(slot: Slot, value: Mapping[str, Any]) -> tuple[Slot, object]:
    """(slot, fields) of a *value* `{struct: NAME, fields: {...}}`: its place as that struct. Raises SuiteError."""
    unknown = value.keys() - {"struct", "fields"}
    if unknown:
        what = f"{slot.path}: beside 'struct' there is {brief(min(unknown))}"
        raise SuiteError(what, "write {struct: NAME, fields: {...}}")
    over = Slot(slot.btf, struct_id(slot.btf, value["struct"], path=slot.path), slot.path, slot.bit_offset)
    if slot.bit_size or over.size != slot.size:
        has = f"{slot.bit_size} bits" if slot.bit_size else slot.size
        raise SuiteError(f"{slot.path}: {over.type_name} has {byte_count(over.size)}, {slot.type_name} has {has}")
    return over, value.get("fields", {})


def is_form(slot: Slot, value: object) -> bool:
    """Whether *value* is in one of the explicit forms; a struct's own field of that name goes before the form."""
    own = slot.btf.layout(slot.type_id).fields if isinstance(slot.type, Struct) else ()
    return bool(form_of(value, own))


def write(data: bytearray, slot: Slot, value: object) -> None:
    """Puts *value* into its *slot* of *data*. Raises SuiteError."""
    if isinstance(value, Mapping):
        if "struct" in value:
            write(data, *overlaid(slot, value))
            return
        if is_form(slot, value) and not slot.bit_size:
            _put(data, slot, form_bytes(value, slot.size, slot.btf.byteorder, slot.path, slot.type_name))
            return
    match slot.type:
        case Int() | Enum() | Pointer():
            _write_number(data, slot, value)
        case Float(size=size):
            _put(data, slot, _float(slot, size, value))
        case Array(count=count):
            _write_array(data, slot, count, value)
        case Struct():
            _write_struct(data, slot, value)


def _put(data: bytearray, slot: Slot, content: bytes) -> None:
    start = slot.bit_offset // 8
    data[start : start + len(content)] = content


def _write_number(data: bytearray, slot: Slot, value: object) -> None:
    kind = slot.type
    if isinstance(value, str):
        if not isinstance(kind, Enum):
            _put(data, slot, _address(slot, value))
            return
        value = _constant(slot, value)
    if value is None and isinstance(kind, Pointer):
        value = 0
    first, bits = slot.number_bits
    low, high = (0, 1) if slot.is_boolean else bounds(bits, is_signed=slot.is_signed)
    if not isinstance(value, int):
        raise _misfit(slot, value)
    if not low <= value <= high:
        span = "false or true" if slot.is_boolean else f"{low} to {high}"
        raise out_of_range(value, slot.path, slot.type_name, span)
    store_bits(data, first, bits, value, slot.number_order)


def _constant(slot: Slot, text: str) -> int:
    """The value of a constant, or of several with | between them."""
    numbers = slot.btf.constants(slot.type_id).numbers
    result = 0
    for name in map(str.strip, text.split("|")):
        if name not in numbers:
            what = f"{slot.path}: {slot.btf.spelled(slot.type_id)} has no constant {brief(name)}"
            raise SuiteError(what, choices("constants", name, numbers))
        result |= numbers[name]
    return result


def _float(slot: Slot, size: int, value: object) -> bytes:
    if size not in FLOAT_CODES or not isinstance(value, (int, float)):
        raise _misfit(slot, value)
    try:
        return struct.pack(("<" if slot.btf.byteorder == "little" else ">") + FLOAT_CODES[size], value)
    except (OverflowError, struct.error):  # the latter for an int that no double can hold
        raise SuiteError(f"{slot.path}: {brief(value)} does not fit {slot.type_name} of {size} bytes") from None


def _write_array(data: bytearray, slot: Slot, count: int, value: object) -> None:
    if isinstance(value, str):
        content = text_bytes(value, slot.size, slot.path, slot.type_name) if slot.is_text else _address(slot, value)
        _put(data, slot, content)
        return
    if not isinstance(value, (list, tuple)):
        raise _misfit(slot, value)
    if len(value) > count:
        raise SuiteError(f"{slot.path}: a list of {len(value)} does not fit {slot.type_name}")
    each(lambda pair: write(data, *pair), zip(slot.elements(len(value)), value, strict=True))


def _write_struct(data: bytearray, slot: Slot, value: object) -> None:
    if isinstance(value, str):
        _put(data, slot, _address(slot, value))
        return
    if not isinstance(value, Mapping):
        raise _misfit(slot, value)
    numbers = number_fields(slot.btf, slot.type_id)
    others: list[str] = []
    for name, one in value.items():
        content = numbers[name].bytes_of(one) if name in numbers else None
        if content is None:
            others.append(name)
        else:
            start = slot.bit_offset // 8 + numbers[name].start
            data[start : start + len(content)] = content
    each(lambda name: write(data, slot.field(name), value[name]), others)
    _refuse_overlap(slot, value)


def _refuse_overlap(slot: Slot, names: Iterable[str]) -> None:
    """Raises SuiteError where two of *names* are members of a union, and so the same bits."""
    layout = slot.btf.layout(slot.type_id)
    if layout.cover is not None and len(layout.cover) == len(layout.fields):
        return  # there is no union among them
    members = sorted((layout.fields[name] for name in names), key=lambda member: member.bit_offset)
    for one, other in pairwise(members):
        if one.bit_offset + (one.bit_size or 8 * slot.btf.sizeof(one.type)) > other.bit_offset:
            raise SuiteError(f"{slot.path}: '{one.name}' and '{other.name}' share their bytes", "write one of them")


def _address(slot: Slot, text: str) -> bytes:
    content = address_bytes(text) if slot.takes_address else None
    if content is None or len(content) != slot.size:
        raise _misfit(slot, text)
    return content


def _misfit(slot: Slot, value: object) -> SuiteError:
    hint = f"write {either(_options(slot))}"
    if isinstance(value, str) and value.isdecimal() and isinstance(slot.type, (Int, Pointer, Float)):
        hint = f"write {brief(value)} without quotes"
    return SuiteError(f"{slot.path}: {brief(value)} does not fit {slot.type_name}", hint)


def _options(slot: Slot) -> list[str]:
    """What can be written in *slot*."""
    options = [ADDRESS_NAMES[slot.size]] if slot.suggests_address else []
    match slot.type:
        case Struct():
            options += [f"its fields ({listed(slot.field_names)})"]
        case Enum(values=values):
            options += ["a number", f"a constant ({listed(name for name, _ in values)})"]
        case Float(size=size) if size not in FLOAT_CODES:
            options += ["{hex: ...}"]
        case Array() if slot.is_text:
            options += ["text", "{hex: ...}"]
        case Array() if slot.is_octets:
            options += ["a list of numbers", "{text: ...}", "{hex: ...}"]
        case Array():
            options += ["a list"]
        case _:
            options += ["false", "true"] if slot.is_boolean else ["a number"]
    return options
