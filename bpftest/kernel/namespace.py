"""The network namespace of bpftest's own: programs that redirect, clone or send reach nothing of the host."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bpftest.errors import HostError
from bpftest.kernel import libbpf

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000  # linux/sched.h

_own: int | None = None  # a descriptor of bpftest's own namespace, when it has been entered


def enter() -> None:
    """Moves this process into a new network namespace, once; it goes away with the process. Raises HostError."""
    global _own
    if _own is None:
        _move_into_new()
        _own = _current()


def own() -> int | None:
    """A descriptor of the namespace of bpftest's own; None where it has not been entered."""
    return _own


def made() -> int:
    """A descriptor of another new network namespace. Raises HostError."""
    here = _current()
    try:
        _move_into_new()
        try:
            return _current()
        finally:
            _move(here)
    finally:
        os.close(here)


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """As long as the block lasts, this process is in the network namespace with that descriptor."""
    here = _current()
    try:
        _move(namespace)
        try:
            yield
        finally:
            _move(here)
    finally:
        os.close(here)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _move(namespace: int) -> None:
    failed = libbpf.setns(namespace, CLONE_NEWNET)
    if failed:
        raise HostError(f"a network namespace cannot be entered: {os.strerror(failed)}")


def _move_into_new() -> None:
    failed = libbpf.unshare(CLONE_NEWNET)
    if failed == errno.EPERM:
        raise HostError("a network namespace needs CAP_SYS_ADMIN", "run bpftest as root")
    if failed:
        raise HostError(f"this kernel gives no network namespace: {os.strerror(failed)}")
