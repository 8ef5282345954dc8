"""What a suite expects of a value and is not so."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bpftest.btf import Array, Btf, Enum, Int, Pointer, Struct
from bpftest.errors import ObjectError
from bpftest.values.addresses import address_text
from bpftest.values.bits import signed
from bpftest.values.decoding import read, read_number
from bpftest.values.encoding import is_form, overlaid, write
from bpftest.values.forms import byte_count, form_of, form_text, without_btf
from bpftest.values.slots import Slot
from bpftest.values.written import written


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as expected, both sides in the way that the suite writes it."""

    path: str  # "value.ttl", "cfg.ports[3]"
    expected: str
    actual: str


def differences(btf: Btf, type_id: int, want: object, actual: bytes, path: str = "value") -> tuple[Difference, ...]:
    """What of *want* is not so in *actual*, the bytes of a *type_id*.

    What *want* does not name may be anything; of a union, it may name several members. Raises SuiteError where
    *want* cannot be a value of the type, ObjectError where the BTF cannot be true.
    """
    slot = Slot(btf, type_id, path)
    if len(actual) != slot.size:
        raise ObjectError(f"{path}: there are {byte_count(len(actual))}, but {slot.type_name} has {slot.size}")
    return tuple(_differences(slot, want, actual))


def differences_without_btf(want: object, actual: bytes, path: str = "value") -> tuple[Difference, ...]:
    """One difference or none, where nothing tells the type; *want* is as `without_btf` takes it. Raises SuiteError."""
    expected = without_btf(want, len(actual), path=path)
    if expected == actual:
        return ()
    return (Difference(path, _text_without_btf(want, expected), _text_without_btf(want, actual)),)


def _differences(slot: Slot, want: object, actual: bytes) -> Iterator[Difference]:
    held = slot.type
    if isinstance(want, Mapping) and "struct" in want:
        yield from _differences(*overlaid(slot, want), actual)
    elif isinstance(held, Struct) and isinstance(want, Mapping) and not is_form(slot, want):
        for name, content in want.items():
            yield from _differences(slot.field(name), content, actual)
    elif isinstance(held, Array) and isinstance(want, (list, tuple)) and len(want) <= held.count:
        for element, one in zip(slot.elements(len(want)), want, strict=True):
            yield from _differences(element, one, actual)
    else:
        yield from _difference(slot.alone(), want, slot.bytes_of(actual))


def _difference(slot: Slot, want: object, actual: bytes) -> Iterator[Difference]:
    """That of one *slot* whose bytes are *actual*."""
    expected = bytearray(actual)
    write(expected, slot, want)
    if expected != actual:
        yield Difference(slot.path, _text(slot, want, bytes(expected)), _text(slot, want, actual))


def _text(slot: Slot, want: object, data: bytes) -> str:
    """*data* in the way that *want* is written."""
    held = slot.type
    if isinstance(want, Mapping):
        return form_text(form_of(want), data, slot.btf.byteorder)
    if isinstance(held, Enum):
        number = read_number(data, slot)
        names = _constants(slot, number, several=isinstance(want, str) and "|" in want)
        return f"{names} ({number})" if names else str(number)
    if isinstance(want, str) and slot.takes_address:
        return address_text(data)
    if isinstance(held, Pointer):
        return f"{read_number(data, slot):#x}"
    if isinstance(held, Int) and not slot.is_boolean:
        return str(read_number(data, slot))
    return written(read(data, slot))


def _constants(slot: Slot, number: int, *, several: bool) -> str:
    """The name of *number*, or those of its bits if there may be *several*; "" if it has none."""
    names = slot.btf.constants(slot.type_id).names
    flags = [flag for flag in names if flag & number == flag and flag.bit_count() == 1] if several else []
    if number in names or sum(flags) != number:
        return names.get(number, "")
    return "|".join(names[flag] for flag in flags)


def _text_without_btf(want: object, data: bytes) -> str:
    """*data* in the way that *want* is written."""
    if isinstance(want, Mapping):
        return form_text(form_of(want), data, sys.byteorder)
    if isinstance(want, str):
        return address_text(data)
    number = int.from_bytes(data, sys.byteorder)
    return str(signed(number, 8 * len(data)) if isinstance(want, int) and want < 0 else number)
