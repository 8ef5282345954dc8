"""Ctrl-C, SIGTERM, and readers that go away: what ran is reported, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from junitparser import JUnitXml

from bpftest.executors.interrupts import Interrupts
from tests.processes import BPFTEST, PATIENCE, environment, started

HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"
LONG = (
    HEAD
    + """\
  - {name: fails, expect: {retval: XDP_DROP}}
  - {name: takes long, repeat: 2000000000, timeout: 300s, expect: {retval: XDP_PASS}}
  - {name: never runs, expect: {retval: XDP_PASS}}
"""
)
MANY = HEAD + "".join(f"  - {{name: case {number}, expect: {{retval: 2}}}}\n" for number in range(2000))
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def left_behind(folder: Path) -> set[str]:
    """What a run might leave: files in the folder and the cache, and pins."""
    places = [folder, Path(os.environ["XDG_CACHE_HOME"]), Path("/sys/fs/bpf")]
    return {str(path) for place in places for path in place.rglob("*")}


@pytest.mark.kernel
@pytest.mark.parametrize("flavor", ["rich", "strict"])
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_in_the_middle_of_a_run_ends_it_with_all_reports(
    folder: Path, number: signal.Signals, flavor: str
) -> None:
    (folder / "long.yaml").write_text(LONG, encoding="utf-8")
    before = left_behind(folder)
    running = started(
        "run", "long.yaml", "--no-artifacts", "--junit-xml", "out.xml", "--junit-flavor", flavor, cwd=folder
    )
    assert running.stdout
    said = []
    while not (said and "FAIL" in said[-1]):  # from here on the second case runs
        said.append(running.stdout.readline())

    running.send_signal(number)
    out, err = running.communicate(timeout=PATIENCE)

    assert (running.returncode, err) == (CODES[number], "")
    assert f"\nInterrupted by {number.name}, 2 cases did not run\nSummary  1 of 3 cases in" in out
    report = JUnitXml.fromfile(str(folder / "out.xml"))
    assert [(case.name, len(case.result)) for suite in report for case in suite] == [("fails", 1)]
    assert {path for path in left_behind(folder) - before if "/packets" not in path} == {str(folder / "out.xml")}


@pytest.mark.kernel
def test_a_signal_between_two_short_cases_leaves_a_report_of_those_that_ran(folder: Path) -> None:
    (folder / "many.yaml").write_text(MANY, encoding="utf-8")
    with started("run", "many.yaml", "-v", "--junit-xml", "out.xml", cwd=folder) as running:
        assert running.stdout
        while "PASS" not in running.stdout.readline():
            pass
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)

    (suite,) = JUnitXml.fromfile(str(folder / "out.xml"))
    assert (running.returncode, err) == (130, "")
    assert f"Summary  {suite.tests:,} of 2,000 cases in" in out
    assert suite.tests == len(list(suite)) < 2000


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As nohup, and & in a script, leave SIGINT."""
    with Interrupts():
        heard = signal.getsignal(signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            ignored = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert callable(heard)
    assert ignored is signal.SIG_IGN


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = [signal.getsignal(number) for number in CODES]
    with Interrupts() as installed:
        yield installed
    assert [signal.getsignal(number) for number in CODES] == before


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_interrupts_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt, match=number.name):
        os.kill(os.getpid(), number)


def test_a_signal_waits_while_reports_are_written(interrupts: Interrupts) -> None:
    interrupts.hold()
    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        interrupts.release()


def test_a_second_signal_does_not_wait(interrupts: Interrupts) -> None:
    interrupts.hold()
    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        os.kill(os.getpid(), signal.SIGINT)


def test_after_one_that_was_raised_the_next_does_not_wait_either(interrupts: Interrupts) -> None:
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        os.kill(os.getpid(), signal.SIGINT)
    interrupts.hold()

    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        os.kill(os.getpid(), signal.SIGINT)


def test_nothing_is_raised_where_nothing_came(interrupts: Interrupts) -> None:
    interrupts.hold()
    interrupts.release()


# --- readers that go away -----------------------------------------------------------------------------------------

TO_A_CLOSED_PIPE = [
    ["list", "many.yaml"],
    ["schema"],
    ["run", "missing.yaml"],
    pytest.param(["run", "many.yaml"], marks=pytest.mark.kernel),
]


@pytest.mark.parametrize("arguments", TO_A_CLOSED_PIPE)
def test_a_reader_that_has_gone_ends_the_command_without_a_word(folder: Path, arguments: list[str]) -> None:
    (folder / "many.yaml").write_text(MANY, encoding="utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*BPFTEST, *arguments],
            cwd=folder,
            env=environment(),
            stdout=writing,
            stderr=writing if "missing.yaml" in arguments else subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr or b"") == (141, b"")
