"""What a user without privileges gets: everything but a run, and how to have that."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml
from lxml import etree

from tests.processes import BPFTEST, PATIENCE, PROJECT, environment

pytestmark = pytest.mark.kernel  # root is needed to become somebody else

NOBODY = "65534"
# The capability to read everything stays: this checkout may be in a home that others cannot enter.
AS_NOBODY = (
    *("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"),
    *("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"),
)
SUITE = """\
version: 1
object: plain.o
program: pass
defaults: {packet: {zeros: 64}}
cases:
  - {name: it passes, expect: {retval: XDP_PASS}}
  - {name: it is skipped, skip: not today, expect: {retval: XDP_PASS}}
"""
NEEDS = "running BPF programs needs CAP_SYS_ADMIN and CAP_NET_ADMIN"

Plain = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    """A command as a user without capabilities, in a folder with suite.yaml that is this user's."""
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    cache = tmp_path_factory.mktemp("cache-of-nobody")
    for path in (folder, cache):
        shutil.chown(path, int(NOBODY), int(NOBODY))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AS_NOBODY, *words],
            cwd=folder,
            env=environment(XDG_CACHE_HOME=str(cache)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


def test_the_user_of_these_tests_has_no_privileges(plain: Plain) -> None:
    status = dict(line.split(":\t", 1) for line in plain("cat", "/proc/self/status").stdout.splitlines())

    assert status["Uid"].split() == [NOBODY] * 4
    assert int(status["CapEff"], 16) == 1 << 2, "CAP_DAC_READ_SEARCH"


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["list", "suite.yaml"], "suite.yaml::it passes\nsuite.yaml::it is skipped\n"),
        (["validate", "suite.yaml"], "1 suite valid, 2 cases\n"),
    ],
)
def test_what_runs_nothing_needs_no_privileges(plain: Plain, arguments: list[str], out: str) -> None:
    done = plain(*BPFTEST, *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (0, out, "")


def test_the_suites_of_the_repository_can_be_validated_without_privileges(plain: Plain) -> None:
    done = plain(*BPFTEST, "validate", str(PROJECT / "suites" / "xdp_router.yaml"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 suite valid, 25 cases\n", "")


def test_a_run_says_which_command_has_the_privileges(plain: Plain) -> None:
    arguments = ["run", "suite.yaml::it passes", "--junit-xml", "out dir/out.xml"]

    done = plain(*BPFTEST, *arguments)

    again = shlex.join(["sudo", sys.executable, "-m", "bpftest", *arguments])
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"error: {NEEDS}\n  = help: run: {again}\n"


@pytest.mark.parametrize("arguments", [["-k", "nothing"], ["-k", "nothing", "--allow-empty"]])
def test_a_machine_that_cannot_run_tests_is_told_even_where_no_case_is_selected(
    plain: Plain, arguments: list[str]
) -> None:
    done = plain(*BPFTEST, "run", "suite.yaml", *arguments)

    assert (done.returncode, done.stdout) == (4, "")
    assert "no case selected: none of 2 cases matches -k 'nothing'" in done.stderr
    assert f"\nerror: {NEEDS}\n" in done.stderr


def test_a_run_by_the_installed_script_names_the_script(plain: Plain, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "bpftest"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom bpftest.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)

    done = plain("bin/bpftest", "run", "suite.yaml")

    assert done.returncode == 4
    assert done.stderr == f"error: {NEEDS}\n  = help: run: sudo {script} run suite.yaml\n"


@pytest.mark.parametrize("flavor", ["rich", "strict"])
def test_every_case_of_a_run_that_is_not_allowed_is_an_error_in_its_report(
    plain: Plain, folder: Path, flavor: str
) -> None:
    done = plain(*BPFTEST, "run", "suite.yaml", "--junit-xml", "out.xml", "--junit-flavor", flavor)

    (suite,) = JUnitXml.fromfile(str(folder / "out.xml"))
    assert done.returncode == 4
    assert (suite.tests, suite.errors) == (2, 2)
    for case in suite:
        (error,) = case.result
        assert (error.type, error.message) == ("bpftest.HostError", NEEDS)
        assert f"help: run: sudo {sys.executable} -m bpftest run suite.yaml" in error.text
    if flavor == "strict":
        for name in ("jenkins-junit-10.xsd", "windyroad-JUnit.xsd"):
            etree.XMLSchema(etree.parse(PROJECT / "tests/schemas" / name)).assertValid(etree.parse(folder / "out.xml"))


def test_a_mistake_in_a_suite_is_found_before_privileges_are_asked_for(plain: Plain, folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace("retval", "retvla"), encoding="utf-8")

    assert plain(*BPFTEST, "run", "suite.yaml").returncode == 3


def test_the_doctor_says_what_is_missing(plain: Plain) -> None:
    done = plain(*BPFTEST, "doctor")

    assert done.returncode == 4
    assert "\n  MISSING   privileges       CAP_SYS_ADMIN and CAP_NET_ADMIN; run bpftest with sudo\n" in done.stdout
    assert done.stdout.endswith("\nThis machine cannot run BPF tests as it is; see MISSING above.\n")


def test_the_doctor_has_nothing_to_say_to_root() -> None:
    done = subprocess.run(
        [*BPFTEST, "doctor"], env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nThis machine can run BPF tests.\n")
