"""`bpftest run` with --lf, --ff, --shard, --count, --retries and --max-fail."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from bpftest.cli import main
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from bpftest.suite.selection import Target, names, numbered, unnumbered
from tests.processes import ran

HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"


def cases(**returned: int) -> str:
    """A suite with a case of each name, which expects that value; the program returns 2."""
    return HEAD + "".join(f"  - {{name: {name}, expect: {{retval: {code}}}}}\n" for name, code in returned.items())


@pytest.fixture
def suites(folder: Path) -> Path:
    (folder / "a.yaml").write_text(cases(one=2, two=1, three=2, four=1))
    (folder / "b.yaml").write_text(cases(one=2, two=2))
    (folder / "c.yaml").write_text(cases(one=2, two=1, three=2))
    return folder


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The cases of a run with --format jsonl, in their order, as "a::one FAIL"."""
    events = map(json.loads, done.stdout.splitlines())
    return [
        f"{event['id'].replace('.yaml', '')} {event['outcome']}"
        for event in events
        if event["event"] == "case_finished"
    ]


def run(folder: Path, *arguments: str) -> list[str]:
    return told(ran("run", "--format", "jsonl", *arguments, cwd=folder))


# --- command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--shard=0/3", "error: --shard '0/3' is no part of a whole\n"),
        ("--shard=4/3", "error: --shard '4/3' is no part of a whole\n"),
        ("--shard=x", "error: --shard 'x' is no part of a whole\n"),
        ("--count=0", "error: argument --count: '0' is no number from 1 to 1000000\n"),
        ("--count=1000001", "error: argument --count: '1000001' is no number from 1 to 1000000\n"),
        ("--retries=-1", "error: argument --retries: '-1' is no number from 0 to 1000000\n"),
        ("--retries=two", "error: argument --retries: 'two' is no number from 0 to 1000000\n"),
        ("--max-fail=0", "error: argument --max-fail: '0' is no number"),
    ],
)
def test_what_is_no_number_or_part_is_refused(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(["run", argument])
    except SystemExit as ended:
        code = ended.code

    assert code == 2
    assert message in capsys.readouterr().err


def test_the_name_of_a_repetition_selects_its_case() -> None:
    text = HEAD + "".join(f"  - {{name: {name}, expect: {{retval: 2}}}}\n" for name in ("one", "two", "two (1 of 3)"))
    read = suite(document("a.yaml", text))

    assert numbered("one", 2, 10) == "one (2 of 10)"
    assert unnumbered("one (2 of 10)") == "one"
    assert unnumbered("two (1 of 3) (2 of 2)") == "two (1 of 3)"
    found = {name: names(read, [Target("a.yaml", name)]) for name in ("one (2 of 10)", "two (1 of 3)", "two (2 of 3)")}
    assert found == {"one (2 of 10)": {"one"}, "two (1 of 3)": {"two (1 of 3)"}, "two (2 of 3)": {"two"}}


# --- runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_the_cases_that_failed_run_again_until_they_pass(suites: Path) -> None:
    first = ran("run", ".", cwd=suites)
    assert first.stdout.endswith("\n  rerun: bpftest run --lf .\n")
    assert run(suites, ".", "--lf") == ["./a::two FAIL", "./a::four FAIL", "./c::two FAIL"]

    (suites / "a.yaml").write_text(cases(one=2, two=2, three=2, four=1))
    assert run(suites, "--lf", "a.yaml::two") == ["a::two PASS"]
    assert run(suites, "--lf", str(suites)) == [f"{suites}/a::four FAIL", f"{suites}/c::two FAIL"]
    assert run(suites, "--lf", "-x", ".") == ["./a::four FAIL"]

    (suites / "a.yaml").write_text(cases(one=2))
    (suites / "c.yaml").write_text(cases(two=2))
    assert run(suites, "--lf", ".") == ["./c::two PASS"]
    everything = ran("run", "--lf", "--format", "jsonl", ".", cwd=suites)
    assert told(everything) == ["./a::one PASS", "./b::one PASS", "./b::two PASS", "./c::two PASS"]
    assert everything.stderr == "note: --lf: no case that failed is among the selected ones; all of these are run\n"
    nothing = ran("run", "--lf", "--format", "concise", ".", cwd=suites)
    assert nothing.stderr == "note: --lf: no case is known to have failed; all are run\n"


@pytest.mark.kernel
def test_an_invalid_suite_changes_nothing_that_is_known(suites: Path) -> None:
    ran("run", ".", cwd=suites)
    before = (suites / ".bpftest/last-run.json").read_bytes()
    (suites / "d.yaml").write_text("version: 1\n")

    assert ran("run", "--lf", ".", cwd=suites).returncode == 3
    assert (suites / ".bpftest/last-run.json").read_bytes() == before


@pytest.mark.kernel
def test_the_cases_that_failed_run_before_the_others(suites: Path) -> None:
    run(suites, "c.yaml")
    assert run(suites, "--ff", ".")[:4] == ["./c::two FAIL", "./c::one PASS", "./c::three PASS", "./a::one PASS"]
    assert run(suites, "--ff", "--count", "2", "c.yaml")[:3] == [
        "c::two (1 of 2) FAIL",
        "c::two (2 of 2) FAIL",
        "c::one (1 of 2) PASS",
    ]


@pytest.mark.kernel
def test_a_damaged_file_is_told_and_everything_runs(suites: Path) -> None:
    (suites / ".bpftest").mkdir()
    (suites / ".bpftest/last-run.json").write_text("{")

    done = ran("run", "--lf", "--ff", "--format", "jsonl", "b.yaml", cwd=suites)

    assert told(done) == ["b::one PASS", "b::two PASS"]
    assert done.stderr.splitlines() == [
        "note: which cases failed last is not known: .bpftest/last-run.json is damaged",
        "note: --lf: no case is known to have failed; all are run",
    ]


@pytest.mark.kernel
@pytest.mark.parametrize("more", [(), ("--shuffle=3",), ("--count=2",)], ids=["", "shuffled", "repeated"])
def test_all_shards_together_run_each_case_once(suites: Path, more: tuple[str, ...]) -> None:
    whole = run(suites, ".", *more)

    shards = [run(suites, ".", *more, f"--shard={number}/4") for number in (1, 2, 3, 4)]

    assert sorted(one for shard in shards for one in shard) == sorted(whole)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert more == ("--shuffle=3",) or [one for shard in shards for one in shard] == whole


@pytest.mark.kernel
def test_a_shard_without_a_case_is_an_empty_selection(suites: Path) -> None:
    done = ran("run", "b.yaml", "--shard", "1/3", cwd=suites)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        5,
        "error: no case selected: none of 2 cases matches --shard 1/3",
    )
    assert ran("run", "b.yaml", "--shard", "1/3", "--allow-empty", cwd=suites).returncode == 0


@pytest.mark.kernel
def test_a_case_that_runs_several_times_has_so_many_results_with_names_of_their_own(suites: Path) -> None:
    ran("run", "c.yaml", "--count", "3", "--junit-xml", "r.xml", cwd=suites)

    (found,) = JUnitXml.fromfile(str(suites / "r.xml"))
    assert [(case.name, len(case.result)) for case in found] == [
        (f"{name} ({number} of 3)", int(name == "two")) for name in ("one", "two", "three") for number in (1, 2, 3)
    ]
    assert run(suites, "c.yaml::two (3 of 3)") == ["c::two FAIL"]
    assert run(suites, "--lf", "c.yaml") == ["c::two FAIL"]


@pytest.mark.kernel
def test_a_run_ends_when_so_many_cases_have_failed(suites: Path) -> None:
    assert run(suites, ".", "--max-fail", "2", "-j", "1")[-1] == "./a::four FAIL"
    assert run(suites, ".", "-x", "-j", "1") == ["./a::one PASS", "./a::two FAIL"]


@pytest.mark.kernel
def test_a_flaky_program_passes_with_retries_and_says_so(folder: Path, build: Callable[..., str]) -> None:
    """Each case passes by the fall of a coin. That none of 60 fails first, or one fails 40 times, does not happen."""
    shutil.copy(build("flaky"), folder / "plain.o")
    (folder / "a.yaml").write_text(cases(one=2).replace("program: pass", "program: coin"))

    done = ran("run", "a.yaml", "--count", "60", "--retries", "40", "--json", "r.json", cwd=folder)

    (told_suite,) = json.loads((folder / "r.json").read_bytes())["suites"]
    outcomes = Counter(case["outcome"] for case in told_suite["results"])
    assert (done.returncode, set(outcomes), outcomes.total()) == (0, {"PASS", "FLAKY"}, 60)
    flaky = next(case for case in told_suite["results"] if case["outcome"] == "FLAKY")
    assert {one["message"] for one in flaky["earlier"]} == {"retval XDP_PASS (2) != XDP_DROP (1)"}
    assert f"{outcomes['PASS']} passed, {outcomes['FLAKY']} flaky\n  FLAKY  a.yaml:6  one (" in done.stdout
    assert not (folder / ".bpftest/last-run.json").exists()
    saved = (folder / flaky["earlier"][-1]["saved"][0]).parent
    assert sorted(path.name for path in saved.iterdir()) == ["actual.pcap", "input.pcap"]
