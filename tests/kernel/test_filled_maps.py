"""Objects whose maps hold programs or maps from the start, in suites."""

from __future__ import annotations

import pytest

from bpftest.elf import read_object
from bpftest.events import CaseFinished
from bpftest.executors.local import RunningKernel
from bpftest.kernel.compile import compiled
from bpftest.plan import Object, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import suite

pytestmark = pytest.mark.kernel

SOURCE = "tests/programs/reset.bpf.c"


def verdicts(kind: str, cases: list[str]) -> list[str]:
    """What becomes of *cases*, in YAML, each without its name, on an object with a map of *kind*."""
    path = compiled(SOURCE, (f"-D{kind}",))
    lines = [f"  - {{name: case {number}, {case}}}\n" for number, case in enumerate(cases)]
    text = f"version: 1\nobject: {path}\ndefaults: {{packet: {{zeros: 64}}}}\ncases:\n{''.join(lines)}"
    made = plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))})
    names = frozenset(job.case.name for job in made.jobs)
    events = [event for event in run_suite(made, names, RunningKernel()) if isinstance(event, CaseFinished)]
    return [f"{event.outcome.value} {event.message}".strip() for event in events]


def test_programs_that_a_map_holds_from_the_start_are_loaded_called_and_there_in_each_case() -> None:
    held = "program: leaves, expect: {retval: 0, maps: {kept: {exactly: [{key: 2, value: {program: target}}]}}}"
    cases = [
        held,
        "program: leaves, maps: {kept: [{key: 2, delete: true}]}, expect: {retval: 9, maps: {kept: {exactly: []}}}",
        held,
        "program: leaves, maps: {kept: [{key: 2, value: {program: other}}]}, expect: {retval: 5}",
        held,
        "program: leaves, expect: {runs: {leaves: 1, target: 1}}",
        "program: other, expect: {retval: 5}",
        "program: target, expect: {retval: 0}",
        "program: leaves, expect: {loads: true}",
    ]

    assert verdicts("FILLED_PROG_ARRAY", cases) == ["PASS"] * len(cases)


def test_maps_that_a_map_holds_from_the_start_are_there_in_each_case() -> None:
    held = "program: leaves, expect: {retval: 0, maps: {kept: {exactly: [{key: 2, value: {map: first}}]}}}"
    cases = [held, "program: leaves, maps: {kept: [{key: 2, value: {map: second}}]}, expect: {retval: 9}", held]

    assert verdicts("FILLED_ARRAY_OF_MAPS", cases) == ["PASS"] * len(cases)
