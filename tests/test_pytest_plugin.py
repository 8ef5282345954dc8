"""What pytest collects of suites, and what projects without any pay for the plugin. Nothing here loads a program."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bpftest.pytest_plugin import within
from tests.processes import PROJECT

pytest_plugins = ["pytester"]

SUITE = """\
version: 1
object: plain.o
program: pass
defaults: {packet: {zeros: 64}}
cases:
  - {name: first, expect: {retval: XDP_PASS}}
  - {name: second one, tags: [smoke], expect: {retval: XDP_PASS}}
"""
COMPOSE = "services: {web: {image: nginx}}\n"
PYPROJECT = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, folder: Path) -> pytest.Pytester:
    """A project with suites/fw.yaml, whose pytest has this plugin and no other."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p bpftest.pytest_plugin -p no:cacheprovider")
    write(pytester, "suites/fw.yaml", SUITE)
    shutil.copy(folder / "plain.o", pytester.path / "suites")
    return pytester


def write(project: pytest.Pytester, name: str, text: str) -> None:
    path = project.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def collected(project: pytest.Pytester, *arguments: str) -> list[str]:
    """The node ids that `pytest ARGUMENTS` finds."""
    done = project.runpytest_inprocess("--collect-only", "-q", *arguments)
    assert done.ret in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}, done.stdout.str()
    return [line for line in done.outlines if "::" in line]


FIRST, SECOND = "suites/fw.yaml::first", "suites/fw.yaml::second one"


def test_each_case_of_the_folder_suites_is_an_item_by_its_name(project: pytest.Pytester) -> None:
    write(project, "compose.yaml", COMPOSE)
    write(project, "suites/__snapshots__/fw.yaml", "[]")
    write(project, "suites/.hidden.yaml", COMPOSE)
    write(project, "test_beside.py", "def test_it(): pass\n")

    assert collected(project) == [FIRST, SECOND, "test_beside.py::test_it"]
    assert collected(project, "suites") == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["-k", "second"], [SECOND]),
        (["-k", "fw and not second"], [FIRST]),
        (["-m", "smoke", "--strict-markers"], [SECOND]),
        ([SECOND], [SECOND]),
        (["--deselect", FIRST], [SECOND]),
    ],
)
def test_cases_are_chosen_as_pytest_chooses(project: pytest.Pytester, arguments: list[str], ids: list[str]) -> None:
    assert collected(project, *arguments) == ids


def test_the_configuration_says_where_suites_are(project: pytest.Pytester) -> None:
    for name in ("bpf/a/one.yaml", "bpf/b/two.yml", "bpf/b/compose.yaml", "ci.yaml"):
        write(project, name, COMPOSE if "compose" in name else SUITE.replace("plain.o", "../../suites/plain.o"))
    write(project, "pytest.ini", "[pytest]\nbpftest_suites =\n  bpf/*/one.yaml\n  ./bpf/**/t*.yml\n")

    assert collected(project) == [
        *("bpf/a/one.yaml::first", "bpf/a/one.yaml::second one"),
        *("bpf/b/two.yml::first", "bpf/b/two.yml::second one"),
    ]


def test_a_file_that_the_command_line_names_is_a_suite_wherever_it_is(project: pytest.Pytester) -> None:
    write(project, "elsewhere/one.yaml", SUITE)
    write(project, "pytest.ini", "[pytest]\nbpftest_suites =\n")

    assert collected(project) == []
    assert collected(project, "elsewhere/one.yaml::first") == ["elsewhere/one.yaml::first"]


@pytest.mark.parametrize(
    ("path", "pattern", "inside"),
    [
        ("suites/fw.yaml", "suites", True),
        ("suites/deep/er/fw.yaml", "suites", True),
        ("suites.yaml", "suites", False),
        ("a/suites/fw.yaml", "suites", False),
        ("a/suites/fw.yaml", "*/suites", True),
        ("a/b/suites/fw.yaml", "*/suites", False),
        ("a/b/suites/fw.yaml", "**/suites", True),
        ("suites/fw.yaml", "**/suites", True),
        ("suites/fw.yaml", "suites/**/*.yaml", True),
        ("suites/a/b/fw.yaml", "suites/**/*.yaml", True),
        ("suites/a/b/fw.yml", "suites/**/*.yaml", False),
        ("suites", "suites/fw.yaml", False),
    ],
)
def test_patterns_mean_files_and_all_that_is_in_folders(path: str, pattern: str, inside: bool) -> None:
    assert within(path.split("/"), pattern.split("/")) is inside


def test_a_tag_never_decides_over_its_case(project: pytest.Pytester) -> None:
    write(project, "suites/fw.yaml", SUITE.replace("smoke", "skip, xfail, _own, a.b"))

    assert collected(project, "-m", "not skip and not xfail", "--strict-markers") == [FIRST, SECOND]
    assert collected(project, "-k", "_own and xfail", "--strict-markers") == [SECOND]
    assert collected(project, "-m", "a.b", "--strict-markers") == [SECOND]


def test_a_name_that_would_steer_pytest_or_ci_is_written_so_that_it_can_be_pasted_back(
    project: pytest.Pytester,
) -> None:
    write(project, "suites/fw.yaml", SUITE.replace("first", "'2001:db8::1 [##[group]] \\e'"))

    (name, _) = collected(project, "suites/fw.yaml")

    assert name == r"suites/fw.yaml::2001:db8:\x3a1 [\x23#[group]] \e"
    assert collected(project, name) == [name]


def test_all_mistakes_of_a_suite_are_one_error_of_collection_in_the_words_of_validate(
    project: pytest.Pytester,
) -> None:
    write(project, "suites/fw.yaml", SUITE.replace("tags", "tag").replace("second one, ", "x, repaet: 2, "))

    done = project.runpytest_subprocess()

    text = done.stdout.str()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(
        [
            "*ERROR collecting suites/fw.yaml*",
            "error: unknown key 'repaet'",
            " --> suites/fw.yaml:7:15",
            "  = help: did you mean 'repeat'?",
            "error: unknown key 'tag'",
            " --> suites/fw.yaml:7:26",
            "*1 error in *",
        ],
        consecutive=False,
    )
    assert "Traceback" not in text
    assert "bpftest/pytest_plugin" not in text


def test_mistakes_that_planning_finds_are_told_before_anything_runs(project: pytest.Pytester) -> None:
    write(project, "suites/fw.yaml", SUITE.replace("XDP_PASS}}\n  - {name: s", "XDP_PAS}}\n  - {name: s"))

    done = project.runpytest_subprocess("--collect-only", "-q")

    done.stdout.fnmatch_lines(["error: 'XDP_PAS' is no return code of xdp", " --> suites/fw.yaml:6:36"])


def test_variables_come_from_the_configuration_the_environment_and_the_command_line(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        project,
        "suites/fw.yaml",
        SUITE.replace("first", "$a $b $c").replace("version: 1", "version: 1\nvars: {a: 0, b: 0, c: 0}"),
    )
    write(project, "pytest.ini", "[pytest]\nbpftest_vars =\n  a=1\n  b=1\n  c=1\n")
    monkeypatch.setenv("BPFTEST_VAR_b", "2")
    monkeypatch.setenv("BPFTEST_VAR_c", "2")

    assert collected(project, "--bpftest-var", "c=3")[0] == "suites/fw.yaml::1 2 3"


@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("adress=1", pytest.ExitCode.USAGE_ERROR, "--bpftest-var adress: no suite has a variable of this name"),
        ("1=1", pytest.ExitCode.INTERRUPTED, "--bpftest-var 1: this is no name of a variable"),
    ],
)
def test_a_variable_that_is_wrong_is_an_error(project: pytest.Pytester, said: str, code: int, error: str) -> None:
    done = project.runpytest_subprocess("--collect-only", "--bpftest-var", said)

    assert done.ret == code
    assert error in done.stdout.str() + done.stderr.str()
    assert "Traceback" not in done.stdout.str() + done.stderr.str()


# --- what it costs ------------------------------------------------------------------------------------------------

AT_THE_END = """\
import sys
def pytest_unconfigure():
    print("IMPORTED", *[name for name in sys.modules if name.partition(".")[0] in {"bpftest", "yaml", "ctypes"}])
"""


def test_projects_without_suites_import_one_small_module(project: pytest.Pytester) -> None:
    (project.path / "suites" / "fw.yaml").unlink()
    write(project, "compose.yaml", COMPOSE)
    write(project, "conftest.py", AT_THE_END)

    done = project.runpytest_subprocess("-s")

    assert done.outlines[-1] == "IMPORTED bpftest bpftest.pytest_plugin"


def test_suites_are_read_in_another_process(project: pytest.Pytester) -> None:
    write(project, "conftest.py", AT_THE_END)

    done = project.runpytest_subprocess("--collect-only", "-s")

    imported = done.outlines[-1].split(" ")
    assert "bpftest.pytest_plugin.items" in imported
    assert not {"yaml", "ctypes", "bpftest.collect", "bpftest.kernel"} & set(imported)


def test_pytest_finds_the_plugin_by_the_entry_point_of_the_package(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry,) = re.findall(r"^\[project\.entry-points\.pytest11\]\n(.*)\n$", PYPROJECT, re.MULTILINE)
    installed = project.path / "site" / "bpftest-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: bpftest\nVersion: 0\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{entry}\n".replace('"', ""), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{installed.parent}:{PROJECT}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_ADDOPTS")

    with_it = project.runpytest_subprocess("--collect-only", "-q", "-p", "no:cacheprovider")
    without = project.runpytest_subprocess("--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:bpftest")

    assert with_it.outlines[:2] == [FIRST, SECOND]
    assert without.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_tests_of_bpftest_itself_collect_no_suite() -> None:
    (paths,) = re.findall(r"^testpaths = (.*)$", PYPROJECT, re.MULTILINE)
    assert paths == '["tests"]'
    assert not (PROJECT / "tests" / "suites").exists()
