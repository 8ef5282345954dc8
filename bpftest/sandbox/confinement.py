"""What a process gives up before it touches what strangers wrote.

A step that the machine refuses is left out, since the others still hold: a plain user has no other uid to change to,
and often no namespaces; a container may have neither. What never fails is that capabilities go and limits come down.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

NOBODY = 65534  # uid and gid; what the kernel shows of users that a namespace does not know, too
CAP_KILL, CAP_BPF = 5, 39  # linux/capability.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000  # linux/sched.h
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 1, 8, 38  # linux/prctl.h
CAPABILITY_VERSION_3 = 0x20080522
# For which bpftest, or a test runner with its faulthandler, may have a handler.
HANDLED = (
    *(signal.SIGHUP, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGUSR1),
    *(signal.SIGSEGV, signal.SIGUSR2, signal.SIGALRM, signal.SIGCHLD),
)

_libc = ctypes.CDLL(None, use_errno=True)


class Limits(NamedTuple):
    """What a confined process may still have."""

    memory: int = 1 << 30  # bytes of address space beside what the process has already
    cpu_seconds: int = 600  # in its whole life
    files: int = 0  # descriptors with a number below this can be opened: neither files nor sockets without any
    capability: int | None = None  # the one that it keeps, if it has it
    written: int = 0  # bytes of a file
    processes: int | None = 0  # that it may start; None: as many as before


class User(NamedTuple):
    """Whom a process can become."""

    uid: int
    gid: int


OTHER = User(NOBODY, NOBODY)


def leave_signals() -> None:
    """No handler of the parent's runs here; Ctrl-C and SIGTERM are the parent's business, which ends this process."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def confine(limits: Limits, descriptors: Collection[int]) -> None:
    """This process, which has no threads, keeps *descriptors*, what *limits* say, and nothing else.

    From here on it can start no process, write no file, reach no network, gain nothing by running a program, and dies
    with the thread that forked it. What it has in memory it can still read.
    """
    used = _address_space()
    _keep_descriptors(descriptors)
    _leave_namespaces(limits)
    _become(OTHER, keeps=limits.capability is not None)
    _set_capability(limits.capability)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of the user would have cleared it
    _set_limits(limits, used)


def confine_program(limits: Limits, users: Iterable[User], files: Collection[tuple[str, int]]) -> None:
    """The same for a process that goes on as a program, which opens files and may start others.

    It becomes the first of *users* who may use *files*, each a path and a mode of os.access; where there is none, it is
    still who it was, without capabilities.
    """
    used = _address_space()
    is_apart = _libc.unshare(NAMESPACES) == 0
    with suppress(OSError):
        os.setgroups(())
    found = next((user for user in users if _may_use(user, files)), None)
    if found is not None:
        _become(found, keeps=False)
    if not is_apart:
        _libc.unshare(CLONE_NEWUSER | NAMESPACES)
    _set_capability(None)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _set_limits(limits, used)


def _may_use(user: User, files: Collection[tuple[str, int]]) -> bool:
    """Whether this process can become *user*, who may use *files*."""
    uid, gid = os.geteuid(), os.getegid()
    with suppress(OSError):
        os.setegid(user.gid)
        try:
            os.seteuid(user.uid)  # which has no capabilities
            return all(os.access(path, mode, effective_ids=True) for path, mode in files)
        finally:
            os.seteuid(uid)
            os.setegid(gid)
    return False


def _address_space() -> int:
    """The bytes of address space that this process has."""
    sizes = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(sizes, 64).split()[0]) * resource.getpagesize()
    finally:
        os.close(sizes)


def _keep_descriptors(descriptors: Collection[int]) -> None:
    """Standard input and outputs lead nowhere, and all but *descriptors* is closed."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    free = 3
    for kept in sorted(descriptors):
        os.closerange(free, kept)
        free = kept + 1
    os.closerange(free, max(free, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def _leave_namespaces(limits: Limits) -> None:
    if _libc.unshare(NAMESPACES) == 0 or limits.capability is not None:  # which a user namespace would take away
        return
    if ctypes.get_errno() == errno.EPERM:
        _libc.unshare(CLONE_NEWUSER | NAMESPACES)


def _become(user: User, *, keeps: bool) -> None:
    """*keeps*: the capabilities that there are."""
    if os.geteuid() == 0 and not _has(CAP_KILL):  # who forked this process has to be able to end it
        return
    if keeps:
        _prctl(PR_SET_KEEPCAPS, 1)
    with suppress(OSError):
        os.setgroups(())
    with suppress(OSError):
        os.setresgid(user.gid, user.gid, user.gid)
    with suppress(OSError):
        os.setresuid(user.uid, user.uid, user.uid)


def _set_capability(kept: int | None) -> None:
    if kept is not None and _capset(1 << kept):
        return
    if not _capset(0):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def _capset(mask: int) -> bool:
    """Whether this process now has the capabilities of *mask*, and no others: capset(2)."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    sets = struct.pack("6I", low, low, 0, high, high, 0)  # effective, permitted, inheritable
    result: int = _libc.capset(struct.pack("Ii", CAPABILITY_VERSION_3, 0), sets)
    return result == 0


def _has(capability: int) -> bool:
    """Whether this process has it: capget(2)."""
    sets = ctypes.create_string_buffer(24)
    _libc.capget(struct.pack("Ii", CAPABILITY_VERSION_3, 0), sets)
    low, high = struct.unpack("I8xI8x", sets.raw)
    return bool((high << 32 | low) >> capability & 1)


def _set_limits(limits: Limits, used: int) -> None:
    wanted = {
        resource.RLIMIT_AS: used + limits.memory,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.written,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.processes,
    }
    for kind, most in wanted.items():
        if most is None:
            continue
        hard = resource.getrlimit(kind)[1]
        lowered = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowered, lowered))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), f"prctl {option}")
