"""No case sees what the one before it has left, whether maps are reset or loaded again."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator

import pytest

from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.kernel.compile import compiled
from bpftest.kernel.door import Also, Delete, Handle, Loading, Patch, Read, Request, Setup, Write
from bpftest.kernel.session import Session
from bpftest.maps import plain_values
from tests.kernel.conftest import descriptors, prog_id

SCHED_CLS, XDP = 3, 6  # enum bpf_prog_type
SOURCE = "tests/programs/reset.bpf.c"
FRAME = Request(bytes(64), cpu=0)
Begin = Callable[..., Session]

RESET = (
    *("GLOBALS", "ARRAY", "SINGLE", "PERCPU_ARRAY", "LOCKED"),
    *("HASH", "HASH_NOT_PREALLOCATED", "PERCPU_HASH", "FULL", "LPM_TRIE", "QUEUE", "STACK"),
    *("DEVMAP", "DEVMAP_HASH", "SOCKMAP", "SOCKHASH", "PERF_EVENT_ARRAY"),
)
LOADED_AGAIN = (
    *("LRU_HASH", "LRU_PERCPU_HASH", "BLOOM_FILTER", "RINGBUF", "CPUMAP", "SK_STORAGE"),
    *("TIMER", "KPTR", "TIMER_IN_INNER"),
)
# Loaded again where a case has written to them.
WRITTEN = ("PROG_ARRAY", "FILLED_PROG_ARRAY", "ARRAY_OF_MAPS", "HASH_OF_MAPS", "FILLED_ARRAY_OF_MAPS")
EVERY = (*RESET, *WRITTEN, *LOADED_AGAIN)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


# What a case does between two runs, for maps in which programs cannot leave anything.
INNER = (Write("kept", u32(2), inner=(Write("", u32(2), u32(1) + bytes(4)),)),)
TARGET, OTHER, SECOND = Handle("program", "target"), Handle("program", "other"), Handle("map", "second")
SETUPS = {
    "ARRAY_OF_MAPS": Setup(writes=INNER),
    "HASH_OF_MAPS": Setup(writes=INNER),
    "TIMER_IN_INNER": Setup(writes=(Write("kept", u32(2), inner=(Write("", u32(2), bytes(24)),)),)),
    "FILLED_ARRAY_OF_MAPS": Setup(writes=(Write("kept", u32(2), handle=SECOND), Write("kept", u32(3), handle=SECOND))),
    "PROG_ARRAY": Setup(writes=(Write("kept", u32(3), handle=TARGET),)),
    "FILLED_PROG_ARRAY": Setup(writes=(Delete("kept", u32(2)), Write("kept", u32(3), handle=OTHER))),
    "DEVMAP": Setup(writes=(Write("kept", u32(0), u32(1) + bytes(4)),)),
    "DEVMAP_HASH": Setup(writes=(Write("kept", u32(0), u32(1) + bytes(4)),)),
    "CPUMAP": Setup(writes=(Write("kept", u32(0), u32(8) + bytes(4)),)),
    "PERF_EVENT_ARRAY": Setup(records=("kept",)),
}

pytestmark = pytest.mark.kernel


@pytest.fixture
def session() -> Iterator[Begin]:
    """Sessions for an object of a kind, closed at the end of the test."""
    sessions: list[Session] = []

    def begin(kind: str, *cflags: str) -> Session:
        path = compiled(SOURCE, (f"-D{kind}", *cflags))
        elf = read_object(path)
        loading = Loading(
            path,
            "leaves",
            XDP if kind == "CPUMAP" else SCHED_CLS,
            plain=plain_values(Btf(elf.btf)),
            also=(Also("target"), Also("other")) if kind.endswith("PROG_ARRAY") else (),
            constants=tuple(
                Patch(one.section, one.offset, port.to_bytes(2, "big")) for one in elf.variables if one.name == "port"
            ),
        )
        sessions.append(Session(loading))
        assert sessions[-1].report.errno == 0
        return sessions[-1]

    # A socket that is there before a case and after it.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        yield begin
    for one in sessions:
        one.close()


def case(one: Session, kind: str) -> list[int]:
    """What two steps of a case return, of which each leaves something."""
    one.begin()
    replies = [one.run(FRAME), one.run(FRAME._replace(setup=SETUPS.get(kind, Setup())))]
    one.end()
    assert [reply.errno for reply in replies] == [0, 0]
    return [reply.retval for reply in replies]


def test_no_case_sees_what_another_has_left_in_any_order(session: Begin) -> None:
    sessions = {kind: session(kind) for kind in EVERY}
    order = [kind for kind in sessions for _ in range(3)]
    seen = []
    for seed in range(20):
        random.Random(seed).shuffle(order)  # noqa: S311 - an order, no secret
        seen += [(seed, kind) for kind in order if case(sessions[kind], kind)[0]]

    assert seen == []


@pytest.mark.parametrize("kind", EVERY)
def test_a_step_does_see_it_so_that_the_others_prove_something(session: Begin, kind: str) -> None:
    first, second = case(session(kind), kind)

    assert (first, second > 0, second != 99) == (0, True, True)


@pytest.mark.parametrize("kind", EVERY)
def test_an_object_is_reset_where_nothing_could_tell_it_from_one_just_loaded(session: Begin, kind: str) -> None:
    one = session(kind)
    loads = set()
    for _ in range(3):
        case(one, kind)
        loads.add(prog_id(one))

    assert len(loads) == (1 if kind in RESET else 3)


@pytest.mark.parametrize("kind", WRITTEN)
def test_maps_that_only_user_space_writes_to_are_as_they_were_where_it_has_not(session: Begin, kind: str) -> None:
    one = session(kind)
    loads = set()
    for _ in range(3):
        one.begin()
        assert one.run(FRAME).retval == 0
        loads.add(prog_id(one))

    assert len(loads) == 1


@pytest.mark.parametrize("kind", ["ARRAY", "QUEUE", "SOCKMAP"])
def test_one_with_more_room_than_is_quickly_reset_is_loaded_again(session: Begin, kind: str) -> None:
    one = session(kind, "-DENTRIES=100000")
    before = prog_id(one)

    assert ([case(one, kind)[0] for _ in range(2)], prog_id(one) != before) == ([0, 0], True)


@pytest.mark.parametrize("kind", ["HASH", "PERCPU_HASH", "LPM_TRIE", "HASH_NOT_PREALLOCATED"])
def test_thousands_of_entries_are_taken_out_of_a_hash_map_or_trie(session: Begin, kind: str) -> None:
    one = session(kind, "-DENTRIES=10000")
    writes = tuple(
        Write("kept", u32(32) + u32(key) if kind == "LPM_TRIE" else u32(key), u32(1) + bytes(4)) for key in range(9999)
    )

    one.begin()
    one.run(FRAME._replace(setup=Setup(writes=writes)))
    one.begin()
    before = one.run(FRAME._replace(setup=Setup(before=(Read("kept"),))))

    assert (before.retval, before.before[0].entries) == (0, ())


@pytest.mark.usefixtures("nothing_left")
def test_maps_that_a_case_has_made_are_given_back(session: Begin) -> None:
    one = session("ARRAY_OF_MAPS")
    case(one, "ARRAY_OF_MAPS")
    before = descriptors()
    for _ in range(3):
        case(one, "ARRAY_OF_MAPS")
    after = descriptors()
    one.close()

    assert len(after) == len(before)
