"""Files that the user names: opening one never waits, and reading one ends."""

from __future__ import annotations

import errno
import os
import stat


def read_regular(path: str, size_max: int) -> bytes:
    """The content of the regular file at *path*, of at most *size_max* bytes.

    Raises OSError, also for what is no regular file: a pipe would wait for ever, a device need not end.
    """
    try:
        # O_NONBLOCK: open(2) of a pipe waits for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a NUL in the path
        raise _error(errno.EINVAL, path) from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise _error(errno.EISDIR, path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        if status.st_size > size_max:
            raise _error(errno.EFBIG, path)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(size_max + 1)  # a file of /proc tells no size, and any may grow
    finally:
        os.close(descriptor)
    if len(content) > size_max:
        raise _error(errno.EFBIG, path)
    return content


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
