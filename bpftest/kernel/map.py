"""A map of the kernel, by its file descriptor: entries one by one, bytes in and bytes out."""

from __future__ import annotations

import ctypes
import errno
import functools
import sys
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError, RunError
from bpftest.kernel import libbpf
from bpftest.kernel.map_refusals import refusal
from bpftest.kernel.map_types import BLOOM_FILTER, INDEXED, PER_CPU, SOCKMAP, WRITTEN_BY_USERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.objects import Loaded


class Map:
    """A map of a loaded object, or one of the maps that it holds."""

    __slots__ = (
        "_buffer",
        "descriptor",
        "flags",
        "key_size",
        "max_entries",
        "name",
        "one_size",
        "per_cpu",
        "type",
        "value_size",
        "written",
    )

    def __init__(
        self, name: str, descriptor: int, kind: int, key_size: int, one_size: int, max_entries: int, flags: int
    ) -> None:
        self.name = name
        self.descriptor = descriptor
        self.type = kind  # enum bpf_map_type
        self.key_size = key_size  # bytes
        self.one_size = one_size  # bytes of the value of one CPU
        self.max_entries = max_entries
        self.flags = flags  # BPF_F_* of BPF_MAP_CREATE
        self.per_cpu = kind in PER_CPU
        # Of a per-CPU map the values of all CPUs, each padded to 8 bytes (linux/bpf.h, BPF_MAP_LOOKUP_ELEM).
        self.value_size = padded(one_size) * cpus() if self.per_cpu else one_size
        self.written: set[bytes] = set()  # keys that `put` and `delete` were given, of WRITTEN_BY_USERS
        self._buffer: ctypes.Array[ctypes.c_char] | None = None

    def put(self, key: bytes, value: bytes) -> None:
        """Sets an entry; of a queue, a stack or a bloom filter the key is empty. Raises RunError."""
        self.check("key", key, self.key_size)
        self.check("value", value, self.value_size)
        if self.type in WRITTEN_BY_USERS:
            self.written.add(key)
        if libbpf.library().bpf_map_update_elem(self.descriptor, key or None, value, 0):
            raise self.refused("takes no entry", libbpf.last_errno(), key, value)

    def get(self, key: bytes) -> bytes | None:
        """The value at *key*, None if there is none. Of a bloom filter the key is the value. Raises RunError."""
        if self.type == BLOOM_FILTER:
            self.check("value", key, self.value_size)
            buffer, given = ctypes.create_string_buffer(key, self.value_size), None
        else:
            self.check("key", key, self.key_size)
            buffer, given = self._value(), key or None
        if libbpf.library().bpf_map_lookup_elem(self.descriptor, given, buffer) == 0:
            return buffer.raw
        failed = libbpf.last_errno()
        if failed == errno.ENOENT:
            return None
        raise self.refused("cannot be read", failed)

    def delete(self, key: bytes) -> None:
        """Takes an entry away, if it is there. Raises RunError."""
        self.check("key", key, self.key_size)
        if self.type in WRITTEN_BY_USERS:
            self.written.add(key)
        if libbpf.library().bpf_map_delete_elem(self.descriptor, key or None) == 0:
            return
        failed = libbpf.last_errno()
        if failed != errno.ENOENT and not self._had_none(failed, key):
            raise self.refused("gives no entry away", failed, key)

    def pop(self) -> bytes | None:
        """The next value of a queue or a stack, taken out; None if there is none. Raises RunError."""
        buffer = self._value()
        if libbpf.library().bpf_map_lookup_and_delete_elem(self.descriptor, None, buffer) == 0:
            return buffer.raw
        failed = libbpf.last_errno()
        if failed == errno.ENOENT:
            return None
        raise self.refused("cannot be read", failed)

    def keys(self) -> Iterator[bytes]:
        """Every key, in the kernel's order; of an array those of empty entries too. Raises RunError."""
        library = libbpf.library()
        key: ctypes.Array[ctypes.c_char] | None = None
        while True:
            following = ctypes.create_string_buffer(self.key_size)
            if library.bpf_map_get_next_key(self.descriptor, key, following):
                failed = libbpf.last_errno()
                if failed != errno.ENOENT:
                    raise self.refused("cannot be read", failed)
                return
            yield following.raw
            key = following

    def check(self, what: str, content: bytes, size: int) -> None:
        """Raises RunError where *content* is not of *size* bytes."""
        if len(content) != size:
            raise RunError(f"map '{self.name}' takes {size} bytes as {what}, and {len(content)} are given")

    def refused(self, what: str, failed: int, key: bytes = b"", value: bytes = b"") -> RunError:
        """The error for what the kernel has refused with the errno *failed*."""
        shown = str(int.from_bytes(key, sys.byteorder)) if self.type in INDEXED else key.hex(" ")
        why, hint = refusal(self, failed, key, value)
        return RunError(f"map '{self.name}' {what}{f' at key {shown}' if key else ''}: {why}", hint)

    def _value(self) -> ctypes.Array[ctypes.c_char]:
        if self._buffer is None:
            self._buffer = ctypes.create_string_buffer(self.value_size)
        return self._buffer

    def _had_none(self, failed: int, key: bytes) -> bool:
        """Whether the errno only says that there was none: __sock_map_delete, net/core/sock_map.c, gives EINVAL."""
        return failed == errno.EINVAL and self.type == SOCKMAP and int.from_bytes(key, sys.byteorder) < self.max_entries


def named(loaded: Loaded, name: str) -> Map:
    """The map *name* of an object, the same one each time. Raises ObjectError."""
    found = loaded.maps.get(name)
    if found is None:
        handle = libbpf.library().bpf_object__find_map_by_name(loaded.handle, name.encode())
        if not handle:
            raise ObjectError(f"libbpf finds no map '{name}' in the object")
        found = loaded.maps[name] = of_object(loaded, handle)
    return found


def of_object(loaded: Loaded, handle: int) -> Map:
    """The map of an object that libbpf knows as *handle*, a struct bpf_map *; the same one each time."""
    library = libbpf.library()
    name = library.bpf_map__name(handle).decode("utf-8", "replace")
    if name in loaded.maps:
        return loaded.maps[name]
    made = loaded.maps[name] = Map(
        name,
        library.bpf_map__fd(handle),
        library.bpf_map__type(handle),
        library.bpf_map__key_size(handle),
        library.bpf_map__value_size(handle),
        library.bpf_map__max_entries(handle),
        library.bpf_map__map_flags(handle),
    )
    return made


def padded(size: int) -> int:
    """Bytes that a value of one CPU takes among those of all: round_up(size, 8)."""
    return (size + 7) // 8 * 8


@functools.cache
def cpus() -> int:
    """How many CPUs a per-CPU map has values for."""
    count: int = libbpf.library().libbpf_num_possible_cpus()
    return count
