"""TAP, as the parser of tap.py and one by the letter of the specification read it."""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tap.parser import Parser

from bpftest.events import CaseFinished, Event, Outcome, RunFinished, SuiteFinished, SuiteStarted
from bpftest.reporters.printable import visible
from bpftest.reporters.tap import tap
from tests.golden import assert_golden
from tests.reporters import arbitrary, streams

DIRECTIVES = {Outcome.SKIPPED: "SKIP", Outcome.XFAILED: "TODO"}
OK = {Outcome.PASSED, Outcome.SKIPPED, Outcome.FLAKY}


def report(events: list[Event]) -> str:
    out = io.StringIO()
    reporter = tap(out)
    for event in events:
        reporter(event)
    return out.getvalue()


class Point(NamedTuple):
    """A test point, as the specification of TAP 14 has it."""

    ok: bool
    number: int
    name: str
    directive: str
    reason: str
    block: Any


def points(text: str) -> list[Point]:
    """The test points of a stream; fails where a line is none of what the specification allows."""
    head, *rest = text.split("\n")
    assert (head, rest.pop()) == ("TAP version 14", "")
    found: list[Point] = []
    block: list[str] | None = None
    for line in rest:
        if block is not None:
            if line == "  ...":
                found[-1] = found[-1]._replace(block=yaml.safe_load("".join(f"{part[2:]}\n" for part in block)))
                block = None
            else:
                assert not line or line.startswith("  ")
                block.append(line)
        elif line == "  ---":
            block = []
        elif match := re.fullmatch(r"(not )?ok (\d+) - ((?:\\[\\#]|[^\\#])*?)(?: # (SKIP|TODO)(?: (.*))?)?", line):
            name = re.sub(r"\\([\\#])", r"\1", match[3])
            found.append(Point(not match[1], int(match[2]), name, match[4] or "", match[5] or "", None))
        else:
            assert re.fullmatch(r"#.*|1\.\.\d+|Bail out! .*", line), line
    assert block is None
    return found


@pytest.mark.parametrize("name", ["every_outcome", "interrupted", "invalid", "nothing"])
def test_a_run_is_reported_as_in_its_golden_text(name: str) -> None:
    assert_golden(f"reports/{name}.tap", report(getattr(streams, name.upper())))


@pytest.mark.parametrize("stream", [streams.EVERY_OUTCOME, streams.DETAILED])
def test_both_parsers_read_the_same_verdicts(stream: list[Event]) -> None:
    text = report(stream)
    cases = [event for event in stream if isinstance(event, CaseFinished)]
    expected = [(case.outcome in OK, DIRECTIVES.get(case.outcome, "")) for case in cases]

    read = list(Parser().parse_text(text))
    theirs = [line for line in read if line.category == "test"]
    kinds = {"test": len(cases), "version": 1, "plan": 1, "diagnostic": 1}

    assert {kind: sum(line.category == kind for line in read) for kind in {line.category for line in read}} == kinds
    assert next(line.expected_tests for line in read if line.category == "plan") == len(cases)
    assert [(line.ok, "SKIP" if line.skip else "TODO" if line.todo else "") for line in theirs] == expected
    ours = points(text)
    assert [(point.ok, point.directive) for point in ours] == expected
    assert [point.name for point in ours] == [visible(case.id) for case in cases]
    assert [line.yaml_block for line in theirs] == [point.block for point in ours]


def test_what_did_not_pass_says_why_and_where() -> None:
    block = points(report(streams.EVERY_OUTCOME))[1].block
    details = block.pop("details")

    assert block == {
        "message": "output: IP.ttl 63 != 64 (and 1 more)",
        "severity": "fail",
        "duration_ms": 0.51,
        "at": {"file": streams.FIREWALL, "line": 30, "column": 7},
    }
    assert "   = IP.ttl      @22   expected 63       got 64\n" in details


@pytest.mark.parametrize("name", ["x # SKIP y", "x # todo", "x #skip", "a \\# TODO b", "#", "\\", "ends in \\"])
def test_no_name_makes_a_failure_a_skip(name: str) -> None:
    text = report(streams.run_of(streams.case(name, 3, Outcome.FAILED, message="bad")))

    (point,) = points(text)
    (line,) = (line for line in Parser().parse_text(text) if line.category == "test")  # knows no escapes
    assert (point.ok, point.directive, line.ok, line.skip, line.todo) == (False, "", False, False, False)


@settings(max_examples=60, deadline=None)
@given(st.lists(arbitrary.cases(), max_size=4))
def test_whatever_a_case_holds_its_verdict_is_read(cases: list[CaseFinished]) -> None:
    suite = SuiteStarted(streams.FIREWALL, "", len(cases), streams.NOON)
    text = report(
        [streams.started(1, len(cases)), suite, *cases, SuiteFinished(streams.FIREWALL, 0.5), RunFinished(0.6)]
    )

    assert [(one.ok, one.number, one.directive) for one in points(text)] == [
        (case.outcome in OK, number, DIRECTIVES.get(case.outcome, "")) for number, case in enumerate(cases, 1)
    ]
