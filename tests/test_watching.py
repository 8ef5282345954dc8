"""`bpftest run --watch`: a real process, whose files are edited."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpftest.artifacts import pcap
from bpftest.commands import watching
from tests.processes import BPFTEST, PATIENCE, environment

SUITE = (
    "version: 1\nsource: own.bpf.c\nprogram: own\ncases:\n  - {name: one, packet: {zeros: 64}, expect: {retval: 2}}\n"
)
SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "own.h"
SEC("xdp") int own(struct xdp_md *ctx) { return RETURNED; }
"""
ENDS = "Ctrl-C ends\n"


class Watch:
    """A watch, whose stdout and stderr are one text."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*BPFTEST, "run", "--watch", "--format", "concise", *arguments],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> str:
        """What the next run says, up to the word that it is over; times are left out."""
        assert self._process.stdout
        said = ""
        while not said.endswith(ENDS):
            line = self._process.stdout.readline()
            assert line, said
            said += line
        said = re.sub(r"in \d+\.\d\d s", "in S s", said)
        return re.sub(r"--- [\d:]{8} ", "--- TIME ", re.sub(r"\n?--- watching \d+ files; .*\n", "", said)).lstrip()

    def end(self, number: signal.Signals) -> int:
        """Its exit code. SIGINT goes to all processes of the terminal."""
        os.killpg(self._process.pid, number)
        self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        """Ends what a test that failed has left."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    begun = []

    def begin(*arguments: str) -> Watch:
        begun.append(Watch(tmp_path, *arguments))
        return begun[-1]

    (tmp_path / "own.yaml").write_text(SUITE)
    (tmp_path / "own.bpf.c").write_text(SOURCE)
    (tmp_path / "own.h").write_text("#define RETURNED XDP_PASS\n")
    yield begin
    for one in begun:
        one.kill()


def test_an_invalid_suite_is_read_again_when_it_is_edited(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    suite = tmp_path / "own.yaml"
    suite.write_text(SUITE.replace("retval", "retvla"))
    begun = watch("own.yaml")
    assert "unknown key 'retvla'" in begun.run()

    suite.write_text(SUITE.replace("packet", "pakcet"))

    second = begun.run()
    assert second.startswith("--- TIME own.yaml changed\nown.yaml:5:")
    assert "unknown key 'pakcet'" in second
    assert begun.end(signal.SIGINT) == 3


@pytest.mark.kernel
def test_a_run_follows_whatever_it_depends_on(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    passes, fails = "1 case in S s: 1 passed", "1 case in S s: 0 passed, 1 failed"
    begun = watch(".")
    assert begun.run() == passes

    (tmp_path / "own.h").write_text("#define RETURNED XDP_DROP\n")
    assert begun.run() == (
        f"--- TIME own.h changed\n./own.yaml:5:47: FAIL one: retval XDP_PASS (2) != XDP_DROP (1)\n{fails}"
    )
    new = tmp_path / "own.yaml~"  # as many editors do
    new.write_text(SUITE.replace("retval: 2", "retval: 1"))
    new.replace(tmp_path / "own.yaml")
    assert begun.run() == f"--- TIME own.yaml changed\n{passes}"

    (tmp_path / "own.bpf.c").write_text(SOURCE.replace("RETURNED;", "RETURNED"))
    assert begun.run().startswith("--- TIME own.bpf.c changed\n")
    (tmp_path / "own.bpf.c").write_text(SOURCE)
    assert begun.run() == f"--- TIME own.bpf.c changed\n{passes}"

    shutil.copy(tmp_path / "own.yaml", tmp_path / "another.yaml")
    assert begun.run() == "--- TIME another.yaml changed\n2 cases in S s: 2 passed"
    (tmp_path / "another.yaml").unlink()
    assert begun.run() == f"--- TIME another.yaml changed\n{passes}"
    assert begun.end(signal.SIGINT) == 0


@pytest.mark.kernel
def test_what_is_not_there_yet_is_waited_for(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    (tmp_path / "own.h").unlink()
    begun = watch("own.yaml")
    assert "'own.h' file not found" in begun.run()

    (tmp_path / "own.h").write_text("#define RETURNED XDP_PASS\n")

    assert begun.run() == "--- TIME own.h changed\n1 case in S s: 1 passed"
    assert begun.end(signal.SIGTERM) == 143


@pytest.mark.kernel
def test_captures_and_files_of_variables_are_watched(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    (tmp_path / "own.yaml").write_text(
        SUITE.replace("cases:", "vars: {want: 1}\ncases:")
        .replace("retval: 2", 'retval: "${want}"')
        .replace("zeros: 64", "pcap: in.pcap")
    )
    (tmp_path / "in.pcap").write_bytes(pcap([bytes(64)], "ethernet"))
    (tmp_path / "vars.yaml").write_text("want: 2\n")
    begun = watch("own.yaml", "--vars-file", "vars.yaml")
    assert begun.run() == "1 case in S s: 1 passed"

    (tmp_path / "in.pcap").write_bytes(pcap([bytes(65)], "ethernet"))
    assert begun.run() == "--- TIME in.pcap changed\n1 case in S s: 1 passed"
    (tmp_path / "vars.yaml").write_text("want: 3\n")
    assert begun.run().startswith("--- TIME vars.yaml changed\nown.yaml:6:")
    assert begun.end(signal.SIGINT) == 1


@pytest.mark.kernel
def test_a_watch_ends_with_the_code_of_its_last_run(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    (tmp_path / "own.h").write_text("#define RETURNED XDP_DROP\n")
    begun = watch("own.yaml", "--junit-xml", "own.xml", "--update-snapshots")
    assert begun.run().endswith("1 failed")
    assert begun.end(signal.SIGINT) == 1


def test_what_no_edit_can_mend_ends_the_watch(watch: Callable[..., Watch]) -> None:
    begun = watch("missing.yaml")
    begun._process.communicate(timeout=PATIENCE)
    assert begun._process.returncode == 2


# --- files at rest ------------------------------------------------------------------------------------------------


def look(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """In place of each wait one of *steps* is taken."""
    left = iter(steps)
    monkeypatch.setattr(watching.time, "sleep", lambda _seconds: next(left)())


def nothing() -> None:
    pass


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a")
    known = {str(file): watching.version(str(file))}
    texts = ["version:", "version: 1", "version: 1\ncases:"]

    look(monkeypatch, *(lambda text=text: file.write_text(text) for text in texts), nothing)

    assert watching._wait(known, {str(file)}, [str(file)]) == [str(file)]
    assert file.read_text() == texts[-1]


def test_a_file_that_is_gone_for_a_moment_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, aside = tmp_path / "a.yaml", tmp_path / "aside"
    file.write_text("a")
    known = {str(file): watching.version(str(file))}
    edit = [lambda: file.rename(aside), nothing, nothing, lambda: aside.rename(file), nothing]

    look(monkeypatch, *edit, nothing, lambda: file.write_text("edited"), nothing)

    assert watching._wait(known, {str(file)}, [str(file)]) == [str(file)]
    assert file.read_text() == "edited"


def test_a_file_that_stays_away_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a")
    known = {str(file): watching.version(str(file))}
    file.unlink()
    times = iter([0.0, 0.5, 2.0])
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(times))
    look(monkeypatch, nothing, nothing)

    assert watching._wait(known, {str(file)}, [str(file)]) == [str(file)]


def test_what_a_run_opens_is_known_as_it_was_before_and_what_it_writes_as_it_is(tmp_path: Path) -> None:
    read, both, missing, written = (tmp_path / name for name in ("read", "both", "missing", "written"))
    read.write_text("1")
    both.write_text("1")
    before = watching.version(str(read))
    run = watching._Run()
    if run.pid == 0:
        for name in (read, both):
            name.read_bytes()
        with contextlib.suppress(FileNotFoundError):
            missing.read_bytes()
        both.with_name("new").write_text("22")
        both.with_name("new").replace(both)
        written.write_text("3")
        os._exit(7)

    assert run.code() == 7
    read.write_text("2 bytes more")
    opened = {path: was for path, was in run.opened().items() if path.startswith(str(tmp_path))}
    assert opened == {str(read): before, str(both): watching.version(str(both)), str(missing): None}
