"""The first state of a loaded object, given back to it before another case: much quicker than to load it again.

For a type of maps it is done where nothing is left that helpers and kfuncs could tell from a map just made:

* array, per-CPU array, global variables: every value is written over. A spin lock in a value is left as it is, and
  the verifier has seen to it that it is free.
* hash, per-CPU hash, LPM trie: every entry is taken out. What is at hand for new ones is at hand again, and a new entry
  is written in full, for all CPUs.
* queue, stack: every value is taken out. Where in its memory a queue begins is nobody's business but its own.
* devmap: no program can write to it, so what user space has put in is taken out.
* prog array, array and hash of maps: no program can write to them, so there is nothing to do where user space has not.
* sockmap, sockhash: every entry is taken out; programs can put sockets in.
* perf event array: it has entries only while somebody listens.

Everything else is loaded again:

* prog array, array and hash of maps that a case has written to: the kernel waits for all CPUs (synchronize_rcu) when
  an entry is replaced or taken out, 16 ms where loading takes less than one.
* LRU maps: which entry goes next depends on what was there before, and so do the lists from which new ones come.
* bloom filter: its bits cannot be taken back.
* ring buffers: how much was ever written is told by bpf_ringbuf_query, and no one can set it back.
* cpumap: a thread on another CPU may still have frames in hand and run a program on them.
* storage of sockets, tasks, inodes and cgroups: user space cannot list whose there is.
* values with timers, work queues, kptrs, lists or trees, which the kernel keeps beside the bytes (Loading.plain).
* maps with BPF_F_RDONLY or BPF_F_WRONLY, which keep user space out, and large ones, where loading is quicker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bpftest.kernel import libbpf
from bpftest.kernel.batch import Chunks, delete_all, entries, put_all
from bpftest.kernel.map import of_object
from bpftest.kernel.map_refusals import BPF_F_RDONLY, BPF_F_WRONLY
from bpftest.kernel.map_types import (
    ARRAYS,
    DEVMAP,
    DEVMAP_HASH,
    HASH,
    LPM_TRIE,
    OF_MAPS,
    PERCPU_HASH,
    PERF_EVENT_ARRAY,
    PROG_ARRAY,
    QUEUE,
    SOCKHASH,
    SOCKMAP,
    STACK,
)
from bpftest.kernel.objects import constant, maps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.kernel.map import Map
    from bpftest.kernel.objects import Loaded

# That are written over, whatever they hold. 2,048 entries of arrays take half a millisecond, as does loading a small
# object again.
ENTRIES_MAX = 2048


class Reset(Protocol):
    """What gives one map its first contents again."""

    def restore(self) -> None:
        """Gives the map what it held. Raises RunError."""


class First:
    """What the maps of an object held when it had just been loaded."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._resets: list[Reset] = []
        self._room = ENTRIES_MAX
        self._kept: list[Map] = []  # that are as they were as long as user space does not write to them
        self._whole = True  # False: one of the maps cannot be reset
        for handle in maps_of(loaded):
            if self._whole and not constant(handle):
                self._take(of_object(loaded, handle))

    def can_restore(self) -> bool:
        """Whether the maps can be given what they held, more quickly than by loading the object again."""
        return self._whole and not any(taken.written for taken in self._kept)

    def _take(self, taken: Map) -> None:
        if taken.descriptor < 0 or taken.type == PERF_EVENT_ARRAY:  # never made, or always empty
            return
        if taken.type in KEPT:
            self._kept.append(taken)
            return
        reset = RESETS.get(taken.type)
        self._room -= 0 if taken.type in BY_WHAT_IS_THERE else taken.max_entries
        if reset is None or self._room < 0 or taken.flags & (BPF_F_RDONLY | BPF_F_WRONLY):
            self._whole = False
        else:
            self._resets.append(reset(taken))

    def restore(self) -> None:
        """Gives the maps what they held. Raises RunError."""
        for reset in self._resets:
            reset.restore()
        self._loaded.release()


class _Value:
    """The only value of an array, such as global variables."""

    def __init__(self, taken: Map) -> None:
        self._arguments = taken.descriptor, bytes(taken.key_size), taken.get(bytes(taken.key_size)), 0
        self._update = libbpf.library().bpf_map_update_elem
        self._map = taken

    def restore(self) -> None:
        if self._update(*self._arguments):
            raise self._map.refused("cannot be reset", libbpf.last_errno())


class _Values:
    """The values of an array."""

    def __init__(self, taken: Map) -> None:
        pairs = entries(taken)
        self._map = taken
        self._keys = b"".join(key for key, _ in pairs)
        self._values = b"".join(value for _, value in pairs)

    def restore(self) -> None:
        put_all(self._map, self._map.max_entries, self._keys, self._values)


def _array(taken: Map) -> Reset:
    return _Value(taken) if taken.max_entries == 1 else _Values(taken)


class _Emptied:
    """A map that held nothing, and whose entries anybody can make."""

    def __init__(self, taken: Map) -> None:
        self._map = taken
        self._chunks = Chunks(taken)
        self._is_hash = taken.type in (HASH, PERCPU_HASH)

    def restore(self) -> None:
        if self._is_hash and self._chunks.take_out():
            return
        pairs = self._chunks.read()
        keys = list(self._map.keys()) if pairs is None else [key for key, _ in pairs]
        if keys:
            delete_all(self._map, keys)


class _Drained:
    """A queue or a stack, which held nothing."""

    def __init__(self, taken: Map) -> None:
        self._map = taken

    def restore(self) -> None:
        while self._map.pop() is not None:
            pass


class _Written:
    """A devmap, which held nothing, and which user space alone can write to."""

    def __init__(self, taken: Map) -> None:
        self._map = taken

    def restore(self) -> None:
        for key in tuple(self._map.written):
            self._map.delete(key)
        self._map.written.clear()


KEPT = frozenset({PROG_ARRAY, *OF_MAPS})
RESETS: dict[int, Callable[[Map], Reset]] = {
    **dict.fromkeys(ARRAYS, _array),
    **dict.fromkeys((HASH, PERCPU_HASH, LPM_TRIE, SOCKMAP, SOCKHASH), _Emptied),
    **dict.fromkeys((QUEUE, STACK), _Drained),
    **dict.fromkeys((DEVMAP, DEVMAP_HASH), _Written),
}
# They take as long to reset as there are entries in them, and not as would fit.
BY_WHAT_IS_THERE = frozenset({HASH, PERCPU_HASH, LPM_TRIE, SOCKHASH, DEVMAP, DEVMAP_HASH})
