"""The maps and global variables that an object declares, from its types and symbols; nothing is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bpftest.btf import Btf
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
# Maps whose entries user space can take away or overwrite, and that remember nothing else; LRU maps have an order.
RESETTABLE = {"hash", "array", "percpu_hash", "percpu_array", "lpm_trie"}
SOCKETS = {"sockmap", "sockhash"}


class Declared(NamedTuple):
    """A map as the object declares it."""

    name: str
    type: str  # of TYPES; "" for one that bpftest does not know
    key: int | None  # BTF id of the key's type, if the declaration tells it
    key_size: int  # bytes; 0 if it is not known
    value: int | None
    value_size: int  # bytes; of one CPU; 0 if it is not known


class Global(NamedTuple):
    """A global variable."""

    name: str
    section: str  # ".bss", ".data.config": the map that holds it
    offset: int  # bytes from the start of the section
    type: int  # BTF id
    initial: bytes  # its bytes in the object; zeros in .bss


def declared(btf: Btf, name: str) -> Declared:
    """The map *name* of the object. Raises SuiteError for one that there is not."""
    maps = {variable.name: variable.type for variable in btf.variables() if variable.section == ".maps"}
    if name not in maps:
        hint = suggestion(name, maps) if maps else 'it declares none in SEC(".maps")'
        raise SuiteError(f"no map '{name}' in the object", hint)
    return _declaration(btf, name, maps[name])


def _declaration(btf: Btf, name: str, type_id: int) -> Declared:
    """What __uint(type, N) and __type(key, T) say: pointers to int[N] and to T. libbpf's parse_btf_map_def."""
    from bpftest.btf import Array, Pointer, Struct  # only for suites with maps

    definition = btf.resolve(type_id)
    numbers: dict[str, int] = {}
    types: dict[str, int] = {}
    for member in definition.members if isinstance(definition, Struct) else ():
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
    )


def plain_values(btf: Btf) -> bool:
    """Whether every map and every global variable holds nothing but bytes.

    Then to write the first bytes again is to be in the first state again. It is not with what the kernel keeps for a
    value beside its bytes: timers, locks, lists, trees and pointers (enum btf_field_type, include/linux/bpf.h).
    """
    for variable in btf.variables():
        if variable.section == ".maps":
            declared = _declaration(btf, variable.name, variable.type)
            if declared.type not in RESETTABLE or (declared.value and not _plain(btf, declared.value)):
                return False
        elif variable.section.startswith((".data", ".bss")) and not _plain(btf, variable.type):
            return False
    return True


def _plain(btf: Btf, type_id: int) -> bool:
    from bpftest.btf import Array, Pointer, Struct

    found = btf.resolve(type_id)
    if isinstance(found, Array):
        return _plain(btf, found.element)
    if isinstance(found, Struct):
        return not found.name.startswith("bpf_") and all(_plain(btf, member.type) for member in found.members)
    return not isinstance(found, Pointer)


def variable(btf: Btf, symbols: Iterable[ElfVariable], name: str) -> Global:
    """The global variable *name* of the object. Raises SuiteError for one that there is not.

    clang leaves the offsets in BTF's DATASEC at 0: the symbol table has them.
    """
    found = {symbol.name: symbol for symbol in symbols}
    types = {
        variable.name: variable.type
        for variable in btf.variables()
        if variable.section.startswith((".data", ".bss", ".rodata"))
    }
    if name not in found or name not in types:
        known = [one for one in types if one in found]
        raise SuiteError(
            f"no global variable '{name}' in the object", suggestion(name, known) if known else "it has none"
        )
    symbol, size = found[name], btf.sizeof(types[name])
    return Global(name, symbol.section, symbol.offset, types[name], symbol.content.ljust(size, b"\0")[:size])
