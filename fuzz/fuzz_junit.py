"""JUnit XML of anybody's, for `bpftest report merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bpftest.errors import UsageError
from bpftest.reporters.junit_files import merge
from fuzz import seeds as files
from fuzz.scratch import written

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeds() -> Iterator[bytes]:
    """The reports that tests expect."""
    yield from files.contents("tests/golden/junit/*.xml")


def one(data: bytes) -> None:
    """With itself it becomes another report, which can be read, or a UsageError."""
    path, out = written("in.xml", data), written("out.xml", b"")
    try:
        merge(out, [path, path])
    except UsageError as error:
        assert error.what.startswith(f"{path} is no JUnit XML")
        return
    ET.parse(out)  # noqa: S314 - what we have written
