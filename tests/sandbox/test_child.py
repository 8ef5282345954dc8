"""A child that is asked: whatever it does, its parent goes on, and nothing of it is left."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpftest.sandbox import child as rooms
from bpftest.sandbox.child import ANSWER_MAX, Child, ChildEnded, ChildLate
from bpftest.sandbox.confinement import Limits
from tests.sandbox.inside import evaluating

SOON = 30.0  # seconds


def traces() -> tuple[list[str], list[str]]:
    """Children of this process, and what it has open."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return children, sorted(path for path in paths if os.path.lexists(path))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = traces()
    yield
    assert traces() == before


def echoing() -> Callable[[bytes], bytes]:
    return lambda request: request


def test_it_answers_again_and_again_also_at_length() -> None:
    child = Child(echoing, Limits())

    for size in (0, 1, 5, 70_000, 3 << 20):
        assert child.ask(b"x" * size, SOON) == b"x" * size
    assert child.answered == 5
    child.close()


def test_what_it_does_first_it_does_with_all_that_its_parent_may(tmp_path: Path) -> None:
    def begin() -> Callable[[bytes], bytes]:
        (tmp_path / "file").write_text("x", encoding="ascii")
        return lambda _: b"done"

    child = Child(begin, Limits())

    assert child.ask(b"", SOON) == b"done"
    assert (tmp_path / "file").read_text(encoding="ascii") == "x"
    child.close()


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ("os.abort()", "SIGABRT"),
        ("ctypes.string_at(0)", "SIGSEGV"),
        ("os._exit(3)", "exit code 3"),
        ("1/0", "exit code 1"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("'x' * 17_000_000", "SIGKILL"),
    ],
)
def test_one_that_ends_tells_of_what(request_: str, what: str) -> None:
    child = Child(evaluating, Limits())

    with pytest.raises(ChildEnded) as ended:
        child.ask(request_.encode(), SOON)

    assert str(ended.value) == what
    assert not child.can_answer


def test_no_handler_of_its_parent_runs_in_it() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        child = Child(evaluating, Limits())
        with pytest.raises(ChildEnded, match="SIGUSR1"):
            child.ask(f"os.kill(os.getpid(), {signal.SIGUSR1.value})".encode(), SOON)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_one_without_memory_says_so() -> None:
    child = Child(lambda: lambda request: bytes(int(request)), Limits(memory=64 << 20))

    with pytest.raises(ChildEnded, match="a lack of memory: it may take 64 MiB"):
        child.ask(b"100000000", SOON)


ENDLESS = "any(iter(int, 1))"


@pytest.mark.parametrize("request_", [ENDLESS, "__import__('signal').pause()"])
def test_one_that_does_not_answer_is_not_waited_for(request_: str) -> None:
    child = Child(evaluating, Limits())

    with pytest.raises(ChildLate):
        child.ask(request_.encode(), 0.2)

    assert not child.can_answer


def test_one_that_does_not_listen_is_not_waited_for() -> None:
    child = Child(evaluating, Limits())
    child.ask(b"1", SOON)
    os.kill(child._pid, signal.SIGSTOP)

    with pytest.raises(ChildLate):
        child.ask(b"1" * (1 << 20), 0.2)


def test_one_that_keeps_its_pipe_and_its_life_to_itself_is_killed() -> None:
    child = Child(evaluating, Limits())

    with pytest.raises(ChildEnded, match="SIGKILL"):
        child.ask(b"(os.closerange(0, 100), __import__('signal').pause())", SOON)


def test_an_answer_has_a_largest_size() -> None:
    child = Child(lambda: lambda request: bytes(int(request)), Limits())

    assert len(child.ask(b"%d" % ANSWER_MAX, SOON)) == ANSWER_MAX
    with pytest.raises(ChildEnded):
        child.ask(b"%d" % (ANSWER_MAX + 1), SOON)


def test_one_whose_beginning_fails_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    def begin() -> Callable[[bytes], bytes]:
        raise LookupError("nowhere")

    child = Child(begin, Limits())

    with pytest.raises(ChildEnded, match="exit code 1"):
        child.ask(b"", SOON)
    assert capfd.readouterr().err.endswith("LookupError: nowhere\n")


def test_the_time_that_it_takes_to_begin_is_not_counted() -> None:
    def begin() -> Callable[[bytes], bytes]:
        ends = time.monotonic() + 0.3
        while time.monotonic() < ends:
            pass
        return lambda _: b"done"

    child = Child(begin, Limits())

    assert child.ask(b"", 0.2) == b"done"
    child.close()


def test_an_interrupt_while_it_is_asked_ends_it() -> None:
    child = Child(evaluating, Limits())

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            child.ask(ENDLESS.encode(), SOON)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not child.can_answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_of_the_terminal_are_its_parent_s_business(number: int) -> None:
    child = Child(echoing, Limits())
    child.ask(b"", SOON)

    os.kill(child._pid, number)

    assert child.ask(b"1", SOON) == b"1"
    child.close()


def test_a_fork_of_its_parent_may_not_ask_and_does_not_end_it() -> None:
    child = Child(echoing, Limits())
    child.ask(b"", SOON)

    fork = os.fork()
    if fork == 0:
        can = child.can_answer
        child.close()
        os._exit(7 if can else 0)

    assert os.waitpid(fork, 0)[1] == 0
    assert child.ask(b"1", SOON) == b"1"
    child.close()


@pytest.mark.parametrize("busy", [True, False])
def test_it_dies_with_its_parent(*, busy: bool) -> None:
    alive, held = os.pipe()  # at its end when the last process that holds it is gone
    parent = os.fork()
    if parent == 0:
        child = Child(evaluating, Limits(), (held,))
        child.ask(b"1", SOON)
        os.close(held)
        if busy:
            os.write(child._writing, rooms._framed(ENDLESS.encode()))
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(held)

    os.waitpid(parent, 0)

    assert select.select([alive], [], [], SOON)[0], "it is still there"
    assert os.read(alive, 1) == b""
    os.close(alive)


def test_where_no_process_can_be_started_the_machine_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)

    with pytest.raises(rooms.HostError, match="no process can be started: Resource temporarily unavailable"):
        Child(echoing, Limits())
