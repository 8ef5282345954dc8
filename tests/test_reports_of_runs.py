"""The reports that runs leave, read by what reads them elsewhere; and what `bpftest report` makes of them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path
from typing import Any

import html5lib
import jsonschema
import pytest
from junitparser import JUnitXml
from tap.parser import Parser

from tests.processes import BPFTEST, PROJECT, environment, ran

HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"
MIXED = (
    HEAD
    + "  - {name: passes, tags: [smoke], expect: {retval: XDP_PASS}}\n"
    + "  - {name: fails, expect: {retval: XDP_DROP}}\n"
    + "  - {name: '##[add-path]/tmp', object: missing.o, expect: {retval: 1}}\n"
    + "  - {name: later, skip: not yet, expect: {retval: 1}}\n"
    + "  - {name: known, xfail: a bug, expect: {retval: 1}}\n"
)
OUTCOMES = {"passes": "PASS", "fails": "FAIL", "##[add-path]/tmp": "ERROR", "later": "SKIP", "known": "XFAIL"}
SCHEMA = json.loads((PROJECT / "schemas" / "report.schema.json").read_text(encoding="utf-8"))
SHARDS = ("report-1.json", "report-2.json")


def document(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_bytes())
    jsonschema.validate(told, SCHEMA)
    return told


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    return {case["id"]: case["outcome"] for suite in told["suites"] for case in suite["results"]}


@pytest.fixture
def mixed(folder: Path) -> Path:
    """A folder with a suite of which each case ends in another way."""
    (folder / "mixed.yaml").write_text(MIXED, encoding="utf-8")
    return folder


@pytest.mark.kernel
def test_all_reports_of_one_run_tell_of_the_same_cases(mixed: Path) -> None:
    files = ("--json", "r.json", "--html", "r.html", "--junit-xml", "r.xml")
    done = ran("run", "mixed.yaml", "--format", "tap", *files, cwd=mixed)

    assert (done.returncode, done.stderr) == (1, "")
    expected = {f"mixed.yaml::{name}": outcome for name, outcome in OUTCOMES.items()}
    assert outcomes(document(mixed / "r.json")) == expected
    points = [line for line in Parser().parse_text(done.stdout) if line.category == "test"]
    assert [(one.ok, one.skip, one.todo) for one in points] == [
        (it in {"PASS", "SKIP"}, it == "SKIP", it == "XFAIL") for it in expected.values()
    ]
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse((mixed / "r.html").read_bytes())
    shown = [one.get("data-outcome") for one in page.iter("details") if one.get("class") == "case"]
    assert shown == list(expected.values())
    report = JUnitXml.fromfile(str(mixed / "r.xml"))
    assert (report.tests, report.failures, report.errors, report.skipped) == (5, 1, 1, 2)


@pytest.mark.kernel
def test_lines_of_json_are_the_events_of_the_run(mixed: Path) -> None:
    done = ran("run", "mixed.yaml", "--format", "jsonl", cwd=mixed)

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in told] == [
        "run_started",
        "suite_started",
        *["case_finished"] * 5,
        "suite_finished",
        "run_finished",
    ]
    assert {one["name"]: one["outcome"] for one in told if "outcome" in one} == OUTCOMES


@pytest.mark.kernel
def test_in_github_actions_there_are_annotations_and_a_page_and_no_command_of_a_stranger(mixed: Path) -> None:
    page = mixed / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_STEP_SUMMARY": str(page)}
    done = ran("run", "mixed.yaml", cwd=mixed, **environ)

    commands = [line for line in done.stdout.splitlines() if line.startswith("::") or "##[" in line]
    assert [re.sub("::error (.*),line=.*,title=(.*?)::.*", r"\1 \2", line) for line in commands] == [
        "file=mixed.yaml FAIL fails",
        "file=mixed.yaml ERROR #\\x23[add-path]/tmp",
    ]
    assert page.read_text(encoding="utf-8").startswith(
        "### ❌ bpftest: 1 passed, 1 failed, 1 error, 1 skipped, 1 xfailed\n"
    )
    quiet = ran("run", "mixed.yaml", "--format", "jsonl", cwd=mixed, **environ)
    assert [line.split(" ")[0] for line in quiet.stderr.splitlines()] == ["::error", "::error"]


@pytest.mark.kernel
def test_the_slowest_cases_stand_at_the_end(mixed: Path) -> None:
    done = ran("run", "mixed.yaml", "--durations=1", cwd=mixed)
    assert re.search(r"\nSlowest  1 of 4 cases, \d+% of their time\n  \[.{8}\] mixed.yaml::.*\n$", done.stdout)


@pytest.mark.parametrize(("form", "stderr"), [("jsonl", ""), ("tap", ""), ("concise", "")])
def test_a_suite_that_is_not_valid_is_told_on_stdout_in_every_format(folder: Path, form: str, stderr: str) -> None:
    (folder / "bad.yaml").write_text(HEAD + "  - {name: one, expct: {retval: XDP_DROP}}\n", encoding="utf-8")

    done = ran("run", "bad.yaml", "--format", form, "--json", "r.json", cwd=folder)

    assert (done.returncode, done.stderr) == (3, stderr)
    assert "unknown key 'expct'" in done.stdout
    assert [one["path"] for one in document(folder / "r.json")["invalid"]] == ["bad.yaml"]


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_report_that_cannot_be_written_is_an_error_of_the_machine(folder: Path, option: str) -> None:
    (folder / "bad.yaml").write_text(HEAD, encoding="utf-8")
    done = ran("run", "bad.yaml", option, "/proc/report", cwd=folder)
    assert (done.returncode, "error: cannot write /proc/report" in done.stderr) == (4, True)


@pytest.mark.kernel
def test_a_terminal_gets_a_line_of_progress_that_is_gone_at_the_end(mixed: Path) -> None:
    slow = "".join(
        f"  - {{name: case {number}, repeat: 3000000, expect: {{retval: XDP_PASS}}}}\n" for number in range(12)
    )
    (mixed / "slow.yaml").write_text(HEAD + slow, encoding="utf-8")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*BPFTEST, "run", "slow.yaml"], cwd=mixed, env=environment(), stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # EIO: the other end has gone
                break
            written += part
    os.close(ours)

    assert process.returncode == 0
    looks = re.findall(rb"  \d+/12  slow.yaml::case \d+\r\x1b\[K", written)
    assert looks
    assert written.count(b"/12  ") == len(looks)


# --- bpftest report -----------------------------------------------------------------------------------------------


@pytest.fixture
def shards(mixed: Path) -> Path:
    """The folder, with the reports of two runs of some of the cases each."""
    for name, keyword in zip(SHARDS, ("passes or later", "not passes and not later"), strict=True):
        ran("run", "mixed.yaml", "-k", keyword, "--json", name, "--junit-xml", name.replace("json", "xml"), cwd=mixed)
    return mixed


@pytest.mark.kernel
def test_shards_are_merged_into_one_run(shards: Path) -> None:
    done = ran("report", "merge", "all.json", *SHARDS, cwd=shards)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = document(shards / "all.json")
    assert {name.partition("::")[2]: outcome for name, outcome in outcomes(told).items()} == OUTCOMES
    assert list(outcomes(told)) == [f"mixed.yaml::{name}" for name in OUTCOMES]  # in the order of the suite
    assert (told["run"]["suites"], told["run"]["cases"], len(told["suites"])) == (1, 5, 1)
    assert told["end"]["counts"] == {"PASS": 1, "FAIL": 1, "ERROR": 1, "SKIP": 1, "XFAIL": 1, "FLAKY": 0}


@pytest.mark.kernel
def test_junit_files_are_merged_and_counted_again(shards: Path) -> None:
    ran("report", "merge", "all.xml", "report-1.xml", "report-2.xml", cwd=shards)
    ran("report", "merge", "same.xml", *SHARDS, cwd=shards)

    for name in ("all.xml", "same.xml"):
        report = JUnitXml.fromfile(str(shards / name))
        (suite,) = report
        assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("mixed", 5, 1, 1, 2)
        assert (report.tests, report.failures, report.errors, report.skipped) == (5, 1, 1, 2)
        assert sorted(case.name for case in suite) == sorted(OUTCOMES)


@pytest.mark.kernel
def test_a_run_is_shown_again_in_every_form(shards: Path) -> None:
    done = ran("report", "show", *SHARDS, "--html", "r.html", "-v", cwd=shards)

    assert (done.returncode, done.stderr) == (0, "")
    words = re.findall(r"^  (PASS|FAIL|ERROR|SKIP|XFAIL) +\[", done.stdout, re.MULTILINE)
    assert words == list(OUTCOMES.values())
    assert (shards / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    tap = ran("report", "show", SHARDS[0], "--format", "tap", cwd=shards)
    assert tap.stdout.endswith("1..2\n")


FOREIGN = '<testsuite name="theirs" tests="7"><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'


def test_a_junit_file_of_another_tool_may_be_among_them(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(FOREIGN, encoding="utf-8")
    (tmp_path / "b.xml").write_text(f"<testsuites>{FOREIGN.replace('theirs', 'more')}</testsuites>", encoding="utf-8")

    assert ran("report", "merge", "all.xml", "a.xml", "b.xml", cwd=tmp_path).returncode == 0

    report = JUnitXml.fromfile(str(tmp_path / "all.xml"))
    assert [(suite.name, suite.tests, suite.failures) for suite in report] == [("theirs", 2, 1), ("more", 2, 1)]


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("a.json", "{", 2, "a.json is no JSON: "),
        ("a.json", "[" * 100_000, 2, "a.json is no JSON: "),
        ("a.json", '{"format": "\\ud800"}', 2, "a.json is no report of bpftest: it has half a character in a text"),
        ("a.json", '{"format": 1}', 2, "a.json is no report of bpftest: the document: "),
        ("a.json", '{"format": 2}', 2, "a.json is no report of bpftest: "),
        ("a.xml", "<a>", 2, "a.xml is no JUnit XML: "),
        ("a.xml", "<html/>", 2, "a.xml is no JUnit XML: it holds <html>"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><testsuites>&b;</testsuites>', 2, "a DOCTYPE is not read"),
        ("a.xml", f"{'<testsuite>' * 9999}{'</testsuite>' * 9999}", 2, "more than 100 deep inside each other"),
        ("a.txt", "", 2, "a.txt is no name of a report"),
        ("gone.json", None, 4, "cannot read gone.json: No such file or directory"),
        ("gone.xml", None, 4, "cannot read gone.xml: No such file or directory"),
    ],
)
def test_what_is_no_report_is_refused_in_a_line(
    tmp_path: Path, name: str, text: str | None, code: int, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = ran("report", "merge", "out.xml", name, cwd=tmp_path)

    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False)
    assert not (tmp_path / "out.xml").exists()


def test_what_cannot_be_made_of_junit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(FOREIGN, encoding="utf-8")
    done = ran("report", "merge", "out.html", "a.xml", cwd=tmp_path)
    assert (done.returncode, "out.html cannot be made from .xml" in done.stderr) == (2, True)


def test_the_schema_of_reports_is_printed() -> None:
    assert json.loads(ran("schema", "report", cwd=PROJECT).stdout) == SCHEMA
