"""XDP programs that run with `repeat` stay attached to `lo`, where they are in nobody's way."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bpftest.kernel import libbpf, namespace
from bpftest.kernel.door import Also, Benchmark, Loading, Request
from bpftest.kernel.session import Session
from tests.kernel.children import in_child
from tests.kernel.conftest import Build, prog_id

XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
LIVE_FRAMES = 2  # BPF_F_TEST_XDP_LIVE_FRAMES
TWICE = Request(bytes(12) + b"\x90\x00" + bytes(50), repeat=2)
ONCE = TWICE._replace(repeat=1)

pytestmark = pytest.mark.kernel


def attached() -> int:
    """The kernel's number of the XDP program that is attached to lo; 0: none."""
    found = ctypes.c_uint32()
    assert libbpf.library().bpf_xdp_query_id(1, 0, ctypes.byref(found)) == 0
    return found.value


def in_namespace(work: Callable[[], Any]) -> Any:
    """What *work* gives in a process that has entered bpftest's network namespace."""
    return in_child(lambda: (namespace.enter(), work())[1])


@contextmanager
def case(session: Session, *requests: Request) -> Iterator[list[int]]:
    """What a case of *session* that makes these requests gets; the block is a part of the case."""
    session.begin()
    yield [session.run(request).retval for request in requests]
    session.end()


@pytest.fixture
def loading(build: Build) -> Loading:
    return Loading(build("benchmark"), "counts", XDP, plain=True)


def test_a_program_that_runs_more_than_once_is_kept_until_its_session_ends(loading: Loading) -> None:
    def kept() -> list[bool]:
        session = Session(loading)
        found = []
        for request in (ONCE, TWICE, ONCE):
            with case(session, request):
                found.append(attached() == prog_id(session))
        session.close()
        return [*found, attached() != 0]

    assert in_namespace(kept) == [False, True, True, False]


def test_one_that_is_measured_is_kept_too(loading: Loading) -> None:
    def kept() -> bool:
        session = Session(loading)
        with case(session, ONCE._replace(benchmark=Benchmark(1000, 1, 0))):
            return attached() == prog_id(session)

    assert in_namespace(kept)


def test_a_case_of_another_session_begins_without_it(loading: Loading) -> None:
    def others() -> tuple[int, bool, list[int]]:
        one, other = Session(loading), Session(loading)
        with case(one, TWICE):
            pass
        with case(other, ONCE):
            before = attached()
        with case(other, TWICE) as retvals:
            found = before, attached() == prog_id(other), retvals
        one.close()
        other.close()
        return found

    assert in_namespace(others) == (0, True, [2])


def test_of_several_programs_of_an_object_the_one_that_runs_is_kept(loading: Loading) -> None:
    def several() -> list[int]:
        session = Session(loading._replace(also=(Also("also_counts"),)))
        found = []
        with case(session):
            for program in ("", "also_counts", "counts"):
                session.run(TWICE._replace(program=program))
                found.append(attached() - prog_id(session))
        return found

    assert in_namespace(several) == [0, 1, 0], "programs are numbered as they are loaded"


def test_one_that_is_loaded_again_is_kept_again(loading: Loading) -> None:
    def loaded_again() -> list[bool]:
        session = Session(loading._replace(plain=False))
        found = []
        for _ in range(3):
            with case(session, TWICE) as retvals:
                found.append((attached(), retvals) == (prog_id(session), [2]))
        return found

    assert in_namespace(loaded_again) == [True] * 3


def test_live_frames_meet_no_program_on_lo(loading: Loading) -> None:
    def live() -> int:
        with case(Session(loading), TWICE._replace(flags=LIVE_FRAMES)):
            return attached()

    assert in_namespace(live) == 0


def test_only_xdp_programs_are_kept(loading: Loading) -> None:
    def other_type() -> tuple[int, list[int], str]:
        with case(Session(loading._replace(program="counts_too", prog_type=SCHED_CLS)), TWICE) as retvals:
            return attached(), retvals, libbpf.warnings()

    assert in_namespace(other_type) == (0, [2], "")


def test_outside_of_the_namespace_nothing_is_attached(loading: Loading) -> None:
    def outside() -> tuple[int, list[int]]:
        libbpf.unshare(namespace.CLONE_NEWNET)  # one that bpftest does not know of, with a lo for the test alone
        with case(Session(loading), TWICE) as retvals:
            return attached(), retvals

    assert in_child(outside) == (0, [2])


def test_where_lo_has_a_program_already_the_run_is_the_same(loading: Loading, build: Build) -> None:
    def occupied() -> tuple[list[int], str]:
        other = Session(Loading(build("plain"), "pass", XDP))
        found = libbpf.library().bpf_object__find_program_by_name(other._loaded.handle, b"pass")
        libbpf.library().bpf_program__attach_xdp(found, 1)
        with case(Session(loading), TWICE) as retvals:
            return retvals, libbpf.warnings()

    assert in_namespace(occupied) == ([2], "")
