"""A program loaded from an object into the kernel, ready to be run many times."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import TYPE_CHECKING

from bpftest.errors import ObjectError, ProgramError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Loading, LoadReport, Reply, Request
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BPF_LOG_STATS = 4  # log_level, include/linux/bpf_verifier.h
# The kernel says ENOSPC when a log does not fit. Pages that are not written to cost nothing.
LOG_SIZE = 64 * 1024 * 1024


class Session:
    """A loaded program.

    `run` gives every call the object's initial state: an object without maps that a run could change is loaded once,
    any other is loaded again before the next run.
    """

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._loaded = _load(loading)
        self._used = False
        self.report = self._loaded.report

    def run(self, request: Request) -> Reply:
        """One BPF_PROG_RUN from the initial state. Must not be called when the report has an errno."""
        while True:
            if self._used and self._loaded.stateful:
                self._loaded.close()
                self._loaded = _load(self._loading)
                if self._loaded.report.errno:
                    raise ProgramError(
                        f"loading '{self._loading.program}' again failed: {os.strerror(self._loaded.report.errno)}",
                        text=self._loaded.report.log,
                    )
            self._used = True
            reply = exchange().run(self._loaded.program_fd, request)
            # A signal that is not the timeout (a resized terminal, a child's end) must not decide over a case.
            if reply.errno != errno.EINTR or reply.timed_out:
                return reply

    def close(self) -> None:
        """Gives program and maps back to the kernel."""
        self._loaded.close()


class _Loaded:
    """An open bpf_object, its program's fd and what the kernel said of it."""

    __slots__ = ("handle", "program_fd", "report", "stateful")

    def __init__(self, handle: int) -> None:
        self.handle: int | None = handle
        self.program_fd = -1
        self.report = LoadReport()
        self.stateful = True

    def close(self) -> None:
        if self.handle is not None:
            libbpf.library().bpf_object__close(self.handle)
            self.handle = None


def _load(loading: Loading) -> _Loaded:
    """Opens the object and loads what *loading* names. A refusal by the kernel is in the report."""
    library = libbpf.library()
    libbpf.warnings()
    loaded = _Loaded(_open(loading.path))
    try:
        program = _choose(loaded, loading)
        stateful = False
        for handle in _walk(library.bpf_object__next_map, loaded):
            # Pinning by name would share maps with the machine and between cases.
            library.bpf_map__set_pin_path(handle, None)
            stateful = stateful or not _constant(handle)
        loaded.stateful = stateful
        log = _log_buffer()
        library.bpf_program__set_log_level(program, loading.log_level | BPF_LOG_STATS)
        library.bpf_program__set_log_buf(program, ctypes.addressof(log), LOG_SIZE)
        failed = 0 if library.bpf_object__load(loaded.handle) == 0 else libbpf.last_errno()
        loaded.program_fd = -1 if failed else library.bpf_program__fd(program)
        loaded.report = _report(failed, log, loaded.program_fd)
    except BaseException:
        loaded.close()
        raise
    return loaded


def _open(path: str) -> int:
    _survives_opening(path)
    content = _content(path)
    options = libbpf.ObjectOpenOpts(
        ctypes.sizeof(libbpf.ObjectOpenOpts), os.path.basename(path).split(".")[0].encode() or b"object"
    )
    handle: int | None = libbpf.library().bpf_object__open_mem(content, len(content), ctypes.byref(options))
    if not handle:
        failed = libbpf.last_errno()
        raise ObjectError(f"{path}: libbpf cannot open this object: {os.strerror(failed)}", text=libbpf.warnings())
    return handle


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}", "build the object first, or correct the path") from None


_survived: dict[str, tuple[int, int, int]] = {}


def _survives_opening(path: str) -> None:
    """Raises ObjectError where opening the object would kill this process.

    A damaged object can crash libbpf: of 3,000 byte-mutated copies of a sound one, 8 made libbpf 1.1.2 segfault in
    bpf_object__open. So it is opened in a child first, once for each version of the file.
    """
    try:
        status = os.stat(path)
    except OSError:
        return  # _content says it better
    version = (status.st_ino, status.st_size, status.st_mtime_ns)
    if _survived.get(path) == version:
        return
    content = _content(path)
    child = os.fork()
    if child == 0:
        try:
            libbpf.library().libbpf_set_print(libbpf.SILENT)
            libbpf.library().bpf_object__open_mem(content, len(content), None)
        finally:
            os._exit(0)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        import signal

        name = signal.Signals(os.WTERMSIG(ended)).name
        raise ObjectError(
            f"{path}: the object is damaged: libbpf crashes on opening it ({name})", "build the object again"
        )
    _survived[path] = version


def _choose(loaded: _Loaded, loading: Loading) -> int:
    """Marks for loading only what *loading* names; gives the handle of the program itself."""
    library = libbpf.library()
    chosen: int | None = None
    wanted = {loading.program, *loading.also}
    for handle in _walk(library.bpf_object__next_program, loaded):
        name = library.bpf_program__name(handle).decode()
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


def _walk(following: Callable[..., int | None], loaded: _Loaded) -> Iterator[int]:
    handle = following(loaded.handle, None)
    while handle:
        yield handle
        handle = following(loaded.handle, handle)


def _constant(handle: int) -> bool:
    """Whether no run can change the map: .rodata and .kconfig are frozen when they are loaded."""
    library = libbpf.library()
    name = library.bpf_map__name(handle).decode()
    return library.bpf_map__is_internal(handle) and (".rodata" in name or ".kconfig" in name)


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
