"""Root without one capability: what needs it says so."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from bpftest.errors import BpftestError
from bpftest.kernel import cgroup, network
from bpftest.kernel.door import Socket
from bpftest.kernel.privileges import OF_SOME_CASES, missing, missing_for_some_cases
from bpftest.kernel.sockets import Sockets
from bpftest.sandbox.child import Child, ChildLate
from bpftest.sandbox.confinement import CAP_KILL, Limits, _capset, _has
from tests.kernel.children import in_child

pytestmark = pytest.mark.kernel

LOCAL, FAST = Socket("dns", "udp", "127.0.0.1", 53), Socket("fast", "xdp", interface="lo")


def without(number: int, work: Callable[[], Any]) -> Any:
    """What *work* gives, or says, in a process that has all capabilities but one, and may lock no memory."""

    def told() -> Any:
        assert _capset(sum(1 << one for one in range(41) if one != number and _has(one)))
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        try:
            return work()
        except BpftestError as error:
            return type(error).__name__, error.what

    return in_child(told)


@pytest.mark.parametrize(
    ("capability", "work", "what"),
    [
        ("CAP_NET_RAW", lambda: cgroup.raw_socket(socket.AF_INET), "a raw socket, which sends the packet,"),
        ("CAP_NET_RAW", lambda: network._packet_socket("lo"), "a packet socket, which looks at 'lo',"),
        ("CAP_NET_RAW", lambda: Sockets((FAST,)), "socket 'fast': xdp"),
        (
            "CAP_NET_BIND_SERVICE",
            lambda: Sockets((LOCAL,)),
            "socket 'dns': udp at 127.0.0.1 port 53: a port below 1024",
        ),
        ("CAP_IPC_LOCK", lambda: Sockets((FAST,)), "socket 'fast': memory that is locked, beyond `ulimit -l`,"),
    ],
)
def test_what_cannot_be_had_names_the_capability(capability: str, work: Callable[[], Any], what: str) -> None:
    assert without(OF_SOME_CASES[capability].number, work) == ("HostError", f"{what} needs {capability}")


@pytest.mark.parametrize("capability", OF_SOME_CASES)
def test_the_one_that_is_missing_is_known(capability: str) -> None:
    def known() -> tuple[tuple[str, ...], tuple[str, ...]]:
        return missing(), missing_for_some_cases()

    assert without(OF_SOME_CASES[capability].number, known) == ((), (capability,))


def asleep(request: bytes) -> bytes:
    time.sleep(1000)
    return request


def test_a_confined_process_is_one_that_this_process_can_end() -> None:
    def ended() -> str:
        child = Child(lambda: asleep, Limits())
        try:
            child.ask(b"", 0.1)
        except ChildLate:
            return "late, and no more"
        return "answered"

    assert without(CAP_KILL, ended) == "late, and no more"
