"""Variables from outside: a file of them, and NAME=VALUE as it is said on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError, UsageError
from bpftest.suite.document import InvalidDocument
from bpftest.suite.outside import outside
from fuzz.scratch import written

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeds() -> Iterator[bytes]:
    """Of every kind of value."""
    yield b"port: 80\nname: 'a'\nrate: 1.5\non: true\nmask: 0xff\n"
    yield b"port=0x50"
    yield b"name='a b'"


def one(data: bytes) -> None:
    """Plain values, or an error."""
    path = written("variables.yaml", data)
    try:
        found = outside([path], {"BPFTEST_VAR_x": data.decode("utf-8", "replace")}, [data.decode("utf-8", "replace")])
    except (InvalidDocument, SuiteError, UsageError) as error:
        assert error.what
        return
    assert all(isinstance(value, (str, int, float, bool)) for value in found.values()), found
