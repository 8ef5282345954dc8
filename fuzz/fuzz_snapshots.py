"""A file of snapshots, which people edit and merge."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.packets.snapshots import ENDING, FOLDER, UPDATE_NEW, Snapshots, plain_lines
from fuzz import seeds as files
from fuzz.scratch import folder, written

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "fuzzed.yaml"
NAME = "a name that no file has"


def seeds() -> Iterator[bytes]:
    """Those of suites/."""
    yield from files.contents("suites/__snapshots__/*")
    yield b"[a]\n00 01 # x\n\n[b c]\nff\n"


def one(data: bytes) -> None:
    """Bytes by name; with one more of them, the file still says what it said."""
    path = written(os.path.join(FOLDER, SUITE + ENDING), data)
    snapshots = Snapshots(os.path.join(folder(), SUITE), UPDATE_NEW)
    try:
        snapshots.name(NAME)
    except SuiteError as error:
        assert error.place is not None
        assert error.place.path == path
        return
    known = {name: snapshots.expected(name, b"", tuple) for name in snapshots.unused}
    snapshots.expected(NAME, b"\1\2", lambda: plain_lines(b"\1\2"))
    content = snapshots.content()
    if content is None:  # the file has a snapshot of this name
        return
    written(os.path.join(FOLDER, SUITE + ENDING), content)
    after = Snapshots(os.path.join(folder(), SUITE))
    assert {name: after.expected(name, b"", tuple) for name in after.unused} == known | {NAME: b"\1\2"}
