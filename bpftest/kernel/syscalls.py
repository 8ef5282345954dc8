"""System calls that neither libbpf 1.0 nor older C libraries have functions for."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_int, c_long, c_uint32

# Of bpf(2), by machine: asm/unistd.h.
BPF_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "s390x": 351, "ppc64le": 361}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = c_long


def detached_mount(kind: str) -> int:
    """A descriptor of the root of a file system, mounted where no path leads: it goes away with it. Raises OSError.

    fsopen, fsconfig and fsmount of Linux 5.2, whose numbers are the same on every architecture; the C library has
    them only lately.
    """
    context = _syscall(430, kind.encode(), c_int(1))  # FSOPEN_CLOEXEC
    try:
        _syscall(431, c_int(context), c_int(6), None, None, c_int(0))  # FSCONFIG_CMD_CREATE
        root = _syscall(432, c_int(context), c_int(1), c_int(0))  # FSMOUNT_CLOEXEC
    finally:
        os.close(context)
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)  # the other is of O_PATH
    finally:
        os.close(root)


def bpf(command: int, attributes: bytes) -> int:
    """The system call itself, for a command (enum bpf_cmd) that libbpf 1.0 lacks. Raises OSError."""
    machine = os.uname().machine
    if machine not in BPF_NUMBERS:
        raise OSError(errno.ENOSYS, f"bpftest does not know the number of bpf(2) on {machine}")
    return _syscall(BPF_NUMBERS[machine], c_int(command), attributes, c_uint32(len(attributes)))


def die_with_parent() -> None:
    """SIGKILL ends this process when the one that has forked it ends: prctl(2), PR_SET_PDEATHSIG. Raises OSError."""
    if _libc.prctl(c_int(1), c_long(9), c_long(0), c_long(0), c_long(0)):
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))


def bind(descriptor: int, address: bytes) -> None:
    """Binds a socket of a family that Python does not know. Raises OSError."""
    if _libc.bind(c_int(descriptor), address, c_uint32(len(address))):
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))


def _syscall(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(c_long(number), *arguments)
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return result
