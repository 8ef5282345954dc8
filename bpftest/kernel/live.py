"""Frames that really go through a program: BPF_F_TEST_XDP_LIVE_FRAMES, and what comes of them.

The kernel runs the frames in batches and passes, sends or redirects them (bpf_test_run_xdp_live in net/bpf/test_run.c).
A repeat of many is run in chunks, so that what they lead to is read before taps and sockets are full.
"""

from __future__ import annotations

import errno
import struct
import time
from contextlib import closing
from typing import TYPE_CHECKING

from bpftest.kernel.capture import Capture
from bpftest.kernel.door import Reply
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.door import Live, Request
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.objects import Loaded
    from bpftest.kernel.sockets import Sockets

BPF_F_TEST_XDP_LIVE_FRAMES = 2  # linux/bpf.h
CHUNK = 4096  # frames; half of what a tap holds
# Frames whose pages no program has seen: so many the page pool of a call has prepared, one for each frame of a batch
# of 64 (TEST_XDP_MAX_BATCH is another number); from then on pages of dropped frames come back as they are.
PRISTINE = 64
XDP_MD = struct.Struct("=6I")  # data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex


def run(
    loaded: Loaded, program_fd: int, request: Request, namespace: Namespace | None, sockets: Sockets | None
) -> Reply:
    """One run, live or not; the reply has the frames and payloads that the request wants.

    duration_ns of a live run is the mean of a frame. Raises RunError where there was no room for what came.
    """
    live = request.live
    if live and live.hook and namespace:
        from bpftest.kernel.inject import run as run_attached  # only for programs of other types than xdp

        return run_attached(program_fd, request, live, namespace, sockets)
    capture = Capture(request.setup, live.ingress if live else "", namespace, sockets)
    if live is None or namespace is None:
        reply = exchange().run(program_fd, request)
        capture.settle()
    else:
        reply = _live(loaded, program_fd, _through(request, live, namespace), capture, namespace)
    if reply.errno:
        return reply
    return reply._replace(frames=capture.frames(), received=capture.received())


def _through(request: Request, live: Live, namespace: Namespace) -> Request:
    """The request as the kernel takes it: its ctx says which interface the frames come in through."""
    data = request.data_in or b""
    fields = list(XDP_MD.unpack(request.ctx_in)) if request.ctx_in else [0, len(data), 0, 0, 0, 0]
    fields[3] = namespace.interfaces[live.ingress].ifindex
    return request._replace(ctx_in=XDP_MD.pack(*fields), ctx_size_out=0, flags=BPF_F_TEST_XDP_LIVE_FRAMES)


def _live(loaded: Loaded, program_fd: int, request: Request, capture: Capture, namespace: Namespace) -> Reply:
    from bpftest.kernel.causes import TRACED, Causes
    from bpftest.kernel.cpumap import CpuMaps

    assert request.live is not None
    cpus = CpuMaps(loaded)
    chunk = min(PRISTINE if request.live.pristine else CHUNK, cpus.room)
    repeat = max(request.repeat, 1)
    ends = time.monotonic() + request.timeout_s

    def settle() -> None:
        cpus.wait(ends)
        capture.settle()

    if not request.setup.frames and not request.setup.received:
        return _in_chunks(_chunks(repeat, chunk, chunk), program_fd, request, ends, settle)
    with closing(Causes(namespace, request.live, cpus.threads)) as causes:

        def settle_first() -> None:
            settle()
            causes.enough()

        reply = _in_chunks(_chunks(repeat, min(chunk, TRACED), chunk), program_fd, request, ends, settle_first)
        settle()
        return reply if reply.errno else reply._replace(causes=causes.told())


def _chunks(repeat: int, first: int, others: int) -> Iterator[int]:
    """*repeat* in parts: of *first* the first one, the others of *others* at most."""
    yield min(repeat, first)
    for left in range(repeat - first, 0, -others):
        yield min(left, others)


def _in_chunks(
    chunks: Iterator[int], program_fd: int, request: Request, ends: float, between: Callable[[], None]
) -> Reply:
    total, took_ns, reply = 0, 0, Reply()
    for frames in chunks:
        if total:
            between()
        remaining = ends - time.monotonic()
        if remaining <= 0:
            return Reply(errno=errno.EINTR, timed_out=True)
        reply = exchange().run(program_fd, request._replace(repeat=frames, timeout_s=remaining))
        if reply.errno:
            return reply
        took_ns += reply.duration_ns * frames
        total += frames
    return reply._replace(duration_ns=round(took_ns / total))
