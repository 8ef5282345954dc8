"""Maps that are made with other sizes than their object declares."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.inner import DECLARE, use_template
from bpftest.kernel.map_types import RINGBUF, USER_RINGBUF

if TYPE_CHECKING:
    from bpftest.kernel.door import Size
    from bpftest.kernel.objects import Loaded


def set_sizes(loaded: Loaded, wanted: tuple[Size, ...]) -> None:
    """Sets how many entries maps are made for, in an object that is not loaded yet. Raises ObjectError."""
    for one in wanted:
        _set_size(loaded, one)


def _set_size(loaded: Loaded, wanted: Size) -> None:
    library = libbpf.library()
    handle = library.bpf_object__find_map_by_name(loaded.handle, wanted.map.encode())
    if not handle:
        raise ObjectError(f"libbpf finds no map '{wanted.map}' in the object")
    if wanted.max_entries is not None:
        _set(handle, f"map '{wanted.map}'", wanted.max_entries)
    if wanted.inner_max_entries is None:
        return
    template = loaded.templates.get(wanted.map)
    if template is None:
        raise ObjectError(f"map '{wanted.map}' does not declare maps as its values", DECLARE)
    loaded.templates[wanted.map] = template._replace(max_entries=wanted.inner_max_entries)
    use_template(loaded, wanted.map, handle)


def _set(handle: int, name: str, max_entries: int) -> None:
    library = libbpf.library()
    if library.bpf_map__type(handle) in (RINGBUF, USER_RINGBUF) and not _sizes_a_ring(max_entries):
        page = mmap.PAGESIZE
        raise ObjectError(
            f"{name} cannot have {max_entries} bytes: a ring buffer has a power of two of them, {page} at least",
            f"such as {page}, {2 * page} or {4 * page}",
        )
    if library.bpf_map__set_max_entries(handle, max_entries):
        raise ObjectError(f"{name} takes no max_entries of {max_entries}: {libbpf.error_text(libbpf.last_errno())}")


def _sizes_a_ring(size: int) -> bool:
    """Whether the kernel makes a ring buffer of *size* bytes: ringbuf_map_alloc, kernel/bpf/ringbuf.c.

    libbpf would take the next larger size that fits, and say nothing.
    """
    return size >= mmap.PAGESIZE and size & (size - 1) == 0
