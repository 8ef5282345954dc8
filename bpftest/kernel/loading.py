"""Programs of an object, loaded into the kernel, only those that are wanted."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
from typing import TYPE_CHECKING

from bpftest.errors import CaseTimeout, LoadError, ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Also, Loading, LoadReport
from bpftest.kernel.map_types import OF_MAPS
from bpftest.kernel.objects import Loaded, constant, maps_of, opened, walk
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from bpftest.kernel.door import Patch
    from bpftest.kernel.statistics import Counters

    Log = ctypes.Array[ctypes.c_char]

MAP_TYPE_ARRAY, MAP_TYPE_STRUCT_OPS, PROG_TYPE_STRUCT_OPS = 2, 26, 27  # enum bpf_map_type, enum bpf_prog_type
BPF_LOG_LEVEL1, BPF_LOG_LEVEL, BPF_LOG_STATS = 1, 3, 4  # log_level, include/linux/bpf_verifier.h
# The kernel says ENOSPC when a log does not fit. Pages that are not written to cost nothing.
LOG_SIZE = 64 * 1024 * 1024
REFUSED = re.compile(r"prog '([^']+)': (?:BPF program load failed|failed to load)")  # libbpf, of the one that ends it


def load(loading: Loading, content: bytes, timeout_s: float) -> Loaded:
    """Opens the object and loads what *loading* names. A refusal by the kernel is in the report.

    Raises CaseTimeout where the verifier has not finished after *timeout_s*: while it looks at a program (do_check,
    kernel/bpf/verifier.c) a signal ends it with EAGAIN, and libbpf tries five times.
    """
    with libbpf.uninterrupted(), exchange().alarmed(timeout_s) as has_expired:
        loaded = _loaded_with(loading.log_level, loading, content)
        first = loaded.report
        if first.errno == errno.EAGAIN and has_expired():
            loaded.close()
            what = f"the verifier has not finished with '{first.program}' after {timeout_s:g} s"
            raise CaseTimeout(what, "give a longer 'timeout:', or make the program simpler")
        if not first.log or first.errno in (0, errno.E2BIG) or loading.log_level & BPF_LOG_LEVEL:
            return loaded
        # The verifier refuses, and has logged why. Where, the log tells with the path, which takes a level; but for
        # E2BIG, whose path is as long as the verifier can go.
        loaded.close()
        again = _loaded_with(loading.log_level | BPF_LOG_LEVEL1, loading, content)
    if again.report.errno in (errno.ENOSPC, errno.EAGAIN):  # the path does not fit into the log, or into the time
        again.report = first
    return again


def _loaded_with(log_level: int, loading: Loading, content: bytes) -> Loaded:
    if not loading.counted:
        return _loaded(log_level, loading, content, None)
    from bpftest.kernel.statistics import Counters  # only for suites that count runs

    counters = Counters(loading, _wanted(loading), content)
    with counters.put_in():
        return _loaded(log_level, loading, content, counters)


def _loaded(log_level: int, loading: Loading, content: bytes, counters: Counters | None) -> Loaded:
    library = libbpf.library()
    libbpf.warnings()
    loaded = Loaded(opened(loading.path, content))
    loaded.counters = counters
    try:
        _prepare_maps(loaded, loading)
        _set_constants(loaded, loading.constants)
        programs = _choose(loaded, loading)
        logs = {name: _log_buffer(index) for index, name in enumerate(programs)}
        for name, log in logs.items():
            library.bpf_program__set_log_level(programs[name], log_level | BPF_LOG_STATS)
            library.bpf_program__set_log_buf(programs[name], ctypes.addressof(log), LOG_SIZE)
        if library.bpf_object__load(loaded.handle):
            loaded.report = _refusal(libbpf.last_errno(), loading, logs)
        else:
            _note_loaded(loaded, loading, programs, logs)
            if counters is not None:
                counters.refuse_uncounted()
    except BaseException:
        loaded.close()
        raise
    return loaded


def _prepare_maps(loaded: Loaded, loading: Loading) -> None:
    library = libbpf.library()
    stateful = False
    for handle in maps_of(loaded):
        # Pinning by name would share maps with the machine and between cases.
        library.bpf_map__set_pin_path(handle, None)
        _leave_out_struct_ops(handle, loading)
        if library.bpf_map__type(handle) in OF_MAPS:
            from bpftest.kernel.inner import note_template  # only for objects with such

            note_template(loaded, handle)
        stateful = stateful or not constant(handle)
    if loading.sizes:
        from bpftest.kernel.sizes import set_sizes  # only for suites that say some

        set_sizes(loaded, loading.sizes)
    loaded.stateful = stateful


def _note_loaded(loaded: Loaded, loading: Loading, programs: dict[str, int], logs: dict[str, Log]) -> None:
    """Keeps what the kernel said of each program, and attaches those that are to be attached."""
    library = libbpf.library()
    loaded.program_fd = library.bpf_program__fd(programs[loading.program])
    loaded.reports = {
        name: _report(name, logs[name], library.bpf_program__fd(program)) for name, program in programs.items()
    }
    loaded.report = loaded.reports[loading.program]
    for one in _wanted(loading):
        if one.attached:
            loaded.links.append(_attached(programs[one.program], one.program))


def _leave_out_struct_ops(handle: int, loading: Loading) -> None:
    """libbpf 1.1 crashes while loading where a struct_ops map is there and its programs are not to be loaded."""
    library = libbpf.library()
    if library.bpf_map__type(handle) == MAP_TYPE_STRUCT_OPS and loading.prog_type != PROG_TYPE_STRUCT_OPS:
        library.bpf_map__set_type(handle, MAP_TYPE_ARRAY)
        library.bpf_map__set_autocreate(handle, 0)


def _wanted(loading: Loading) -> tuple[Also, ...]:
    """All programs that are loaded, the one that *loading* is about first."""
    first = Also(loading.program, loading.prog_type, loading.attach_type, loading.flags, loading.attached)
    return (first, *(one for one in loading.also if one.program != loading.program))


def _choose(loaded: Loaded, loading: Loading) -> dict[str, int]:
    """Marks for loading only what *loading* names: their handles by name, in the order of the object."""
    library = libbpf.library()
    wanted = {one.program: one for one in _wanted(loading)}
    chosen = {}
    for handle in walk(library.bpf_object__next_program, loaded):
        name = library.bpf_program__name(handle).decode("utf-8", "replace")
        library.bpf_program__set_autoload(handle, name in wanted)
        if name in wanted:
            _set_type(handle, wanted[name])
            chosen[name] = handle
    for name in wanted:
        if name not in chosen:
            raise ObjectError(f"{loading.path}: libbpf finds no program '{name}' in this object")
    return chosen


def _set_type(handle: int, wanted: Also) -> None:
    library = libbpf.library()
    if wanted.prog_type is not None:
        library.bpf_program__set_type(handle, wanted.prog_type)
    if wanted.attach_type is not None:
        library.bpf_program__set_expected_attach_type(handle, wanted.attach_type)
    if wanted.flags:
        library.bpf_program__set_flags(handle, library.bpf_program__flags(handle) | wanted.flags)


def _attached(program: int, name: str) -> int:
    """A link of the program to what its section names."""
    link: int | None = libbpf.library().bpf_program__attach(program)
    if not link:
        failed = libbpf.last_errno()
        what = f"'{name}' cannot be attached to what its section names: {os.strerror(failed)}"
        raise LoadError(what, text=libbpf.warnings())
    return link


_logs: list[mmap.mmap] = []


def _log_buffer(index: int) -> Log:
    """A buffer for the verifier's log of the program at *index*, empty."""
    if index == len(_logs):
        _logs.append(mmap.mmap(-1, LOG_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    _logs[index][0] = 0
    return (ctypes.c_char * LOG_SIZE).from_buffer(_logs[index])


def _text(log: Log) -> str:
    return ctypes.string_at(ctypes.addressof(log)).decode("utf-8", "replace")


def _refusal(failed: int, loading: Loading, logs: dict[str, Log]) -> LoadReport:
    """What the kernel said of the program that it refused, the first of them that it refused."""
    warnings = libbpf.warnings()
    found = REFUSED.search(warnings)
    name = found[1] if found and found[1] in logs else loading.program
    return LoadReport(failed, _text(logs[name]), warnings, program=name)


def _report(name: str, log: Log, program_fd: int) -> LoadReport:
    """What the kernel said of a program that it has taken."""
    info = libbpf.ProgInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    if libbpf.library().bpf_obj_get_info_by_fd(program_fd, ctypes.byref(info), ctypes.byref(size)):
        return LoadReport(0, _text(log), program=name)
    return LoadReport(0, _text(log), "", info.verified_insns, info.jited_prog_len, info.xlated_prog_len, name)


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
