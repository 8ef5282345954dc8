"""The network namespace of bpftest's own: programs that redirect, clone or send reach nothing of the host."""

from __future__ import annotations

import errno
import os

from bpftest.errors import HostError
from bpftest.kernel import libbpf

CLONE_NEWNET = 0x40000000  # linux/sched.h

_entered = False


def enter() -> None:
    """Moves this process into a new network namespace, once; it goes away with the process. Raises HostError."""
    global _entered
    if _entered:
        return
    failed = libbpf.unshare(CLONE_NEWNET)
    if failed == errno.EPERM:
        raise HostError("a network namespace needs CAP_SYS_ADMIN", "run bpftest as root")
    if failed:
        raise HostError(f"this kernel gives no network namespace: {os.strerror(failed)}")
    _entered = True
