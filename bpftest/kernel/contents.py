"""The contents of a loaded object's maps: bytes are put in before a run, and looked at after it."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError, RunError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Contents, Patch, Read, Reply, Request, Write
from bpftest.kernel.run import exchange
from bpftest.kernel.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.objects import Loaded

PER_CPU_TYPES = {5, 6, 10, 21}  # enum bpf_map_type: PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
SECTION_KEY = bytes(4)  # a section of global variables is the only element of an array


class Map:
    """A map of a loaded object."""

    def __init__(self, handle: int) -> None:
        """*handle*: a struct bpf_map *."""
        library = libbpf.library()
        self.name: str = library.bpf_map__name(handle).decode("utf-8", "replace")
        self.type: int = library.bpf_map__type(handle)
        self.descriptor: int = library.bpf_map__fd(handle)
        self.key_size: int = library.bpf_map__key_size(handle)
        self.one_size: int = library.bpf_map__value_size(handle)  # of one CPU
        self.max_entries: int = library.bpf_map__max_entries(handle)
        self.per_cpu = self.type in PER_CPU_TYPES

    @property
    def value_size(self) -> int:
        """Bytes of a value: of a per-CPU map those of all CPUs, each padded to 8 (linux/bpf.h, BPF_MAP_LOOKUP_ELEM)."""
        return padded(self.one_size) * cpus() if self.per_cpu else self.one_size

    def put(self, key: bytes, value: bytes) -> None:
        """Sets an entry. Raises RunError."""
        self._fits("key", key, self.key_size)
        self._fits("value", value, self.value_size)
        if libbpf.library().bpf_map_update_elem(self.descriptor, key, value, 0):
            raise self._refused(f"takes no entry at key {key.hex(' ')}", libbpf.last_errno())

    def get(self, key: bytes) -> bytes | None:
        """The value at *key*, None if there is none."""
        self._fits("key", key, self.key_size)
        value = ctypes.create_string_buffer(self.value_size)
        if libbpf.library().bpf_map_lookup_elem(self.descriptor, key, value) == 0:
            return value.raw
        failed = libbpf.last_errno()
        if failed == errno.ENOENT:
            return None
        raise self._refused("cannot be read", failed)

    def keys(self) -> Iterator[bytes]:
        """Every key, in the kernel's order."""
        library = libbpf.library()
        key: ctypes.Array[ctypes.c_char] | None = None
        while True:
            following = ctypes.create_string_buffer(self.key_size)
            if library.bpf_map_get_next_key(self.descriptor, key, following):
                return
            yield following.raw
            key = following

    def _refused(self, what: str, failed: int) -> RunError:
        why = WHY.get(failed, os.strerror(failed))
        return RunError(f"map '{self.name}' {what}: {why} ({errno.errorcode.get(failed, failed)})")

    def _fits(self, what: str, content: bytes, size: int) -> None:
        if len(content) != size:
            raise RunError(f"the {what} of map '{self.name}' has {size} bytes, and {len(content)} are given")


def named(loaded: Loaded, name: str) -> Map:
    """The map *name* of an object. Raises ObjectError."""
    handle = libbpf.library().bpf_object__find_map_by_name(loaded.handle, name.encode())
    if not handle:
        raise ObjectError(f"libbpf finds no map '{name}' in the object")
    return Map(handle)


WHY = {
    errno.E2BIG: "the map is full, or the key is beyond its max_entries",
    errno.EPERM: "the map is frozen, or may not be written from user space",
    errno.EINVAL: "the map does not take this kind of value",
    errno.EOPNOTSUPP: "user space cannot reach entries of this type of map",
}


def padded(size: int) -> int:
    """Bytes that a value of one CPU takes among those of all: round_up(size, 8)."""
    return (size + 7) // 8 * 8


@functools.cache
def cpus() -> int:
    """How many CPUs a per-CPU map has values for."""
    count: int = libbpf.library().libbpf_num_possible_cpus()
    return count


def run_in_state(loaded: Loaded, request: Request) -> Reply:
    """One BPF_PROG_RUN with the sockets, map entries and globals of the request; the reply has what it reads."""
    setup = request.setup
    with Sockets(setup.sockets) as sockets:
        for patch in setup.patches:
            _patch(loaded, patch)
        for write in setup.writes:
            _write(loaded, write, sockets)
        reply = exchange().run(loaded.program_fd, request)
        if reply.errno:
            return reply
        found = tuple(_read(loaded, read) for read in setup.reads)
        return reply._replace(cookies=sockets.cookies(), contents=found)


def _write(loaded: Loaded, wanted: Write, sockets: Sockets) -> None:
    """Puts an entry into a map of the object. Raises RunError, ObjectError."""
    target = named(loaded, wanted.map)
    if wanted.socket:
        value = sockets.descriptor(wanted.socket).to_bytes(target.one_size, sys.byteorder)
    elif wanted.program:
        value = loaded.descriptor(wanted.program).to_bytes(target.one_size, sys.byteorder)
    else:
        value = _of_all_cpus(target, wanted.value)
    target.put(wanted.key, value)


def _of_all_cpus(target: Map, value: bytes | tuple[bytes, ...]) -> bytes:
    if not target.per_cpu:
        return value if isinstance(value, bytes) else b"".join(value)
    values = (value,) * cpus() if isinstance(value, bytes) else value
    if len(values) > cpus():
        raise RunError(f"map '{target.name}' gets values for {len(values)} CPUs, and this machine has {cpus()}")
    size = padded(target.one_size)
    return b"".join(one.ljust(size, b"\0") for one in values).ljust(size * cpus(), b"\0")


def _patch(loaded: Loaded, wanted: Patch) -> None:
    """Sets global variables that programs may write to. Raises RunError, ObjectError."""
    section = named(loaded, wanted.section)
    content = section.get(SECTION_KEY) or bytes(section.value_size)
    section.put(SECTION_KEY, _patched(content, wanted))


def _patched(content: bytes, wanted: Patch) -> bytes:
    return content[: wanted.offset] + wanted.content + content[wanted.offset + len(wanted.content) :]


def _read(loaded: Loaded, wanted: Read) -> Contents:
    """What the map holds."""
    source = named(loaded, wanted.map)
    keys = tuple(source.keys()) if wanted.keys is None else wanted.keys
    return Contents(wanted.map, tuple((key, source.get(key)) for key in keys))
