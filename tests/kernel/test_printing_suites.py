"""Suites about what programs print and how often they run, from the file to the report."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.kernel import streams
from tests.golden import assert_golden
from tests.processes import ran

pytestmark = pytest.mark.kernel

SUITE = """\
version: 1
defaults: {packet: {zeros: 64}}
cases:
  - name: prints what it should
    object: printk.o
    program: texts
    expect:
      printk: {contains: [port 23, two], matches: '^port \\d+$', count: 7}
  - name: prints something else
    object: printk.o
    program: once
    repeat: 30
    expect:
      printk: {contains: twice, exactly: [once, once]}
  - name: fails otherwise
    object: printk.o
    program: once
    expect: {retval: XDP_DROP}
  - name: fails in its second step
    object: printk.o
    steps:
      - name: texts
        program: texts
        expect: {printk: {count: 7}}
      - program: once
        expect: {printk: {count: 2}}
  - name: passes without a word
    object: printk.o
    program: once
    expect: {retval: XDP_PASS}
  - name: runs by tail calls
    object: runs.o
    program: first
    maps: {jumps: [{key: 0, value: {program: second}}, {key: 1, value: {program: idle}}]}
    repeat: 3
    expect: {retval: XDP_PASS, runs: {first: 3, second: {min: 1}, idle: 3}}
  - name: is to run another time
    object: runs.o
    steps:
      - {program: idle, expect: {runs: {idle: 1, first: 0}}}
      - {program: first, expect: {runs: {idle: 1, first: {max: 5}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, build: Callable[..., str]) -> Path:
    for name in ("printk", "runs"):
        shutil.copy(build(name), tmp_path / f"{name}.o")
    return tmp_path


def test_a_case_that_fails_shows_what_its_programs_printed(folder: Path) -> None:
    (folder / "prints.yaml").write_text(SUITE, encoding="utf-8")
    said = ran("run", "prints.yaml", cwd=folder, COLUMNS="120")

    assert said.stderr == ""
    assert_golden("console/prints.txt", steady(said.stdout))


def test_the_junit_report_shows_it_too(folder: Path) -> None:
    (folder / "prints.yaml").write_text(SUITE, encoding="utf-8")
    ran("run", "prints.yaml", "--junit-xml", "out.xml", cwd=folder)
    report = (folder / "out.xml").read_text(encoding="utf-8")

    assert len(re.findall(r"= printk +once\n", report)) == 20 + 1
    assert len(re.findall(r"= printk +step 2: once\n", report)) == 1


def steady(report: str) -> str:
    """*report* without what differs from run to run."""
    report = re.sub(r"^bpftest \S+ .*\n", "", report, flags=re.MULTILINE)
    return re.sub(r"\[ *[\d.]+ m?s\]|in [\d.]+ s", "[time]", report)


def test_the_streams_of_a_program_are_read_where_the_kernel_has_them(folder: Path) -> None:
    case = (
        "{name: a, requires: {features: [bpf_streams]}, expect: {streams: {stdout: {count: 0}, stderr: {count: %d}}}}"
    )
    head = "version: 1\nobject: runs.o\nprogram: idle\ndefaults: {packet: {zeros: 64}}\ncases:\n"
    outcomes = []
    for lines in range(2):
        (folder / "streams.yaml").write_text(f"{head}  - {case % lines}\n", encoding="utf-8")
        outcomes += re.findall(r"^  (PASS|FAIL|SKIP) +\[", ran("run", "streams.yaml", cwd=folder).stdout, re.MULTILINE)

    assert outcomes == (["PASS", "FAIL"] if streams.there() else ["SKIP", "SKIP"])


def test_a_program_that_the_case_does_not_load_is_refused(folder: Path) -> None:
    suite = "version: 1\nobject: runs.o\nprogram: first\ndefaults: {packet: {zeros: 64}}\ncases:\n"
    (folder / "runs.yaml").write_text(f"{suite}  - {{name: a, expect: {{runs: {{first: 1, idle: 0}}}}}}\n")
    said = ran("run", "runs.yaml", cwd=folder)

    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr == (
        "error: the case does not load 'idle', which cannot run then\n"
        " --> runs.yaml:6:41\n"
        "  |\n"
        "5 | cases:\n"
        "6 |   - {name: a, expect: {runs: {first: 1, idle: 0}}}\n"
        "  |                                         ^^^^\n"
        "  = help: a step that runs it loads it, or an entry of a prog array, or 'load: {also: [idle]}'\n"
    )
