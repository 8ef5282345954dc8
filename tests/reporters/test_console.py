"""The report for people, compared as a whole, and what must hold for every one."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest.events import CaseFinished, Event, Outcome, RunFinished, SuiteFinished, SuiteStarted
from bpftest.reporters import REPORTERS, factory
from bpftest.reporters.console import console, in_ci, use_color, use_unicode
from tests.golden import assert_golden
from tests.reporters import arbitrary, streams

PLAIN = {"color": False, "unicode": True, "per_case": True, "verbosity": 0}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def report(events: list[Event], **options: object) -> str:
    out = io.StringIO()
    reporter = console(out, **{**PLAIN, **options})
    for event in events:
        reporter(event)
    return out.getvalue()


@pytest.mark.parametrize(
    ("golden", "events", "options"),
    [
        ("every_outcome", streams.EVERY_OUTCOME, {}),
        ("every_outcome_ci", streams.EVERY_OUTCOME, {"per_case": False}),
        ("every_outcome_quiet", streams.EVERY_OUTCOME, {"verbosity": -1}),
        ("every_outcome_quiet_ci", streams.EVERY_OUTCOME, {"verbosity": -1, "per_case": False}),
        ("every_outcome_verbose", streams.EVERY_OUTCOME, {"verbosity": 1}),
        ("every_outcome_very_verbose_ci", streams.EVERY_OUTCOME, {"verbosity": 2, "per_case": False}),
        ("every_outcome_color", streams.EVERY_OUTCOME, {"color": True}),
        ("all_passed", streams.ALL_PASSED, {}),
        ("all_passed_ci", streams.ALL_PASSED, {"per_case": False}),
        ("all_passed_quiet", streams.ALL_PASSED, {"verbosity": -1}),
        ("interrupted", streams.INTERRUPTED, {}),
        ("nothing", streams.NOTHING, {}),
        ("invalid", streams.INVALID, {}),
        ("invalid_ascii", streams.INVALID, {"unicode": False}),
        ("detailed", streams.DETAILED, {}),
        ("detailed_ci", streams.DETAILED, {"per_case": False}),
    ],
)
def test_a_run_is_reported_as_in_its_golden_text(golden: str, events: list[Event], options: dict[str, object]) -> None:
    text = report(events, **options)
    assert_golden(f"console/{golden}.txt", text.replace("\x1b", "␛"))


@pytest.mark.parametrize("name", REPORTERS)
def test_every_format_of_the_table_is_there(name: str) -> None:
    assert callable(factory(name))


@pytest.mark.parametrize("verbosity", [-1, 0, 1, 2])
@pytest.mark.parametrize("per_case", [True, False])
@pytest.mark.parametrize("events", [streams.EVERY_OUTCOME, streams.DETAILED, streams.INVALID])
def test_color_only_repeats_what_the_words_say(events: list[Event], per_case: bool, verbosity: int) -> None:
    options = {"per_case": per_case, "verbosity": verbosity}
    colored = report(events, color=True, **options)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == report(events, **options)


def test_every_color_ends_on_its_own_line() -> None:
    for line in report(streams.EVERY_OUTCOME, color=True).splitlines():
        assert len(re.findall(r"\x1b\[[1-9][0-9;]*m", line)) == line.count("\x1b[0m")


def test_without_unicode_everything_is_ascii() -> None:
    for events in (streams.EVERY_OUTCOME, streams.DETAILED, streams.INVALID):
        assert report(events, unicode=False).isascii()


def test_an_error_of_an_earlier_suite_is_explained_again() -> None:
    other = streams.ERROR._replace(path=streams.NAT, place=streams.ERROR.place._replace(path=streams.NAT))
    events: list[Event] = [
        SuiteStarted(streams.FIREWALL, "", 1, streams.NOON),
        streams.ERROR,
        SuiteFinished(streams.FIREWALL, 0.1),
        SuiteStarted(streams.NAT, "", 1, streams.NOON),
        other,
        SuiteFinished(streams.NAT, 0.1),
    ]
    assert report(events).count("= help: compare with data_end before the access") == 2


def test_two_problems_with_one_message_are_both_shown() -> None:
    problem = streams.REFUSED._replace(text="another log")
    events = [*streams.EVERY_OUTCOME[:2], streams.ERROR, streams.SAME_ERROR._replace(problem=problem)]
    assert "| another log" in report(events)


def test_suites_that_overlap_get_their_heading_each_time() -> None:
    first, second = SuiteStarted(streams.FIREWALL, "", 2, ""), SuiteStarted(streams.NAT, "", 1, "")
    text = report([first, second, streams.PASSED, streams.TRANSLATES, streams.FAILED])
    assert re.findall(r"^suites/.*", text, re.MULTILINE) == [streams.FIREWALL, streams.NAT, streams.FIREWALL]


def test_a_terminal_sees_each_case_when_it_is_over() -> None:
    out = Terminal()
    reporter = console(out, **PLAIN)
    seen = []
    for event in streams.EVERY_OUTCOME[:4]:
        reporter(event)
        seen.append(out.getvalue().splitlines()[-1:])
    assert seen[2] == ["  PASS  [  0.7 ms] drops telnet"]
    assert seen[3] != seen[2]


def test_a_file_gets_many_lines_in_one_write_but_a_failure_at_once() -> None:
    writes: list[str] = []
    out = io.StringIO()
    out.write = writes.append  # type: ignore[method-assign,assignment]
    reporter = console(out, **PLAIN)
    for event in [*streams.EVERY_OUTCOME[:2], *[streams.PASSED] * 400, streams.FAILED]:
        reporter(event)
    assert len(writes) == 2
    assert "again" in writes[1].splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "[  0.0 ms]"),
        (0.00004, "[  0.0 ms]"),
        (0.00051, "[  0.5 ms]"),
        (0.9999, "[999.9 ms]"),
        (0.99996, "[  1.00 s]"),
        (1.0, "[  1.00 s]"),
        (75.123, "[ 75.12 s]"),
        (999.99, "[999.99 s]"),
    ],
)
def test_a_duration_keeps_its_column(seconds: float, text: str) -> None:
    out = report([*streams.ALL_PASSED[:2], streams.PASSED._replace(seconds=seconds), streams.ALL_PASSED[-1]])
    assert f"  PASS  {text} drops telnet" in [line.removesuffix("SLOW").rstrip() for line in out.splitlines()]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "  PASS  [  2.50 s] drops telnet                             SLOW"),
        ({"per_case": False}, "SLOW  [  2.50 s] suites/firewall.yaml::drops telnet"),
        ({"verbosity": -1}, ""),
        ({"verbosity": -1, "per_case": False}, ""),
    ],
)
def test_a_case_that_took_long_is_marked(options: dict[str, object], line: str) -> None:
    out = report(streams.run_of(streams.PASSED._replace(seconds=2.5)), **options)
    assert [one for one in out.splitlines() if "SLOW" in one] == [line] * bool(line)


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], "0 cases in 0.00 s: 0 passed"),
        ([Outcome.PASSED], "1 case in 0.00 s: 1 passed"),
        ([Outcome.FAILED], "1 case in 0.00 s: 0 passed, 1 failed"),
        ([Outcome.ERROR], "1 case in 0.00 s: 0 passed, 1 error"),
        ([Outcome.ERROR] * 2, "2 cases in 0.00 s: 0 passed, 2 errors"),
        (
            [Outcome.XFAILED, Outcome.SKIPPED, Outcome.ERROR, Outcome.FAILED, Outcome.PASSED],
            "5 cases in 0.00 s: 1 passed, 1 failed, 1 error, 1 skipped, 1 xfailed",
        ),
        ([Outcome.PASSED] * 1234, "1,234 cases in 0.00 s: 1,234 passed"),
    ],
)
def test_the_summary_counts_in_one_order(outcomes: list[Outcome], text: str) -> None:
    cases = [streams.case(f"case {number}", 5, outcome) for number, outcome in enumerate(outcomes)]
    events = [
        streams.started(1, len(cases)),
        SuiteStarted(streams.FIREWALL, "", len(cases), ""),
        *cases,
        RunFinished(0.0),
    ]
    assert [line for line in report(events).splitlines() if "Summary" in line] == [f"Summary  {text}"]


@pytest.mark.parametrize(
    ("mode", "tty", "environ", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", True, {"FORCE_COLOR": "0"}, False),
        ("auto", True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_the_option_decides_on_color_before_the_environment_and_the_terminal(
    mode: str, tty: bool, environ: dict[str, str], expected: bool
) -> None:
    assert use_color(mode, Terminal() if tty else io.StringIO(), environ) is expected


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("UTF-8", True), ("ascii", False), ("iso-8859-1", False)]
)
def test_unicode_goes_only_where_it_can_be_read(encoding: str, expected: bool) -> None:
    assert use_unicode(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is expected


@pytest.mark.parametrize(
    ("environ", "expected"), [({}, False), ({"CI": ""}, False), ({"CI": "false"}, False), ({"CI": "true"}, True)]
)
def test_ci_says_so_by_its_variable(environ: dict[str, str], expected: bool) -> None:
    assert in_ci(environ) is expected


@settings(deadline=None)
@given(
    found=arbitrary.cases(), options=st.fixed_dictionaries({"per_case": st.booleans(), "verbosity": st.integers(-1, 2)})
)
def test_a_terminal_gets_nothing_but_visible_lines(found: CaseFinished, options: dict[str, bool | int]) -> None:
    for unicode in (True, False):
        out = io.StringIO()
        reporter = console(out, color=False, unicode=unicode, **options)  # type: ignore[arg-type]
        for event in streams.run_of(found):
            reporter(event)
        text = out.getvalue()
        assert arbitrary.hidden(text.replace("\n", "")) == []
        assert unicode or text.isascii()
