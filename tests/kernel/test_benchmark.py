"""The measurement comes after the run that is judged, and nobody sees what it leaves."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from bpftest.errors import RunError
from bpftest.kernel.door import Benchmark, Loading, Read, Reply, Request, Setup
from bpftest.kernel.session import Session
from tests.kernel.children import in_child
from tests.kernel.conftest import Build, Open

XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
CHECKSUM_COMPLETE = 4  # BPF_F_TEST_SKB_CHECKSUM_COMPLETE
ENDLESS = 2**31 - 1  # runs
PROGRAMS = [("counts", XDP), ("counts_too", SCHED_CLS)]
RUNS = Read(".bss")
BENCHMARK = Benchmark(repeat=1000, samples=3, warmup=2)
FRAME = bytes(12) + b"\x90\x00" + bytes(50)
MEASURED = Request(FRAME, benchmark=BENCHMARK, setup=Setup(reads=(RUNS,)))

pytestmark = pytest.mark.kernel


@pytest.fixture
def counting(build: Build, request: pytest.FixtureRequest) -> Iterator[Session]:
    program, prog_type = getattr(request, "param", PROGRAMS[1])
    with closing(Session(Loading(build("benchmark"), program, prog_type))) as session:
        session.begin()
        yield session


def runs(reply: Reply) -> int:
    """How often the program had run when its global variables were read."""
    ((_, value),) = reply.contents[0].entries
    assert value is not None
    return int.from_bytes(value, sys.byteorder)


@pytest.mark.parametrize("counting", PROGRAMS, indirect=True)
def test_each_sample_has_a_duration_and_warming_up_has_none(counting: Session) -> None:
    durations_ns = counting.run(MEASURED).durations_ns

    assert len(durations_ns) == BENCHMARK.samples
    assert all(durations_ns)


@pytest.mark.parametrize("counting", PROGRAMS, indirect=True)
def test_the_samples_are_runs_of_their_own_after_the_one_that_is_judged_and_its_reads(counting: Session) -> None:
    measured = counting.run(MEASURED)
    after = counting.run(MEASURED._replace(benchmark=None))

    assert (measured.retval, runs(measured)) == (1, 1)
    assert after.retval == 2 + BENCHMARK.repeat * (BENCHMARK.warmup + BENCHMARK.samples)


def test_the_next_case_sees_nothing_of_it(counting: Session) -> None:
    counting.run(MEASURED)
    counting.end()
    counting.begin()

    assert counting.run(MEASURED).retval == 1


def test_without_a_benchmark_nothing_is_measured(counting: Session) -> None:
    assert counting.run(MEASURED._replace(benchmark=None)).durations_ns == ()


def test_a_run_that_is_refused_is_not_measured(counting: Session) -> None:
    reply = counting.run(MEASURED._replace(data_in=bytes(3)))

    assert (reply.errno, reply.durations_ns) == (errno.EINVAL, ())


@pytest.mark.parametrize("counting", PROGRAMS, indirect=True)
def test_samples_that_take_longer_than_the_case_may_are_interrupted(counting: Session) -> None:
    reply = counting.run(MEASURED._replace(timeout_s=0.05, benchmark=Benchmark(ENDLESS)))

    assert (reply.errno, reply.timed_out, reply.durations_ns) == (errno.EINTR, True, ())


def test_all_samples_together_have_the_time_of_the_case(counting: Session) -> None:
    reply = counting.run(MEASURED._replace(timeout_s=0.05, benchmark=Benchmark(100_000, samples=100_000)))

    assert reply.timed_out


def test_a_signal_that_is_no_timeout_costs_only_its_sample(build: Build) -> None:
    def rung_at() -> tuple[int, int, bool]:
        rung = []
        signal.signal(signal.SIGPROF, lambda *_: rung.append(1))
        session = Session(Loading(build("benchmark"), "counts_too", SCHED_CLS))
        session.begin()
        signal.setitimer(signal.ITIMER_PROF, 0.02, 0.05)
        reply = session.run(MEASURED._replace(benchmark=Benchmark(1_000_000, samples=30)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        return len(reply.durations_ns), reply.errno, bool(rung)

    assert in_child(rung_at) == (30, 0, True)


def test_a_sample_that_the_kernel_refuses_is_told_by_its_number(build: Build, opened: Open) -> None:
    wrong = opened(build("benchmark"), "turns_wrong", SCHED_CLS)

    with pytest.raises(RunError) as raised:
        wrong.run(MEASURED._replace(flags=CHECKSUM_COMPLETE))

    assert raised.value.what == "the judged run went through, and sample 1 of the benchmark is refused (EBADMSG)"
    assert raised.value.hint == "each of its 1,000 runs sees what the one before has left of packet, ctx and maps"
