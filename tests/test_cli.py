"""The command line as users, shells and CI systems meet it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import bpftest
from bpftest import cli
from bpftest.cli import main
from bpftest.commands import COMMANDS
from bpftest.commands import list as list_command
from bpftest.errors import HostError
from tests.golden import assert_golden
from tests.processes import BPFTEST, PROJECT, environment, ran

HEAD = "version: 1\nobject: plain.o\nprogram: pass\ndefaults: {packet: {zeros: 64}}\ncases:\n"
MIXED = (
    HEAD
    + """\
  - name: passes
    tags: [smoke]
    expect: {retval: XDP_PASS}
  - name: fails
    tags: [smoke, slow]
    expect: {retval: XDP_DROP}
  - name: has no object
    object: missing.o
    expect: {retval: XDP_PASS}
  - name: is skipped
    skip: not today
    expect: {retval: XDP_PASS}
  - name: fails as it should
    xfail: a known bug
    expect: {retval: XDP_DROP}
"""
)
GOOD = HEAD + "  - {name: first, expect: {retval: XDP_PASS}}\n  - {name: second, expect: {retval: 2}}\n"
NASTY = (
    """it's "quoted" | $HOME | `id` | *? | a::b | c:7 | \\ backslash | línea 数据包 | -k | ~ | !! | #no | {a,b} | & ;"""
)
STEERING = "escape \x1b[31m and bell \a and tab \t and line \n"  # a file: a case cannot be called so
NAMES = HEAD + "".join(
    f"  - {{name: {json.dumps(name).replace('$', '$$')}, expect: {{retval: XDP_DROP}}}}\n"
    for name in NASTY.split(" | ")
)
BAD = HEAD + "  - {name: first, expct: {retval: XDP_PASS}}\n"


@pytest.fixture
def suites(folder: Path) -> Path:
    """A folder with suites and the object that they name."""
    for name, text in {"mixed": MIXED, "good": GOOD, "names": NAMES, "bad": BAD}.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "empty").mkdir()
    return folder


Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(suites: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """main() in the folder, for what neither runs programs nor needs a process: (code, stdout, stderr)."""
    monkeypatch.chdir(suites)
    monkeypatch.delenv("CI", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as ended:  # argparse
            code = ended.code  # type: ignore[assignment]
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def unchanging(text: str) -> str:
    """A report without what is never twice the same: times, and this machine's kernel."""
    text = re.sub(r"\[ *[\d.]+ m?s\]", "[  0.1 ms]", text)
    text = re.sub(r" in \d+\.\d\d s:", " in 0.01 s:", text)
    text = re.sub(r"(duration_ns|jited_bytes|verified_insns)( +)\d+", r"\1\g<2>20", text)
    return re.sub(r"Linux \S+ \S+", "Linux 6.18.44 x86_64", text)


# --- exit codes ---------------------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_a_timeout_of_the_command_line_holds_for_cases_that_say_none(folder: Path) -> None:
    case = "packet: {zeros: 64}, repeat: 2000000000, expect: {retval: XDP_PASS}"
    cases = f"  - {{name: one, {case}}}\n  - {{name: two, timeout: 200ms, {case}}}\n"
    (folder / "long.yaml").write_text(f"version: 1\nobject: plain.o\nprogram: pass\ncases:\n{cases}", encoding="utf-8")

    done = ran("run", "long.yaml", "--timeout", "100ms", cwd=folder)

    assert done.returncode == 1
    assert re.findall("interrupted after .*", done.stdout) == ["interrupted after 0.1 s", "interrupted after 0.2 s"]


@pytest.mark.parametrize("text", ["3", "0s", "2h", "-1s", "61min"])
def test_a_timeout_is_a_time(called: Called, text: str) -> None:
    code, _, told = called("run", f"--timeout={text}")

    assert code == 2
    assert told.endswith(f"error: argument --timeout: '{text}' is no time such as 30s or 500ms, an hour at most\n")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("arguments", "code", "cases"),
    [
        (["good.yaml"], 0, "2 cases in"),
        (["good.yaml", "mixed.yaml"], 1, "7 cases in"),
        (["mixed.yaml", "-k", "skipped or should"], 0, "2 cases in"),
        (["mixed.yaml::passes"], 0, "1 case in"),
        (["mixed.yaml::fails"], 1, "1 case in"),
        (["mixed.yaml::has no object"], 1, "1 case in"),
        (["mixed.yaml::fails as it should"], 0, "1 case in"),
        (["mixed.yaml:7"], 0, "1 case in"),
        (["mixed.yaml", "-t", "smoke and not slow"], 0, "1 case in"),
        (["mixed.yaml", "-x"], 1, "2 of 5 cases in"),
        (["mixed.yaml", "--fail-on-skip", "-k", "skipped"], 1, "1 case in"),
    ],
)
def test_what_ran_makes_the_exit_code(suites: Path, arguments: list[str], code: int, cases: str) -> None:
    done = ran("run", *arguments, cwd=suites)

    assert (done.returncode, done.stderr) == (code, "")
    assert f"\nSummary  {cases} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["tset"], 2, "invalid choice: 'tset'"),
        (["run", "--quite"], 2, "unrecognized arguments: --quite"),
        (["run", "--junit"], 2, "unrecognized arguments: --junit"),  # no abbreviations: they are no interface
        (["run", "--junit-flavor", "plain", "good.yaml"], 2, "invalid choice: 'plain'"),
        (["run", "missing.yaml"], 2, "error: no such file or folder: missing.yaml"),
        (
            ["run", "good.yaml::firts"],
            2,
            "error: no case 'firts' in good.yaml\n  = help: did you mean 'good.yaml::first'?",
        ),
        (["run", "good.yaml:1"], 2, "error: no case at line 1 of good.yaml"),
        (["list", "good.yaml", "-k", "("], 2, "error: -k '('"),
        (["validate", "good.yaml", "-t", "a b"], 2, "error: -t 'a b'"),
        (["run", "bad.yaml"], 3, "error: unknown key 'expct'"),
        (["run", "good.yaml", "bad.yaml", "mixed.yaml"], 3, "error: unknown key 'expct'"),
        (["run", "good.yaml::first", "bad.yaml", "-k", "second"], 3, "error: unknown key 'expct'"),
        (["validate", "good.yaml", "bad.yaml"], 3, "error: unknown key 'expct'"),
        (["list", "good.yaml", "bad.yaml"], 3, "error: unknown key 'expct'"),
        (["validate", "empty"], 5, "error: no case selected: there is no suite in empty\n"),
        (
            ["validate", "good.yaml", "-k", "third", "-t", "fast"],
            5,
            "error: no case selected: none of 2 cases matches -k 'third' and -t 'fast'\n",
        ),
        (["list", "empty"], 5, "error: no case selected"),
    ],
)
def test_what_keeps_cases_from_running_makes_the_exit_code(
    called: Called, arguments: list[str], code: int, said: str
) -> None:
    returned, out, err = called(*arguments)

    assert returned == code
    assert said in err
    assert "Traceback" not in err
    assert "Summary" not in out


@pytest.mark.kernel  # elsewhere that would be the exit code
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["empty"], 5, "error: no case selected: there is no suite in empty\n"),
        (["good.yaml", "-k", "third"], 5, "error: no case selected: none of 2 cases matches -k 'third'\n"),
        (["empty", "--allow-empty"], 0, "note: no case selected: there is no suite in empty\n"),
    ],
)
def test_a_run_without_a_case_has_an_exit_code_of_its_own(
    called: Called, arguments: list[str], code: int, said: str
) -> None:
    returned, out, err = called("run", *arguments)

    assert (returned, out) == (code, "")
    assert err.startswith(said)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["--version"], f"bpftest {bpftest.__version__}\n"),
        (["list", "good.yaml"], "good.yaml::first\ngood.yaml::second\n"),
        (["validate", "good.yaml"], "1 suite valid, 2 cases\n"),
        (["validate", "good.yaml::first", "names.yaml", "-k", "first or -k"], "2 suites valid, 2 cases\n"),
        (["schema"], (PROJECT / "schemas/suite.schema.json").read_text(encoding="utf-8")),
    ],
)
def test_what_only_reads_prints_its_answer_alone(called: Called, arguments: list[str], out: str) -> None:
    assert called(*arguments) == (0, out, "")


def test_an_object_that_is_not_built_yet_keeps_a_part_of_its_suite_unchecked(called: Called) -> None:
    assert called("validate", "mixed.yaml") == (
        0,
        "1 suite valid, 5 cases\n",
        "note: mixed.yaml:13:13: missing.o: No such file or directory; what depends on the program is not checked\n",
    )


def test_a_source_that_is_not_there_is_an_error(called: Called, suites: Path) -> None:
    (suites / "source.yaml").write_text(GOOD.replace("object: plain.o", "source: missing.bpf.c"), encoding="utf-8")

    code, out, err = called("validate", "source.yaml")

    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "error: source.yaml:2:9: missing.bpf.c: No such file or directory",
        "  = help: correct the path; it is relative to the suite",
    ]


def test_a_source_that_does_not_compile_is_an_error_in_the_words_of_the_compiler(called: Called, suites: Path) -> None:
    (suites / "wrong.bpf.c").write_text("int one(void) { return XDP_PAS; }\n", encoding="utf-8")
    (suites / "source.yaml").write_text(GOOD.replace("object: plain.o", "source: wrong.bpf.c"), encoding="utf-8")

    code, out, err = called("validate", "source.yaml")

    assert (code, out) == (1, "")
    assert err.startswith("error: source.yaml:2:9: wrong.bpf.c: clang refuses it: use of undeclared identifier")
    assert "\n  | wrong.bpf.c:1:24: error: use of undeclared identifier 'XDP_PAS'\n" in err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ZeroDivisionError("a slip"), 70, "ZeroDivisionError: a slip\nerror: internal error; please report it"),
        (RecursionError("too deep"), 70, "RecursionError: too deep\nerror: internal error; please report it"),
        (KeyboardInterrupt(), 130, ""),
        (KeyboardInterrupt("SIGINT"), 130, ""),
        (KeyboardInterrupt("SIGTERM"), 143, ""),
        (HostError("no libbpf", "install it"), 4, "error: no libbpf\n  = help: install it\n"),
    ],
)
def test_what_ends_a_command_early_makes_the_exit_code(
    called: Called, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
) -> None:
    def run(_options: object) -> int:
        raise raised

    monkeypatch.setattr(list_command, "run", run)

    returned, out, err = called("list", "good.yaml")

    assert (returned, out) == (code, "")
    assert said in err
    assert ("Traceback" in err) == (code == 70), "a bug keeps its traceback, and nothing else has one"


def test_the_help_names_every_command_and_exit_code(called: Called) -> None:
    code, out, _ = called("--help")

    assert code == 0
    assert [line.split()[0] for line in cli.EXIT_CODES.splitlines()[1:]] == ["0", "1", "2", "3", "4", "5", "70", "130"]
    for text in (cli.EXIT_CODES, *COMMANDS):
        assert text in out


# --- ids ----------------------------------------------------------------------------------------------------------


def test_every_id_that_is_listed_selects_its_case_and_no_other(called: Called) -> None:
    _, out, _ = called("list", str(PROJECT / "suites"))
    ids = out.splitlines()

    assert len(ids) > 60
    assert called("list", *ids) == (0, out, "")


@pytest.mark.parametrize("name", NASTY.split(" | "))
def test_any_name_can_be_an_id(called: Called, name: str) -> None:
    assert called("list", f"names.yaml::{name}") == (0, f"names.yaml::{name}\n", "")


def test_a_name_that_would_steer_the_terminal_is_listed_as_a_shell_reads_it(called: Called) -> None:
    Path(f"{STEERING}.yaml").write_text(GOOD, encoding="utf-8")

    _, out, _ = called("list", f"{STEERING}.yaml", "-k", "first")

    assert out == "$'escape \\x1b[31m and bell \\x07 and tab \\t and line \\x0a.yaml::first'\n"


def test_what_selects_a_case_is_listed_with_it(called: Called) -> None:
    _, out, _ = called("list", "-v", "mixed.yaml")

    assert out.splitlines() == [
        "mixed.yaml::passes   (line 6; tags smoke)",
        "mixed.yaml::fails   (line 9; tags smoke slow)",
        "mixed.yaml::has no object   (line 12)",
        "mixed.yaml::is skipped   (line 15; skip: not today)",
        "mixed.yaml::fails as it should   (line 18)",
    ]


@pytest.mark.kernel
def test_every_line_that_says_again_can_be_pasted_into_a_shell(suites: Path) -> None:
    steering = f"{STEERING}.yaml"
    (suites / steering).write_text(GOOD.replace("2}", "1}"), encoding="utf-8")

    done = ran("run", "names.yaml", steering, cwd=suites)
    commands = re.findall(r"= again +bpftest (.*)", done.stdout)

    words = ["bash", "-c", "\n".join(f"printf '%s\\0' {command}" for command in commands)]
    read = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    ids = [f"names.yaml::{name}" for name in NASTY.split(" | ")]
    ids.append(f"{steering}::second")
    assert read == [word for case in ids for word in ("run", case)]


# --- what is printed ----------------------------------------------------------------------------------------------


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "arguments", "variables"),
    [
        ("mixed", [], {}),
        ("quiet", ["-q"], {}),
        ("verbose", ["-v", "-k", "passes or object"], {}),
        ("ci", [], {"CI": "true"}),
        ("ascii", ["-k", "passes"], {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_a_run_looks_like_this(suites: Path, name: str, arguments: list[str], variables: dict[str, str]) -> None:
    done = ran("run", "mixed.yaml", *arguments, cwd=suites, **variables)

    assert done.stderr == ""
    assert_golden(f"cli/{name}.txt", unchanging(done.stdout))


@pytest.mark.parametrize(
    ("arguments", "variables", "colored"),
    [
        ([], {}, False),
        (["--color", "auto"], {}, False),
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_there_when_they_are_asked_for(
    called: Called, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variables: dict[str, str], colored: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    _, _, err = called("run", "bad.yaml", *arguments)

    assert ("\x1b[" in err) == colored


def test_names_are_listed_where_the_terminal_is_ascii(suites: Path) -> None:
    done = subprocess.run(
        [*BPFTEST, "list", "names.yaml", "-k", "línea"],
        cwd=suites,
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, "names.yaml::línea 数据包\n", b"")
