"""Maps that are the values of other maps: made like the one that the outer map was declared with, and looked into."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import ObjectError, RunError
from bpftest.kernel import libbpf
from bpftest.kernel.map import Map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.objects import Loaded


DECLARE = "declare them by __array(values, ..)"


class Template(NamedTuple):
    """How the maps are made that can be values of a map: libbpf forgets it when it has loaded the object."""

    type: int  # enum bpf_map_type
    key_size: int  # bytes
    value_size: int  # bytes
    max_entries: int
    flags: int
    extra: int  # map_extra of BPF_MAP_CREATE
    key_type: int  # BTF ids of the object; 0: none
    value_type: int


def note_template(loaded: Loaded, outer: int) -> None:
    """Keeps what the maps in *outer* are like: a struct bpf_map * of a map of maps that is not made yet."""
    library = libbpf.library()
    handle = library.bpf_map__inner_map(outer)
    if not handle:
        return
    name = library.bpf_map__name(outer).decode("utf-8", "replace")
    loaded.templates[name] = Template(
        library.bpf_map__type(handle),
        library.bpf_map__key_size(handle),
        library.bpf_map__value_size(handle),
        library.bpf_map__max_entries(handle),
        library.bpf_map__map_flags(handle),
        library.bpf_map__map_extra(handle),
        library.bpf_map__btf_key_type_id(handle),
        library.bpf_map__btf_value_type_id(handle),
    )


def use_template(loaded: Loaded, name: str, outer: int) -> None:
    """Makes a map of maps, a struct bpf_map * that is not made yet, for maps as they are noted. Raises ObjectError.

    libbpf 1.1 crashes in bpf_map__set_max_entries of such a map, so it is given one that is already made.
    """
    # The types of the object are not in the kernel yet.
    descriptor = _created(loaded, loaded.templates[name]._replace(key_type=0, value_type=0))
    if descriptor < 0:
        reason = libbpf.error_text(libbpf.last_errno())
        raise ObjectError(f"a map for map '{name}' cannot be made: {reason}", "give it other max_entries")
    loaded.held.append(descriptor)
    if libbpf.library().bpf_map__set_inner_map_fd(outer, descriptor):
        raise ObjectError(f"map '{name}' cannot be made for other maps: {libbpf.error_text(libbpf.last_errno())}")


def made(loaded: Loaded, outer: Map) -> Map:
    """A new map that can be a value of *outer*. Raises RunError.

    Its descriptor stays open until the object is reset or closed: a timer cannot be armed in a map of which user
    space has none (__bpf_async_init, kernel/bpf/helpers.c).
    """
    like = loaded.templates.get(outer.name)
    if like is None:
        raise RunError(f"map '{outer.name}' does not declare what its values are like", DECLARE)
    # The types matter where a value has a lock or a timer; some types of maps take none, and libbpf tries twice too.
    descriptor = _created(loaded, like)
    if descriptor < 0:
        descriptor = _created(loaded, like._replace(key_type=0, value_type=0))
    if descriptor < 0:
        raise RunError(f"a map for map '{outer.name}' cannot be made: {libbpf.error_text(libbpf.last_errno())}")
    loaded.held.append(descriptor)
    return Map(f"{outer.name}[]", descriptor, like.type, like.key_size, like.value_size, like.max_entries, like.flags)


def _created(loaded: Loaded, like: Template) -> int:
    library = libbpf.library()
    options = libbpf.MapCreateOpts(
        sz=ctypes.sizeof(libbpf.MapCreateOpts),
        btf_fd=library.bpf_object__btf_fd(loaded.handle) if like.key_type or like.value_type else 0,
        btf_key_type_id=like.key_type,
        btf_value_type_id=like.value_type,
        map_flags=like.flags,
        map_extra=like.extra,
    )
    descriptor: int = library.bpf_map_create(
        like.type, None, like.key_size, like.value_size, like.max_entries, ctypes.byref(options)
    )
    return descriptor


@contextmanager
def opened(outer: Map, value: bytes) -> Iterator[Map]:
    """The map whose id is *value*, a value of *outer*, open as long as the block lasts. Raises RunError."""
    library = libbpf.library()
    descriptor = library.bpf_map_get_fd_by_id(int.from_bytes(value, sys.byteorder))
    if descriptor < 0:
        reason = libbpf.error_text(libbpf.last_errno())
        raise RunError(f"the maps in map '{outer.name}' cannot be opened: {reason}", "it takes CAP_SYS_ADMIN")
    try:
        info = libbpf.MapInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        if library.bpf_obj_get_info_by_fd(descriptor, ctypes.byref(info), ctypes.byref(size)):
            reason = libbpf.error_text(libbpf.last_errno())
            raise RunError(f"the kernel does not tell what the maps in map '{outer.name}' are: {reason}")
        yield Map(
            *(f"{outer.name}[]", descriptor, info.type),
            *(info.key_size, info.value_size, info.max_entries, info.map_flags),
        )
    finally:
        os.close(descriptor)
