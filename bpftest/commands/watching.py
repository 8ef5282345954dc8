"""`bpftest run --watch`: runs again whenever a file changes that a run has read.

Each run is a process of its own, forked from this one, which itself reads no suite. What a run opens is what it depends
on: suites, sources with their headers, objects, captures, snapshots, variables, and files that it looked for in vain.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

from bpftest.commands.exits import BROKEN_PIPE, SIGNALS
from bpftest.errors import HostError, UsageError
from bpftest.executors.interrupts import Interrupts
from bpftest.kernel.files import cache_folder
from bpftest.suite import selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Version = tuple[int, int, int] | None  # inode, bytes, ns of the last write; None: there is no such file
    Versions = dict[str, Version]  # by absolute path

LOOK_S = 0.3  # between two looks at the files
SETTLE_S = 0.1  # between two looks at files that change: until they are alike
GONE_S = 1.0  # that a file may be gone: some editors remove it, and write it anew
SHOWN = 3  # names of files that are told
HEADER_SIZE = 1 << 20  # bytes of a source that are looked through for headers
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FINAL = (UsageError.exit_code, HostError.exit_code)  # of the first run: to change a file does not mend it

FOREIGN = re.compile(r"/(?:proc|sys|dev)/|.*(?:/\.bpftest/|\.(?:py|pyc|so)\Z)", re.DOTALL)  # no files of a suite
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def watched(paths: Sequence[str]) -> int | None:
    """Runs, and runs again, until a signal ends it. Gives the exit code of the last run; of SIGTERM between two, 143.

    In the process of a run it gives None, and the run is the caller's. *paths*: the arguments that mean suites.
    """
    known: Versions = {}
    with Interrupts() as interrupts:
        while True:
            suites = _suites(paths)
            now = {path: _now(path) for path in known}
            interrupts.hold()
            run = _Run()
            if run.pid == 0:
                return None
            try:
                interrupts.release()
                code = run.code()
                if code in {BROKEN_PIPE, *SIGNALS.values()} or (not known and code in FINAL):
                    return code
                known = _with_headers({**now, **run.opened()})
                _tell(f"--- watching {len(known)} files; Ctrl-C ends")
                changed = _wait(known, suites, paths)
            except KeyboardInterrupt as name:
                return run.end(str(name))
            _tell(f"\n--- {time.strftime('%H:%M:%S')} {_listed(changed)} changed")


class _Run:
    """One run: a process, in which `pid` is 0, and the files that it opens."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._record = os.memfd_create("opened")
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            sys.addaudithook(_recorder(self._record))

    def code(self) -> int:
        """Waits for its end, and gives its exit code; that of one killed by a signal as shells have it."""
        if self._code is None:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._code = code if code >= 0 else 128 - code
        return self._code

    def end(self, name: str) -> int:
        """The exit code of a watch that the signal *name* ends. SIGINT comes from a terminal, to a run too."""
        if self._code is None:
            if name == "SIGTERM":
                os.kill(self.pid, signal.SIGTERM)
            return self.code()
        return SIGNALS[name] if name == "SIGTERM" else self._code

    def opened(self) -> Versions:
        """What it has read, as it was just before; what it has also written, as it is now."""
        with open(self._record, "rb") as record:
            record.seek(0)
            parts = record.read().split(b"\0")
        cache = os.path.dirname(cache_folder("objects"))
        found: Versions = {}
        written = set()
        for path, told in zip(map(os.fsdecode, parts[:-1:2]), parts[1::2], strict=True):
            if told == b"w":
                written.add(path)
            elif not FOREIGN.match(path) and not path.startswith(cache):
                numbers = [int(number) for number in told.split()]
                found.setdefault(path, (numbers[0], numbers[1], numbers[2]) if numbers else None)
        return {path: _now(path) if path in written else was for path, was in found.items()}


def _recorder(descriptor: int) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that writes each file that is opened to *descriptor*: its path, and its version or "w".

    Processes that are forked from this one have it too.
    """
    told: set[bytes] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, writes = arguments[0], bool((arguments[2] or 0) & WRITES)
        elif event == "os.rename":
            path, writes = arguments[1], True
        else:
            return
        if isinstance(path, int) or path is None:
            return
        try:
            whole = os.path.abspath(os.fsdecode(path))
            what = "w" if writes else " ".join(map(str, version(whole) or ()))
            line = os.fsencode(f"{whole}\0{what}\0")
            if line not in told:
                told.add(line)
                os.write(descriptor, line)
        except (OSError, ValueError):  # no file of the user's, or a process that may not tell
            return

    return hook


def version(path: str) -> Version:
    """The file at *path* as it is now. Raises OSError for what is no file, or cannot be looked at."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"no regular file: {path}")
    return status.st_ino, status.st_size, status.st_mtime_ns


def _with_headers(known: Versions) -> Versions:
    """*known*, and what its sources include by a name in quotes: of one that does not compile, a run reads no more."""
    found = dict(known)
    waiting = [path for path in known if path.endswith((".c", ".h"))]
    while waiting:
        path = waiting.pop()
        for name in _included(path):
            header = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if header not in found:
                found[header] = _now(header)
                waiting.append(header)
    return found


def _included(path: str) -> list[str]:
    try:
        with open(path, "rb") as source:
            return [os.fsdecode(name) for name in INCLUDE.findall(source.read(HEADER_SIZE))]
    except OSError:
        return []


def _suites(paths: Iterable[str]) -> set[str]:
    """All suites at or below *paths*: there may be new ones."""
    found: set[str] = set()
    for path in paths:
        try:
            found.update(selection.files(selection.target(path).path))
        except UsageError:  # noqa: PERF203 - one of them is gone
            continue
    return found


def _wait(known: Versions, suites: set[str], paths: Sequence[str]) -> list[str]:
    """Waits until a file is not as it was, and all files are at rest. Gives the files that have changed, at least one.

    *known*, *suites*: what was.
    """
    while True:
        if _changed(known) or _suites(paths) != suites:
            _settle(known)
            changed = {*_changed(known), *(os.path.abspath(path) for path in _suites(paths) ^ suites)}
            if changed:
                return sorted(changed)
        time.sleep(LOOK_S)


def _changed(known: Versions) -> list[str]:
    return [path for path, was in known.items() if _now(path) != was]


def _settle(known: Versions) -> None:
    """Waits until nothing changes any more, and what was there is there, or has been gone for some time."""
    until = time.monotonic() + GONE_S
    before: Versions = {}
    while True:
        now = {path: _now(path) for path in known}
        gone = any(now[path] is None and was is not None for path, was in known.items())
        if now == before and (not gone or time.monotonic() > until):
            return
        before = now
        time.sleep(SETTLE_S)


def _now(path: str) -> Version:
    try:
        return version(path)
    except OSError:
        return None


def _listed(paths: Sequence[str]) -> str:
    """The *paths*, of many the first ones, from here where they are below."""
    from bpftest.reporters.printable import visible

    here = os.path.join(os.getcwd(), "")
    names = ", ".join(visible(path.removeprefix(here)) for path in paths[:SHOWN])
    return f"{names} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else names


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
