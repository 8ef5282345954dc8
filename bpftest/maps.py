"""The maps and global variables that an object declares, from its types and symbols; nothing is loaded."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bpftest.btf import Btf, Member
    from bpftest.elf import ElfVariable

# enum bpf_map_type, linux/bpf.h
TYPES = {
    "hash": 1,
    "array": 2,
    "prog_array": 3,
    "perf_event_array": 4,
    "percpu_hash": 5,
    "percpu_array": 6,
    "stack_trace": 7,
    "cgroup_array": 8,
    "lru_hash": 9,
    "lru_percpu_hash": 10,
    "lpm_trie": 11,
    "array_of_maps": 12,
    "hash_of_maps": 13,
    "devmap": 14,
    "sockmap": 15,
    "cpumap": 16,
    "xskmap": 17,
    "sockhash": 18,
    "cgroup_storage": 19,
    "reuseport_sockarray": 20,
    "percpu_cgroup_storage": 21,
    "queue": 22,
    "stack": 23,
    "sk_storage": 24,
    "devmap_hash": 25,
    "struct_ops": 26,
    "ringbuf": 27,
    "inode_storage": 28,
    "task_storage": 29,
    "bloom_filter": 30,
    "user_ringbuf": 31,
    "cgrp_storage": 32,
    "arena": 33,
}
NAMES = {number: name for name, number in TYPES.items()}

VALUES = {"hash", "array", "lru_hash", "lpm_trie", "percpu_hash", "percpu_array", "lru_percpu_hash"}
PER_CPU = {"percpu_hash", "percpu_array", "lru_percpu_hash"}
# Maps whose entries user space can take away or overwrite, and that remember nothing else: bpftest/kernel/reset.py.
RESETTABLE = {
    *("array", "percpu_array", "hash", "percpu_hash", "lpm_trie", "queue", "stack"),
    *("prog_array", "array_of_maps", "hash_of_maps", "devmap", "devmap_hash", "sockmap", "sockhash"),
    "perf_event_array",
}
KEYED = {*VALUES, "sk_storage"}
KEYLESS = {"queue", "stack", "bloom_filter"}
SIZE_MAX = 64 * 1024 * 1024  # bytes of a key or a value; the kernel takes less
WHOLE = {"array", "percpu_array"}  # they always have all of their entries
# Their keys count from 0 on.
INDEXED = {*WHOLE, "prog_array", "array_of_maps", "devmap", "cpumap", "sockmap", "xskmap"}
# What their values are: descriptors where they are written, ids where they are read.
REFERENCES = {
    "prog_array": "program",
    "sockmap": "socket",
    "xskmap": "socket",
    "sockhash": "socket",
    "array_of_maps": "map",
    "hash_of_maps": "map",
}
# What their values begin with; the descriptor of a program may follow: struct bpf_devmap_val and bpf_cpumap_val.
DEVICES = {"devmap": "ifindex", "devmap_hash": "ifindex", "cpumap": "qsize"}
RECORDS = {"ringbuf", "perf_event_array"}  # programs write records to them

INNER = ".inner"  # what libbpf puts behind the name of a map of maps for that of a map in it


class Declared(NamedTuple):
    """A map as the object declares it."""

    name: str
    type: str  # of TYPES; "" for one that bpftest does not know
    key: int | None  # BTF id of the key's type, if the declaration tells it
    key_size: int  # bytes; 0 if it is not known
    value: int | None
    value_size: int  # bytes; of one CPU; 0 if it is not known
    max_entries: int = 0  # bytes of a ring buffer; 0 if the object does not say
    inner: Declared | None = None  # of a map of maps: what those maps are like, if the declaration tells it


class Global(NamedTuple):
    """A global variable."""

    name: str
    section: str  # ".bss", ".data.config", ".kconfig": the map that holds it
    offset: int  # bytes from the start of the section
    type: int  # BTF id
    initial: bytes  # its bytes in the object; zeros in .bss


def declared(btf: Btf, name: str) -> Declared:
    """The map *name* of the object. Raises SuiteError for one that there is not."""
    types = map_types(btf)
    if name not in types:
        hint = suggestion(name, types) if types else 'it declares none in SEC(".maps")'
        raise SuiteError(f"no map '{name}' in the object", hint)
    found = _declared(btf, name)
    for one in (found, found.inner) if found.inner is not None else (found,):
        _refuse_impossible(one)
    return found


def _refuse_impossible(found: Declared) -> None:
    """Raises SuiteError for a map that no kernel makes, of which bpftest would make bytes."""
    sizes = {"keys": found.key_size} if found.type in KEYED else {}
    sizes |= {"values": found.value_size} if found.type in {*KEYED, *KEYLESS} else {}
    for what, size in sizes.items():
        if not 0 < size <= SIZE_MAX:
            raise SuiteError(f"the {what} of '{found.name}' have {size} bytes, says the object", "build it again")


@functools.lru_cache(maxsize=16)
def map_types(btf: Btf) -> Mapping[str, int]:
    """The maps of the object: the types of their declarations, by name."""
    return {variable.name: variable.type for variable in btf.variables() if variable.section == ".maps"}


@functools.lru_cache(maxsize=256)
def _declared(btf: Btf, name: str) -> Declared:
    return _declaration(btf, name, map_types(btf)[name])


def _declaration(btf: Btf, name: str, type_id: int) -> Declared:
    """What __uint(type, N), __type(key, T) and __array(values, T) say. libbpf's parse_btf_map_def."""
    from bpftest.btf import Struct  # only for suites with maps

    definition = btf.resolve(type_id)
    members = definition.members if isinstance(definition, Struct) else ()
    found = _flat(btf, name, members)
    inner = next((_values(btf, member) for member in members if member.name == "values"), None)
    if inner is None:
        return found
    found = found._replace(value_size=found.value_size or 4)  # a descriptor: libbpf sets it where __array is given
    inner_definition = btf.resolve(inner)
    if isinstance(inner_definition, Struct):
        found = found._replace(inner=_flat(btf, f"{name}{INNER}", inner_definition.members))
    return found


def _values(btf: Btf, member: Member) -> int | None:
    """The T of __array(values, T), which is T *values[]."""
    from bpftest.btf import Array, Pointer

    array = btf.resolve(member.type)
    pointer = btf.resolve(array.element) if isinstance(array, Array) else None
    return pointer.type if isinstance(pointer, Pointer) else None


def _flat(btf: Btf, name: str, members: tuple[Member, ...]) -> Declared:
    """What the members say that are pointers to int[N] and to T."""
    from bpftest.btf import Array, Pointer

    numbers: dict[str, int] = {}
    types: dict[str, int] = {}
    for member in members:
        pointer = btf.resolve(member.type)
        if not isinstance(pointer, Pointer):
            continue
        target = btf.resolve(pointer.type)
        if isinstance(target, Array) and member.name not in ("key", "value"):
            numbers[member.name] = target.count
        else:
            types[member.name] = pointer.type
    key, value = types.get("key"), types.get("value")
    return Declared(
        name,
        NAMES.get(numbers.get("type", 0), ""),
        key,
        btf.sizeof(key) if key else numbers.get("key_size", 0),
        value,
        btf.sizeof(value) if value else numbers.get("value_size", 0),
        numbers.get("max_entries", 0),
    )


def plain_values(btf: Btf) -> bool:
    """Whether every map and every global variable holds nothing but bytes, or what only user space puts in.

    Then to write what was there first is to be in the first state again. It is not with what the kernel keeps for a
    value beside its bytes: timers, lists, trees and pointers (enum btf_field_type, include/linux/bpf.h).
    """
    if not all(_is_plain_map(btf, _declared(btf, name)) for name in map_types(btf)):
        return False
    sections = (variable for variable in btf.variables() if variable.section.startswith((".data", ".bss")))
    return all(_plain(btf, variable.type) for variable in sections)


def _is_plain_map(btf: Btf, declared: Declared) -> bool:
    if declared.type not in RESETTABLE:
        return False
    if declared.type in REFERENCES or declared.type in DEVICES:
        inner = declared.inner  # maps that a case puts in are gone when it has ended, but a timer would go on
        return inner is None or not inner.value or _plain(btf, inner.value)
    return not declared.value or _plain(btf, declared.value)


# Locks are free whenever no program runs: the verifier sees to it.
LOCKS = {"bpf_spin_lock", "bpf_res_spin_lock"}


def _plain(btf: Btf, type_id: int) -> bool:
    from bpftest.btf import Array, Pointer, Struct

    found = btf.resolve(type_id)
    if isinstance(found, Array):
        return _plain(btf, found.element)
    if isinstance(found, Struct):
        if found.name in LOCKS:
            return True
        return not found.name.startswith("bpf_") and all(_plain(btf, member.type) for member in found.members)
    return not isinstance(found, Pointer)


def variable(btf: Btf, symbols: Iterable[ElfVariable], name: str) -> Global:
    """The global variable *name* of the object. Raises SuiteError for one that there is not.

    clang leaves the offsets in BTF's DATASEC at 0: the symbol table has them.
    """
    types, kconfig = _variable_types(btf)
    symbol = next((symbol for symbol in symbols if symbol.name == name), None)
    if symbol is not None and name in types:
        size = btf.sizeof(types[name])
        return Global(name, symbol.section, symbol.offset, types[name], symbol.content.ljust(size, b"\0")[:size])
    if name in kconfig:
        return _kconfig_variable(btf, kconfig, name)
    there = {symbol.name for symbol in symbols}
    known = [*(one for one in types if one in there), *kconfig]
    hint = suggestion(name, known) if known else "it has none"
    raise SuiteError(f"no global variable '{name}' in the object", hint)


@functools.lru_cache(maxsize=16)
def _variable_types(btf: Btf) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """The types of the variables in sections of data, and of those that are `extern .. __kconfig`."""
    data, kconfig = {}, {}
    for one in btf.variables():
        if one.section.startswith((".data", ".bss", ".rodata")):
            data[one.name] = one.type
        elif one.section == ".kconfig":
            kconfig[one.name] = one.type
    return data, kconfig


def _kconfig_variable(btf: Btf, types: Mapping[str, int], name: str) -> Global:
    """A variable that libbpf makes and fills when the object is loaded, in an order of its own.

    The largest alignment first, then the least size, then by name: cmp_externs and bpf_object__collect_externs of
    libbpf.c.
    """
    sizes = {one: btf.sizeof(types[one]) for one in types}
    alignments = {one: _alignment(btf, types[one]) for one in types}
    start = end = 0
    for one in sorted(types, key=lambda one: (-alignments[one], sizes[one], one.encode())):
        start = (end + alignments[one] - 1) // alignments[one] * alignments[one]
        end = start + sizes[one]
        if one == name:
            break
    return Global(name, ".kconfig", start, types[name], bytes(sizes[name]))


def _alignment(btf: Btf, type_id: int) -> int:
    """Of a number, or of an array of them: libbpf takes nothing else there."""
    from bpftest.btf import Array

    found = btf.resolve(type_id)
    return _alignment(btf, found.element) if isinstance(found, Array) else max(1, min(8, btf.sizeof(type_id)))
