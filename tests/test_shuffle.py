"""`bpftest run --shuffle`: another order, which can be repeated."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from bpftest.cli import main
from bpftest.commands.quantities import seed as seed_of
from tests.processes import PROJECT, ran

NAMES = [f"case {number}" for number in range(8)]
SUITE = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n" + "".join(
    f"  - {{name: {name}, expect: {{retval: {1 if name == 'case 3' else 2}}}}}\n" for name in NAMES
)
FILES = ["first.yaml", "second.yaml", "third.yaml"]
SEEDS = range(1, 7)


@pytest.fixture
def suites(folder: Path) -> Path:
    for name in FILES:
        (folder / name).write_text(SUITE)
    return folder


Order = list[tuple[str, list[str]]]


def order(suites: Path, *arguments: str) -> tuple[Order, str]:
    """(suites and their cases as they ran, the head of the report)."""
    done = ran("run", *arguments, "--junit-xml", "report.xml", cwd=suites)
    assert (done.returncode, done.stderr) == (1, "")
    report = ET.parse(suites / "report.xml")  # noqa: S314 - it is ours
    found = [
        (suite.attrib["name"], [case.attrib["name"] for case in suite.iter("testcase")])
        for suite in report.getroot().iter("testsuite")
    ]
    return found, done.stdout.partition("\n")[0]


def test_no_text_but_a_number_is_aseed_of() -> None:
    assert [seed_of(text) for text in ("0", "007", "9" * 19)] == [0, 7, int("9" * 19)]
    for text in ("-1", "1.5", "x", "9" * 20, "٣", " 1"):
        with pytest.raises(ArgumentTypeError):
            seed_of(text)


def test_a_wrong_seed_is_a_mistake_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--shuffle=soon"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("error: argument --shuffle: 'soon' is no whole number\n")


@pytest.mark.kernel
def test_without_it_everything_runs_as_it_is_written(suites: Path) -> None:
    found, head = order(suites, ".")

    assert found == [(name.removesuffix(".yaml"), NAMES) for name in FILES]
    assert "--shuffle" not in head


@pytest.mark.kernel
def test_suites_and_cases_run_in_an_order_that_the_seed_makes(suites: Path) -> None:
    orders = [order(suites, f"--shuffle={seed}", ".")[0] for seed in SEEDS]

    assert orders == [order(suites, f"--shuffle={seed}", ".")[0] for seed in SEEDS]
    assert len({tuple(name for name, _ in found) for found in orders}) > 1
    assert len({tuple(cases) for found in orders for _, cases in found}) > len(SEEDS) / 2
    assert all(sorted(name for name, _ in found) == ["first", "second", "third"] for found in orders)
    assert all(sorted(cases) == NAMES for found in orders for _, cases in found)


@pytest.mark.kernel
def test_a_seed_of_its_own_is_shown_so_that_the_order_can_be_repeated(suites: Path) -> None:
    found, head = order(suites, "--shuffle", ".")  # what stands behind it is no seed
    shown = re.search(r"--shuffle=\d+$", head)

    assert shown, head
    assert order(suites, shown[0], ".") == (found, head)


@pytest.mark.kernel
def test_a_suite_alone_and_some_of_its_cases_run_in_the_same_order(suites: Path) -> None:
    whole = dict(order(suites, "--shuffle=5", ".")[0])["second"]

    assert order(suites, "--shuffle=5", "second.yaml")[0] == [("second", whole)]
    assert order(suites, "--shuffle=5", "second.yaml", "-k", "2 or 3 or 5")[0] == [
        ("second", [name for name in whole if name[-1] in "235"])
    ]


@pytest.mark.kernel
def test_the_seed_is_a_property_in_the_report_and_shown_where_only_failures_are(suites: Path) -> None:
    head = order(suites, "--shuffle=5", "-q", ".")[1]
    root = ET.parse(suites / "report.xml").getroot()  # noqa: S314 - it is ours

    assert head == "--shuffle=5"
    assert [one.attrib["value"] for one in root.iter("property") if one.attrib["name"] == "seed"] == ["5"] * 3


@pytest.mark.kernel
def test_no_case_of_the_examples_needs_the_one_before_it() -> None:
    done = ran("run", "suites", "--shuffle=1", "-q", "--no-artifacts", cwd=PROJECT)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Summary  \d+ cases in", done.stdout)
