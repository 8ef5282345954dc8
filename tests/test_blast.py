"""`bpftest blast`: what it sends, how long, and what it says of cases that it cannot send."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import ran, started

LINE = re.compile(r" +(\d+\.\d) s  ([\d,]+) frames  ([\d,]+) pps  \(([\d,]+) ns each\)")
NOT_LIVE = "has no live frames to send\n  = help: give a case 'live: {ingress: NAME}', and no steps\n"
CASES = """\
version: 1
object: live.o
program: tx
defaults: {interfaces: [left], packet: {zeros: 60}}
cases:
  - {name: sent back, live: {ingress: left}, expect: {frames: {left: {count: 1}}}}
  - {name: ordinary, expect: {retval: XDP_TX}}
  - {name: in steps, live: {ingress: left}, steps: [{repeat: 2}, {expect: {frames: {left: {count: 1}}}}]}
  - {name: refused, live: {ingress: left, batch_size: 300}, expect: {errno: E2BIG}}
  - {name: for another day, live: {ingress: left}, requires: {kernel: ">=99"}, expect: {frames: {left: {count: 1}}}}
"""


@pytest.fixture
def suite(tmp_path: Path, build: Callable[..., str]) -> Path:
    shutil.copy(build("live"), tmp_path / "live.o")
    (tmp_path / "s.yaml").write_text(CASES, encoding="utf-8")
    return tmp_path


@pytest.mark.kernel
def test_frames_are_sent_for_as_long_as_was_said_and_counted(suite: Path) -> None:
    done = ran("blast", "s.yaml::sent back", "--seconds", "1.5", cwd=suite)

    assert (done.returncode, done.stderr) == (0, "")
    last = LINE.fullmatch(done.stdout.splitlines()[-1])
    assert last, done.stdout
    seconds, frames, rate, mean_ns = (float(figure.replace(",", "")) for figure in last.groups())
    assert seconds >= 1.5
    assert frames >= 65_536
    assert abs(rate * mean_ns / 1_000_000_000 - 1) < 0.1


@pytest.mark.kernel
def test_an_interrupt_ends_it(suite: Path) -> None:
    process = started("blast", "s.yaml::sent back", "--seconds", "1000", cwd=suite)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert LINE.fullmatch(first.rstrip("\n")), first
    assert (process.returncode, err) == (130, "")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("s.yaml", "error: one case is sent, and 5 are meant\n  = help: name it: FILE::CASE or FILE:LINE\n"),
        (
            "s.yaml::ordinary",
            f"error: 'ordinary' {NOT_LIVE}",
        ),
        (
            "s.yaml::in steps",
            f"error: 'in steps' {NOT_LIVE}",
        ),
    ],
)
def test_what_cannot_be_sent_is_told(suite: Path, case: str, said: str) -> None:
    done = ran("blast", case, cwd=suite)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "1e9"])
def test_a_time_that_is_none_is_told(suite: Path, seconds: str) -> None:
    done = ran("blast", "s.yaml::sent back", f"--seconds={seconds}", cwd=suite)

    assert done.returncode == 2
    assert f"'{seconds}' is no number of seconds above 0, and 86,400 at most" in done.stderr


@pytest.mark.kernel
def test_what_the_kernel_refuses_is_told_as_a_run_would(suite: Path) -> None:
    done = ran("blast", "s.yaml::refused", cwd=suite)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: s.yaml:9:55: the kernel refuses the run (E2BIG): the batch size is 300, and the "
    )


@pytest.mark.kernel
def test_a_case_that_needs_what_is_not_there_is_not_sent(suite: Path) -> None:
    done = ran("blast", "s.yaml::for another day", cwd=suite)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: this machine cannot run 'for another day': ")
