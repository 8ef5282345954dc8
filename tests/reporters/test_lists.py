"""The short forms: a line a failure, the slowest cases, and the line of progress."""

from __future__ import annotations

import io
import re

import pytest

from bpftest.events import Event, Outcome
from bpftest.reporters import progress as module
from bpftest.reporters.concise import concise
from bpftest.reporters.durations import durations
from bpftest.reporters.progress import ERASE, progress
from tests.golden import assert_golden
from tests.reporters import streams


def report(reporter_of: object, events: list[Event], *arguments: object) -> str:
    out = io.StringIO()
    reporter = reporter_of(out, *arguments)  # type: ignore[operator]
    for event in events:
        reporter(event)
    return out.getvalue()


@pytest.mark.parametrize("name", ["every_outcome", "interrupted", "invalid", "detailed", "nothing"])
def test_a_run_is_reported_in_lines_as_in_its_golden_text(name: str) -> None:
    assert_golden(f"reports/{name}.concise.txt", report(concise, getattr(streams, name.upper())))


def test_each_line_but_the_last_is_what_editors_read_of_a_compiler() -> None:
    *lines, _ = report(concise, streams.DETAILED).splitlines()
    assert [bool(re.match(r"[^:]+:\d+:\d+: (FAIL|ERROR) ", line)) for line in lines] == [True] * 6


def test_a_skip_has_a_line_where_it_makes_the_run_fail() -> None:
    bad = (Outcome.FAILED, Outcome.SKIPPED)
    assert report(concise, streams.run_of(streams.SKIPPED), bad).splitlines()[0] == (
        "suites/firewall.yaml:40:5: SKIP reflects what it gets: needs live_frames, this kernel has none"
    )


def test_what_the_stream_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    for event in streams.run_of(streams.case("drops 数据包", 3, Outcome.FAILED, message="é")):
        concise(out)(event)
    assert raw.getvalue().startswith(b"suites/firewall.yaml:3:5: FAIL drops \\u6570\\u636e\\u5305: \\xe9\n")


@pytest.mark.parametrize(
    ("limit", "lines"),
    [
        (
            2,
            [
                "Slowest  2 of 6 cases, 100% of their time",
                "  [  1.23 s] suites/nat.yaml::translates",
                "  [ 21.3 ms] suites/firewall.yaml::does not load",
            ],
        ),
        (1, ["Slowest  1 of 6 cases, 98% of their time", "  [  1.23 s] suites/nat.yaml::translates"]),
    ],
)
def test_the_slowest_cases_are_listed(limit: int, lines: list[str]) -> None:
    assert report(durations, streams.EVERY_OUTCOME, limit).splitlines() == lines


def test_all_are_listed_for_zero_and_of_many_the_right_ones() -> None:
    cases = [streams.case(f"{number}", 1, seconds=(number * 7919 % 1000) / 1000) for number in range(1000)]
    shown = report(durations, streams.run_of(*cases), 0).splitlines()[1:]
    assert len(shown) == 1000
    assert report(durations, streams.run_of(*cases), 3).splitlines()[1:] == shown[:3]


def test_a_run_without_cases_has_no_slowest() -> None:
    assert report(durations, streams.NOTHING, 10) == ""


def test_progress_is_gone_whenever_something_else_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", -1.0)  # each case has its look
    terminal = io.StringIO()
    reporter = progress(lambda event: terminal.write(f"<{type(event).__name__}>") and None, terminal)
    for event in streams.EVERY_OUTCOME:
        reporter(event)

    written = terminal.getvalue()
    shown = "".join(part.rpartition("<")[1] + part.rpartition("<")[2] for part in written.split(ERASE))
    assert "  2/7, 1 failed  suites/firewall.yaml::forwards and decrements the TTL" in written
    assert "  7/7, 3 failed  suites/nat.yaml::translates" in written
    assert written.count(ERASE) == 7
    assert re.sub(r"  \d/7.*?(?=\r)", "", written).replace(ERASE, "") == "".join(
        f"<{type(event).__name__}>" for event in streams.EVERY_OUTCOME
    )
    assert shown.endswith("<RunFinished>")


def test_progress_keeps_to_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", -1.0)
    terminal = io.StringIO()
    reporter = progress(lambda _: None, terminal)
    for event in streams.run_of(streams.case("漢" * 500, 1)):
        reporter(event)
    assert max(map(module.columns, terminal.getvalue().replace(ERASE, "\n").split("\n"))) <= 79


def test_progress_looks_on_only_now_and_then() -> None:
    terminal = io.StringIO()
    reporter = progress(lambda _: None, terminal)
    for event in streams.run_of(*(streams.case(f"{number}", 1) for number in range(200))):
        reporter(event)
    assert terminal.getvalue().count("/200") < 100
