"""What a user reads where a map is not as expected: tests/programs/map_failures.yaml, run on this kernel."""

from __future__ import annotations

import re
import textwrap

import pytest

from bpftest.suite.parse import read_suite
from tests.conftest import PROGRAMS
from tests.golden import assert_golden
from tests.processes import PROJECT, ran

pytestmark = pytest.mark.kernel

FAILURES = "map_failures.yaml"
BLOCK = re.compile(r"^  FAIL  \[[^]]+\] (.*?)  +(\w+: .*)\n((?: {4}.*\n)+)", re.MULTILINE)


def told(report: str) -> dict[str, str]:
    """What is said of each case that failed, but for the time that it took and how to run it again."""
    return {
        name: f"{message}\n{textwrap.dedent(re.sub(r'.*= again .*', '', block)).rstrip()}\n"
        for name, message, block in BLOCK.findall(report)
    }


def test_a_map_that_is_not_as_expected_is_told_entry_by_entry_and_field_by_field() -> None:
    done = ran("run", "--no-artifacts", FAILURES, cwd=PROGRAMS)

    cases = told(done.stdout)
    assert list(cases) == [case.name for case in read_suite(str(PROGRAMS / FAILURES)).cases]
    assert_golden("map_failures.txt", "\n".join(f"--- {name}\n{text}" for name, text in cases.items()))


def test_the_suite_with_a_case_for_each_type_of_map_passes() -> None:
    done = ran("run", "suites/map_types.yaml", cwd=PROJECT)

    assert re.findall(r"^  (?:FAIL|ERROR|SKIP) .*", done.stdout, re.MULTILINE) == []
    assert done.returncode == 0
