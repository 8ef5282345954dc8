from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from bpftest.errors import RunError
from bpftest.kernel import records
from bpftest.kernel.door import Loading, Records, Request, Setup, Size
from bpftest.kernel.session import Session
from tests.kernel.conftest import Build

pytestmark = [pytest.mark.kernel, pytest.mark.alone]

RAW_TRACEPOINT, SCHED_CLS, XDP = 17, 3, 6  # enum bpf_prog_type
RUN_ON_CPU = 1  # BPF_F_TEST_RUN_ON_CPU
RING, PERF = Setup(records=("ring",)), Setup(records=("perf",))
CPUS = sorted(os.sched_getaffinity(0))
FULL = 2**64 - 1

TO_RING = Request(bytes(64), setup=RING)
TO_PERF = Request(bytes(64), setup=PERF)


Open = Callable[..., Session]


@pytest.fixture
def opened(build: Build) -> Iterator[Open]:
    """Sessions whose cases may have several steps, as: opened("to_ring", 3)."""
    sessions: list[Session] = []

    def open_session(program: str, prog_type: int, **loading: object) -> Session:
        sessions.append(Session(Loading(build("records"), program, prog_type, **loading)))  # type: ignore[arg-type]
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()


def event(number: int, kind: int, last: int = 0) -> bytes:
    """A struct event."""
    return struct.pack("=IIQ", number, kind, last)


def of_length(length: int, **request: object) -> Request:
    """A run that sends so many bytes x to the ring."""
    return Request(bytes(14) + struct.pack("=I", length) + bytes(46), setup=RING)._replace(**request)  # type: ignore[arg-type]


def sent(session: Session, *requests: Request) -> list[tuple[Records, ...]]:
    """What each run of one case has sent."""
    session.begin()
    replies = [session.run(request) for request in requests]
    session.end()
    assert [reply.errno for reply in replies] == [0] * len(requests)
    return [reply.records for reply in replies]


# --- ring buffers -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_what_a_ring_buffer_takes_comes_in_order_without_what_is_discarded(opened: Open) -> None:
    session = opened("to_ring", SCHED_CLS)

    assert sent(session, TO_RING) == [(Records("ring", (event(0, 1, FULL), event(1, 2)[:9])),)]


def test_the_records_of_every_repetition_come(opened: Open) -> None:
    session = opened("to_ring", SCHED_CLS)
    (((_, found, *_),),) = sent(session, TO_RING._replace(repeat=20))

    assert found == tuple(
        record for number in range(0, 40, 2) for record in (event(number, 1, FULL), event(number + 1, 2)[:9])
    )


def test_each_step_has_its_own_records_and_none_of_one_where_nothing_is_expected(opened: Open) -> None:
    session = opened("to_ring", SCHED_CLS)

    assert sent(session, TO_RING, TO_RING._replace(setup=Setup()), TO_RING) == [
        (Records("ring", (event(0, 1, FULL), event(1, 2)[:9])),),
        (),
        (Records("ring", (event(4, 1, FULL), event(5, 2)[:9])),),
    ]


def test_a_case_has_no_records_of_the_one_before(opened: Open) -> None:
    session = opened("to_ring", SCHED_CLS)

    assert sent(session, TO_RING) == sent(session, TO_RING)


def test_a_record_is_whole_where_it_goes_round_the_end_of_the_buffer(opened: Open) -> None:
    session = opened("length_to_ring", SCHED_CLS)
    lengths = [1000, 1, 2030, 1001, 1999, 0, 1500, 1500, 1500]  # 4096 bytes have room for two or three of them

    assert sent(session, *map(of_length, lengths)) == [(Records("ring", (b"x" * length,)),) for length in lengths]


# The buffer has 4096 bytes, of which one at least stays free; a record takes 8 bytes more than its own.
FILLED = {
    (1000, 1): (1, False),
    (1000, 3): (3, False),
    (1000, 4): (4, True),
    (1000, 5): (4, True),
    (2032, 1): (1, False),
    (2040, 1): (1, True),
    (504, 6): (6, False),
    (504, 7): (7, True),
}


@pytest.mark.parametrize(("length", "repeat"), FILLED)
def test_a_ring_buffer_is_full_when_there_is_no_room_for_one_more_record(
    opened: Open, length: int, repeat: int
) -> None:
    session = opened("length_to_ring", SCHED_CLS)
    count, full = FILLED[length, repeat]

    assert sent(session, of_length(length, repeat=repeat)) == [(Records("ring", (b"x" * length,) * count, 0, full),)]


def test_a_ring_buffer_that_was_full_has_room_again_in_the_next_step(opened: Open) -> None:
    session = opened("length_to_ring", SCHED_CLS)
    full = sent(session, of_length(1000, repeat=9), of_length(1000, setup=Setup(), repeat=9), of_length(7))

    assert full[2] == (Records("ring", (b"x" * 7,)),)


def test_a_ring_buffer_of_another_size_is_read_to_its_end(opened: Open) -> None:
    session = opened("length_to_ring", SCHED_CLS, sizes=(Size("ring", 64 * 1024),))
    (((_, found, *_),),) = sent(session, of_length(2000, repeat=30))

    assert found == (b"x" * 2000,) * 30


class Pages(NamedTuple):
    """The memory of a ring buffer as programs leave it, in a file."""

    descriptor: int
    name: str = "ring"
    max_entries: int = 4096

    def produce(self, *parts: tuple[int, bytes]) -> None:
        """Each part is a length, with its two bits, and the bytes of that record."""
        records = b"".join(
            struct.pack("=Ixxxx", length) + record.ljust(-(-len(record) // 8) * 8) for length, record in parts
        )
        os.pwrite(self.descriptor, records, 2 * mmap.PAGESIZE)
        os.pwrite(self.descriptor, struct.pack("=Q", len(records)), mmap.PAGESIZE)


@pytest.fixture
def pages() -> Iterator[Pages]:
    descriptor = os.memfd_create("ring")
    os.truncate(descriptor, 2 * mmap.PAGESIZE + 2 * 4096)
    yield Pages(descriptor)
    os.close(descriptor)


def test_a_record_that_another_cpu_is_still_writing_is_left_for_later_with_all_behind_it(pages: Pages) -> None:
    ring = records._RingBuffer(pages)  # type: ignore[arg-type]
    pages.produce((3, b"one"), (3 | records.BUSY, b"two"), (5, b"three"))
    first = ring.records()
    pages.produce((3, b"one"), (3, b"two"), (5, b"three"))
    then = ring.records()
    ring.close()

    assert (first.records, then.records) == ((b"one",), (b"two", b"three"))


# --- perf event arrays --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_what_is_sent_to_a_perf_event_array_comes_in_order_and_padded(opened: Open) -> None:
    session = opened("to_perf", XDP)

    assert sent(session, TO_PERF._replace(repeat=3)) == [
        (Records("perf", tuple(event(number, 3) + bytes(4) for number in range(3))),)
    ]


@pytest.mark.parametrize("length", [60, 64, 65, 1514])
def test_the_bytes_of_the_packet_are_behind_the_event(opened: Open, length: int) -> None:
    session = opened("packet_to_perf", XDP)
    packet = bytes(index % 251 for index in range(length))
    (((_, (found,), *_),),) = sent(session, TO_PERF._replace(data_in=packet))

    assert found == (event(0, 4) + packet).ljust((length + 20 + 7) // 8 * 8 + 16 - 20, b"\0")


def test_every_step_has_its_own_records_and_nobody_listens_where_none_are_expected(opened: Open) -> None:
    session = opened("to_perf", XDP)
    session.begin()
    replies = [session.run(TO_PERF._replace(setup=setup)) for setup in (PERF, Setup(records=("ring",)), PERF)]
    session.end()

    assert [reply.retval for reply in replies] == [0, -2, 0], "-ENOENT: there is no perf event"
    assert [reply.records for reply in replies] == [
        (Records("perf", (event(0, 3) + bytes(4),)),),
        (Records("ring", ()),),
        (Records("perf", (event(2, 3) + bytes(4),)),),
    ]


def test_records_that_there_was_no_room_for_are_counted(opened: Open) -> None:
    session = opened("to_perf", XDP)
    (((_, found, lost, _),),) = sent(session, TO_PERF._replace(repeat=50_000))

    assert len(found) + lost == 50_000
    assert found == tuple(event(number, 3) + bytes(4) for number in range(len(found)))
    assert lost > 0


@pytest.mark.parametrize("cpu", CPUS)
def test_records_come_from_whichever_cpu_the_program_runs_on(opened: Open, cpu: int) -> None:
    session = opened("from_cpu", RAW_TRACEPOINT)
    request = Request(setup=PERF, flags=RUN_ON_CPU, run_on_cpu=cpu, repeat=0)

    assert sent(session, request) == [(Records("perf", (struct.pack("=Q4x", cpu),)),)]


def test_records_of_several_cpus_come_in_the_order_of_time(opened: Open) -> None:
    session = opened("from_cpu", RAW_TRACEPOINT)
    order = [*CPUS, *reversed(CPUS), *CPUS]
    with records.listening(session._loaded, ["perf"]) as listened:
        session.begin()
        for cpu in order:
            session.run(Request(flags=RUN_ON_CPU, run_on_cpu=cpu, repeat=0))
        session.end()
        ((_, found, *_),) = listened()

    assert [struct.unpack("=Q4x", record)[0] for record in found] == order


# Linux before 6.0 refuses an unknown bit of read_format with EINVAL, as any Linux does with this one.
@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PERF_FORMAT_LOST", 1 << 30)


@pytest.mark.usefixtures("old_kernel")
def test_where_the_kernel_does_not_count_a_buffer_that_is_not_full_has_lost_nothing(opened: Open) -> None:
    session = opened("to_perf", XDP)
    (((_, found, lost, _),),) = sent(session, TO_PERF._replace(repeat=11_000))

    assert (len(found), lost) == (11_000, 0)


@pytest.mark.usefixtures("old_kernel", "nothing_left")
def test_where_the_kernel_does_not_count_a_buffer_that_may_be_full_is_an_error(opened: Open) -> None:
    session = opened("to_perf", XDP)
    text = "records of map 'perf' may be lost: its perf buffer of 524288 bytes is almost full"

    with pytest.raises(RunError, match=re.escape(text)):
        sent(session, TO_PERF._replace(repeat=14_000))


# --- both ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_a_run_that_the_kernel_refuses_has_no_records_and_leaves_nothing_open(opened: Open) -> None:
    session = opened("to_perf", XDP)
    session.begin()
    reply = session.run(Request(bytes(1), setup=Setup(records=("ring", "perf"))))
    session.end()

    assert (reply.errno, reply.records) == (22, ())
