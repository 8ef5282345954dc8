"""A suite file: text → document → schema → Suite → plan. Nothing of what a suite names is compiled or loaded.

Packets are made here and not in a confined process: so libFuzzer sees what that does, and it is faster.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from bpftest.elf import read_object
from bpftest.errors import ObjectError, SuiteError
from bpftest.kernel.compile import compiled
from bpftest.packets import layers
from bpftest.packets.answering import Answers
from bpftest.plan import Object, plan
from bpftest.suite.document import Document, InvalidDocument, document
from bpftest.suite.parse import InvalidSuiteFile, suite
from fuzz import seeds as files
from fuzz.mutation import Trees
from fuzz.process import answering

if TYPE_CHECKING:
    from random import Random

    from bpftest.plan.program import ObjectKey

PATH = os.path.join(files.SUITES, "fuzzed.yaml")  # is not there: the files beside it are what a suite may name
WALKED_MAX = 500  # mappings and lists of which places are asked for, to try many documents

seeds = files.suites


class _Objects(dict["ObjectKey", Any]):
    """What the objects are that suites name, by the names of the sources in suites/ whatever the folder is."""

    def __missing__(self, key: ObjectKey) -> Object | ObjectError:
        name = os.path.basename(key[0]).partition(".")[0] + ".bpf.c"
        return _object(name) if name in _sources() else ObjectError("there is none")


@functools.cache
def _sources() -> frozenset[str]:
    return frozenset(name for name in os.listdir(files.SUITES) if name.endswith(".bpf.c"))


@functools.cache
def _object(name: str) -> Object:
    path = compiled(os.path.join(files.SUITES, name))
    return Object(path, *read_object(path))


def one(data: bytes) -> None:
    """All mistakes have a place in the file, and of what is none each piece has one."""
    try:
        read = document(PATH, data)
        _walk(read)
        with answering(_answers().answer):
            plan(suite(read), _Objects())
    except (InvalidDocument, InvalidSuiteFile) as error:
        _judge(error.faults)


@functools.cache
def _answers() -> Answers:
    layers.load_all()
    return Answers()


def _judge(faults: tuple[SuiteError, ...]) -> None:
    assert faults
    for fault in faults:
        assert fault.what
        assert fault.place is not None, fault.what
        assert fault.place.path == PATH or not fault.place.path.endswith(".yaml"), fault.place
        assert fault.place.line > 0 < fault.place.column, fault


def _walk(read: Document) -> None:
    """Asks for the place of everything, as errors do."""
    waiting, seen = [read.data], set()
    while waiting:
        container = waiting.pop()
        if id(container) in seen or not isinstance(container, (dict, list)):
            continue
        seen.add(id(container))  # of what an alias repeats there may be very many
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            value = container[key]
            waiting.append(value)
            if len(seen) > WALKED_MAX:
                continue
            read.place(container, key)
            read.key_place(container, key)
            read.line_range(container, key)
            read.cut_comment(container, key)
            if isinstance(value, str):
                read.place_within(container, key, len(value) // 2, len(value))


@functools.cache
def _trees() -> Trees:
    return Trees(seeds())


def mutated(data: bytes, random: Random) -> bytes:
    """A suite with one piece changed, or one of another suite in it."""
    return _trees().mutated(data, random)
