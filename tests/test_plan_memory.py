"""Plans of a run with very many cases are freed when the suite has run, and not when a collector comes by."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest

from bpftest.elf import read_object
from bpftest.plan import Object, plan
from bpftest.suite.document import Document, document
from bpftest.suite.parse import suite

CASES = {
    "bytes": "packet: {zeros: 64}, expect: {retval: XDP_PASS}",
    "an expression": "packet: Ether()/IP()/UDP(), expect: {retval: XDP_PASS, output: {unchanged: true}}",
    "state": "packet: {zeros: 64}, globals: {passed: 1}, expect: {maps: {counts: [{key: 0, value: 1}]}}",
}


@pytest.fixture
def _uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nothing_of_a_plan_stays(case: str, build: Callable[..., str]) -> None:
    path = build("kept")
    text = f"version: 1\nobject: {path}\nprogram: keeps\ncases:\n  - {{name: one, {case}}}\n"
    objects = {(path, ()): Object(path, *read_object(path))}

    made = plan(suite(document("suite.yaml", text)), objects)
    count = len(made.jobs)
    del made

    assert count == 1
    assert [one for one in gc.get_objects() if isinstance(one, Document)] == []
