"""Files for readers that take a path."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile


@functools.cache
def folder() -> str:
    """A folder that goes away with the process."""
    made = tempfile.mkdtemp(prefix="bpftest-fuzz-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def written(name: str, data: bytes) -> str:
    """The path of the file *name*, which holds *data*."""
    path = os.path.join(folder(), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path
