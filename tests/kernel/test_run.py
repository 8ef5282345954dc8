from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bpftest.errors import RunError
from bpftest.kernel import run
from bpftest.kernel.door import Reply, Request
from tests.kernel.conftest import Build, Open

pytestmark = pytest.mark.kernel

XDP, SCHED_CLS, SOCKET_FILTER = 6, 3, 1  # enum bpf_prog_type
XDP_MD, SK_BUFF = 24, 192  # bytes of struct xdp_md and struct __sk_buff

FRAME = bytes(12) + b"\x90\x00" + bytes(range(50))
LARGEST = bytes(range(256)) * 285 + bytes(192)  # 73,152 bytes: one linear page and 17 fragments


def xdp_md(packet: bytes, metadata: int = 0, **fields: int) -> bytes:
    members = {
        "data": metadata,
        "data_end": metadata + len(packet),
        "data_meta": 0,
        "ingress": 0,
        "queue": 0,
        "egress": 0,
    }
    return struct.pack("=6I", *(members | fields).values())


def sk_buff(mark: int) -> bytes:
    return struct.pack("=2I", 0, 0) + struct.pack("=I", mark) + bytes(SK_BUFF - 12)


# --- the same as the system call, byte for byte -------------------------------------------------------------------

BPF_PROG_RUN = 10
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}[platform.machine()]


def kernel_says(program_fd: int, request: Request) -> Reply:
    """The reply that bpf(2) gives, asked without libbpf: attr.test of union bpf_attr, linux/bpf.h."""
    data_in, ctx_in = request.data_in, request.ctx_in
    data_out, ctx_out = ctypes.create_string_buffer(1 << 17), ctypes.create_string_buffer(request.ctx_size_out)
    kept = [ctypes.create_string_buffer(one or b"", max(len(one or b""), 1)) for one in (data_in, ctx_in)]
    layout = "=IIIIQQIIIIQQIII4x"
    attributes = ctypes.create_string_buffer(
        struct.pack(
            layout,
            program_fd,
            0,
            len(data_in or b""),
            0 if data_in is None else len(data_out),
            0 if data_in is None else ctypes.addressof(kept[0]),
            0 if data_in is None else ctypes.addressof(data_out),
            request.repeat,
            0,
            len(ctx_in or b""),
            request.ctx_size_out,
            0 if ctx_in is None else ctypes.addressof(kept[1]),
            ctypes.addressof(ctx_out) if request.ctx_size_out else 0,
            request.flags,
            0,
            0,
        )
    )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(BPF_SYSCALL, BPF_PROG_RUN, attributes, struct.calcsize(layout)) < 0:
        return Reply(errno=ctypes.get_errno())
    said = struct.unpack(layout, attributes.raw[: struct.calcsize(layout)])
    retval, data_size_out, ctx_size_out = said[1], said[3], said[9]
    return Reply(
        0, ctypes.c_int32(retval).value, 0, data_out.raw[:data_size_out], ctx_out.raw[:ctx_size_out], timed_out=False
    )


REQUESTS = {
    "a packet": ("pass", XDP, Request(FRAME)),
    "a packet and its ctx": ("pass", XDP, Request(FRAME, xdp_md(FRAME, ingress=1), XDP_MD)),
    "a ctx that is not asked back": ("pass", XDP, Request(FRAME, xdp_md(FRAME))),
    "a negative return code": ("negative", XDP, Request(FRAME)),
    "metadata": ("metadata", XDP, Request(b"META" + FRAME, xdp_md(FRAME, 4), XDP_MD)),
    "a shorter packet": ("shorten", XDP, Request(FRAME, xdp_md(FRAME), XDP_MD)),
    "fragments": ("whole", XDP, Request(LARGEST[:9000], xdp_md(LARGEST[:9000]), XDP_MD)),
    "the largest packet": ("whole", XDP, Request(LARGEST, xdp_md(LARGEST), XDP_MD)),
    "an skb": ("change", SCHED_CLS, Request(FRAME, sk_buff(7), SK_BUFF)),
    "an skb whose ctx is only asked for": ("change", SCHED_CLS, Request(FRAME, ctx_size_out=SK_BUFF)),
    "several runs": ("change", SCHED_CLS, Request(FRAME, sk_buff(7), SK_BUFF, repeat=3)),
    "a flag": ("keep", SOCKET_FILTER, Request(FRAME, flags=4)),
    "an empty packet": ("pass", XDP, Request(b"")),
    "a packet that is too short": ("pass", XDP, Request(FRAME[:13])),
    "a packet that is too long": ("pass", XDP, Request(LARGEST + b"!", xdp_md(LARGEST + b"!"))),
    "a packet beyond all buffers": ("pass", XDP, Request(LARGEST * 8)),
    "a ctx of another size": ("pass", XDP, Request(FRAME, xdp_md(FRAME) + b"!")),
    "a ctx beyond all buffers": ("pass", XDP, Request(FRAME, xdp_md(FRAME) + bytes(100_000) + b"!")),
    "a ctx_out that is too small": ("pass", XDP, Request(FRAME, xdp_md(FRAME), 8)),
    "a flag that there is not": ("pass", XDP, Request(FRAME, flags=1 << 20)),
    "an interface that there is not": ("pass", XDP, Request(FRAME, xdp_md(FRAME, ingress=12345))),
    "no packet": ("pass", XDP, Request()),
}


@pytest.mark.parametrize(("program", "prog_type", "request_"), REQUESTS.values(), ids=REQUESTS.keys())
def test_the_reply_is_what_the_system_call_says(
    build: Build, opened: Open, program: str, prog_type: int, request_: Request
) -> None:
    session = opened(build("plain"), program, prog_type)

    said = kernel_says(session._loaded.program_fd, request_)

    assert session.run(request_)._replace(duration_ns=0) == said


def test_a_reply_says_what_the_program_did(build: Build, opened: Open) -> None:
    reply = opened(build("plain"), "change", SCHED_CLS).run(Request(FRAME, sk_buff(7), SK_BUFF))

    assert reply.retval == 67
    assert reply.data_out == FRAME[:20] + b"!" + FRAME[21:] + bytes(3)
    assert struct.unpack_from("=I", reply.ctx_out, 8) == (8,)  # mark
    assert struct.unpack_from("=5I", reply.ctx_out, 48) == (0, 0, 0, 0, 7)  # cb
    assert (reply.errno, reply.timed_out, len(reply.ctx_out)) == (0, False, SK_BUFF)


def test_metadata_comes_back_before_the_packet(build: Build, opened: Open) -> None:
    reply = opened(build("plain"), "metadata", XDP).run(Request(b"META" + FRAME, xdp_md(FRAME, 4), XDP_MD))

    assert (reply.retval, reply.data_out) == (4, b"NEW.NETA" + FRAME)
    assert struct.unpack("=6I", reply.ctx_out) == (8, 8 + len(FRAME), 0, 0, 0, 0)


def test_a_packet_of_many_fragments_comes_back_whole(build: Build, opened: Open) -> None:
    reply = opened(build("plain"), "whole", XDP).run(Request(LARGEST, xdp_md(LARGEST), XDP_MD))

    assert (reply.errno, reply.retval, len(reply.data_out)) == (0, 73_152, 73_152)
    assert reply.data_out == LARGEST[:0xFFFF] + b"!" + LARGEST[0x10000:]


def test_nothing_of_one_request_is_in_the_reply_to_the_next(build: Build, opened: Open) -> None:
    changes, passes = opened(build("plain"), "change", SCHED_CLS), opened(build("plain"), "pass", XDP)
    first = passes.run(Request(FRAME))

    changes.run(Request(FRAME[:14] + b"long" * 100, sk_buff(7), SK_BUFF, repeat=3, flags=4))
    passes.run(Request(LARGEST, xdp_md(LARGEST), XDP_MD))
    passes.run(Request(FRAME[:3]))

    assert passes.run(Request(FRAME))._replace(duration_ns=0) == first._replace(duration_ns=0)
    assert first == Reply(0, 2, first.duration_ns, FRAME, b"")


def test_the_duration_is_the_mean_of_the_runs_in_nanoseconds(build: Build, opened: Open) -> None:
    reply = opened(build("plain"), "cpu", SCHED_CLS).run(Request(FRAME, repeat=100_000))

    assert 0 < reply.duration_ns < 100_000, "the sum would be more, even on the fastest machine"


# --- signals ------------------------------------------------------------------------------------------------------

FOR_EVER = 2**31 - 1  # times: about a minute
A_WHILE = 10_000_000  # times


@dataclass
class Bell:
    """A timer that sends SIGUSR1 to this process, apart from the one that runs are timed with."""

    timer: ctypes.c_void_p
    rung: list[int]

    def ring(self, after_s: float, again_s: float = 0) -> None:
        spans = [int(part) for span in (again_s, after_s) for part in (span, span % 1 * 1e9)]
        assert ctypes.CDLL(None).timer_settime(self.timer, 0, (ctypes.c_long * 4)(*spans), None) == 0


@pytest.fixture
def bell() -> Iterator[Bell]:
    rung: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: rung.append(number))
    timer = ctypes.c_void_p()
    event = (ctypes.c_int * 16)(0, 0, signal.SIGUSR1, 0)  # struct sigevent; SIGEV_SIGNAL is 0
    libc = ctypes.CDLL(None)
    assert libc.timer_create(1, event, ctypes.byref(timer)) == 0  # CLOCK_MONOTONIC
    yield Bell(timer, rung)
    libc.timer_delete(timer)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("name", ["plain", "state"])
def test_a_run_without_end_is_timed_out(build: Build, opened: Open, name: str) -> None:
    session = opened(build(name), {"plain": "cpu", "state": "counted"}[name], SCHED_CLS)

    reply = session.run(Request(FRAME, repeat=FOR_EVER, timeout_s=0.05))

    assert reply == Reply(errno=errno.EINTR, timed_out=True)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 1e-9, 1e-6, 1e-5, 1e-4])
def test_a_timeout_however_short_is_not_missed(build: Build, opened: Open, timeout_s: float) -> None:
    session = opened(build("plain"), "cpu", SCHED_CLS)

    assert session.run(Request(FRAME, repeat=FOR_EVER, timeout_s=timeout_s)).timed_out


@pytest.mark.parametrize("timeout_s", [1e9, 1e30, float("inf")])
def test_a_timeout_can_be_longer_than_a_timer(build: Build, opened: Open, timeout_s: float) -> None:
    reply = opened(build("plain"), "cpu", SCHED_CLS).run(Request(FRAME, repeat=2, timeout_s=timeout_s))

    assert (reply.errno, reply.timed_out) == (0, False)


@pytest.mark.parametrize(("repeat", "kept"), [(1, True), (2, False)])
def test_only_what_a_signal_can_end_sets_an_alarm(build: Build, opened: Open, repeat: int, *, kept: bool) -> None:
    session = opened(build("plain"), "cpu", SCHED_CLS)
    session.run(Request(FRAME))  # from here on the process has a handler

    signal.setitimer(signal.ITIMER_REAL, 1000)
    session.run(Request(FRAME, repeat=repeat))
    (left, _) = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 0)

    assert (left > 0) == kept


def test_after_a_timeout_the_next_run_is_as_ever(build: Build, opened: Open) -> None:
    session = opened(build("state"), "counted", SCHED_CLS)

    session.run(Request(FRAME, repeat=FOR_EVER, timeout_s=0.05))
    reply = session.run(Request(FRAME))

    assert (reply.errno, reply.retval, reply.timed_out) == (0, 1, False)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_another_signal_is_told_from_the_timeout(build: Build, opened: Open, bell: Bell) -> None:
    session = opened(build("state"), "counted", SCHED_CLS)

    bell.ring(0.02)
    reply = session.run(Request(FRAME, repeat=FOR_EVER, timeout_s=60))

    assert bell.rung == [signal.SIGUSR1]
    assert reply == Reply(errno=errno.EINTR, timed_out=False)


def test_an_interrupt_ends_a_run(build: Build, opened: Open, bell: Bell) -> None:
    session = opened(build("plain"), "cpu", SCHED_CLS)
    signal.signal(signal.SIGUSR1, signal.default_int_handler)  # what Ctrl-C does

    bell.ring(0.02)
    with pytest.raises(KeyboardInterrupt):
        session.run(Request(FRAME, repeat=FOR_EVER, timeout_s=30))


# --- the CPU ------------------------------------------------------------------------------------------------------


def test_the_program_runs_on_the_cpu_that_is_asked_for(build: Build, opened: Open) -> None:
    session = opened(build("plain"), "cpu", SCHED_CLS)
    cpus = sorted(os.sched_getaffinity(0))

    assert [session.run(Request(FRAME, cpu=cpu)).retval for cpu in cpus] == cpus
    assert sorted(os.sched_getaffinity(0)) == cpus


@pytest.mark.parametrize("cpu", [1023, 65535, 2**40])
def test_a_cpu_that_is_not_there_is_an_error_of_the_case(build: Build, opened: Open, cpu: int) -> None:
    session = opened(build("plain"), "cpu", SCHED_CLS)
    cpus = sorted(os.sched_getaffinity(0))

    with pytest.raises(RunError) as raised:
        session.run(Request(FRAME, cpu=cpu))

    assert raised.value.what == f"cpu {cpu}: this machine has no such CPU for bpftest"
    assert raised.value.hint == f"CPUs here: {', '.join(map(str, cpus))}"
    assert sorted(os.sched_getaffinity(0)) == cpus


def test_the_cpu_is_given_back_after_a_run_that_was_refused(build: Build, opened: Open) -> None:
    cpus = os.sched_getaffinity(0)

    reply = opened(build("plain"), "cpu", SCHED_CLS).run(Request(b"", cpu=min(cpus)))

    assert reply == Reply(errno=errno.EINVAL)
    assert os.sched_getaffinity(0) == cpus


def test_a_process_has_one_exchange() -> None:
    assert run.exchange() is run.exchange()
