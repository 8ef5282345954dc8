"""A place in bytes that holds a value of some type, and what is natural to write there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bpftest.btf import Array, Btf, Enum, Int, Struct, Type, is_special
from bpftest.errors import SuiteError
from bpftest.values.addresses import ADDRESS_NAMES
from bpftest.values.written import brief, choices

if TYPE_CHECKING:
    from bpftest.values.bits import ByteOrder

# Typedefs of linux/types.h that tell the byte order of a number.
TYPEDEF_ORDERS: dict[str, ByteOrder] = {
    "__be16": "big",
    "__be32": "big",
    "__be64": "big",
    "__le16": "little",
    "__le32": "little",
    "__le64": "little",
}
ADDRESS_STRUCTS = {"in_addr": 4, "in6_addr": 16}  # bytes
WORD = 4  # bytes: numbers of more are no parts of an address


@dataclass(frozen=True, slots=True)
class Slot:
    """A whole value, a field of it or an element of it."""

    btf: Btf
    type_id: int
    path: str  # what errors and differences call it: "cfg.ports[3]"
    bit_offset: int = 0  # from the start of the whole value
    bit_size: int = 0  # of a bit-field; 0 for all else

    @property
    def type(self) -> Type:
        """What the type is behind its typedefs and qualifiers."""
        return self.btf.resolve(self.type_id)

    @property
    def size(self) -> int:
        """Bytes; of a bit-field, those of its type."""
        return self.btf.sizeof(self.type_id)

    @property
    def type_name(self) -> str:
        """The type as C has it: `__u32`, `__u32:3`."""
        name = self.btf.spelled(self.type_id)
        return f"{name}:{self.bit_size}" if self.bit_size else name

    @property
    def number_bits(self) -> tuple[int, int]:
        """(first, how many) of the bits of a number."""
        held = self.type
        if isinstance(held, Int) and not self.bit_size:
            return self.bit_offset + held.offset, held.bits
        return self.bit_offset, self.bit_size or 8 * self.size

    @property
    def number_order(self) -> ByteOrder:
        """The byte order of a number: what a typedef such as __be16 says, unless it is a bit-field, or the object's."""
        typedefs = () if self.bit_size else self.btf.typedefs(self.type_id)
        return next((TYPEDEF_ORDERS[name] for name in typedefs if name in TYPEDEF_ORDERS), self.btf.byteorder)

    @property
    def is_boolean(self) -> bool:
        """Whether it can be false or true only."""
        held = self.type
        return isinstance(held, Int) and held.is_bool

    @property
    def is_signed(self) -> bool:
        """Whether its numbers may be negative."""
        held = self.type
        return isinstance(held, (Int, Enum)) and held.signed

    @property
    def is_text(self) -> bool:
        """Whether it is an array of char."""
        octet = self._octet()
        return octet is not None and octet.is_char

    @property
    def is_octets(self) -> bool:
        """Whether it is an array of other numbers of one byte, such as __u8."""
        octet = self._octet()
        return octet is not None and not octet.is_char

    @property
    def is_address(self) -> bool:
        """Whether its type tells that it is an address.

        That is a __be32, a __be32[4], a struct in_addr or in6_addr, or six numbers of one byte.
        """
        match self.type:
            case Int():
                return _is_be32(self.btf, self.type_id) and not self.bit_size
            case Struct(name=name):
                return ADDRESS_STRUCTS.get(name) == self.size
            case Array(element, count):
                return (count == 4 and _is_be32(self.btf, element)) or (count == 6 and self.is_octets)
        return False

    @property
    def takes_address(self) -> bool:
        """Whether an address literal of its size can be written there: not in a bit-field, and not in text."""
        takes = isinstance(self.type, (Int, Array, Struct)) and not self.bit_size and not self.is_text
        return takes and self.size in ADDRESS_NAMES

    @property
    def suggests_address(self) -> bool:
        """Whether an address is something to think of there: a struct of several numbers is none, whatever its size."""
        return self.takes_address and (not isinstance(self.type, Struct) or _may_be_address(self.btf, self.type_id))

    def bytes_of(self, data: bytes) -> bytes:
        """The bytes of *data*, the whole value, that the slot is in."""
        return data[self.bit_offset // 8 : (self.bit_offset + 8 * self.size + 7) // 8]

    def alone(self) -> Slot:
        """The slot in what `bytes_of` gives."""
        return replace(self, bit_offset=self.bit_offset % 8)

    def field(self, name: str) -> Slot:
        """The field *name* of a struct or union, one of its anonymous members' too. Raises SuiteError."""
        fields = self.btf.layout(self.type_id).fields
        member = fields.get(name)
        if member is None:
            what = f"{self.path}: {self.type_name} has no field {brief(name)}"
            raise SuiteError(what, choices("fields", name, self.field_names))
        offset = self.bit_offset + member.bit_offset
        return Slot(self.btf, member.type, f"{self.path}.{name}", offset, member.bit_size)

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields of a struct or union that a suite can say something of."""
        fields = self.btf.layout(self.type_id).fields
        return tuple(name for name, member in fields.items() if not is_special(self.btf, member.type))

    def elements(self, count: int) -> Iterator[Slot]:
        """The first *count* elements of an array."""
        array = self.type
        if isinstance(array, Array):
            bits = 8 * self.btf.sizeof(array.element)
            for index in range(count):
                yield Slot(self.btf, array.element, f"{self.path}[{index}]", self.bit_offset + index * bits)

    def _octet(self) -> Int | None:
        """The elements of an array of numbers of one byte."""
        array = self.type
        element = self.btf.resolve(array.element) if isinstance(array, Array) else None
        if isinstance(element, Int) and element.size == 1 and element.bits == 8 and not element.is_bool:
            return element
        return None


def _may_be_address(btf: Btf, type_id: int) -> bool:
    """Whether a field of an address is like this: numbers in a row, a __be32, or a union such as that in in6_addr."""
    held = btf.resolve(type_id)
    if isinstance(held, Struct):
        parts = [_may_be_address(btf, member.type) for member in held.members]
        return any(parts) if held.is_union else parts == [True]
    element = btf.resolve(held.element) if isinstance(held, Array) else None
    return _is_be32(btf, type_id) or (isinstance(element, Int) and element.size <= WORD)


def _is_be32(btf: Btf, type_id: int) -> bool:
    held = btf.resolve(type_id)
    return isinstance(held, Int) and held.size == 4 and "__be32" in btf.typedefs(type_id)
