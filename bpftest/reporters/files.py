"""Reports that are files: there as a whole or not at all, and owned by whoever asked for them."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from bpftest.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


def scratch(path: str) -> IO[bytes]:
    """A nameless file for what will be the report at *path*, in the same folder, which is made if need be.

    Raises HostError if a report could not be written there: before the run, not after it.
    """
    with _as_host_error(path):
        if os.path.isdir(path):
            raise HostError(f"cannot write {path}: it is a folder", "give the name of a file in it")
        if _in_place(path):
            return TemporaryFile()
        folder = os.path.dirname(os.path.realpath(path))
        _make_folders(folder)
        return TemporaryFile(dir=folder)


@contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A file to write to, that takes the name *path* at the end, unless an exception leaves the block.

    Raises HostError for every OSError.
    """
    with _as_host_error(path):
        if _in_place(path):
            with open(path, "wb") as out:
                yield out
            return
        target = os.path.realpath(path)
        draft = f"{target}.{os.getpid()}.tmp"
        # Not tempfile, which makes files that only their owner may read: the umask decides.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with open(descriptor, "wb") as out:
                if owner := _owner():
                    os.fchown(descriptor, *owner)
                yield out
            os.replace(draft, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)


@contextmanager
def _as_host_error(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: str, error: OSError) -> HostError:
    """What is said of a report that found no place."""
    hint = "choose another place, or make room or permission there"
    return HostError(f"cannot write {path}: {error.strerror or error}", hint)


def _in_place(path: str) -> bool:
    """Whether *path* is something to write into, not to replace: a pipe, a terminal, /dev/stdout."""
    return path.startswith("/dev/") or (os.path.exists(path) and not os.path.isfile(path))


def _make_folders(folder: str) -> None:
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for name in reversed(missing):
        os.mkdir(name)
        if owner := _owner():
            os.chown(name, *owner, follow_symlinks=False)


def _owner() -> tuple[int, int] | None:
    """User and group who called sudo; None without sudo."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and user.isdecimal() and group.isdecimal():
        return int(user), int(group)
    return None
