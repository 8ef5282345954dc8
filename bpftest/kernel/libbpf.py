"""The system's libbpf (1.0 or newer) through ctypes: the only file that knows its ABI.

Signatures from libbpf's bpf/libbpf.h and bpf/bpf.h; a test holds the structs against the C compiler's offsets.
"""

from __future__ import annotations

import ctypes
import re
import signal
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_bool, c_char_p, c_int, c_long, c_size_t, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING

from bpftest.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBBPF_WARN = 0  # enum libbpf_print_level


class ObjectOpenOpts(ctypes.Structure):
    """The first fields of struct bpf_object_open_opts; libbpf reads `sz` and takes the rest as 0."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", c_bool),
        ("pin_root_path", c_char_p),
        ("_unused", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
    )


class TestRunOpts(ctypes.Structure):
    """struct bpf_test_run_opts (bpf/bpf.h)."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class ProgLoadOpts(ctypes.Structure):
    """The first fields of struct bpf_prog_load_opts (bpf/bpf.h); libbpf takes the rest as 0."""

    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_ifindex", c_uint32),
        ("kern_version", c_uint32),
        ("attach_btf_id", c_uint32),
        ("attach_prog_fd", c_uint32),
        ("attach_btf_obj_fd", c_uint32),
        ("fd_array", c_void_p),
        ("func_info", c_void_p),
        ("func_info_cnt", c_uint32),
        ("func_info_rec_size", c_uint32),  # bytes
        ("line_info", c_void_p),
        ("line_info_cnt", c_uint32),
        ("line_info_rec_size", c_uint32),  # bytes
    )


PREPARE_LOAD = CFUNCTYPE(c_int, c_void_p, c_void_p, c_long)  # prog_prepare_load_fn: program, ProgLoadOpts, cookie


class ProgHandlerOpts(ctypes.Structure):
    """struct libbpf_prog_handler_opts (bpf/libbpf.h)."""

    _fields_ = (
        ("sz", c_size_t),
        ("cookie", c_long),
        ("prog_setup_fn", c_void_p),
        ("prog_prepare_load_fn", PREPARE_LOAD),
        ("prog_attach_fn", c_void_p),
    )


class ProgInfo(ctypes.Structure):
    """struct bpf_prog_info (linux/bpf.h), up to verified_insns; the kernel fills in as much as it knows."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_prog_len", c_uint32),  # bytes
        ("xlated_prog_len", c_uint32),  # bytes
        ("_insns_to_run_time_ns", ctypes.c_uint8 * 168),
        ("run_time_ns", c_uint64),
        ("run_cnt", c_uint64),
        ("recursion_misses", c_uint64),
        ("verified_insns", c_uint32),
        ("_reserved", c_uint32),
    )


class MapInfo(ctypes.Structure):
    """The first fields of struct bpf_map_info (linux/bpf.h)."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
    )


class MapCreateOpts(ctypes.Structure):
    """struct bpf_map_create_opts (bpf/bpf.h) up to map_extra; libbpf takes the rest as 0."""

    _fields_ = (
        ("sz", c_size_t),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
    )


_PRINT = CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
PERF_EVENT = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)  # perf_buffer_event_fn: context, CPU, perf_event_header
_OBJECT = _PROGRAM = _MAP = c_void_p

_SIGNATURES: dict[str, tuple[object, tuple[object, ...]]] = {
    "libbpf_version_string": (c_char_p, ()),
    "libbpf_strerror": (c_int, (c_int, c_char_p, c_size_t)),
    "libbpf_set_print": (c_void_p, (_PRINT,)),
    "bpf_object__open_mem": (_OBJECT, (c_char_p, c_size_t, POINTER(ObjectOpenOpts))),
    "bpf_object__load": (c_int, (_OBJECT,)),
    "bpf_object__close": (None, (_OBJECT,)),
    "bpf_object__next_program": (_PROGRAM, (_OBJECT, _PROGRAM)),
    "bpf_object__next_map": (_MAP, (_OBJECT, _MAP)),
    "bpf_program__name": (c_char_p, (_PROGRAM,)),
    "bpf_program__section_name": (c_char_p, (_PROGRAM,)),
    "bpf_program__fd": (c_int, (_PROGRAM,)),
    "bpf_program__set_autoload": (c_int, (_PROGRAM, c_bool)),
    "bpf_program__set_type": (c_int, (_PROGRAM, c_int)),
    "bpf_program__set_expected_attach_type": (c_int, (_PROGRAM, c_int)),
    "bpf_program__expected_attach_type": (c_int, (_PROGRAM,)),
    "bpf_program__insns": (c_void_p, (_PROGRAM,)),
    "bpf_program__insn_cnt": (c_size_t, (_PROGRAM,)),
    "bpf_program__set_insns": (c_int, (_PROGRAM, c_char_p, c_size_t)),
    "libbpf_register_prog_handler": (c_int, (c_char_p, c_int, c_int, POINTER(ProgHandlerOpts))),
    "libbpf_unregister_prog_handler": (c_int, (c_int,)),
    "bpf_program__flags": (c_uint32, (_PROGRAM,)),
    "bpf_program__set_flags": (c_int, (_PROGRAM, c_uint32)),
    "bpf_program__set_log_level": (c_int, (_PROGRAM, c_uint32)),
    "bpf_program__set_log_buf": (c_int, (_PROGRAM, c_void_p, c_size_t)),
    "bpf_program__attach": (c_void_p, (_PROGRAM,)),
    "bpf_program__attach_xdp": (c_void_p, (_PROGRAM, c_int)),
    "bpf_program__type": (c_int, (_PROGRAM,)),
    "bpf_link__destroy": (c_int, (c_void_p,)),
    "bpf_object__find_map_by_name": (_MAP, (_OBJECT, c_char_p)),
    "bpf_map__fd": (c_int, (_MAP,)),
    "bpf_map__name": (c_char_p, (_MAP,)),
    "bpf_map__max_entries": (c_uint32, (_MAP,)),
    "bpf_map_delete_elem": (c_int, (c_int, c_char_p)),
    "bpf_map__key_size": (c_uint32, (_MAP,)),
    "bpf_map__value_size": (c_uint32, (_MAP,)),
    "bpf_map__type": (c_int, (_MAP,)),
    "bpf_map__initial_value": (c_void_p, (_MAP, POINTER(c_size_t))),
    "bpf_object__find_program_by_name": (_PROGRAM, (_OBJECT, c_char_p)),
    "libbpf_num_possible_cpus": (c_int, ()),
    "bpf_map_lookup_elem": (c_int, (c_int, c_char_p, c_void_p)),
    "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_map_update_elem": (c_int, (c_int, c_char_p, c_char_p, c_uint64)),
    "bpf_map__map_flags": (c_uint32, (_MAP,)),
    "bpf_map__is_internal": (c_bool, (_MAP,)),
    "bpf_map__set_type": (c_int, (_MAP, c_int)),
    "bpf_map__set_autocreate": (c_int, (_MAP, c_bool)),
    "bpf_map__set_pin_path": (c_int, (_MAP, c_char_p)),
    "bpf_enable_stats": (c_int, (c_int,)),
    "bpf_map_create": (c_int, (c_int, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p)),
    "bpf_obj_get_info_by_fd": (c_int, (c_int, c_void_p, POINTER(c_uint32))),
    "bpf_map__set_max_entries": (c_int, (_MAP, c_uint32)),
    "bpf_map__inner_map": (_MAP, (_MAP,)),
    "bpf_map__set_inner_map_fd": (c_int, (_MAP, c_int)),
    "bpf_map__map_extra": (c_uint64, (_MAP,)),
    "bpf_map__btf_key_type_id": (c_uint32, (_MAP,)),
    "bpf_map__btf_value_type_id": (c_uint32, (_MAP,)),
    "bpf_object__btf_fd": (c_int, (_OBJECT,)),
    "bpf_map_get_fd_by_id": (c_int, (c_uint32,)),
    "bpf_map_lookup_and_delete_elem": (c_int, (c_int, c_char_p, c_void_p)),
    "bpf_map_lookup_batch": (c_int, (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p)),
    "bpf_map_lookup_and_delete_batch": (
        c_int,
        (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p),
    ),
    "bpf_map_update_batch": (c_int, (c_int, c_char_p, c_char_p, POINTER(c_uint32), c_void_p)),
    "bpf_map_delete_batch": (c_int, (c_int, c_char_p, POINTER(c_uint32), c_void_p)),
    "bpf_prog_test_run_opts": (c_int, (c_int, POINTER(TestRunOpts))),
    "btf__load_vmlinux_btf": (c_void_p, ()),
    "btf__load_module_btf": (c_void_p, (c_char_p, c_void_p)),
    "btf__find_by_name_kind": (c_int, (c_void_p, c_char_p, c_uint32)),
    "btf__free": (None, (c_void_p,)),
    "perf_buffer__new_raw": (c_void_p, (c_int, c_size_t, c_char_p, PERF_EVENT, c_void_p, c_void_p)),
    "perf_buffer__consume": (c_int, (c_void_p,)),
    "perf_buffer__buffer_cnt": (c_size_t, (c_void_p,)),
    "perf_buffer__buffer_fd": (c_int, (c_void_p, c_size_t)),
    "perf_buffer__free": (None, (c_void_p,)),
    "bpf_prog_load": (c_int, (c_int, c_char_p, c_char_p, c_void_p, c_size_t, c_void_p)),
}

_library: ctypes.CDLL | None = None
_messages: list[str] = []


def library() -> ctypes.CDLL:
    """libbpf, loaded once and with every signature declared. Raises HostError where it is not installed or too old."""
    global _library
    if _library is None:
        _library = _declared()
        _library.libbpf_set_print(_COLLECT)
    return _library


def _declared() -> ctypes.CDLL:
    try:
        found = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise HostError(
            f"libbpf 1.0 or newer is not installed ({error})",
            "install it with the distribution's package manager: apt-get install libbpf1",
        ) from None
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(found, name)
        except AttributeError:
            raise HostError(f"the installed libbpf has no {name}", "bpftest needs libbpf 1.0 or newer") from None
        function.restype, function.argtypes = result, arguments
    return found


def version() -> str:
    """The version of libbpf, such as "v1.1"."""
    text: bytes = library().libbpf_version_string()
    return text.decode()


def _collect(level: int, form: bytes, arguments: int) -> int:
    """Keeps libbpf's warnings."""
    if level != LIBBPF_WARN:
        return 0
    text = c_char_p()
    # A va_list argument arrives as a pointer on the 64-bit Linux ABIs (x86-64 and AArch64 psABI).
    if _libc.vasprintf(ctypes.byref(text), form, arguments) >= 0:
        _messages.append((text.value or b"").decode("utf-8", "replace"))
        _libc.free(text)
    return 0


SILENT = _PRINT(lambda _level, _form, _arguments: 0)  # drops whatever libbpf says


_libc = ctypes.CDLL(None, use_errno=True)
_libc.vasprintf.argtypes = (POINTER(c_char_p), c_char_p, c_void_p)
_libc.free.argtypes = (c_char_p,)
_libc.free.restype = None
_libc.unshare.argtypes = (c_int,)
_libc.setns.argtypes = (c_int, c_int)


_COLLECT = _PRINT(_collect)  # libbpf keeps a pointer to it, so it must live as long as the process


# On EPERM libbpf 1.x advises to raise RLIMIT_MEMLOCK; kernels since 5.11 do not charge BPF memory to it.
ADVICE = re.compile(r"^.*'ulimit -l'.*\n?| Make sure your kernel supports BPF .*", re.MULTILINE)


def warnings() -> str:
    """What libbpf has said since the last call, without the advice that misleads on today's kernels."""
    text = "".join(_messages)
    _messages.clear()
    return ADVICE.sub("", text).rstrip("\n")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block has ended: an exception that leaves a callback is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def last_errno() -> int:
    """errno of the last call; libbpf 1.x sets it for every failure."""
    return ctypes.get_errno()


def error_text(number: int) -> str:
    """An errno in words; libbpf has some of its own, from 4000 on (enum libbpf_errno)."""
    text = ctypes.create_string_buffer(256)
    library().libbpf_strerror(number, text, len(text))
    return text.value.decode("utf-8", "replace")


def unshare(flags: int) -> int:
    """Moves this process into new namespaces, those of the CLONE_NEW* *flags*: 0, or the errno."""
    return 0 if _libc.unshare(flags) == 0 else ctypes.get_errno()


def setns(namespace: int, kind: int) -> int:
    """Moves this process into the namespace with that descriptor, a CLONE_NEW* of *kind*: 0, or the errno."""
    return 0 if _libc.setns(namespace, kind) == 0 else ctypes.get_errno()
