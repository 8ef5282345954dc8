"""A JSON report, of this bpftest or of one that says so, for `bpftest report`: in every form that it can be told in."""

from __future__ import annotations

import functools
from argparse import Namespace
from typing import TYPE_CHECKING

from bpftest.commands.report import run
from bpftest.errors import UsageError
from fuzz.mutation import Trees
from fuzz.scratch import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

OUT = ("out.json", "out.xml", "out.html")


@functools.cache
def _reports() -> tuple[bytes, ...]:
    from bpftest.reporters.json_report import json_report
    from tests.reporters import streams

    found = []
    for stream in (streams.EVERY_OUTCOME, streams.INTERRUPTED, streams.NOTHING, streams.INVALID, streams.DETAILED):
        path = written("seed.json", b"")
        report = json_report(path)
        for event in stream:
            report(event)
        with open(path, "rb") as file:
            found.append(file.read())
    return tuple(found)


def seeds() -> Iterator[bytes]:
    """The runs that tests report."""
    yield from _reports()


def one(data: bytes) -> None:
    """Each form is written, or there is a UsageError."""
    path = written("in.json", data)
    for out in OUT:
        try:
            run(Namespace(action="merge", out=written(out, b""), inputs=[path, path]))
        except UsageError as error:
            assert path in error.what
            return


@functools.cache
def _trees() -> Trees:
    return Trees(seeds())


def mutated(data: bytes, random: Random) -> bytes:
    """A report with a piece changed."""
    return _trees().mutated(data, random)
