"""What the verifier of the running kernel says: why it refuses, and what a program costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from bpftest.expectations.limits import FIGURES
from bpftest.kernel.door import Also
from bpftest.refusals import load_problem
from bpftest.suite.model import Program, Source
from bpftest.verifier_hints import hint
from bpftest.verifier_log import refusal, statistics
from tests.conftest import PROGRAMS
from tests.kernel.conftest import Build, Open
from tests.processes import ran
from tests.test_verifier_log import logs

pytestmark = pytest.mark.kernel

XDP = 6  # enum bpf_prog_type
SOURCE = PROGRAMS / "refused.bpf.c"
REFUSED = ("short_check", "no_null_check", "no_bound", "no_end", "no_value", "in_a_function")


@pytest.mark.parametrize("log_level", [0, 3])
@pytest.mark.parametrize("program", REFUSED)
def test_this_kernel_is_understood_as_the_one_whose_log_is_kept(
    build: Build, opened: Open, program: str, log_level: int
) -> None:
    report = opened(build("refused"), program, XDP, log_level=log_level).report
    kept = refusal(logs("6.18")[f"{program}, log level 1"])

    said = refusal(report.log)
    assert report.program == program
    assert said.at is not None
    assert kept.at is not None
    assert (said.at.text, hint(said.reason)) == (kept.at.text, hint(kept.reason))  # compilers choose other registers
    assert said.insn


def test_the_line_that_is_shown_is_that_of_the_source(build: Build, opened: Open) -> None:
    report = opened(build("refused"), "short_check", XDP).report

    found = load_problem(report, Program(source=Source(str(SOURCE))), str(PROGRAMS)).excerpt

    assert found is not None
    lines = SOURCE.read_text(encoding="utf-8").split("\n")
    assert lines[found.place.line - 1] == "\treturn data[23] == 6 ? XDP_DROP : XDP_PASS;"
    assert found.lines == tuple((number, lines[number - 1]) for number, _ in found.lines)


def test_too_much_stack_is_to_blame_on_no_line(build: Build, opened: Open) -> None:
    for log_level in (0, 2):
        said = refusal(opened(build("refused"), "too_much_stack", XDP, log_level=log_level).report.log)

        assert re.fullmatch(r"combined stack size of 2 calls is 6\d\d. Too large", said.reason)
        assert said.at is None


def test_of_several_programs_the_one_that_is_refused_is_named(build: Build, opened: Open) -> None:
    report = opened(build("refused"), "costly", XDP, also=(Also("short_check"),)).report

    assert load_problem(report, Program(), "").message.startswith("the verifier refuses 'short_check': invalid access")


def test_the_kernel_tells_every_figure(build: Build, opened: Open) -> None:
    report = opened(build("refused"), "costly", XDP).report

    figures = {name: figure(report) for name, figure in FIGURES.items()}
    assert all(figures.values()), figures
    assert statistics(report.log).verified_insns == figures["verified_insns"] == report.verified_insns
    assert figures["stack_bytes"] == 80, "24 + 40, each rounded up to 16"


SUITE = """\
version: 1
source: refused.bpf.c
program: costly
cases:
  - {name: within, packet: {zeros: 14}, expect: {retval: XDP_PASS, limits: {verified_insns: 1000, stack_bytes: 80}}}
  - {name: loads within, expect: {loads: true, limits: {xlated_bytes: 4000, max_states: 100}}}
  - {name: beyond, expect: {loads: true, limits: {verified_insns: 8}}}
  - {name: refused, program: no_bound, expect: {load_error: {errno: EACCES, at: "refused.bpf.c:37"}}}
  - {name: elsewhere, program: no_bound, expect: {load_error: {errno: EACCES, at: "refused.bpf.c:35"}}}
  - {name: not, program: no_bound, packet: {zeros: 14}, expect: {retval: 1}}
"""


def test_a_suite_limits_what_its_programs_cost(tmp_path: Path) -> None:
    (tmp_path / "refused.bpf.c").write_bytes(SOURCE.read_bytes())
    (tmp_path / "fw.yaml").write_text(SUITE, encoding="utf-8")

    done = ran("run", "fw.yaml", "--junit-xml", "out.xml", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (1, "")
    cases = {case.get("name"): case for case in etree.parse(tmp_path / "out.xml").iter("testcase")}
    names = {name: {one.get("name") for one in case.iter("property")} for name, case in cases.items()}
    assert {name: found & FIGURES.keys() for name, found in names.items()} == {
        "within": {"verified_insns", "jited_bytes", "stack_bytes"},
        "loads within": {"verified_insns", "jited_bytes", "xlated_bytes", "max_states"},
        "beyond": {"verified_insns", "jited_bytes"},
        "refused": set(),
        "elsewhere": set(),
        "not": set(),
    }
    failed = {name: one.text for name, case in cases.items() for one in case.iter("failure", "error")}
    assert failed.keys() == {"beyond", "elsewhere", "not"}
    assert re.search(r"= verified_insns +expected at most 8   got \d+\n", failed["beyond"])
    for name in ("elsewhere", "not"):
        assert "--> refused.bpf.c:37:2\n" in failed[name]
        assert "37 |     return value[ctx->rx_queue_index];\n" in failed[name]
        assert "= help: give the index or length a bound before it is used" in failed[name]


def test_limits_of_a_program_that_is_to_be_refused_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "refused.bpf.c").write_bytes(SOURCE.read_bytes())
    case = "  - {name: both, expect: {load_error: true, limits: {verified_insns: 8}}}\n"
    (tmp_path / "fw.yaml").write_text(SUITE.partition("  - {")[0] + case, encoding="utf-8")

    done = ran("run", "fw.yaml", cwd=tmp_path)

    assert done.returncode == 3
    assert "'load_error' and 'limits' do not go together" in done.stderr
