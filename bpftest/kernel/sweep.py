"""Many runs of one program that differ in their packet and context alone, each from the state of the first."""

from __future__ import annotations

import ctypes
import errno
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bpftest.kernel import libbpf
from bpftest.kernel.door import Reply
from bpftest.kernel.run import CTX_SIZE, DATA_SIZE, pinned

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.kernel.door import Request

    Renew = Callable[[], None]

_move = ctypes.memmove


class Sweep:
    """The runs of a sweep, all like *request*, each with all that is done around it. To be used in a `with` block."""

    def __init__(self, request: Request, ask: Callable[[Request], Reply], renew: Renew | None) -> None:
        """*renew*: gives the object the state that a run starts from; None where runs leave nothing behind."""
        self._request = request
        self._ask = ask
        self._renew = renew
        self._used = False  # a run may have changed the state
        self._reply = Reply()

    def __enter__(self) -> Sweep:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, data_in: bytes | None, ctx_in: bytes | None) -> int:
        """One BPF_PROG_RUN: what the program returned, as unsigned 32 bits; or the errno of a refusal, negative."""
        return self.run_all(self._request._replace(data_in=data_in, ctx_in=ctx_in))

    def run_all(self, request: Request) -> int:
        """The same of a request that differs in more."""
        self._renewed()
        self._reply = reply = self._ask(request)
        if reply.errno == errno.EINTR and not reply.timed_out:
            return self.run_all(request)
        return -reply.errno if reply.errno else reply.retval & 0xFFFF_FFFF

    def reply(self) -> Reply:
        """All that the kernel gave back for the last run."""
        return self._reply

    def sizes(self) -> tuple[int, bytes]:
        """How long data_out is, and the first four bytes of ctx_out: of XDP, how much metadata data_out begins with."""
        return len(self._reply.data_out), self._reply.ctx_out[:4]

    def _renewed(self) -> bool:
        """Whether the state of the first run had to be made again; now it is there."""
        if self._renew is None or not self._used:
            self._used = True
            return False
        self._renew()
        return True


class QuickSweep(Sweep):
    """Runs around which nothing is done.

    Struct and buffers are filled once, and what is left to do for a run is to put its bytes into them. There is no
    alarm: it would interrupt repetitions, of which there are none. Who asks for the runs looks at the clock between.
    """

    def __init__(
        self,
        request: Request,
        ask: Callable[[Request], Reply],
        renew: Renew | None,
        program_fd: Callable[[], int],
        takes_no_ctx: Callable[[], bool],
    ) -> None:
        """*program_fd*: asked again after *renew*. *takes_no_ctx*: as Request.ctx_spare has it."""
        super().__init__(request, ask, renew)
        self._find_program = program_fd
        self._program_fd = program_fd()
        self._takes_no_ctx = takes_no_ctx
        self._pinned = ExitStack()
        self._test_run = libbpf.library().bpf_prog_test_run_opts
        self._data_in, self._data_out = (ctypes.create_string_buffer(DATA_SIZE) for _ in range(2))
        self._ctx_in, self._ctx_out = (ctypes.create_string_buffer(CTX_SIZE) for _ in range(2))
        self._ctx_size_out = request.ctx_size_out
        self._ctx: bytes | None = None  # what is in ctx_in
        self._opts = self._options()
        self._by_reference = ctypes.byref(self._opts)

    def _options(self) -> libbpf.TestRunOpts:
        request = self._request
        opts = libbpf.TestRunOpts(sz=ctypes.sizeof(libbpf.TestRunOpts), repeat=request.repeat, flags=request.flags)
        opts.cpu = request.run_on_cpu
        if request.data_in is not None:
            opts.data_in, opts.data_out = ctypes.addressof(self._data_in), ctypes.addressof(self._data_out)
        if request.ctx_size_out:
            opts.ctx_out = ctypes.addressof(self._ctx_out)
        return opts

    def __enter__(self) -> QuickSweep:  # noqa: PYI034 - as above
        if self._request.cpu is not None:
            self._pinned.enter_context(pinned(self._request.cpu))
        return self

    def __exit__(self, *_: object) -> None:
        self._pinned.close()

    def run(self, data_in: bytes | None, ctx_in: bytes | None) -> int:
        """One BPF_PROG_RUN, as in Sweep."""
        if self._renew is not None and self._renewed():
            self._program_fd = self._find_program()  # the object may have been loaded again
        opts = self._opts
        if data_in is not None:
            size = len(data_in)
            _move(self._data_in, data_in, size)
            opts.data_size_in, opts.data_size_out = size, DATA_SIZE
        if ctx_in is not self._ctx:
            self._put_ctx(ctx_in)
        opts.ctx_size_out = self._ctx_size_out
        if self._test_run(self._program_fd, self._by_reference) == 0:
            retval: int = opts.retval
            return retval
        failed = ctypes.get_errno()
        # Kernels before 5.13 look for signals even where nothing is repeated, before the program has run.
        if failed == errno.EINTR or (failed == errno.EINVAL and self._drops_ctx()):
            return self.run(data_in, ctx_in)
        return -failed

    def _put_ctx(self, ctx_in: bytes | None) -> None:
        opts, self._ctx = self._opts, ctx_in
        if ctx_in is None or self._request.ctx_in is None:
            opts.ctx_in, opts.ctx_size_in = None, 0
            return
        ctypes.memmove(self._ctx_in, ctx_in, len(ctx_in))
        opts.ctx_in, opts.ctx_size_in = ctypes.addressof(self._ctx_in), len(ctx_in)

    def _drops_ctx(self) -> bool:
        """Whether the runs go on without a context, which this kernel does not take and the suite does not need."""
        if not self._request.ctx_spare or not self._takes_no_ctx():
            return False
        self._request = self._request._replace(ctx_in=None, ctx_size_out=0, ctx_spare=False)
        self._opts.ctx_out, self._ctx_size_out = None, 0
        self._put_ctx(None)
        return True

    def reply(self) -> Reply:
        """All that the kernel gave back for the last run, which it did not refuse."""
        opts, retval = self._opts, self._opts.retval
        return Reply(
            0,
            retval - 0x1_0000_0000 if retval & 0x8000_0000 else retval,
            opts.duration,
            ctypes.string_at(self._data_out, opts.data_size_out) if opts.data_out else b"",
            ctypes.string_at(self._ctx_out, opts.ctx_size_out) if opts.ctx_out else b"",
        )

    def sizes(self) -> tuple[int, bytes]:
        """As in Sweep."""
        opts = self._opts
        return opts.data_size_out, ctypes.string_at(self._ctx_out, 4) if opts.ctx_out else b""


def is_quick(request: Request) -> bool:
    """Whether runs like *request* give back what QuickSweep can tell, if nothing is done around them."""
    return request.state is None and not request.writes_ctx and len(request.ctx_in or b"") <= CTX_SIZE
