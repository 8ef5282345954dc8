"""Cases that were run again, in every report: the failures that were seen are told, and fail nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from lxml import etree

from bpftest.events import CaseFinished, Event, Outcome, RunFinished
from bpftest.reporters.concise import concise
from bpftest.reporters.github import github, step_summary
from bpftest.reporters.html import html
from bpftest.reporters.json_report import json_report
from bpftest.reporters.junit import junit
from bpftest.reporters.tap import tap
from tests.golden import assert_golden
from tests.reporters import streams
from tests.reporters.test_console import report as on_console
from tests.reporters.test_junit import XSDS


def of(case: CaseFinished) -> tuple[CaseFinished, ...]:
    """An error and a failure, as earlier runs of *case*."""
    return tuple(one._replace(name=case.name, place=case.place) for one in (streams.ERROR, streams.FAILED))


FLAKY = streams.PASSED._replace(
    outcome=Outcome.FLAKY,
    kind=streams.FAILED.kind,
    message=f"did not pass in 2 of 3 runs: {streams.FAILED.message}",
    earlier=of(streams.PASSED),
)
NEVER = streams.FAILED._replace(earlier=of(streams.FAILED), notes=("it was run 3 times, and passed in none of them",))
AGAIN: list[Event] = [
    *streams.run_of(FLAKY, NEVER)[:-1],
    RunFinished(0.2, rerun="bpftest run --lf suites/firewall.yaml"),
]


def text(factory: object, *arguments: object) -> str:
    out = io.StringIO()
    report = factory(out, *arguments)  # type: ignore[operator]
    for event in AGAIN:
        report(event)
    return out.getvalue()


def file(factory: object, path: Path, *arguments: object) -> Path:
    report = factory(str(path), *arguments)  # type: ignore[operator]
    for event in AGAIN:
        report(event)
    return path


@pytest.mark.parametrize("per_case", [True, False], ids=["", "ci"])
def test_the_console_shows_the_last_run_that_failed(per_case: bool) -> None:
    assert_golden(f"console/flaky{'' if per_case else '_ci'}.txt", on_console(AGAIN, per_case=per_case))


def test_a_line_for_editors_says_where_it_failed() -> None:
    first, second, last = text(concise).splitlines()
    assert first == f"{streams.FIREWALL}:30:7: FLAKY drops telnet: {FLAKY.message}"
    assert second.startswith(f"{streams.FIREWALL}:30:7: FAIL forwards")
    assert last == "2 cases in 0.20 s: 0 passed, 1 failed, 1 flaky"


def test_in_tap_it_is_ok_and_has_a_block() -> None:
    assert_golden("reports/flaky.tap", text(tap))


def test_github_warns_of_it_and_its_page_lists_it(tmp_path: Path) -> None:
    error, warning = text(github, {}).splitlines()
    page = file(step_summary, tmp_path / "page.md").read_text(encoding="utf-8")

    assert error.startswith(f"::error file={streams.FIREWALL},line=30,col=7,title=FAIL forwards")
    assert warning.startswith(f"::warning file={streams.FIREWALL},line=30,col=7,title=FLAKY drops telnet::did not pass")
    assert page.startswith("### ❌ bpftest: 0 passed, 1 failed, 1 flaky\n")
    assert "| FLAKY | suites/firewall&#46;yaml&#58;30 | drops telnet |" in page
    assert "| Suite | passed | failed | error | skipped | xfailed | flaky | time |" in page


def test_a_page_of_a_run_that_was_only_flaky_is_green(tmp_path: Path) -> None:
    report = step_summary(str(tmp_path / "page.md"))
    for event in streams.run_of(FLAKY):
        report(event)
    assert (tmp_path / "page.md").read_text(encoding="utf-8").startswith("### ✅ bpftest: 0 passed, 1 flaky\n")


def test_junit_has_it_passed_with_each_failure_as_surefire_writes_them(tmp_path: Path) -> None:
    root = etree.parse(file(junit, tmp_path / "rich.xml")).getroot()
    flaky, never = root.iter("testcase")

    assert [(root.get(name)) for name in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "0"]
    told = ["error", "failure", "flakyError", "flakyFailure", "rerunError", "rerunFailure"]
    assert [[one.tag for one in case if one.tag in told] for case in (flaky, never)] == [
        ["flakyError", "flakyFailure"],
        ["failure", "rerunError", "rerunFailure"],
    ]
    seen = flaky.find("flakyFailure")
    assert (seen.get("type"), seen.get("message")) == ("bpftest.OutputMismatch", streams.FAILED.message)
    assert seen.findtext("stackTrace").startswith(f"{streams.FAILED.message}\n\nFAIL  {FLAKY.id}\n")


def test_the_strict_flavour_of_junit_knows_nothing_of_it(tmp_path: Path) -> None:
    document = etree.parse(file(junit, tmp_path / "strict.xml", "strict"))
    for schema in XSDS.values():
        schema.assertValid(document)
    assert [[one.tag for one in case] for case in document.iter("testcase")] == [[], ["failure"]]


def test_json_and_html_hold_all_runs(tmp_path: Path) -> None:
    document = json.loads(file(json_report, tmp_path / "r.json").read_bytes())
    page = file(html, tmp_path / "r.html").read_text(encoding="utf-8")

    flaky, never = document["suites"][0]["results"]
    assert (flaky["outcome"], [one["outcome"] for one in flaky["earlier"]]) == ("FLAKY", ["ERROR", "FAIL"])
    assert (never["outcome"], [one["outcome"] for one in never["earlier"]]) == ("FAIL", ["ERROR", "FAIL"])
    assert (document["end"]["counts"]["FLAKY"], document["end"]["rerun"]) == (1, AGAIN[-1].rerun)  # type: ignore[union-attr]
    assert page.count("<summary>run 1: ERROR, the verifier refuses") == 2
    assert page.count("<summary>run 2: FAIL, output: IP.ttl 63 != 64") == 2
    assert 'data-outcome="FLAKY"' in page
