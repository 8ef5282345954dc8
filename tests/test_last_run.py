"""What is kept of a run for --lf and --ff."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bpftest import last_run
from bpftest.errors import Place
from bpftest.events import CaseFinished, Event, Outcome, RunFinished, SuiteFinished
from bpftest.suite.selection import unnumbered

FILE = ".bpftest/last-run.json"
RERUN = "bpftest run --lf"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def case(case_id: str, outcome: Outcome = Outcome.FAILED) -> CaseFinished:
    path, _, name = case_id.partition("::")
    return CaseFinished(path, name, Place(path, 1, 1), outcome, 0.1)


def ran(*events: Event, whole: bool = False) -> tuple[str, list[str]]:
    """(what the last event of a run says about running again, the warnings)."""
    warnings: list[str] = []
    told = [
        *last_run.recorded([*events, RunFinished(1.0)], str, whole=whole, rerun=lambda: RERUN, warn=warnings.append)
    ]
    assert [*told[:-1]] == [*events]
    assert isinstance(told[-1], RunFinished)
    return told[-1].rerun, warnings


def test_what_failed_or_errored_is_known_and_the_end_says_how_to_run_it(here: Path) -> None:
    outcomes = {outcome: case(f"a.yaml::{outcome.value}", outcome) for outcome in Outcome}

    assert ran(*outcomes.values()) == (RERUN, [])
    assert last_run.read() == {"a.yaml": {"FAIL", "ERROR"}}
    assert (here / ".bpftest/.gitignore").read_text() == "*\n"


def test_a_run_without_failures_writes_nothing(here: Path) -> None:
    assert ran(case("a.yaml::one", Outcome.PASSED)) == ("", [])
    assert not (here / ".bpftest").exists()


def test_a_run_of_a_part_changes_only_what_it_ran() -> None:
    ran(case("a.yaml::one"), case("a.yaml::two"), case("b.yaml::one"))

    assert ran(case("a.yaml::one", Outcome.PASSED), case("b.yaml::two")) == (RERUN, [])
    assert last_run.read() == {"a.yaml": {"two"}, "b.yaml": {"one", "two"}}


@pytest.mark.parametrize("outcome", [Outcome.PASSED, Outcome.FLAKY, Outcome.SKIPPED, Outcome.XFAILED])
def test_what_does_not_fail_any_more_is_forgotten(outcome: Outcome) -> None:
    ran(case("a.yaml::one"))
    assert ran(case("a.yaml::one", outcome)) == ("", [])
    assert last_run.read() == {}


@pytest.mark.parametrize("path", ["a.yaml", "./a.yaml", "x/../a.yaml", "ABSOLUTE"])
def test_a_suite_is_the_same_however_its_path_is_written(here: Path, path: str) -> None:
    ran(case("a.yaml::one"))
    ran(case(f"{here / 'a.yaml' if path == 'ABSOLUTE' else path}::one", Outcome.PASSED))
    assert last_run.read() == {}


def test_cases_and_suites_that_are_no_more_are_dropped(here: Path) -> None:
    ran(case("a.yaml::old"), case("b.yaml::old"), case("a.yaml::new"))
    (here / "b.yaml").unlink()

    ran(case("a.yaml::new"), SuiteFinished("a.yaml", 1.0), whole=True)

    assert last_run.read() == {"a.yaml": {"new"}}


def test_a_suite_that_was_cut_off_keeps_what_did_not_run() -> None:
    ran(case("a.yaml::later"))
    ran(case("a.yaml::one"), whole=True)
    assert last_run.read() == {"a.yaml": {"one", "later"}}


def test_of_a_case_that_runs_several_times_one_failure_is_enough() -> None:
    ran(case("a.yaml::one"))
    events = [case("a.yaml::one (1 of 2)"), case("a.yaml::one (2 of 2)", Outcome.PASSED), RunFinished(1.0)]
    list(last_run.recorded(events, unnumbered, whole=False, rerun=lambda: RERUN, warn=print))
    assert last_run.read() == {"a.yaml": {"one"}}


def test_names_of_any_kind_come_back() -> None:
    ran(case("a.yaml::ä 漢 ::x"))
    assert last_run.read() == {"a.yaml": {"ä 漢 ::x"}}


def test_where_nothing_ever_failed_nothing_is_known() -> None:
    assert last_run.read() == {}


DAMAGED = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b"[]",
    b'{"format": 2, "failed": {}}',
    b'{"format": 1}',
    b'{"format": 1, "failed": []}',
    b'{"format": 1, "failed": {"a.yaml": "one"}}',
    b'{"format": 1, "failed": {"a.yaml": [1]}}',
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_says_so_and_is_replaced_by_the_next_run(here: Path, content: bytes) -> None:
    (here / ".bpftest").mkdir()
    (here / FILE).write_bytes(content)
    with pytest.raises(last_run.UnreadableError, match=r"^\.bpftest/last-run\.json is "):
        last_run.read()

    assert ran(case("a.yaml::one")) == (RERUN, [])
    assert last_run.read() == {"a.yaml": {"one"}}


@pytest.mark.parametrize("link", [".bpftest", FILE])
def test_no_link_of_a_checkout_is_followed(here: Path, tmp_path_factory: pytest.TempPathFactory, link: str) -> None:
    outside = tmp_path_factory.mktemp("outside")
    content = json.dumps({"format": 1, "failed": {"a.yaml": ["one"]}})
    (outside / "last-run.json").write_text(content)
    (here / link).parent.mkdir(exist_ok=True)
    (here / link).symlink_to(outside if link == ".bpftest" else outside / "last-run.json")

    with pytest.raises(last_run.UnreadableError, match="symbolic link"):
        last_run.read()
    rerun, (warning,) = ran(case("a.yaml::two"))

    assert (rerun, "symbolic link" in warning) == ("", True)
    assert [(one.name, one.read_text()) for one in outside.iterdir()] == [("last-run.json", content)]


def test_a_pipe_in_its_place_is_not_waited_for(here: Path) -> None:
    (here / ".bpftest").mkdir()
    os.mkfifo(here / FILE)
    with pytest.raises(last_run.UnreadableError):
        last_run.read()
