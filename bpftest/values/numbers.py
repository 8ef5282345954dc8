"""Plain numbers: integers of whole bytes. Most of what suites write is such, and needs none of a Slot's care."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from bpftest.btf import Int
from bpftest.errors import SuiteError
from bpftest.values.addresses import address_bytes
from bpftest.values.bits import bounds
from bpftest.values.forms import form_bytes, form_of
from bpftest.values.slots import Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.btf import Btf
    from bpftest.values.bits import ByteOrder


class Number(NamedTuple):
    """Where a plain number is, and which numbers it can be."""

    start: int  # bytes
    end: int  # bytes
    low: int
    high: int
    order: ByteOrder
    signed: bool
    address: bool  # it is read as an IPv4 address
    native: ByteOrder  # of the object

    def bytes_of(self, value: object) -> bytes | None:
        """The bytes of *value*, a number, an address or in a form; None where that does not fit."""
        if isinstance(value, int):
            fits = self.low <= value <= self.high
            return value.to_bytes(self.end - self.start, self.order, signed=self.signed) if fits else None
        content = address_bytes(value) if isinstance(value, str) else None
        if isinstance(value, dict) and form_of(value):
            try:
                content = form_bytes(value, self.end - self.start, self.native, "", "")
            except SuiteError:  # whoever knows its path says what is wrong
                return None
        return content if content is not None and len(content) == self.end - self.start else None


@functools.lru_cache(maxsize=256)
def number_of(btf: Btf, type_id: int) -> Number | None:
    """The plain number that a *type_id* is; None if it is anything else."""
    return _number(Slot(btf, type_id, ""))


@functools.lru_cache(maxsize=256)
def number_fields(btf: Btf, type_id: int) -> Mapping[str, Number]:
    """The fields of the struct or union *type_id* that are plain numbers, by name."""
    whole = Slot(btf, type_id, "")
    found = {name: _number(whole.field(name)) for name in btf.layout(type_id).fields}
    return {name: number for name, number in found.items() if number is not None}


def _number(slot: Slot) -> Number | None:
    held = slot.type
    if not isinstance(held, Int) or held.is_bool or held.offset or slot.bit_size or held.bits != 8 * held.size:
        return None
    start, (low, high) = slot.bit_offset // 8, bounds(held.bits, is_signed=slot.is_signed)
    return Number(
        start, start + held.size, low, high, slot.number_order, slot.is_signed, slot.is_address, slot.btf.byteorder
    )
