"""What programs write to their two streams, bpf_stream_vprintk of Linux 6.17; the kernel itself writes to stderr."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import struct
from typing import TYPE_CHECKING

from bpftest.errors import HostError
from bpftest.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BPF_PROG_STREAM_READ_BY_FD = 37  # enum bpf_cmd
STDOUT, STDERR = 1, 2  # BPF_STDOUT, BPF_STDERR: linux/bpf.h
CHUNK = 1 << 16  # bytes of a read


@contextlib.contextmanager
def streaming(program_fd: int, *, wanted: bool) -> Iterator[Callable[[], tuple[str, str]]]:
    """In this block what the program writes is kept; what comes is called for its stdout and stderr, as text.

    Where the kernel has no streams they are empty, or a HostError if they are *wanted*.
    """

    def look() -> tuple[str, str]:
        return _text(program_fd, STDOUT), _text(program_fd, STDERR)

    try:
        look()  # what an earlier run has left
    except OSError as error:
        if wanted:
            hint = "Linux has them since 6.17; 'requires: {features: [bpf_streams]}' skips the case elsewhere"
            raise HostError(f"this kernel gives no streams of programs: {error.strerror}", hint) from None
        yield lambda: ("", "")
        return
    yield look


def there() -> bool:
    """Whether this kernel knows the command that reads a stream."""
    try:
        read(-1, STDOUT)
    except OSError as error:
        return error.errno == errno.EBADF
    raise AssertionError("the kernel has read a stream of no program")


def read(program_fd: int, stream: int) -> bytes:
    """What the program has written to *stream* since it was read last, STDOUT or STDERR. Raises OSError."""
    buffer = ctypes.create_string_buffer(CHUNK)
    # union bpf_attr, prog_stream_read: __aligned_u64 stream_buf, __u32 stream_buf_len, stream_id, prog_fd
    attributes = struct.pack("=QIIi4x", ctypes.addressof(buffer), CHUNK, stream, program_fd)
    parts = []
    while length := syscalls.bpf(BPF_PROG_STREAM_READ_BY_FD, attributes):
        parts.append(buffer.raw[:length])
    return b"".join(parts)


def _text(program_fd: int, stream: int) -> str:
    return read(program_fd, stream).decode("utf-8", "replace")
