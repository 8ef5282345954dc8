"""What a suite expects of a value and is not so."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bpftest.btf import Array, Btf, Enum, Int, Pointer, Struct
from bpftest.errors import ObjectError, each
from bpftest.values.addresses import address_text
from bpftest.values.bits import signed
from bpftest.values.decoding import constants, read, read_number
from bpftest.values.encoding import is_form, overlaid, write
from bpftest.values.forms import byte_count, form_of, form_text, without_btf
from bpftest.values.numbers import Number, number_fields, number_of
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
    number = number_of(btf, type_id)
    if number is not None and number.bytes_of(want) == actual:
        return ()
    slot = Slot(btf, type_id, path)
    if len(actual) != slot.size:
        raise ObjectError(f"{path}: there are {byte_count(len(actual))}, but {slot.type_name} has {slot.size}")
    return tuple(_differences(slot, want, actual))


def refuse_misfit(btf: Btf, type_id: int, want: object, path: str = "value") -> None:
    """Raises SuiteError for all that *want* names and that no *type_id* can have, as `differences` would."""
    number = number_of(btf, type_id)
    if number is None or number.bytes_of(want) is None:
        _refuse_misfit(Slot(btf, type_id, path), want)


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
        numbers = number_fields(slot.btf, slot.type_id)
        for name, content in want.items():
            if name not in numbers or not _holds(numbers[name], content, actual, slot.bit_offset // 8):
                yield from _differences(slot.field(name), content, actual)
    elif isinstance(held, Array) and isinstance(want, (list, tuple)) and len(want) <= held.count:
        for element, one in zip(slot.elements(len(want)), want, strict=True):
            yield from _differences(element, one, actual)
    else:
        yield from _difference(slot.alone(), want, slot.bytes_of(actual))


def _refuse_misfit(slot: Slot, want: object) -> None:
    held = slot.type
    if isinstance(want, Mapping) and "struct" in want:
        _refuse_misfit(*overlaid(slot, want))
    elif isinstance(held, Struct) and isinstance(want, Mapping) and not is_form(slot, want):
        numbers = number_fields(slot.btf, slot.type_id)
        others = [name for name, one in want.items() if name not in numbers or numbers[name].bytes_of(one) is None]
        each(lambda name: _refuse_misfit(slot.field(name), want[name]), others)
    elif isinstance(held, Array) and isinstance(want, (list, tuple)) and len(want) <= held.count:
        each(lambda pair: _refuse_misfit(*pair), zip(slot.elements(len(want)), want, strict=True))
    else:
        alone = slot.alone()
        write(bytearray(slot.size + 1), alone, want)


def _holds(number: Number, want: object, actual: bytes, start: int) -> bool:
    """Whether *want* is what *actual* has at *number*, a field of the struct at byte *start*."""
    content = number.bytes_of(want)
    return content is not None and content == actual[start + number.start : start + number.end]


def _difference(slot: Slot, want: object, actual: bytes) -> Iterator[Difference]:
    """That of one *slot* whose bytes are *actual*."""
    expected = bytearray(actual)
    write(expected, slot, want)
    if expected != actual:
        yield Difference(slot.path, text_as(slot, want, bytes(expected)), text_as(slot, want, actual))


def text_as(slot: Slot, want: object, data: bytes) -> str:
    """*data* in the way that *want* is written."""
    held = slot.type
    if isinstance(want, Mapping):
        return form_text(form_of(want), data, slot.btf.byteorder)
    if isinstance(held, Enum):
        number = read_number(data, slot)
        names = constants(slot, number, several=isinstance(want, str) and "|" in want)
        return f"{names} ({number})" if names else str(number)
    if isinstance(want, str) and slot.takes_address:
        return address_text(data)
    if isinstance(held, Pointer):
        return f"{read_number(data, slot):#x}"
    if isinstance(held, Int) and not slot.is_boolean:
        return str(read_number(data, slot))
    return written(read(data, slot))


def _text_without_btf(want: object, data: bytes) -> str:
    """*data* in the way that *want* is written."""
    if isinstance(want, Mapping):
        return form_text(form_of(want), data, sys.byteorder)
    if isinstance(want, str):
        return address_text(data)
    number = int.from_bytes(data, sys.byteorder)
    return str(signed(number, 8 * len(data)) if isinstance(want, int) and want < 0 else number)
