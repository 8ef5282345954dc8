"""Sessions to run programs in, and what they might leave behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpftest.kernel import libbpf, namespace
from bpftest.kernel.door import Loading, Reply, Request
from bpftest.kernel.session import Session

Build = Callable[..., str]
Open = Callable[..., "EachRunACase"]


class EachRunACase(Session):
    """A session that begins and ends a case around each run."""

    def run(self, request: Request) -> Reply:
        self.begin()
        try:
            return super().run(request)
        finally:
            self.end()


@pytest.fixture(scope="session", autouse=True)
def network_of_the_tests() -> None:
    """The tests open sockets at ports that others may use, other runs of the tests too.

    bpftest does not know of this namespace, and enters one of its own as it does from the host's.
    """
    libbpf.unshare(namespace.CLONE_NEWNET)  # without privileges it fails, and so do all tests that load programs


@pytest.fixture
def opened() -> Iterator[Open]:
    """Sessions that are closed at the end of the test, as: opened(path, "pass", 6)."""
    sessions: list[EachRunACase] = []

    def open_session(path: str, program: str, prog_type: int, **loading: object) -> EachRunACase:
        sessions.append(EachRunACase(Loading(path, program, prog_type, **loading)))
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The test leaves no file descriptor, no pin and no child behind."""
    before = descriptors(), pins(), children()
    yield
    after = descriptors(), pins(), children()
    for pin in after[1] - before[1]:  # a later test would find it, and other users of the machine too
        os.unlink(pin)
    assert after == before


def descriptors() -> dict[str, str]:
    """What each open file descriptor of this process leads to."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {path: os.readlink(path) for path in paths if os.path.lexists(path)}  # not the one that listed the folder


def children() -> list[str]:
    """The children of this process, those too that nobody has waited for."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def pins() -> set[str]:
    """What is pinned in bpffs."""
    return {str(path) for path in Path("/sys/fs/bpf").rglob("*")}


def prog_id(session: Session) -> int:
    """The kernel's own number of the loaded program: another one for each load."""
    info = Path(f"/proc/self/fdinfo/{session._loaded.program_fd}").read_text(encoding="ascii")
    return int(info.split("prog_id:")[1].split()[0])
