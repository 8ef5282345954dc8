"""The JUnit file that a run leaves, whatever its exit code, as the tools that read it see it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from lxml import etree

from tests.junit_of_pytest import of_bpftest, of_pytest
from tests.processes import PATIENCE, PROJECT, environment, ran

XSDS = [
    etree.XMLSchema(etree.parse(PROJECT / "tests" / "schemas" / name))
    for name in ("jenkins-junit-10.xsd", "windyroad-JUnit.xsd")
]
HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"
SUITES = {
    "passes": HEAD + "  - {name: one, expect: {retval: XDP_PASS}}\n  - {name: two, skip: later, expect: {retval: 1}}\n",
    "fails": HEAD
    + "  - {name: one, expect: {retval: XDP_DROP}}\n"
    + "  - {name: two, object: missing.o, expect: {retval: 1}}\n"
    + "  - {name: three, xfail: known, expect: {retval: 1}}\n",
    "invalid": HEAD + "  - {name: one, expct: {retval: XDP_DROP}}\n",
}
WORDS = {Failure: "failed", Error: "error", Skipped: "skipped"}


def outcomes(path: Path) -> dict[str, str]:
    """How each case ended, by its id, as junitparser reads the file."""
    report = JUnitXml.fromfile(str(path))
    return {
        f"{suite.name}.{case.name}": " ".join(WORDS[type(one)] for one in case.result) or "passed"
        for suite in report
        for case in suite
    }


def assert_strict(path: Path) -> None:
    """Both public schemas accept the file."""
    for xsd in XSDS:
        xsd.assertValid(etree.parse(path, etree.XMLParser(huge_tree=True)))


@pytest.mark.parametrize("flavor", ["rich", "strict"])
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        pytest.param(
            ["passes.yaml"],
            0,
            {"passes.one": "passed", "passes.two": "skipped"},
            marks=pytest.mark.kernel,
        ),
        pytest.param(
            ["passes.yaml", "fails.yaml"],
            1,
            {
                "passes.one": "passed",
                "passes.two": "skipped",
                "fails.one": "failed",
                "fails.two": "error",
                "fails.three": "skipped",
            },
            marks=pytest.mark.kernel,
        ),
        (["passes.yaml", "invalid.yaml"], 3, {"invalid.suite file is valid": "error"}),
        (["passes.yaml", "-k", "nothing"], 5, {}),
        (["passes.yaml", "-k", "nothing", "--allow-empty"], 0, {}),
    ],
)
def test_there_is_a_file_for_every_exit_code(
    folder: Path, arguments: list[str], code: int, expected: dict[str, str], flavor: str
) -> None:
    for name, text in SUITES.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    out = folder / "build" / "out.xml"

    done = ran("run", *arguments, "--junit-xml", "build/out.xml", "--junit-flavor", flavor, cwd=folder)

    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert outcomes(out) == expected
    if flavor == "strict":
        assert_strict(out)


def test_an_invalid_suite_is_told_in_the_file_as_on_the_terminal(folder: Path) -> None:
    (folder / "invalid.yaml").write_text(SUITES["invalid"], encoding="utf-8")

    done = ran("run", "invalid.yaml", "--junitxml", "out.xml", cwd=folder)

    ((case,),) = JUnitXml.fromfile(str(folder / "out.xml"))
    (error,) = case.result
    assert (error.type, error.message) == ("bpftest.SuiteError", "unknown key 'expct'")
    assert done.stderr.strip() in error.text


@pytest.mark.parametrize("path", ["/proc/out.xml", "folder", "file/out.xml"])
def test_a_file_that_cannot_be_written_is_an_error_of_the_machine(folder: Path, path: str) -> None:
    (folder / "invalid.yaml").write_text(SUITES["invalid"], encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "file").touch()

    done = ran("run", "invalid.yaml", "--junit-xml", path, cwd=folder)

    assert done.returncode == 4
    assert f"\nerror: cannot write {path}: " in done.stderr
    assert "Traceback" not in done.stderr


# --- the suites of the repository ---------------------------------------------------------------------------------

COUNTS = re.compile(r"^Summary  ([\d,]+) cases in .*: ([\d,]+) passed(?:, ([\d,]+) skipped)?(?:, ([\d,]+) xfailed)?$")


@dataclass(frozen=True)
class OfSuites:
    """A run of suites of the repository."""

    done: subprocess.CompletedProcess[str]
    junit: Path


@pytest.fixture
def of_suites(cache: Path) -> Callable[[str, str], OfSuites]:
    """A run with this flavour of JUnit of these suites, made once for all tests: all of them take long."""

    def run(flavor: str, suites: str) -> OfSuites:
        if (flavor, suites) not in _MADE:
            out = cache / f"{flavor}.xml"
            done = ran("run", suites, "-q", "--junit-xml", str(out), "--junit-flavor", flavor, cwd=PROJECT)
            _MADE[flavor, suites] = OfSuites(done, out)
        return _MADE[flavor, suites]

    return run


_MADE: dict[tuple[str, str], OfSuites] = {}


@pytest.mark.kernel
@pytest.mark.parametrize(("flavor", "suites"), [("rich", "suites/verifier.yaml"), ("strict", "suites/")])
def test_all_suites_pass_and_are_read_back_with_the_same_counts(
    of_suites: Callable[[str, str], OfSuites], flavor: str, suites: str
) -> None:
    done, out = of_suites(flavor, suites).done, of_suites(flavor, suites).junit

    assert (done.returncode, done.stderr) == (0, "")
    found = COUNTS.match(done.stdout.splitlines()[-1])
    assert found
    cases, passed, skipped, xfailed = (int((one or "0").replace(",", "")) for one in found.groups())
    report = JUnitXml.fromfile(str(out))
    assert sum(suite.tests for suite in report) == len(outcomes(out)) == cases >= 30
    assert [sum(getattr(suite, name) for suite in report) for name in ("failures", "errors", "skipped")] == [
        0,
        0,
        skipped + xfailed,
    ]
    assert passed == list(outcomes(out).values()).count("passed")
    if flavor == "strict":
        assert_strict(out)
    else:
        assert (report.tests, report.failures, report.errors, report.skipped) == (cases, 0, 0, skipped + xfailed)


@pytest.mark.kernel
def test_pytest_with_two_workers_says_the_same_of_every_case(
    of_suites: Callable[[str, str], OfSuites], tmp_path: Path
) -> None:
    out = tmp_path / "pytest.xml"
    words = ["-p", "xdist", "-p", "bpftest.pytest_plugin", "-p", "no:cacheprovider", "-n", "2", "suites/"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--junit-xml={out}", *words],
        cwd=PROJECT,
        env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert of_pytest(out) == of_bpftest(of_suites("strict", "suites/").junit)
