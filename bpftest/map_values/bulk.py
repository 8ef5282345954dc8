"""Many entries at once: `{fill: {keys: 0..65536, value: 1}}` and `{file: pairs.bin}`."""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError, both, each
from bpftest.kernel.door import Bulk
from bpftest.map_values.keys import key_of, larger, refuse_beyond
from bpftest.map_values.places import blamed
from bpftest.map_values.values import value_bytes
from bpftest.maps import INDEXED, PER_CPU, VALUES
from bpftest.reading import read_regular
from bpftest.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.btf import Btf
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

COUNT_MAX = 16_000_000  # entries; more would take minutes and gigabytes
FILE_MAX = 1024 * 1024 * 1024  # bytes
CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}  # of the struct module, by size in bytes


def bulk(here: Written, declared: Declared, types: Callable[[], Btf], folder: str) -> Bulk:
    """The entries that *here* says. *folder*: of the suite. Raises SuiteError, at its place."""
    if declared.type not in VALUES:
        text = f"'{declared.name}' is of type {declared.type}, and takes no entries by 'fill' or 'file'"
        raise SuiteError(text, "write its entries one by one, in a list", here.place())
    return _fill(here["fill"], declared, types) if "fill" in here else _file(here["file"], declared, folder)


def _fill(here: Written, declared: Declared, types: Callable[[], Btf]) -> Bulk:
    keys = _range if isinstance(here["keys"].value, str) else _listed
    (content, count), value = both(
        lambda: keys(here["keys"], declared, types), lambda: _value(here["value"], declared, types)
    )
    return Bulk(declared.name, count, content, value)


def _value(here: Written, declared: Declared, types: Callable[[], Btf]) -> bytes:
    said, path = here.value, f"{declared.name} value"
    if declared.type in PER_CPU and isinstance(said, dict) and list(said) in (["percpu"], ["sum"]):
        raise SuiteError("'fill' gives every CPU the same value", "write it without {percpu: ..}", here.place())
    try:
        return value_bytes(said, declared.value, declared.value_size, types, path)
    except SuiteError as error:
        raise blamed(here, error, path) from None


def _listed(keys: Written, declared: Declared, types: Callable[[], Btf]) -> tuple[bytes, int]:
    parts = each(lambda key: key_of(key, declared, types, ()).content, keys.parts())
    try:
        refuse_too_many(len(set(parts)), declared)
    except SuiteError as error:
        raise error.at(keys.place()) from None
    return b"".join(parts), len(parts)


def _range(keys: Written, declared: Declared, types: Callable[[], Btf]) -> tuple[bytes, int]:
    first, _, last = keys.value.partition("..")
    start, end = int(first), int(last)
    try:
        _refuse_range(start, end, declared)
        return _counted(start, end, declared, types), end - start + 1
    except SuiteError as error:
        raise error.at(keys.place()) from None


def _refuse_range(first: int, last: int, declared: Declared) -> None:
    """Raises SuiteError for keys that nobody can have meant, or that the map has no room for."""
    count = last - first + 1
    if count < 1:
        raise SuiteError(f"the range {first}..{last} is empty", "write the smaller key first")
    if declared.type in INDEXED:
        refuse_beyond(last, declared)
    refuse_too_many(count, declared)
    if count > COUNT_MAX:
        raise SuiteError(f"{first}..{last} has {count:,} keys, and 'fill' makes {COUNT_MAX:,} at most")


def refuse_too_many(count: int, declared: Declared) -> None:
    """Raises SuiteError where *count* entries do not fit; LRU maps take any number, and forget."""
    if 0 < declared.max_entries < count and not declared.type.startswith("lru_"):
        text = f"{count:,} entries do not fit into '{declared.name}', which has room for {declared.max_entries:,}"
        raise SuiteError(text, larger(declared))


def _counted(first: int, last: int, declared: Declared, types: Callable[[], Btf]) -> bytes:
    """The keys from *first* to *last* as bytes, one after the other."""
    size, path = declared.key_size, f"{declared.name} key"
    value_bytes(first, declared.key, size, types, path)
    value_bytes(last, declared.key, size, types, path)
    one = value_bytes(1, declared.key, size, types, path)
    if size not in CODES or one not in (_number(1, size, "<"), _number(1, size, ">")):
        raise SuiteError(f"the keys of '{declared.name}' are no plain numbers: they have no range", "list the keys")
    order = "<" if one == _number(1, size, "<") else ">"
    return struct.pack(f"{order}{last - first + 1}{CODES[size]}", *range(first, last + 1))


def _number(number: int, size: int, order: str) -> bytes:
    return struct.pack(order + CODES[size], number)


def _file(here: Written, declared: Declared, folder: str) -> Bulk:
    size = declared.key_size + declared.value_size
    try:
        content = read_regular(os.path.join(folder, here.value), FILE_MAX)
    except OSError as error:
        hint = "the path is relative to the suite"
        raise SuiteError(f"'{shown(here.value)}' cannot be read: {error.strerror}", hint, here.place()) from None
    if not declared.key_size or not declared.value_size:
        raise SuiteError(f"the object does not tell how large the entries of '{declared.name}' are", "", here.place())
    if not content or len(content) % size:
        text = f"'{shown(here.value)}' has {len(content)} bytes, which is no multiple of {size}"
        hint = f"an entry is a key of {declared.key_size} bytes and a value of {declared.value_size}, without padding"
        raise SuiteError(text, hint, here.place())
    pairs = struct.iter_unpack(f"{declared.key_size}s{declared.value_size}s", content)
    keys, values = zip(*pairs, strict=True)
    try:
        if declared.type in INDEXED:
            refuse_beyond(max(int.from_bytes(key, sys.byteorder) for key in keys), declared)
        refuse_too_many(len(set(keys)), declared)
    except SuiteError as error:
        raise error.at(here.place()) from None
    return Bulk(declared.name, len(keys), b"".join(keys), b"".join(values))
