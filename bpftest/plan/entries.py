"""`maps:` → what is put into maps, and taken out of them, before a run."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError, both, each
from bpftest.expectations.map_values import referable
from bpftest.expectations.maps import declared_map
from bpftest.kernel.door import Bulk, Delete, Handle, Write
from bpftest.map_values import (
    blamed,
    bulk,
    device_of,
    item_of,
    key_of,
    named,
    refuse_closed,
    refuse_keyless,
    refuse_too_many,
    value_bytes,
)
from bpftest.maps import DEVICES, INDEXED, KEYLESS, PER_CPU, REFERENCES, WHOLE, declared

if TYPE_CHECKING:
    from bpftest.expectations import Context
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

    Change = Write | Bulk | Delete

U32 = 4  # bytes
MAPS = ("array_of_maps", "hash_of_maps")


def changes(here: Written, context: Context) -> tuple[Change, ...]:
    """What is done to the maps of `maps:`, in the order of the suite. Raises SuiteError, at its place."""
    return tuple(chain.from_iterable(each(lambda one: _map_changes(one, context), here.parts())))


def _map_changes(here: Written, context: Context) -> list[Change]:
    its = declared_map(here, context)
    if its.type == "xskmap":  # it takes sockets, though nobody can read them
        return _changes(here, its, context)
    try:
        refuse_closed(its)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    return _changes(here, its, context)


def _changes(here: Written, its: Declared, context: Context) -> list[Change]:
    """What is done to one map."""
    if isinstance(here.value, dict):
        return [bulk(here, its, context.types, context.scope.folder)]
    entries = here.parts()
    made = each(lambda entry: _change(entry, its, context), entries)
    if its.type not in (*INDEXED, "bloom_filter", "sk_storage") and not any(isinstance(one, Delete) for one in made):
        _refuse_overflow(entries, made, its)
    return made


def _refuse_overflow(entries: list[Written], made: list[Change], its: Declared) -> None:
    """Raises SuiteError at the first of the *entries* that the map has no room for."""
    seen: set[Any] = set()
    for index, (entry, one) in enumerate(zip(entries, made, strict=True)):
        seen.add(index if its.type in KEYLESS else getattr(one, "key", b""))
        try:
            refuse_too_many(len(seen), its)
        except SuiteError as error:
            raise error.at(entry.place()) from None


def _change(entry: Written, its: Declared, context: Context) -> Change:
    if its.type in KEYLESS:
        value = item_of(entry, its, context.types)
        return Write(its.name, b"", _bytes(value, its, context))
    refuse_keyless(entry, its)
    if "delete" in entry:
        return _delete(entry, its, context)
    if "value" not in entry:
        raise SuiteError(
            "this entry has no value", "write {key: .., value: ..}, or {key: .., delete: true}", entry.place()
        )
    key, write = both(
        lambda: key_of(entry["key"], its, context.types, context.sockets),
        lambda: _write(entry["value"], its, context),
    )
    return write._replace(key=key.content, key_handle=key.handle)


def _delete(entry: Written, its: Declared, context: Context) -> Delete:
    key = key_of(entry["key"], its, context.types, context.sockets)
    if its.type in WHOLE:
        text = f"an {its.type} always has all of its entries: none can be taken out"
        raise SuiteError(text, "write a value, such as 0", entry["delete"].key_place())
    return Delete(its.name, key.content, key.handle)


def _write(value: Written, its: Declared, context: Context) -> Write:
    """An entry that has *value*, and no key yet."""
    if its.type in MAPS and "map" not in value:
        return Write(its.name, inner=_inner(value, its, context))
    if its.type in REFERENCES:
        return Write(its.name, value=bytes(its.value_size or U32), handle=_reference(value, its, context))
    if its.type in DEVICES:
        return _device(value, its, context)
    return Write(its.name, value=_of_cpus(value, its, context))


def _bytes(value: Written, its: Declared, context: Context) -> bytes:
    path = f"{its.name} value"
    try:
        return value_bytes(value.value, its.value, its.value_size, context.types, path)
    except SuiteError as error:
        raise blamed(value, error, path) from None


def _of_cpus(value: Written, its: Declared, context: Context) -> bytes | tuple[bytes, ...]:
    """One value for all CPUs, or one for each of the first."""
    form = list(value.value) if isinstance(value.value, dict) and its.type in PER_CPU else []
    if form == ["percpu"]:
        cpus = value["percpu"]
        if not isinstance(cpus.value, list):
            raise SuiteError("'percpu' takes a list of values, one a CPU", "write {percpu: [1, 2]}", cpus.place())
        return tuple(each(lambda one: _bytes(one, its, context), cpus.parts()))
    if form == ["sum"]:
        hint = "write one value for every CPU, or {percpu: [1, 2]}"
        raise SuiteError("'sum' is what is expected of all CPUs, and cannot be written", hint, value["sum"].key_place())
    return _bytes(value, its, context)


def _reference(value: Written, its: Declared, context: Context) -> Handle:
    """What the value names, by its descriptor."""
    kind = REFERENCES[its.type]
    what = f"the values of '{its.name}' are {kind}s"
    name = named(value, kind, referable(kind, its, context), what)
    if kind == "map" and its.inner is not None:
        _refuse_unlike(value["map"], declared(context.types(), name), its)
    return Handle(kind, name, 0, its.value_size or U32)


def _refuse_unlike(here: Written, wanted: Declared, its: Declared) -> None:
    """Raises SuiteError for a map that the kernel takes for no value: bpf_map_meta_equal, kernel/bpf/map_in_map.c."""
    like = its.inner
    assert like is not None
    for what, one, other in (
        ("type", wanted.type, like.type),
        ("size of keys", wanted.key_size, like.key_size),
        ("size of values", wanted.value_size, like.value_size),
    ):
        if one and other and one != other:
            text = f"'{wanted.name}' cannot be a value of '{its.name}': its {what} is {one}, that of the values {other}"
            raise SuiteError(text, "the values are as __array(values, ..) says", here.place())


def _inner(value: Written, its: Declared, context: Context) -> tuple[Write | Bulk, ...]:
    """The entries of a map that is made for this value."""
    like = its.inner
    if like is None:
        text = f"the declaration of '{its.name}' does not tell what its maps are like"
        raise SuiteError(text, "give it __array(values, ..), or write {map: NAME}", value.place())
    said = value.value
    if not isinstance(said, list) and not (isinstance(said, dict) and list(said) in (["fill"], ["file"])):
        hint = "write {map: NAME}, or a list of entries"
        raise SuiteError(f"the values of '{its.name}' are maps", hint, value.place())
    try:
        refuse_closed(like)
    except SuiteError as error:
        raise error.at(value.place()) from None
    made = []
    for one in _changes(value, like, context):
        if isinstance(one, Delete):
            raise SuiteError("a new map has nothing to take out", "leave the entry out", value.place())
        made.append(one._replace(map=""))
    return tuple(made)


def _device(value: Written, its: Declared, context: Context) -> Write:
    """struct bpf_devmap_val or bpf_cpumap_val: a number, and the descriptor of a program behind it."""
    device, what = device_of(value, its, context.programs, context.interfaces), DEVICES[its.type]
    if not device.number:
        text = f"the value says no {what}" if device.number is None else f"{its.name} {what}: 0 would make no entry"
        raise SuiteError(text, f"write {{{what}: {192 if what == 'qsize' else 1}}}", value.place())
    content = device.number.to_bytes(U32, sys.byteorder).ljust(its.value_size, b"\0")
    handle = Handle("program", device.program, U32) if device.program else None
    return Write(its.name, value=content, handle=handle)
