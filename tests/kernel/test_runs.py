"""How often programs run: counters that are put into them, and the kernel's own count."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bpftest.errors import ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Also, Handle, Loading, Reply, Request, Setup, Write
from bpftest.kernel.session import Session
from bpftest.kernel.statistics import BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS, Counters, run_count, section_flags
from tests.kernel.children import in_child
from tests.kernel.conftest import Build

pytestmark = pytest.mark.kernel

XDP, SCHED_CLS, SYSCALL = 6, 3, 31  # enum bpf_prog_type
Open = Callable[..., Session]
FRAME = Request(bytes(64))
COUNTED = Setup(counted=True)


@pytest.fixture
def opened() -> Iterator[Open]:
    """Sessions that are closed at the end of the test, as: opened(path, "pass", 6)."""
    with ExitStack() as sessions:

        def open_session(path: str, program: str, prog_type: int, **loading: object) -> Session:
            return sessions.enter_context(closing(Session(Loading(path, program, prog_type, **loading))))

        yield open_session


def jump(index: int, program: str) -> Write:
    """An entry of the prog array."""
    return Write("jumps", index.to_bytes(4, "little"), bytes(4), Handle("program", program))


CHAIN = (jump(0, "second"), jump(1, "idle"))  # first → second → idle
ALSO = (Also("second"), Also("idle"))


def ran(session: Session, request: Request = FRAME, *writes: Write) -> Reply:
    """The reply of a case of one step whose runs are counted."""
    session.begin()
    try:
        return session.run(request._replace(setup=Setup(writes=writes, counted=True)))
    finally:
        session.end()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("writes", "repeat", "runs"),
    [
        ((), 1, {"first": 1, "second": 0, "idle": 0}),
        ((jump(0, "second"),), 1, {"first": 1, "second": 1, "idle": 0}),
        (CHAIN, 1, {"first": 1, "second": 1, "idle": 1}),
        (CHAIN, 1000, {"first": 1000, "second": 1000, "idle": 1000}),
        ((jump(0, "first"),), 1, {"first": 34, "second": 0, "idle": 0}),  # MAX_TAIL_CALL_CNT is 33
    ],
)
def test_each_entry_of_a_program_counts_by_a_tail_call_too(
    build: Build, opened: Open, writes: tuple[Write, ...], repeat: int, runs: dict[str, int]
) -> None:
    session = opened(build("runs"), "first", XDP, also=ALSO, counted=("first", "second", "idle"))

    assert dict(ran(session, FRAME._replace(repeat=repeat), *writes).runs) == runs
    session.close()


def test_the_kernels_own_count_leaves_tail_calls_out(build: Build, opened: Open) -> None:
    session = opened(build("runs"), "first", XDP, also=ALSO)
    statistics = libbpf.library().bpf_enable_stats(0)
    try:
        session.begin()
        reply = session.run(FRAME._replace(setup=Setup(writes=CHAIN)))
    finally:
        os.close(statistics)
    loaded = session._loaded

    assert reply.retval == 2, "idle has run"
    assert [run_count(loaded.descriptor(name)) for name in ("first", "second", "idle")] == [1, 0, 0]


def test_every_step_is_counted_for_itself(build: Build, opened: Open) -> None:
    session = opened(build("runs"), "first", XDP, also=ALSO, counted=("idle",))
    session.begin()
    runs = [
        session.run(FRAME._replace(program=program, repeat=repeat, setup=COUNTED)).runs
        for program, repeat in (("idle", 3), ("first", 1), ("idle", 1))
    ]

    assert runs == [(("idle", 3),), (("idle", 0),), (("idle", 1),)]


def test_only_what_is_wanted_is_counted(build: Build, opened: Open) -> None:
    session = opened(build("runs"), "first", XDP, also=ALSO, counted=("second",))

    assert ran(session, FRAME, *CHAIN).runs == (("second", 1),)
    session.begin()
    assert session.run(FRAME).runs == (), "a step that expects nothing of runs"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("program", "prog_type", "request_"),
    [
        ("places", XDP, FRAME),
        ("sleepable", SYSCALL, Request(ctx_in=bytes(8), repeat=0)),
        ("fragments", XDP, Request(bytes(9000))),  # longer than a page: only with BPF_F_XDP_HAS_FRAGS
        ("idle", SCHED_CLS, FRAME),  # another type than its section's
    ],
)
def test_a_program_with_a_counter_does_what_it_does_without(
    build: Build, opened: Open, program: str, prog_type: int, request_: Request
) -> None:
    flags = BPF_F_SLEEPABLE * (prog_type == SYSCALL)
    plain = opened(build("runs"), program, prog_type, flags=flags)
    counted = opened(build("runs"), program, prog_type, flags=flags, counted=(program,))
    plain.begin()
    expected, actual = plain.run(request_), ran(counted, request_)

    assert counted.report.xlated_bytes == plain.report.xlated_bytes + 4 * 8
    assert actual.errno == 0
    assert actual == expected._replace(runs=((program, 1),), duration_ns=actual.duration_ns)
    plain.close()
    counted.close()


@pytest.mark.parametrize(("program", "prog_type"), [("sleepable", SYSCALL), ("fragments", XDP)])
def test_a_program_gets_the_flags_of_its_section_as_from_libbpf(
    build: Build, opened: Open, program: str, prog_type: int
) -> None:
    session = opened(build("runs"), "idle", XDP, also=(Also(program),), counted=("idle", program))

    assert session.report_of(program).errno == 0, f"{prog_type}: the helper, or the flag, is refused without"


@pytest.mark.parametrize(
    ("section", "flags"),
    [
        ("xdp", 0),
        ("xdp.frags", BPF_F_XDP_HAS_FRAGS),
        ("xdp.frags/devmap", BPF_F_XDP_HAS_FRAGS),
        ("xdp/devmap", 0),
        ("syscall", BPF_F_SLEEPABLE),
        ("lsm.s/bpf", BPF_F_SLEEPABLE),
        ("struct_ops.s/test", BPF_F_SLEEPABLE),
        ("raw_tp/sys_enter", 0),
    ],
)
def test_sections_have_the_flags_that_libbpf_knows_of_them(section: str, flags: int) -> None:
    assert section_flags(section) == flags


def test_a_program_that_is_refused_says_the_same_as_without_a_counter(build: Build, opened: Open) -> None:
    plain = opened(build("runs"), "refused", XDP).report
    counted = opened(build("runs"), "idle", XDP, also=(Also("refused"),), counted=("refused",)).report

    assert (counted.errno, counted.program) == (plain.errno, plain.program) == (errno.EACCES, "refused")
    assert "runs.bpf.c:" in counted.log, "lines of C stay at their instructions"
    assert [line for line in counted.log.splitlines() if line.startswith("; ")] == [
        line for line in plain.log.splitlines() if line.startswith("; ")
    ]


def test_a_program_that_was_loaded_without_its_counter_is_told(build: Build) -> None:
    path = build("runs")
    counters = Counters(Loading(path, "idle", XDP, counted=("idle",)), (Also("idle"),), Path(path).read_bytes())
    with counters.put_in():
        pass  # nothing was loaded

    with pytest.raises(ObjectError) as raised:
        counters.refuse_uncounted()
    counters.close()
    assert raised.value.what == "the runs of 'idle' cannot be counted"
    assert raised.value.hint == (
        "programs of one section are counted only if they have one type: give it a section of its own"
    )


@pytest.mark.usefixtures("nothing_left")
def test_what_is_loaded_later_has_no_counters(build: Build, opened: Open) -> None:
    before = opened(build("runs"), "idle", XDP)
    counted = opened(build("runs"), "idle", XDP, counted=("idle",))
    after = opened(build("runs"), "idle", XDP)

    assert [one.report.xlated_bytes for one in (before, counted, after)] == [16, 48, 16]
    for one in (before, counted, after):
        one.close()


@pytest.mark.usefixtures("nothing_left")
def test_an_object_is_loaded_again_with_its_counters(build: Build, opened: Open) -> None:
    session = opened(build("runs"), "first", XDP, also=ALSO, counted=("second",))

    assert [ran(session, FRAME, *writes).runs for writes in (CHAIN, (), CHAIN)] == [
        (("second", 1),),
        (("second", 0),),
        (("second", 1),),
    ]
    session.close()


def test_libbpf_survives_many_of_them(build: Build) -> None:
    path = build("runs")

    def loaded_often() -> list[int]:
        found = []
        for _ in range(30):
            session = Session(Loading(path, "idle", XDP, counted=("idle",)))
            found.append(session.report.errno)
            session.close()
        return found

    assert in_child(loaded_often) == [0] * 30


def test_a_program_that_is_attached_keeps_the_kernels_own_count(build: Build, opened: Open) -> None:
    session = opened(build("runs"), "idle", XDP)  # which a test run calls as a trampoline would
    session.begin()
    content = Path(build("runs")).read_bytes()
    wanted = Loading(build("runs"), "idle", XDP, counted=("idle",))
    counters = Counters(wanted, (Also("idle", attached=True),), content)
    session.run(FRAME)
    with counters.counting(session._loaded) as look:
        session.run(FRAME._replace(repeat=5))
        assert look() == (("idle", 5),)
    session.run(FRAME)

    assert run_count(session._loaded.program_fd) == 5, "nothing is counted outside of the block"
