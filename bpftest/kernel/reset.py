"""The first state of a loaded object, given back to it before another run, which is much quicker than loading it again.

Only for objects whose maps and global variables hold nothing but bytes (Loading.plain): arrays are written over with
what they held first, from hash maps and tries every entry is taken away, which they did not have at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.kernel import libbpf
from bpftest.kernel.contents import Map
from bpftest.kernel.objects import constant, maps_of

if TYPE_CHECKING:
    from bpftest.kernel.objects import Loaded

ARRAYS, HASHES = {2, 6}, {1, 5, 11}  # enum bpf_map_type: ARRAY, PERCPU_ARRAY; HASH, PERCPU_HASH, LPM_TRIE
CLOSED = 1 << 3 | 1 << 4  # BPF_F_RDONLY, BPF_F_WRONLY: user space may not write, or not read
ELEMENTS_MAX = 4096  # of all arrays of an object; with more, loading it again is not much slower


class First:
    """What the maps of an object held when it had just been loaded."""

    def __init__(self, loaded: Loaded) -> None:
        self._hashes: list[Map] = []
        self._elements: list[_Element] = []
        self.whole = True  # False: a map is of another type or closed to us, or there is too much to write
        for handle in maps_of(loaded):
            if not constant(handle):
                self._take(Map(handle), libbpf.library().bpf_map__map_flags(handle))

    def _take(self, taken: Map, flags: int) -> None:
        if flags & CLOSED:
            self.whole = False
        elif taken.type in HASHES:
            self._hashes.append(taken)
        elif taken.type in ARRAYS and len(self._elements) + taken.max_entries <= ELEMENTS_MAX:
            self._elements += [_Element(taken, key, taken.get(key) or b"") for key in taken.keys()]  # noqa: SIM118
        else:
            self.whole = False

    def restore(self) -> None:
        """Gives the maps what they held. Raises RunError."""
        library = libbpf.library()
        for element in self._elements:
            element.map.put(element.key, element.value)
        for taken in self._hashes:
            for key in tuple(taken.keys()):
                library.bpf_map_delete_elem(taken.descriptor, key)


class _Element(NamedTuple):
    map: Map
    key: bytes
    value: bytes
