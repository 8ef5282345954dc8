"""Instances of tracefs of bpftest's own: the kernel's events, without taking them away from anybody.

An instance has its own buffer and its own events: whoever reads the machine's trace_pipe misses nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
import signal
import time
from typing import TYPE_CHECKING

from bpftest.errors import HostError
from bpftest.kernel import libbpf, syscalls
from bpftest.kernel.namespace import CLONE_NEWNET

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "bpftest-"  # of the names of instances
MARK = "bpftest"
CHUNK = 1 << 16  # bytes of a read
TRIES = 3
TRIES_OF_KEEPER, PAUSE = 100, 0.05  # seconds
DESCRIPTORS_MAX = 1 << 16
# What trace_pipe says before the name of an event, print_trace_line and print_trace_context in kernel/trace/:
#           python3-1234    [001] b..11  5678.901234: bpf_trace_printk: text
BEFORE = r" *.*?-(?P<task>\d+) +(?:\([ \d-]+\) )?\[(?P<cpu>\d+)\] (?P<flags>\S+) +\S+: "
_MARKED = re.compile(rf"^{BEFORE}tracing_mark_write: {MARK}\n*$")


class Instance:
    """An instance of tracefs, whose trace_pipe is open: as long as it is, nobody can remove the instance."""

    def __init__(self, tracefs: int, events: Sequence[str]) -> None:
        """*tracefs*: a descriptor of its root. *events*: the folders of those that it takes. Raises OSError."""
        self._tracefs = tracefs
        self._pipe = -1
        self.maker = os.getpid()
        self._tasks: tuple[int, ...] = ()
        self._path = f"instances/{PREFIX}{self.maker}-{os.urandom(4).hex()}"
        os.mkdir(self._path, dir_fd=tracefs)
        self._keeper = _Keeper(tracefs, self._path)
        try:
            self._pipe = self._open("trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
            for event in events:
                self.write(f"{event}/enable", "1")
            self.task = self._own_task()  # as the kernel numbers it, outside of every PID namespace
        except BaseException:
            self.remove()
            raise

    def text(self) -> str:
        """What trace_pipe holds; it is empty then."""
        parts = []
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._pipe, CHUNK):
                parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")

    def write(self, name: str, text: str) -> None:
        """Writes to one of the instance's files. Raises OSError."""
        descriptor = self._open(name, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def only(self, tasks: tuple[int, ...]) -> None:
        """Events count while one of *tasks* runs, as the kernel numbers them. Raises OSError."""
        if tasks != self._tasks:  # it takes 20 ms
            self.write("set_event_pid", " ".join(map(str, tasks)))
            self._tasks = tasks

    def remove(self) -> None:
        """Gives the instance back to the kernel."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        with contextlib.suppress(OSError):  # somebody looks into it: the next process that has one removes it
            os.rmdir(self._path, dir_fd=self._tracefs)
        self._keeper.end()

    def forget(self) -> None:
        """Leaves the instance to the process that has made it."""
        os.close(self._pipe)
        self._keeper.end()

    def _own_task(self) -> int:
        self.write("trace_marker", MARK)
        for line in (text := self.text()).splitlines():  # events of others may be among them
            if found := _MARKED.match(line):
                return int(found["task"])
        raise OSError(0, f"the kernel's trace options give its lines a form that is not known: {text.strip()}")

    def _open(self, name: str, flags: int) -> int:
        return os.open(f"{self._path}/{name}", flags, dir_fd=self._tracefs)


class _Keeper:
    """A process that removes an instance when the one that has made it is killed."""

    def __init__(self, tracefs: int, path: str) -> None:
        reads, self._alive = os.pipe()
        self._maker, self._pid = os.getpid(), os.fork()
        if self._pid == 0:
            try:
                _keep(tracefs, path, reads, self._alive)
            finally:
                os._exit(0)
        os.close(reads)

    def end(self) -> None:
        """Ends it, when the instance is removed; a child of the process that has made it leaves it to that."""
        if self._alive < 0:
            return
        os.close(self._alive)
        self._alive = -1
        if self._maker == os.getpid():
            os.waitpid(self._pid, 0)


def _keep(tracefs: int, path: str, reads: int, alive: int) -> None:
    """Waits until nobody has *alive* open any more, and removes the instance."""
    os.setsid()  # a Ctrl-C of the terminal is for the other process
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.close(alive)
    # Whatever else is open here, and the network namespace of a case, would live longer for it.
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    kept = sorted((tracefs, reads))
    for first, behind in ((3, kept[0]), (kept[0] + 1, kept[1]), (kept[1] + 1, DESCRIPTORS_MAX)):
        os.closerange(first, behind)
    libbpf.unshare(CLONE_NEWNET)
    os.read(reads, 1)
    for _ in range(TRIES_OF_KEEPER):
        if _removed(tracefs, path):
            return
        time.sleep(PAUSE)  # the kernel has not closed all of it yet


def _removed(tracefs: int, path: str) -> bool:
    """Whether there is no such instance, or not any more."""
    try:
        os.rmdir(path, dir_fd=tracefs)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


_found: dict[tuple[str, ...], Instance | HostError] = {}


def instance(events: tuple[str, ...]) -> Instance:
    """The instance of this process for *events*, made once and removed at its end. Raises HostError, each time."""
    found = _found.get(events)
    if isinstance(found, Instance) and found.maker != os.getpid():  # this is a child
        found.forget()
        found = None
    if found is None:
        try:
            with libbpf.uninterrupted():
                found = _made(events)
                atexit.register(remove)
        except HostError as error:
            found = error
        _found[events] = found
    if isinstance(found, HostError):
        raise found
    return found


def remove() -> None:
    """Removes the instances that this process has made."""
    for found in _found.values():
        if isinstance(found, Instance) and found.maker == os.getpid():
            found.remove()


def _made(events: tuple[str, ...]) -> Instance:
    """An instance where tracefs is mounted, else in a mount that only this process has. Raises HostError."""
    reason = ""
    for path in (*_mounted(), ""):
        try:
            tracefs = os.open(path, os.O_RDONLY | os.O_DIRECTORY) if path else syscalls.detached_mount("tracefs")
        except OSError as error:
            reason = f"{path or 'mounting tracefs'}: {error.strerror}"
            continue
        try:
            _remove_stale(tracefs)
            return _tried(tracefs, events)
        except OSError as error:
            reason = f"{error.filename or path or 'tracefs'}: {error.strerror}"
            os.close(tracefs)
    raise HostError(reason)


def _tried(tracefs: int, events: tuple[str, ...]) -> Instance:
    """A new instance. Raises OSError."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(FileNotFoundError):  # another bpftest took it for stale before it was open
            return Instance(tracefs, events)
    return Instance(tracefs, events)


def _remove_stale(tracefs: int) -> None:
    """Removes what processes have left that were killed; the kernel keeps an instance that somebody has open."""
    instances = os.open("instances", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tracefs)
    try:
        for name in os.listdir(instances):
            if name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=instances)
    finally:
        os.close(instances)


def _mounted() -> list[str]:
    """Where tracefs is mounted."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        fields = [line.split(" ") for line in mounts]
    # getmntent(3): blanks and backslashes are in octal.
    return [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), one[1]) for one in fields if one[2] == "tracefs"]
