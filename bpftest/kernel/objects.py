"""Objects: opened where they cannot do harm, and loaded into the kernel, only the programs that are wanted."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING

from bpftest.errors import LoadError, ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Loading, LoadReport
from bpftest.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.door import Patch

BPF_F_RDONLY_PROG = 1 << 7  # linux/bpf.h: programs cannot write to the map
MAP_TYPE_ARRAY, MAP_TYPE_STRUCT_OPS, PROG_TYPE_STRUCT_OPS = 2, 26, 27  # enum bpf_map_type, enum bpf_prog_type
BPF_LOG_LEVEL1, BPF_LOG_LEVEL, BPF_LOG_STATS = 1, 3, 4  # log_level, include/linux/bpf_verifier.h
# The kernel says ENOSPC when a log does not fit. Pages that are not written to cost nothing.
LOG_SIZE = 64 * 1024 * 1024
OBJECT_SIZE = 256 * 1024 * 1024  # bytes; a file with more is no object
OPEN_SECONDS = 30  # for what takes milliseconds: a damaged object may keep libbpf busy


class Loaded:
    """An open bpf_object, its program's fd and what the kernel said of it."""

    __slots__ = ("handle", "link", "program_fd", "report", "stateful")

    def __init__(self, handle: int) -> None:
        self.handle: int | None = handle
        self.link: int | None = None
        self.program_fd = -1
        self.report = LoadReport()
        self.stateful = True

    def descriptor(self, program: str) -> int:
        """The file descriptor of a loaded program of the object. Raises ObjectError."""
        library = libbpf.library()
        found = library.bpf_object__find_program_by_name(self.handle, program.encode())
        descriptor: int = library.bpf_program__fd(found) if found else -1
        if descriptor < 0:
            raise ObjectError(f"program '{program}' is not loaded")
        return descriptor

    def close(self) -> None:
        """Detaches, and gives program and maps back to the kernel."""
        if self.link is not None:
            libbpf.library().bpf_link__destroy(self.link)
            self.link = None
        if self.handle is not None:
            libbpf.library().bpf_object__close(self.handle)
            self.handle = None


def load(loading: Loading, content: bytes) -> Loaded:
    """Opens the object and loads what *loading* names. A refusal by the kernel is in the report."""
    with libbpf.uninterrupted():
        loaded = _loaded_with(loading.log_level, loading, content)
    first = loaded.report
    if not first.log or first.errno in (0, errno.E2BIG) or loading.log_level & BPF_LOG_LEVEL:
        return loaded
    # The verifier refuses, and has logged why. Where, the log tells with the path, which takes a level; but for
    # E2BIG, whose path is as long as the verifier can go.
    loaded.close()
    with libbpf.uninterrupted():
        again = _loaded_with(loading.log_level | BPF_LOG_LEVEL1, loading, content)
    if again.report.errno == errno.ENOSPC:  # the path does not fit into the log
        again.report = first
    return again


def _loaded_with(log_level: int, loading: Loading, content: bytes) -> Loaded:
    library = libbpf.library()
    libbpf.warnings()
    loaded = Loaded(_open(loading.path, content))
    try:
        program = _choose(loaded, loading)
        stateful = False
        for handle in maps_of(loaded):
            # Pinning by name would share maps with the machine and between cases.
            library.bpf_map__set_pin_path(handle, None)
            _leave_out_struct_ops(handle, loading)
            stateful = stateful or not constant(handle)
        loaded.stateful = stateful
        _set_constants(loaded, loading.constants)
        log = _log_buffer()
        library.bpf_program__set_log_level(program, log_level | BPF_LOG_STATS)
        library.bpf_program__set_log_buf(program, ctypes.addressof(log), LOG_SIZE)
        failed = 0 if library.bpf_object__load(loaded.handle) == 0 else libbpf.last_errno()
        loaded.program_fd = -1 if failed else library.bpf_program__fd(program)
        loaded.report = _report(failed, log, loaded.program_fd)
        if loading.attached and not failed:
            loaded.link = _attached(program, loading)
    except BaseException:
        loaded.close()
        raise
    return loaded


def _leave_out_struct_ops(handle: int, loading: Loading) -> None:
    """libbpf 1.1 crashes while loading where a struct_ops map is there and its programs are not to be loaded."""
    library = libbpf.library()
    if library.bpf_map__type(handle) == MAP_TYPE_STRUCT_OPS and loading.prog_type != PROG_TYPE_STRUCT_OPS:
        library.bpf_map__set_type(handle, MAP_TYPE_ARRAY)
        library.bpf_map__set_autocreate(handle, 0)


def _open(path: str, content: bytes) -> int:
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
    """The content of the object at *path*, which libbpf can open. Raises ObjectError.

    A damaged object can crash libbpf: of 8,000 byte-mutated copies of a sound one, 16 made libbpf 1.1.2 segfault in
    bpf_object__open, and none later. So it is opened in a child first, which may die of it.
    """
    global _survivor
    try:
        content = read_regular(path, OBJECT_SIZE)
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}", "build the object first, or correct the path") from None
    if content != _survivor:
        killer = _killer(content)
        if killer:
            import signal

            name = signal.Signals(killer).name
            raise ObjectError(f"{path}: the object is damaged: opening it ends libbpf with {name}", "build it again")
        _survivor = content
    return content


def _killer(content: bytes) -> int:
    """The signal that ends a process which opens *content*, 0 for none."""
    import signal

    library = libbpf.library()
    child = os.fork()
    if child == 0:
        try:
            # What a parent's faulthandler would print of the crash is of no use to anybody.
            for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, OPEN_SECONDS)
            library.libbpf_set_print(libbpf.SILENT)
            library.bpf_object__open_mem(content, len(content), None)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _choose(loaded: Loaded, loading: Loading) -> int:
    """Marks for loading only what *loading* names; gives the handle of the program itself."""
    library = libbpf.library()
    chosen: int | None = None
    wanted = {loading.program, *loading.also}
    for handle in _walk(library.bpf_object__next_program, loaded):
        name = library.bpf_program__name(handle).decode("utf-8", "replace")
        library.bpf_program__set_autoload(handle, name in wanted)
        if name == loading.program:
            chosen = handle
    if chosen is None:
        raise ObjectError(f"{loading.path}: libbpf finds no program '{loading.program}' in this object")
    library.bpf_program__set_type(chosen, loading.prog_type)
    if loading.attach_type is not None:
        library.bpf_program__set_expected_attach_type(chosen, loading.attach_type)
    if loading.flags:
        library.bpf_program__set_flags(chosen, library.bpf_program__flags(chosen) | loading.flags)
    return chosen


def _attached(program: int, loading: Loading) -> int:
    """A link of the program to what its section names."""
    link: int | None = libbpf.library().bpf_program__attach(program)
    if not link:
        failed = libbpf.last_errno()
        raise LoadError(
            f"'{loading.program}' cannot be attached to what its section names: {os.strerror(failed)}",
            text=libbpf.warnings(),
        )
    return link


def maps_of(loaded: Loaded) -> Iterator[int]:
    """The object's maps, each a struct bpf_map *; those of global variables too."""
    return _walk(libbpf.library().bpf_object__next_map, loaded)


def constant(handle: int) -> bool:
    """Whether nobody can change the map: neither programs nor user space, from which libbpf freezes it.

    .rodata and .kconfig are such.
    """
    library = libbpf.library()
    flags: int = library.bpf_map__map_flags(handle)
    return bool(flags & BPF_F_RDONLY_PROG) and library.bpf_map__is_internal(handle)


def _walk(following: Callable[..., int | None], loaded: Loaded) -> Iterator[int]:
    handle = following(loaded.handle, None)
    while handle:
        yield handle
        handle = following(loaded.handle, handle)


_log: mmap.mmap | None = None


def _log_buffer() -> ctypes.Array[ctypes.c_char]:
    """The buffer for verifier logs, empty."""
    global _log
    if _log is None:
        _log = mmap.mmap(-1, LOG_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _log[0] = 0
    return (ctypes.c_char * LOG_SIZE).from_buffer(_log)


def _report(failed: int, log: ctypes.Array[ctypes.c_char], program_fd: int) -> LoadReport:
    text = ctypes.string_at(ctypes.addressof(log)).decode("utf-8", "replace")
    if failed:
        return LoadReport(errno=failed, log=text, libbpf=libbpf.warnings())
    info = libbpf.ProgInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    if libbpf.library().bpf_obj_get_info_by_fd(program_fd, ctypes.byref(info), ctypes.byref(size)):
        return LoadReport(log=text)
    return LoadReport(0, text, "", info.verified_insns, info.jited_prog_len, info.xlated_prog_len)


def _set_constants(loaded: Loaded, constants: tuple[Patch, ...]) -> None:
    """Sets constants of .rodata in an object that is not loaded yet: loading freezes them. Raises ObjectError."""
    library = libbpf.library()
    for wanted in constants:
        section = library.bpf_object__find_map_by_name(loaded.handle, wanted.section.encode())
        size = ctypes.c_size_t()
        address = library.bpf_map__initial_value(section, ctypes.byref(size)) if section else None
        if not address or wanted.offset + len(wanted.content) > size.value:
            raise ObjectError(f"libbpf gives no way to set constants of {wanted.section}")
        ctypes.memmove(address + wanted.offset, wanted.content, len(wanted.content))
