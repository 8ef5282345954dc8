"""What goes wrong around a run, done to real processes: no hang, no lost result, no traceback, nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from junitparser import Error, Failure, JUnitXml

from tests.processes import PATIENCE, ran, started

pytestmark = pytest.mark.kernel

HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"
BEFORE = ("before", ["bpftest.RetvalMismatch: retval XDP_DROP (1) != XDP_PASS (2)"])  # failures are told at once
LONG_TICKS = 20  # hundredths of a second in the kernel that nothing takes but the long case
LONG = (
    HEAD
    + """\
  - {name: before, expect: {retval: XDP_DROP}}
  - {name: long, repeat: 2000000000, timeout: TIMEOUT, expect: {retval: XDP_PASS}}
  - {name: behind, expect: {retval: XDP_PASS}}
"""
)


def children(pid: int) -> list[int]:
    """The processes that *pid* has forked."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def worker_at_the_long_case(running: Popen[str]) -> int:
    """The only worker of *running*, once it is in the kernel, in the run that takes long."""
    assert running.stdout
    while "before" not in running.stdout.readline():
        assert running.poll() is None
    (worker,) = children(running.pid)
    while system_ticks(worker) < LONG_TICKS:
        assert running.poll() is None
    return worker


def system_ticks(pid: int) -> int:
    """How long a process has been in the kernel so far: stime of proc(5), in hundredths of a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[12])


def results(path: Path) -> list[tuple[str, list[str]]]:
    """Name of each case, and the messages of what it did not pass for."""
    return [
        (case.name, [f"{one.type}: {one.message}" for one in case.result if isinstance(one, (Error, Failure))])
        for suite in JUnitXml.fromfile(str(path))
        for case in suite
    ]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL], ids=lambda number: number.name)
def test_a_worker_that_is_killed_costs_the_case_that_ran(folder: Path, number: signal.Signals) -> None:
    (folder / "long.yaml").write_text(LONG.replace("TIMEOUT", "300s"), encoding="utf-8")
    (folder / "other.yaml").write_text(HEAD + "  - {name: other, expect: {retval: XDP_PASS}}\n", encoding="utf-8")
    running = started("run", "long.yaml", "other.yaml", "-v", "-j", "1", "--junit-xml", "out.xml", cwd=folder)
    worker = worker_at_the_long_case(running)

    os.kill(worker, number)
    out, err = running.communicate(timeout=PATIENCE)

    assert (running.returncode, err) == (1, "")
    assert "Summary  4 cases in" in out
    assert results(folder / "out.xml") == [
        BEFORE,
        ("long", [f"bpftest.WorkerCrash: its process was ended by {number.name}"]),
        ("behind", []),
        ("other", []),
    ]


def test_a_worker_that_stops_is_killed_when_the_case_should_have_ended(folder: Path) -> None:
    (folder / "long.yaml").write_text(LONG.replace("TIMEOUT", "2s"), encoding="utf-8")
    running = started("run", "long.yaml", "-v", "--junit-xml", "out.xml", cwd=folder)
    worker = worker_at_the_long_case(running)

    os.kill(worker, signal.SIGSTOP)
    _, err = running.communicate(timeout=PATIENCE)

    assert (running.returncode, err) == (1, "")
    hung = "bpftest.CaseTimeout: it did not end, and did not answer: its process was killed"
    assert results(folder / "out.xml") == [BEFORE, ("long", [hung]), ("behind", [])]


def test_a_worker_does_not_outlive_a_run_that_is_killed(folder: Path) -> None:
    (folder / "long.yaml").write_text(LONG.replace("TIMEOUT", "300s"), encoding="utf-8")
    running = started("run", "long.yaml", "-v", cwd=folder)
    worker = worker_at_the_long_case(running)
    ended = os.pidfd_open(worker)

    running.kill()
    running.communicate(timeout=PATIENCE)

    assert signal_of_end(ended)
    os.close(ended)


def signal_of_end(descriptor: int) -> bool:
    """Whether the process with that pidfd ends soon."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(PATIENCE * 1000))


def test_interrupts_at_random_moments_leave_whole_reports_and_nothing_else(folder: Path) -> None:
    many = HEAD + "".join(f"  - {{name: case {number}, expect: {{retval: 2}}}}\n" for number in range(3000))
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (folder / name).write_text(many, encoding="utf-8")
    before = {*os.listdir(folder), "out.xml", ".bpftest"}
    random_ = random.Random(7)  # noqa: S311 - moments, no secret
    seen = set()
    for _ in range(50):
        running = started("run", "a.yaml", "b.yaml", "c.yaml", "-j", "2", "--junit-xml", "out.xml", cwd=folder)
        time.sleep(random_.uniform(0.05, 0.6))
        running.send_signal(random_.choice([signal.SIGINT, signal.SIGTERM]))
        _, err = running.communicate(timeout=PATIENCE)

        seen.add(running.returncode)
        assert "Traceback" not in err or "/bpftest/" not in err  # Python's own start is not ours to guard
        assert running.returncode in (0, 1, 130, 143, -signal.SIGINT, -signal.SIGTERM)
        if running.returncode in (0, 130, 143) and (folder / "out.xml").exists():
            JUnitXml.fromfile(str(folder / "out.xml"))
            (folder / "out.xml").unlink()
        assert {*os.listdir(folder)} <= before
    assert seen & {130, 143}


def test_two_runs_at_once_do_not_disturb_each_other(folder: Path) -> None:
    (folder / "many.yaml").write_text(
        HEAD + "".join(f"  - {{name: case {number}, repeat: 100, expect: {{retval: 2}}}}\n" for number in range(300)),
        encoding="utf-8",
    )
    both = [started("run", "many.yaml", "-q", "--junit-xml", f"{n}.xml", cwd=folder) for n in range(2)]
    said = [running.communicate(timeout=PATIENCE) for running in both]

    assert [(running.returncode, err) for running, (_, err) in zip(both, said, strict=True)] == [(0, "")] * 2
    assert [len(results(folder / f"{number}.xml")) for number in range(2)] == [300, 300]


def test_a_suite_that_is_deleted_while_it_runs_is_run_to_its_end(folder: Path) -> None:
    (folder / "long.yaml").write_text(LONG.replace("TIMEOUT", "2s"), encoding="utf-8")
    running = started("run", "long.yaml", "-v", cwd=folder)
    worker_at_the_long_case(running)

    (folder / "long.yaml").unlink()
    (folder / "plain.o").unlink()
    out, err = running.communicate(timeout=PATIENCE)

    assert (running.returncode, err) == (1, "")
    assert "interrupted after 2 s" in out
    assert "Summary  3 cases in" in out
    assert "1 passed, 1 failed, 1 error" in out


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that has room for nothing more."""
    place = tmp_path / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", place], check=True)
    try:
        (place / "filled").write_bytes(bytes(8 << 10))
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("report", ["--junit-xml", "--json", "--html"])
def test_a_report_that_finds_no_room_is_told_and_the_verdicts_are_shown(folder: Path, full: Path, report: str) -> None:
    (folder / "one.yaml").write_text(HEAD + "  - {name: one, expect: {retval: XDP_PASS}}\n", encoding="utf-8")

    done = ran("run", "one.yaml", "-v", report, str(full / "out"), cwd=folder)

    assert done.returncode == 4
    assert "cannot write" in done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(full) == ["filled"]


def test_a_thousand_suites_run(folder: Path) -> None:
    (folder / "many").mkdir()
    for number in range(1000):
        text = (
            HEAD.replace("plain.o", "../plain.o")
            + "  - {name: one, expect: {retval: 2}}\n  - {name: two, expect: {retval: 2}}\n"
        )
        (folder / "many" / f"{number:03}.yaml").write_text(text, encoding="utf-8")

    done = ran("run", "many", "-q", cwd=folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Summary  2,000 cases in" in done.stdout
    assert "2,000 passed" in done.stdout
