"""The contents of a loaded object's maps: bytes are put in before a run, and looked at after it."""

from __future__ import annotations

import ctypes
import itertools
import sys
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError, RunError
from bpftest.kernel import inner, libbpf
from bpftest.kernel.batch import entries, put_all
from bpftest.kernel.door import Bulk, Contents, Delete, Read, Write
from bpftest.kernel.map import Map, cpus, named, padded
from bpftest.kernel.map_types import BLOOM_FILTER, CPUMAP, LPM_TRIE, OF_MAPS, QUEUE, STACK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bpftest.kernel.door import Handle, Patch
    from bpftest.kernel.objects import Loaded
    from bpftest.kernel.sockets import Sockets

SECTION_KEY = bytes(4)  # a section of global variables is the only element of an array


def write(loaded: Loaded, changes: Iterable[Write | Bulk | Delete], sockets: Sockets | None) -> None:
    """Changes entries of maps of the object, one after the other. Raises RunError, ObjectError."""
    for name, of_one in itertools.groupby(changes, _map):
        target, wanted = named(loaded, name), list(of_one)
        writes = [one for one in wanted if isinstance(one, Write)]
        if target.type in OF_MAPS and len(writes) == len(wanted):
            # After a change to a map of maps the kernel waits for all CPUs (synchronize_rcu), after many at once too.
            pairs = [_pair(target, one, loaded, sockets) for one in writes]
            put_all(target, len(pairs), b"".join(key for key, _ in pairs), b"".join(value for _, value in pairs))
            continue
        for one in wanted:
            _change(target, one, loaded, sockets)


def _map(change: Write | Bulk | Delete) -> str:
    return change.map


def _change(target: Map, wanted: Write | Bulk | Delete, loaded: Loaded, sockets: Sockets | None) -> None:
    if isinstance(wanted, Bulk):
        put_all(target, wanted.entries, wanted.keys, _values(target, wanted))
    elif isinstance(wanted, Delete):
        target.delete(_with_descriptor(wanted.key, wanted.key_handle, target.key_size, loaded, sockets))
    else:
        target.put(*_pair(target, wanted, loaded, sockets))


def _pair(target: Map, wanted: Write, loaded: Loaded, sockets: Sockets | None) -> tuple[bytes, bytes]:
    """Key and value of an entry; a map that is to be the value is made."""
    key = _with_descriptor(wanted.key, wanted.key_handle, target.key_size, loaded, sockets)
    if wanted.inner is None:
        return key, _value(target, wanted, loaded, sockets)
    made = inner.made(loaded, target)
    for one in wanted.inner:
        _change(made, one, loaded, sockets)
    return key, made.descriptor.to_bytes(target.value_size, sys.byteorder)


def _value(target: Map, wanted: Write, loaded: Loaded, sockets: Sockets | None) -> bytes:
    value = _of_all_cpus(target, wanted.value)
    if target.type == CPUMAP and not any(value[:4]):
        # The kernel would take the entry away: cpu_map_update_elem, kernel/bpf/cpumap.c.
        raise RunError(f"map '{target.name}' gets a `qsize` of 0", "it is how many frames wait at most: 1 to 16384")
    return _with_descriptor(value, wanted.handle, target.one_size, loaded, sockets)


def _values(target: Map, bulk: Bulk) -> bytes:
    """The values of *bulk*, those of all CPUs where the map has one for each."""
    size = target.one_size
    if len(bulk.values) == size:
        return _of_all_cpus(target, bulk.values) * bulk.entries
    if not target.per_cpu:
        return bulk.values
    return b"".join(_of_all_cpus(target, bulk.values[at : at + size]) for at in range(0, len(bulk.values), size))


def _of_all_cpus(target: Map, value: bytes | tuple[bytes, ...]) -> bytes:
    if not target.per_cpu:
        return value if isinstance(value, bytes) else b"".join(value)
    values = (value,) * cpus() if isinstance(value, bytes) else value
    if len(values) > cpus():
        raise RunError(f"map '{target.name}' gets values for {len(values)} CPUs, and this machine has {cpus()}")
    for one in values:
        target.check("value", one, target.one_size)
    size = padded(target.one_size)
    return b"".join(one.ljust(size, b"\0") for one in values).ljust(size * cpus(), b"\0")


def _with_descriptor(
    content: bytes, handle: Handle | None, size: int, loaded: Loaded, sockets: Sockets | None
) -> bytes:
    """A key or value of *size* bytes, in which what *handle* names is set."""
    if handle is None:
        return content
    descriptor = _descriptor(loaded, handle, sockets).to_bytes(handle.size, sys.byteorder)
    return _set(content.ljust(size, b"\0"), handle.offset, descriptor)


def _set(content: bytes, offset: int, part: bytes) -> bytes:
    return content[:offset] + part + content[offset + len(part) :]


def _descriptor(loaded: Loaded, handle: Handle, sockets: Sockets | None) -> int:
    if handle.kind == "map":
        return named(loaded, handle.name).descriptor
    if handle.kind == "program":
        return loaded.descriptor(handle.name)
    if sockets is None:
        raise RunError(f"the case has no socket '{handle.name}'")
    return sockets.descriptor(handle.name)


def identity(loaded: Loaded, handle: Handle, sockets: Sockets | None) -> int:
    """The number by which the kernel tells what a value names: the id of a program or map, the cookie of a socket.

    Raises ObjectError, RunError.
    """
    if handle.kind == "socket" and sockets is not None:
        return dict(sockets.cookies())[handle.name]
    descriptor = _descriptor(loaded, handle, sockets)
    info = libbpf.ProgInfo() if handle.kind == "program" else libbpf.MapInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    if libbpf.library().bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size)):
        reason = libbpf.error_text(libbpf.last_errno())
        raise ObjectError(f"the kernel does not tell the id of {handle.kind} '{handle.name}': {reason}")
    found: int = info.id
    return found


def patch(loaded: Loaded, patches: Iterable[Patch]) -> None:
    """Sets global variables that programs may write to. Raises RunError, ObjectError."""
    changed: dict[str, bytes] = {}
    for one in patches:
        content = changed.get(one.section)
        if content is None:
            section = named(loaded, one.section)
            content = section.get(SECTION_KEY) or bytes(section.value_size)
        changed[one.section] = _set(content, one.offset, one.content)
    for name, content in changed.items():
        named(loaded, name).put(SECTION_KEY, content)


def read(loaded: Loaded, wanted: Read, sockets: Sockets | None) -> Contents:
    """What the map holds. Of every entry, those that are empty are left out. Raises RunError, ObjectError."""
    source = named(loaded, wanted.map)
    found = _entries(source) if wanted.keys is None else _at(source, wanted, loaded, sockets)
    if wanted.rest and any(value is None for _, value in found):
        found += _others(source, wanted)
    if not wanted.inner:
        return Contents(wanted.map, found)
    return Contents(wanted.map, found, tuple(_inner(source, value) for _, value in found))


def _inner(source: Map, value: bytes | None) -> tuple[tuple[bytes, bytes | None], ...]:
    """The entries of a map that is a value, given by its id."""
    if value is None:
        return ()
    with inner.opened(source, value) as held:
        return _entries(held)


def _entries(source: Map) -> tuple[tuple[bytes, bytes | None], ...]:
    if source.type in (QUEUE, STACK):
        return tuple((b"", value) for value in _passed_by(source))
    if source.type == BLOOM_FILTER:
        raise RunError(f"map '{source.name}' does not tell what is in it", "ask for single values: is one in it or not")
    return tuple(entries(source))


def _at(source: Map, wanted: Read, loaded: Loaded, sockets: Sockets | None) -> tuple[tuple[bytes, bytes | None], ...]:
    """The entries at the keys of *wanted*, which are told as it has them: without descriptors."""
    keys = wanted.keys or ()
    if source.type == LPM_TRIE:  # it gives the longest prefix that matches: only its list tells whether it is this one
        held = {_prefix(key): value for key, value in entries(source)}
        return tuple((key, held.get(_prefix(key))) for key in keys)
    if not wanted.key_handles:
        return tuple((key, source.get(key)) for key in keys)
    pairs = zip(keys, wanted.key_handles, strict=True)
    size = source.key_size
    return tuple((key, source.get(_with_descriptor(key, one, size, loaded, sockets))) for key, one in pairs)


def _prefix(key: bytes) -> tuple[int, bytes]:
    """The length of a prefix in bits, and its address without the bits behind it, which the trie does not look at."""
    length, size = int.from_bytes(key[:4], sys.byteorder), 8 * (len(key) - 4)
    behind = max(size - length, 0)
    return length, (int.from_bytes(key[4:], "big") >> behind << behind).to_bytes(size // 8, "big")


def _others(source: Map, wanted: Read) -> tuple[tuple[bytes, bytes | None], ...]:
    """Entries at other keys than those of *wanted*, no more than it wants."""
    asked = set(wanted.keys or ())
    # keys() is no dict's.
    there = ((key, source.get(key)) for key in source.keys() if key not in asked)  # noqa: SIM118
    return tuple(itertools.islice(((key, value) for key, value in there if value is not None), wanted.rest))


def _passed_by(source: Map) -> list[bytes]:
    """The values of a queue or a stack, in the order in which they come out. Each is taken out and put in again."""
    values = []
    while (value := source.pop()) is not None:
        values.append(value)
    for value in values if source.type == QUEUE else reversed(values):
        source.put(b"", value)
    return values
