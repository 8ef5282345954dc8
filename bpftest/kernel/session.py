"""A program loaded from an object into the kernel, ready to be run many times."""

from __future__ import annotations

import errno
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bpftest.errors import ProgramError
from bpftest.kernel import dispatcher, libbpf
from bpftest.kernel.door import Network
from bpftest.kernel.loading import load
from bpftest.kernel.objects import sound
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from bpftest.kernel.door import Loading, LoadReport, Reply, Request, Socket
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.reset import First
    from bpftest.kernel.sockets import Sockets
    from bpftest.kernel.sweep import Sweep

PROG_TYPE_CGROUP_SKB = 8  # enum bpf_prog_type
OWN = Network()  # bpftest's own namespace, where a case has no other


class Session:
    """A loaded program and those that are loaded with it.

    Each case has the object's initial state: an object without maps that a run could change is loaded once; one whose
    maps hold nothing but bytes gets these again; any other is loaded again.
    """

    def __init__(self, loading: Loading, timeout_s: float = 10.0) -> None:
        """*timeout_s*: for the verifier. Raises ObjectError, CaseTimeout."""
        self._loading = loading
        self._timeout_s = timeout_s
        self._content = sound(loading.path)  # kept: a build may replace the file between two cases
        self._loaded = load(loading, self._content, timeout_s)
        self._first: First | None = None  # what the maps held when the object had just been loaded
        self._used = False
        self._sockets: Sockets | None = None  # those of the case
        self._namespace: Namespace | None = None  # that of the case, if it has one of its own
        self.report = self._loaded.report

    def report_of(self, program: str) -> LoadReport:
        """What the kernel said of one of the programs that are loaded."""
        return self._loaded.reports.get(program, self.report)

    def begin(self, sockets: tuple[Socket, ...] = (), network: Network = OWN) -> None:
        """Begins a case: the object has its initial state, the process is in the namespace, and *sockets* are open.

        Not where the report has an errno. Raises RunError for an interface, a route or a socket that cannot be had,
        HostError where there are no interfaces, ProgramError where the object cannot be loaded again.
        """
        dispatcher.release(but=self._loaded)  # what a case of another session has left attached is in nobody's way
        if self._loaded.stateful:
            self._prepare()
        self._used = True
        if not sockets and network == OWN:
            return
        try:
            self._surround(sockets, network)
        except BaseException:
            self.end()
            raise

    def _surround(self, sockets: tuple[Socket, ...], network: Network) -> None:
        with ExitStack() as among:
            if network != OWN:
                from bpftest.kernel.network import Namespace  # only for suites with interfaces

                self._namespace = Namespace(network)
                if _sees_sockets(self._loading):
                    among.enter_context(self._namespace.in_cgroup())
            if sockets:
                from bpftest.kernel.sockets import Sockets  # only for suites with sockets

                self._sockets = Sockets(sockets)

    def run(self, request: Request) -> Reply:
        """One BPF_PROG_RUN, in the state that the one before it in this case has left. Raises RunError, ObjectError."""
        ends = time.monotonic() + request.timeout_s
        reply = self._run(request)
        if reply.errno == errno.EINVAL and request.ctx_spare and _takes_no_ctx():
            request = request._replace(ctx_in=None, ctx_size_out=0, ctx_spare=False)
            reply = self._run(request)
        if request.benchmark is None or reply.errno:
            return reply
        from bpftest.kernel.benchmark import measured  # only for suites that measure

        program = request.program or self._loading.program
        return measured(self._loaded, program, request, request.benchmark, reply, ends)

    def sweep(self, request: Request, *, alike: bool) -> Sweep:
        """Many runs, each in the state in which the case begins. *alike*: they differ in packet and context alone."""
        from bpftest.kernel.sweep import QuickSweep, Sweep, is_quick  # only for suites that sweep

        renew = self._prepare if self._loaded.stateful else None
        if not alike or self._has_state(request) or not is_quick(request):
            return Sweep(request, self.run, renew)
        return QuickSweep(request, self.run, renew, lambda: self._program_fd(request), _takes_no_ctx)

    def end(self) -> None:
        """Ends a case: its sockets are closed, and its namespace is left."""
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None
        if self._namespace is not None:
            self._namespace.close()
            self._namespace = None

    def _prepare(self) -> None:
        """Makes sure that the maps hold what they held when the object had just been loaded."""
        if self._first is not None and self._first.can_restore():
            self._first.restore()
            return
        if self._used:
            self._load_again()
        if self._loading.plain:
            from bpftest.kernel.reset import First

            self._first = First(self._loaded)

    def _run(self, request: Request) -> Reply:
        loaded = self._loaded
        if request.repeat > 1 and not request.flags:  # these may be about frames on `lo`
            dispatcher.keep(loaded, request.program or self._loading.program)
        if not self._has_state(request):
            return exchange().run(self._program_fd(request), request)
        from bpftest.kernel.state import run_in_state  # only for suites with state

        return run_in_state(self._loading, loaded, self._sockets, self._namespace, request)

    def _has_state(self, request: Request) -> bool:
        """Whether something is done around a run."""
        loading = self._loading
        return bool(self._sockets or request.live or any(request.setup) or loading.prints or loading.streams)

    def _program_fd(self, request: Request) -> int:
        return self._loaded.descriptor(request.program) if request.program else self._loaded.program_fd

    def _load_again(self) -> None:
        self._loaded.close()
        self._loaded = load(self._loading, self._content, self._timeout_s)
        report = self._loaded.report
        if report.errno:
            raise ProgramError(
                f"loading '{self._loading.program}' again failed: {libbpf.error_text(report.errno)}",
                text=report.log or report.libbpf,
            )

    def close(self) -> None:
        """Gives programs and maps back to the kernel."""
        self.end()
        self._loaded.close()


def _sees_sockets(loading: Loading) -> bool:
    """Whether a program sees the packets of sockets by their cgroup."""
    return PROG_TYPE_CGROUP_SKB in (loading.prog_type, *(one.prog_type for one in loading.also))


def _takes_no_ctx() -> bool:
    """Whether XDP runs have no ctx here. Then the kernel refuses one before it runs the program."""
    from bpftest.kernel import probes  # only where a run is refused

    return not probes.has("xdp_ctx")
