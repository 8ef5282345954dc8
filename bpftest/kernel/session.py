"""A program loaded from an object into the kernel, ready to be run many times."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from bpftest.errors import ProgramError
from bpftest.kernel import libbpf
from bpftest.kernel.objects import load, sound
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from bpftest.kernel.door import Loading, Reply, Request
    from bpftest.kernel.reset import First


class Session:
    """A loaded program.

    `run` gives every call the object's initial state: an object without maps that a run could change is loaded once;
    one whose maps hold nothing but bytes gets these again; any other is loaded again.
    """

    def __init__(self, loading: Loading) -> None:
        self._loading = loading
        self._content = sound(loading.path)  # kept: a build may replace the file between two runs
        self._loaded = load(loading, self._content)
        self._first: First | None = None  # what the maps held when the object had just been loaded
        self._used = False
        self.report = self._loaded.report

    def run(self, request: Request) -> Reply:
        """One BPF_PROG_RUN from the initial state. Must not be called when the report has an errno."""
        deadline = time.monotonic() + request.timeout_s
        while True:
            if self._loaded.stateful:
                self._prepare()
            self._used = True
            reply = self._run(request)
            if reply.errno == errno.EINVAL and request.ctx_spare and _takes_no_ctx():
                request = request._replace(ctx_in=None, ctx_size_out=0, ctx_spare=False)
                reply = self._run(request)
            # A signal that is not the timeout (a resized terminal, a child's end) must not decide over a case.
            if reply.errno != errno.EINTR or reply.timed_out:
                return reply
            request = request._replace(timeout_s=deadline - time.monotonic())

    def _prepare(self) -> None:
        """Makes sure that the maps hold what they held when the object had just been loaded."""
        if self._loading.plain and self._first is None:
            from bpftest.kernel.reset import First

            self._first = First(self._loaded)
        if not self._used:
            return
        if self._first is not None and self._first.whole:
            self._first.restore()
        else:
            self._load_again()

    def _run(self, request: Request) -> Reply:
        if not any(request.setup):
            return exchange().run(self._loaded.program_fd, request)
        from bpftest.kernel.contents import run_in_state  # only for suites with maps, globals or sockets

        return run_in_state(self._loaded, request)

    def _load_again(self) -> None:
        self._loaded.close()
        self._loaded = load(self._loading, self._content)
        report = self._loaded.report
        if report.errno:
            raise ProgramError(
                f"loading '{self._loading.program}' again failed: {libbpf.error_text(report.errno)}",
                text=report.log or report.libbpf,
            )

    def close(self) -> None:
        """Gives program and maps back to the kernel."""
        self._loaded.close()


def _takes_no_ctx() -> bool:
    """Whether XDP runs have no ctx here. Then the kernel refuses one before it runs the program."""
    from bpftest.kernel import probes  # only where a run is refused

    return not probes.has("xdp_ctx")
