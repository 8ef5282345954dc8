"""Suites that run under pytest."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bpftest.errors import Place
from bpftest.events import Outcome
from bpftest.pytest_plugin import child as child_module
from bpftest.pytest_plugin.child import Child, Listed, Settings
from tests.junit_of_pytest import of_bpftest, of_pytest
from tests.processes import PATIENCE, PROJECT, environment, ran
from tests.test_privileges import AS_NOBODY, NEEDS, NOBODY

pytestmark = pytest.mark.kernel
pytest_plugins = ["pytester"]

MIXED = """\
version: 1
object: plain.o
program: pass
defaults: {packet: {zeros: 64}}
cases:
  - {name: passes, tags: [smoke], expect: {retval: XDP_PASS}}
  - {name: fails, expect: {retval: XDP_DROP}}
  - {name: errors, object: missing.o, expect: {retval: 1}}
  - {name: later, skip: not yet, expect: {retval: 1}}
  - {name: needs, requires: {kernel: ">=99"}, expect: {retval: 2}}
  - {name: known, xfail: a bug, expect: {retval: 1}}
  - {name: better, xfail: a bug, expect: {retval: 2}}
"""
OUTCOMES = {"passed": 1, "failed": 2, "errors": 1, "skipped": 2, "xfailed": 1}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, folder: Path) -> pytest.Pytester:
    """A project with suites/mixed.yaml, whose pytest has this plugin and no other."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p bpftest.pytest_plugin")
    pytester.mkdir("suites")
    (pytester.path / "suites" / "mixed.yaml").write_text(MIXED, encoding="utf-8")
    shutil.copy(folder / "plain.o", pytester.path / "suites")
    return pytester


def details(console: str, name: str) -> str:
    """What `bpftest run` shows below the line of the case *name*."""
    _, _, below = console.partition(f"] {name} ")
    lines = takewhile(lambda line: line.startswith("    "), below.split("\n")[1:])
    return "\n".join(line.removeprefix("    ") for line in lines)


def test_each_outcome_is_that_of_pytest_and_is_explained_as_on_the_console(project: pytest.Pytester) -> None:
    done = project.runpytest_inprocess("-rA", "-v")

    done.assert_outcomes(**OUTCOMES)
    text = "\n".join(done.outlines)
    console = ran("run", "suites", "--color", "never", cwd=project.path).stdout
    for name in ("fails", "errors", "better"):
        assert details(console, name) in text
    done.stdout.fnmatch_lines(
        [
            "SKIPPED [[]1[]] suites/mixed.yaml:9: not yet",
            "SKIPPED [[]1[]] suites/mixed.yaml:10: needs kernel >=99, *",
            "XFAIL suites/mixed.yaml::known - a bug",
            "ERROR suites/mixed.yaml::errors - suites/missing.o: No such file or directory",
            "FAILED suites/mixed.yaml::fails - retval XDP_DROP (1) != XDP_PASS (2)",
            "FAILED suites/mixed.yaml::better - passes, although its xfail says: a bug",
        ]
    )
    assert "Traceback" not in text
    assert "items.py" not in text


@pytest.mark.parametrize("more", [(), ("-p", "xdist", "-n", "2")])
def test_both_runners_say_the_same_in_their_junit_files(project: pytest.Pytester, more: tuple[str, ...]) -> None:
    ran("run", "suites", "--junit-xml", "ours.xml", cwd=project.path)
    done = project.runpytest_subprocess("--junit-xml=theirs.xml", *more)

    done.assert_outcomes(**OUTCOMES)
    assert of_pytest(project.path / "theirs.xml") == of_bpftest(project.path / "ours.xml")


def test_what_is_known_of_a_case_is_among_its_properties(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("suites/mixed.yaml::passes", "--junit-xml=theirs.xml")

    root = ET.parse(project.path / "theirs.xml").getroot()  # noqa: S314 - written by ourselves
    properties = {one.get("name"): one.get("value") for one in root.iter("property")}
    assert properties | {"duration_ns": "", "verified_insns": "", "jited_bytes": ""} == {
        "program": "pass",
        "type": "xdp",
        "tags": "smoke",
        "retval": "XDP_PASS (2)",
        "duration_ns": "",
        "verified_insns": "",
        "jited_bytes": "",
    }


def test_pytests_own_options_hold(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("-x", "-q").assert_outcomes(passed=1, failed=1)
    project.runpytest_inprocess("--lf").assert_outcomes(failed=1, passed=0, deselected=0)


PRINTS_ITS_CHILDREN = """\
import os, signal
def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(number) for number in file.read().split()]
"""


def test_a_process_that_dies_costs_one_case(project: pytest.Pytester) -> None:
    hook = (
        "import pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_setup(item):\n"
        "    if item.name == 'passes':\n"
        "        [os.kill(child, signal.SIGSEGV) for child in children()]\n"
    )
    (project.path / "conftest.py").write_text(PRINTS_ITS_CHILDREN + hook, encoding="utf-8")

    done = project.runpytest_subprocess("-rE")

    done.assert_outcomes(**OUTCOMES | {"passed": 0, "errors": 2})
    done.stdout.fnmatch_lines(
        [
            "ERROR suites/mixed.yaml::passes",
            "error: its process was ended by SIGSEGV",
            "ERROR suites/mixed.yaml::passes - its process was ended by SIGSEGV",
        ]
    )


def test_the_process_of_pytest_stays_in_its_network_and_nothing_is_left(project: pytest.Pytester) -> None:
    (project.path / "test_z.py").write_text(
        PRINTS_ITS_CHILDREN + "before = os.readlink('/proc/self/ns/net')\n"
        "def test_it():\n"
        "    assert os.readlink('/proc/self/ns/net') == before\n"
        "    [child] = children()\n"
        "    assert os.readlink(f'/proc/{child}/ns/net') != before\n",
        encoding="utf-8",
    )
    (project.path / "conftest.py").write_text(
        PRINTS_ITS_CHILDREN + "import atexit\natexit.register(lambda: print('LEFT', children()))\n", encoding="utf-8"
    )

    done = project.runpytest_subprocess("suites/mixed.yaml::passes", "test_z.py", "-s")

    done.assert_outcomes(passed=2)
    assert done.outlines[-1] == "LEFT []"


def test_ctrl_c_ends_pytest_and_the_case_that_runs(project: pytest.Pytester) -> None:
    slow = MIXED.replace("{name: passes, tags: [smoke], ", "{name: passes, repeat: 2000000000, timeout: 60s, ")
    (project.path / "suites" / "mixed.yaml").write_text(slow, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-v"], cwd=project.path, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        said = ""
        while "::passes" not in said:
            said += running.stdout.read(1)
        (child,) = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text(encoding="ascii").split()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=PATIENCE)

    assert running.returncode == pytest.ExitCode.INTERRUPTED
    assert not Path(f"/proc/{child}").exists()


def test_without_privileges_each_case_is_an_error_that_says_what_to_do(project: pytest.Pytester) -> None:
    for path in (project.path, project.path / "suites"):
        shutil.chown(path, int(NOBODY), int(NOBODY))
    project.path.joinpath("suites", "bare").mkdir()

    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "bpftest.pytest_plugin"],
        cwd=project.path,
        env=environment(
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", XDG_CACHE_HOME=str(project.path / "cache"), PYTHONPYCACHEPREFIX=""
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert f"error: {NEEDS}\n" in done.stdout
    assert f"= help: run: sudo {sys.executable} -m pytest -q -p no:cacheprovider" in done.stdout
    assert "7 errors" in done.stdout


# --- the process itself -------------------------------------------------------------------------------------------

FIRST = Listed("passes", Place("suites/mixed.yaml", 6, 5), ("smoke",), 10.0)


@pytest.fixture
def child(project: pytest.Pytester) -> Iterator[Child]:
    made = Child(Settings(str(project.path), (), (), "sudo pytest"))
    yield made
    made.close()


def test_a_process_that_hangs_is_ended_and_the_next_case_gets_another(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = child.cases("suites/mixed.yaml")
    assert isinstance(listed, tuple)
    assert listed[0]._replace(place=FIRST.place) == FIRST
    monkeypatch.setattr(child_module, "GRACE_S", 0.2)
    assert child._process is not None
    child._process.send_signal(signal.SIGSTOP)

    hung = child.run("suites/mixed.yaml", FIRST._replace(timeout_s=0.0))
    monkeypatch.undo()

    assert (hung.outcome, hung.kind) == (Outcome.ERROR, "bpftest.CaseTimeout")
    assert hung.message == "it did not end, and did not answer: its process was killed"
    assert child._process is None


def test_a_suite_that_changes_while_pytest_runs_is_an_error(child: Child, project: pytest.Pytester) -> None:
    child.cases("suites/mixed.yaml")
    child.close()
    (project.path / "suites" / "mixed.yaml").write_text("version: 1\n", encoding="utf-8")

    finished = child.run("suites/mixed.yaml", FIRST)

    assert finished.outcome is Outcome.ERROR
    assert finished.message == "suites/mixed.yaml has changed since the run began: run again"
