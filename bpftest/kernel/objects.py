"""Objects: opened where they cannot do harm, and loaded into the kernel, only the programs that are wanted."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.door import LoadReport
from bpftest.reading import read_regular
from bpftest.sandbox.child import Child, ChildEnded, ChildLate
from bpftest.sandbox.confinement import CAP_BPF, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.inner import Template
    from bpftest.kernel.map import Map
    from bpftest.kernel.statistics import Counters

BPF_F_RDONLY_PROG = 1 << 7  # linux/bpf.h: programs cannot write to the map
OBJECT_SIZE = 256 * 1024 * 1024  # bytes; a file with more is no object
OPEN_SECONDS = 10  # for what takes milliseconds: a damaged object may keep libbpf busy
# libbpf asks the kernel what it knows before it relocates: without CAP_BPF it would give up there.
LIMITS = Limits(cpu_seconds=2 * OPEN_SECONDS, files=32, capability=CAP_BPF)


class Loaded:
    """An open bpf_object, its program's fd and what the kernel said of it."""

    __slots__ = (
        "counters",
        "handle",
        "held",
        "links",
        "maps",
        "program_fd",
        "report",
        "reports",
        "stateful",
        "templates",
    )

    def __init__(self, handle: int) -> None:
        self.handle: int | None = handle
        self.links: list[int] = []
        self.program_fd = -1
        self.report = LoadReport()  # of the program itself, or of the one that was refused
        self.reports: dict[str, LoadReport] = {}  # of each program that is loaded, by name
        self.stateful = True
        self.maps: dict[str, Map] = {}  # those that have been asked for, by name
        self.templates: dict[str, Template] = {}  # what the maps are like that maps hold, by the name of the outer one
        self.held: list[int] = []  # descriptors of such maps that a case has made
        self.counters: Counters | None = None  # of Loading.counted

    def descriptor(self, program: str) -> int:
        """The file descriptor of a loaded program of the object. Raises ObjectError."""
        library = libbpf.library()
        found = library.bpf_object__find_program_by_name(self.handle, program.encode())
        descriptor: int = library.bpf_program__fd(found) if found else -1
        if descriptor < 0:
            raise ObjectError(f"program '{program}' is not loaded")
        return descriptor

    def release(self) -> None:
        """Gives maps that a case has made back to the kernel."""
        while self.held:
            os.close(self.held.pop())

    def close(self) -> None:
        """Detaches, and gives program and maps back to the kernel."""
        self.release()
        for link in self.links:
            libbpf.library().bpf_link__destroy(link)
        self.links.clear()
        if self.handle is not None:
            libbpf.library().bpf_object__close(self.handle)
            self.handle = None
        if self.counters is not None:
            self.counters.close()


def opened(path: str, content: bytes) -> int:
    """A struct bpf_object * of *content*. Raises ObjectError."""
    name = os.fsencode(os.path.basename(path)).split(b".")[0] or b"object"
    options = libbpf.ObjectOpenOpts(ctypes.sizeof(libbpf.ObjectOpenOpts), name)
    handle: int | None = libbpf.library().bpf_object__open_mem(content, len(content), ctypes.byref(options))
    if not handle:
        failed = libbpf.last_errno()
        raise ObjectError(
            f"{path}: libbpf cannot open this object: {libbpf.error_text(failed)}", text=libbpf.warnings()
        )
    return handle


_survivor = b""  # the object that libbpf has opened last


def sound(path: str) -> bytes:
    """The content of the object at *path*, which libbpf can take. Raises ObjectError.

    A damaged object can crash libbpf: of copies with a few words of BTF changed, one in 40 made libbpf 1.1.2 segfault
    in bpf_object__open, and one in 300 later, while it relocated programs. What it can do to a process that does not
    crash nobody knows. So a child without privileges goes first.
    """
    global _survivor
    try:
        content = read_regular(path, OBJECT_SIZE)
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}", "build the object first, or correct the path") from None
    if content != _survivor:
        _try(path, content)
        _survivor = content
    return content


def _try(path: str, content: bytes) -> None:
    """Raises ObjectError where a process that rehearses *content* does not survive."""
    types = os.memfd_create("types")
    try:
        os.write(types, content)
        child = Child(lambda: _rehearsal(content, types), LIMITS, (types,))
        child.ask(b"", OPEN_SECONDS)
        child.close()
    except ChildEnded as ended:
        what = f"{path}: the object is damaged: libbpf ends with {ended} on it"
        raise ObjectError(what, "build it again") from None
    except ChildLate:
        what = f"{path}: the object is damaged: libbpf has not opened it after {OPEN_SECONDS} s"
        raise ObjectError(what, "build it again") from None
    finally:
        os.close(types)


def _rehearsal(content: bytes, types: int) -> Callable[[bytes], bytes]:
    """What opens *content* and loads all of it as far as libbpf does this by itself.

    No map is made, no program verified. The kernel's types, which CO-RE would relocate to, take 20 ms to read; the
    object's own, which the descriptor *types* leads to, do as well here.
    """
    library = libbpf.library()
    library.libbpf_set_print(libbpf.SILENT)
    options = libbpf.ObjectOpenOpts(
        sz=ctypes.sizeof(libbpf.ObjectOpenOpts), object_name=b"object", btf_custom_path=b"/proc/self/fd/%d" % types
    )

    def rehearse(_request: bytes) -> bytes:
        handle = library.bpf_object__open_mem(content, len(content), ctypes.byref(options))
        if handle:
            _load_nothing(Loaded(handle))
        return b""

    return rehearse


def _load_nothing(loaded: Loaded) -> None:
    library = libbpf.library()
    for one in maps_of(loaded):
        library.bpf_map__set_type(one, 2)  # BPF_MAP_TYPE_ARRAY: libbpf 1.1 dies of a map of struct_ops that is not made
        library.bpf_map__set_autocreate(one, 0)
    for program in walk(library.bpf_object__next_program, loaded):
        library.bpf_program__set_autoload(program, 1)
        library.bpf_program__set_type(program, 0)  # BPF_PROG_TYPE_UNSPEC: libbpf relocates it, and gives it to nobody
    library.bpf_object__load(loaded.handle)


def maps_of(loaded: Loaded) -> Iterator[int]:
    """The object's maps, each a struct bpf_map *; those of global variables too."""
    return walk(libbpf.library().bpf_object__next_map, loaded)


def constant(handle: int) -> bool:
    """Whether nobody can change the map: neither programs nor user space, from which libbpf freezes it.

    .rodata and .kconfig are such.
    """
    library = libbpf.library()
    flags: int = library.bpf_map__map_flags(handle)
    return bool(flags & BPF_F_RDONLY_PROG) and library.bpf_map__is_internal(handle)


def walk(following: Callable[..., int | None], loaded: Loaded) -> Iterator[int]:
    """What the function *following* of libbpf gives one after the other."""
    handle = following(loaded.handle, None)
    while handle:
        yield handle
        handle = following(loaded.handle, handle)
