"""BPF_PROG_RUN itself: a Request goes in, a Reply comes out. Struct and buffers are made once and used again."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Buffer = ctypes.Array[ctypes.c_char]

# The largest packet is 73,152 bytes (XDP: one linear page and 17 fragments, net/bpf/test_run.c); a program can
# grow it by its headroom and tailroom, never by a page. So ENOSPC cannot happen.
DATA_SIZE = 128 * 1024
CTX_SIZE = 64 * 1024  # syscall programs take U16_MAX, no other type more than a page
ALARM_MIN, ALARM_MAX = 1e-6, 1e9  # seconds that setitimer(2) takes; 0 would be no alarm at all
ALARM_AGAIN = 0.1  # seconds; an alarm that rings just before the run begins would be lost


class Exchange:
    """The struct and the buffers that every run of this process uses."""

    def __init__(self) -> None:
        self._test_run = libbpf.library().bpf_prog_test_run_opts
        self._data_in = ctypes.create_string_buffer(DATA_SIZE)
        self._data_out = ctypes.create_string_buffer(DATA_SIZE)
        self._ctx_in = ctypes.create_string_buffer(CTX_SIZE)
        self._ctx_out = ctypes.create_string_buffer(CTX_SIZE)
        self._state = ctypes.create_string_buffer(8)
        self._data_out_at = ctypes.addressof(self._data_out)
        self._ctx_out_at = ctypes.addressof(self._ctx_out)
        self._opts = libbpf.TestRunOpts(sz=ctypes.sizeof(libbpf.TestRunOpts))
        self._by_reference = ctypes.byref(self._opts)
        self._expired = False
        signal.signal(signal.SIGALRM, self._expire)

    @contextmanager
    def alarmed(self, timeout_s: float) -> Iterator[Callable[[], bool]]:
        """After *timeout_s* signals interrupt what waits or works in the kernel, as long as the block lasts.

        Gives what tells whether it came to that.
        """
        self._expired = False
        signal.setitimer(signal.ITIMER_REAL, min(max(timeout_s, ALARM_MIN), ALARM_MAX), ALARM_AGAIN)
        try:
            yield lambda: self._expired
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self, _number: int, _frame: FrameType | None) -> None:
        self._expired = True

    def run(self, program_fd: int, request: Request) -> Reply:
        """One BPF_PROG_RUN in this thread and its network namespace.

        A signal ends a run with repetitions left: after Request.timeout_s the Reply is timed_out; any other EINTR is
        a Reply too, and the caller knows whether state was left behind.
        """
        self._fill(request)
        self._expired = False
        # The kernel looks for signals between repetitions only: bpf_test_timer_continue, net/bpf/test_run.c.
        call = self._call if request.repeat == 1 and request.live is None else self._timed
        if request.cpu is None:
            failed = call(program_fd, request.timeout_s)
        else:
            with pinned(request.cpu):
                failed = call(program_fd, request.timeout_s)
        return self._reply(failed, request)

    def _fill(self, request: Request) -> None:
        opts = self._opts
        if request.data_in is None:
            opts.data_in, opts.data_size_in, opts.data_out, opts.data_size_out = None, 0, None, 0
        else:
            self._data_in = _filled(self._data_in, request.data_in)
            opts.data_in, opts.data_size_in = ctypes.addressof(self._data_in), len(request.data_in)
            # Frames that go on their way do not come back (bpf_prog_test_run_xdp refuses room for them).
            room = 0 if request.live else DATA_SIZE
            opts.data_out, opts.data_size_out = self._data_out_at if room else None, room
        if request.ctx_in is None:
            opts.ctx_in, opts.ctx_size_in = None, 0
        else:
            self._ctx_in = _filled(self._ctx_in, request.ctx_in)
            opts.ctx_in, opts.ctx_size_in = ctypes.addressof(self._ctx_in), len(request.ctx_in)
        opts.ctx_out = self._ctx_out_at if request.ctx_size_out else None
        opts.ctx_size_out = request.ctx_size_out
        opts.retval = opts.duration = 0
        opts.repeat, opts.flags, opts.cpu = request.repeat, request.flags, request.run_on_cpu
        opts.batch_size = request.live.batch_size if request.live else 0
        if request.state is not None:
            ctypes.memmove(self._state, request.state, len(request.state))
            ctypes.memmove(self._ctx_in, ctypes.addressof(self._state).to_bytes(8, sys.byteorder), 8)

    def _timed(self, program_fd: int, timeout_s: float) -> int:
        signal.setitimer(signal.ITIMER_REAL, min(max(timeout_s, ALARM_MIN), ALARM_MAX), ALARM_AGAIN)
        try:
            return self._call(program_fd, timeout_s)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _call(self, program_fd: int, _timeout_s: float) -> int:
        return 0 if self._test_run(program_fd, self._by_reference) == 0 else ctypes.get_errno()

    def _reply(self, failed: int, request: Request) -> Reply:
        if failed:  # on an error nothing is written back
            return Reply(errno=failed, timed_out=failed == errno.EINTR and self._expired)
        opts = self._opts
        retval = opts.retval
        return Reply(
            0,
            retval - 0x1_0000_0000 if retval & 0x8000_0000 else retval,
            opts.duration,
            ctypes.string_at(self._data_out_at, opts.data_size_out) if opts.data_out else b"",
            self._ctx(request),
        )

    def _ctx(self, request: Request) -> bytes:
        """The context after the run, from where the program type leaves it."""
        if request.state is not None:
            return ctypes.string_at(self._state, len(request.state))
        if request.writes_ctx:
            return ctypes.string_at(self._ctx_in, self._opts.ctx_size_in)
        return ctypes.string_at(self._ctx_out_at, self._opts.ctx_size_out) if self._opts.ctx_out else b""


def _filled(buffer: Buffer, content: bytes) -> Buffer:
    """*buffer*, or a larger one, that begins with *content*: to refuse what is too long is the kernel's business."""
    if len(content) > len(buffer):
        buffer = ctypes.create_string_buffer(len(content))
    ctypes.memmove(buffer, content, len(content))
    return buffer


class pinned:  # noqa: N801 - reads as a word: with pinned(cpu)
    """This thread runs on one CPU only, as long as the block lasts."""

    def __init__(self, cpu: int) -> None:
        self._cpu = cpu
        self._before = os.sched_getaffinity(0)

    def __enter__(self) -> None:
        try:
            os.sched_setaffinity(0, {self._cpu})
        except (OSError, OverflowError):
            online = ", ".join(map(str, sorted(self._before)))
            raise RunError(
                f"cpu {self._cpu}: this machine has no such CPU for bpftest", f"CPUs here: {online}"
            ) from None

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._before)


_exchange: Exchange | None = None


def exchange() -> Exchange:
    """The Exchange of this process."""
    global _exchange
    if _exchange is None:
        _exchange = Exchange()
    return _exchange
