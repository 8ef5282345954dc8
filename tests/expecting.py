"""Expectations for tests: what a suite says, checked against what a kernel might have said."""

from __future__ import annotations

import pytest

from bpftest.errors import SuiteError
from bpftest.expectations import EXPECTATIONS, Context
from bpftest.kernel.door import LoadReport, Observation, Reply
from bpftest.packets.sources import Scope
from bpftest.progtypes import PROG_TYPES
from bpftest.suite.document import document
from bpftest.suite.model import Written
from tests.suite.mistakes import report

Broken = list[tuple[object, ...]]  # (what, expected, actual) of each mismatch, and what else of it is not its default


def written(text: str) -> Written:
    """The expectation *text*, as a suite has it in line 2."""
    read = document("fw.yaml", f"expect:\n  {text}\n")
    (key,) = read.data["expect"]
    return Written(read, read.data["expect"], key)


def check(text: str, context: Context, observation: Observation) -> tuple[str, Broken]:
    """What held, and what did not."""
    want = written(text)
    assert isinstance(want.key, str)
    found = EXPECTATIONS[want.key](want, context)(observation)
    assert found.key == (want.key if found.key != "flags" else "flags")
    assert (found.excerpt is not None) == bool(found.mismatches)
    return found.held, [mismatch[: 3 + 2 * (mismatch[3:] != (None, False))] for mismatch in found.mismatches]


def refused(text: str, context: Context) -> str:
    """What is wrong with the expectation *text*, as people see it."""
    want = written(text)
    with pytest.raises(SuiteError) as raised:
        EXPECTATIONS[str(want.key)](want, context)
    raised.value.at(want.part(raised.value.span))  # as the planning does for what has no place of its own
    return report(raised.value.mistakes, want.document.lines)


def ran(**reply: object) -> Observation:
    return Observation(LoadReport(), Reply(**reply))  # type: ignore[arg-type]


def context(name: str, **known: object) -> Context:
    return Context(PROG_TYPES[name], Scope(), **known)  # type: ignore[arg-type]
