"""Many entries of a map at once, where the kernel has batch operations for its type; else one by one.

Kernel: BPF_MAP_*_BATCH, since Linux 5.6 for hash maps and arrays, later for others. That one of them is not there is
an errno, and nothing has been done then.
"""

from __future__ import annotations

import ctypes
import errno
from typing import TYPE_CHECKING

from bpftest.kernel import libbpf
from bpftest.kernel.map_types import WRITTEN_BY_USERS

if TYPE_CHECKING:
    from bpftest.kernel.map import Map

CHUNK_ENTRIES = 4096  # of one call
CHUNK_BYTES = 1024 * 1024  # of one call's keys and values

Entries = list[tuple[bytes, bytes]]


def put_all(target: Map, count: int, keys: bytes, values: bytes) -> None:
    """Sets *count* entries; their keys, and their values, one after the other. Raises RunError."""
    target.check(f"keys of {count} entries", keys, count * target.key_size)
    target.check(f"values of {count} entries", values, count * target.value_size)
    if target.type in WRITTEN_BY_USERS:
        target.written.update(_slices(keys, target.key_size))
    key_size, value_size = target.key_size, target.value_size
    for index in range(_taken(target, count, keys, values), count):
        at = index * value_size
        target.put(keys[index * key_size : (index + 1) * key_size], values[at : at + value_size])


def _taken(target: Map, count: int, keys: bytes, values: bytes) -> int:
    """How many of the entries the kernel has taken at once: up to the first that it refuses."""
    if not target.key_size:  # a queue, a stack or a bloom filter
        return 0
    taken = ctypes.c_uint32(count)
    failed = libbpf.library().bpf_map_update_batch(target.descriptor, keys, values, ctypes.byref(taken), None)
    # Without the operation the count stays as it was; with it, it is smaller where an entry was refused.
    return 0 if failed and taken.value == count else taken.value


def delete_all(target: Map, keys: list[bytes]) -> None:
    """Takes the entries at *keys* away. Raises RunError."""
    count = ctypes.c_uint32(len(keys))
    if libbpf.library().bpf_map_delete_batch(target.descriptor, b"".join(keys), ctypes.byref(count), None):
        for key in keys:
            target.delete(key)


def entries(source: Map) -> Entries:
    """Every (key, value), in the kernel's order; of a per-CPU map the values of all CPUs. Raises RunError."""
    found = Chunks(source).read()
    if found is not None:
        return found
    # keys() is no dict's; and an entry may be gone by the time it is looked up.
    pairs = [(key, source.get(key)) for key in source.keys()]  # noqa: SIM118
    return [(key, value) for key, value in pairs if value is not None]


class Chunks:
    """Buffers for walking over a map with one call for many entries."""

    def __init__(self, source: Map) -> None:
        fit = CHUNK_BYTES // max(1, source.key_size + source.value_size)
        self._source = source
        self._size = max(1, min(source.max_entries, CHUNK_ENTRIES, fit))
        self._keys = ctypes.create_string_buffer(self._size * source.key_size)
        self._values = ctypes.create_string_buffer(self._size * source.value_size)
        # Where the walk goes on: a key, or of a hash map the number of a bucket.
        self._position = ctypes.create_string_buffer(max(4, source.key_size))
        self._count = ctypes.c_uint32()
        self._arguments = self._position, self._keys, self._values, ctypes.byref(self._count), None

    def read(self) -> Entries | None:
        """Every (key, value); None where the kernel cannot do it: it has no such operation, ..."""
        lookup = libbpf.library().bpf_map_lookup_batch
        found: Entries = []
        began = None
        while True:
            self._count.value = self._size
            failed = lookup(self._source.descriptor, began, *self._arguments) and libbpf.last_errno()
            if failed not in (0, errno.ENOENT):
                return None
            found += self._pairs()
            if failed:
                return found
            began = self._position

    def take_out(self) -> bool:
        """Deletes every entry of a hash map; False where there is no such operation."""
        take_out = libbpf.library().bpf_map_lookup_and_delete_batch
        began = None
        while True:
            self._count.value = self._size
            if take_out(self._source.descriptor, began, *self._arguments):
                return libbpf.last_errno() == errno.ENOENT
            began = self._position

    def _pairs(self) -> Entries:
        source, count = self._source, self._count.value
        keys = ctypes.string_at(self._keys, count * source.key_size)
        values = ctypes.string_at(self._values, count * source.value_size)
        return list(zip(_slices(keys, source.key_size), _slices(values, source.value_size), strict=True))


def _slices(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]
