"""The types of an object, as its .BTF section has them, and the maps and values that they describe."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bpftest import maps
from bpftest.btf import Btf, Kind, has_special, is_special
from bpftest.elf import btf
from bpftest.errors import ObjectError, SuiteError
from bpftest.values.alike import alike
from bpftest.values.decoding import decode
from bpftest.values.encoding import encode
from fuzz import seeds as files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TYPES_MAX = 60  # of one input
VALUE_MAX = 4096  # bytes
VALUES: tuple[object, ...] = (0, -1, "x", {"a": 1}, [1], {"hex": "00"}, None, 1.5)


def seeds() -> Iterator[bytes]:
    """Of the programs of the tests, and of suites/."""
    yield from map(btf, files.objects())


def one(data: bytes) -> None:
    """Everything that can be asked gives an answer, or ObjectError."""
    with suppress(ObjectError):
        _read(Btf(data))


def _read(types: Btf) -> None:
    for ask in (lambda: list(types.variables()), lambda: types.names(list(Kind)), lambda: types.find("a", list(Kind))):
        with suppress(ObjectError):
            ask()
    for type_id in range(-1, min(len(types), TYPES_MAX) + 1):
        for each in (types.type, types.resolve, types.typedefs, types.layout, types.constants, types.spelled):
            with suppress(ObjectError):
                each(type_id)
        for special in (is_special, has_special):
            with suppress(ObjectError):
                special(types, type_id)
        with suppress(ObjectError):
            if types.sizeof(type_id) <= VALUE_MAX:
                _values(types, type_id, types.sizeof(type_id))
    with suppress(ObjectError, SuiteError):
        maps.plain_values(types)
    with suppress(ObjectError, SuiteError):
        for name in list(maps.map_types(types))[:TYPES_MAX]:
            with suppress(ObjectError, SuiteError):
                maps.declared(types, name)


def _values(types: Btf, type_id: int, size: int) -> None:
    zeros, ones = b"\0" * size, b"\xff" * size
    asks: list[Callable[[], object]] = [lambda data=data: decode(types, type_id, data) for data in (zeros, ones)]
    asks += [lambda value=value: encode(types, type_id, value) for value in VALUES]
    asks.append(lambda: alike(types, type_id, ones))
    for ask in asks:
        with suppress(ObjectError, SuiteError):
            ask()
