"""The measurement of how long a program takes, made after the run that is judged."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import dispatcher
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from bpftest.kernel.door import Benchmark, Reply, Request
    from bpftest.kernel.objects import Loaded


def measured(loaded: Loaded, program: str, request: Request, benchmark: Benchmark, reply: Reply, ends: float) -> Reply:
    """*reply* to *request*, with how long runs of *program* take; what these runs leave behind is nobody's.

    The samples have until *ends*, of time.monotonic; if that is not enough, the reply is timed_out. Raises RunError
    for a sample that the kernel refuses.
    """
    dispatcher.keep(loaded, program)
    program_fd = loaded.descriptor(program)
    sample = request._replace(repeat=benchmark.repeat)
    durations_ns: list[int] = []
    while len(durations_ns) < benchmark.warmup + benchmark.samples:
        taken = exchange().run(program_fd, sample._replace(timeout_s=ends - time.monotonic()))
        if taken.timed_out:
            return reply._replace(errno=taken.errno, timed_out=True)
        if taken.errno == errno.EINTR:  # another signal: a resized terminal, a child's end
            continue
        if taken.errno:
            raise _refused(taken.errno, len(durations_ns) + 1, benchmark)
        durations_ns.append(taken.duration_ns)
    return reply._replace(durations_ns=tuple(durations_ns[benchmark.warmup :]))


def _refused(failed: int, number: int, benchmark: Benchmark) -> RunError:
    name = errno.errorcode.get(failed, str(failed))
    what = f"the judged run went through, and sample {number} of the benchmark is refused ({name})"
    hint = f"each of its {benchmark.repeat:,} runs sees what the one before has left of packet, ctx and maps"
    return RunError(what, hint)
