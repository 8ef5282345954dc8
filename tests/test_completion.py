"""Shell completion: the scripts, and what a real bash makes of its own."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpftest.commands import COMMANDS
from bpftest.commands.completion import SHELLS, commands
from tests.processes import BPFTEST, PATIENCE, environment, ran

SUITE = """\
version: 1
object: plain.o
program: pass
defaults: {packet: {zeros: 64}}
cases:
  - {name: drops telnet, expect: {retval: 1}}
  - {name: drops telnet over IPv6, expect: {retval: 1}}
  - {name: "passes: the rest, and $$HOME", expect: {retval: 2}}
"""

QUOTED = ["drops\\ telnet", "drops\\ telnet\\ over\\ IPv6", "passes:\\ the\\ rest\\,\\ and\\ \\$HOME"]

# The words of a line as bash gives them to a completion function: ':' and '=' are words of their own.
ASK = """
source ./completion
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_bpftest
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str) -> str:
    return "".join(f"{line}\n" for line in SHELLS[shell](commands()))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a suite, a program called bpftest, and the script for bash."""
    folder = tmp_path
    (folder / "suites").mkdir()
    (folder / "suites" / "fire.yaml").write_text(SUITE, encoding="utf-8")
    (folder / "suites" / "fire.bpf.c").write_text("", encoding="utf-8")
    (folder / "bin").mkdir()
    program = folder / "bin" / "bpftest"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(BPFTEST)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (folder / "completion").write_text(script("bash"), encoding="utf-8")
    return folder


def in_path(project: Path) -> dict[str, str]:
    return environment(PATH=f"{project / 'bin'}:{os.environ['PATH']}")


def completed(project: Path, *words: str) -> list[str]:
    """What bash offers for the last of *words*."""
    asked = subprocess.run(
        ["bash", "-c", ASK, "bash", "bpftest", *words],
        cwd=project,
        env=in_path(project),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert asked.stderr == ""
    return asked.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("va",), ["validate"]),
        (("--v",), ["--version"]),
        (("run", "--reprod"), ["--reproduce"]),
        (("run", "suites", "--exitf"), ["--exitfirst"]),
        (("run", "--format", ""), ["human", "concise", "jsonl", "tap", "github"]),
        (("run", "--format", "=", "t"), ["tap"]),
        (("run", "--update-snapshots", "=", "a"), ["all"]),
        (("run", "sui"), ["suites/"]),
        (("run", "suites/"), ["suites/fire.yaml"]),
        (("run", "--json", "suites/fire.b"), ["suites/fire.bpf.c"]),
        (("run", "-k", ""), [""]),
        (("packet", "--to", "s"), ["scapy"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("report", "mer"), ["merge"]),
        (("run", "suites/fire.yaml", "::"), QUOTED),
        (("run", "suites/fire.yaml", "::", "drops\\ telnet\\ o"), ["drops\\ telnet\\ over\\ IPv6"]),
        (("run", "'suites/fire.yaml::drops telnet o"), ["suites/fire.yaml::drops telnet over IPv6"]),
        (("packet", "suites/fire.yaml", "::", "passes", ":"), ["\\ the\\ rest\\,\\ and\\ \\$HOME"]),
        (("run", "no/such.yaml", "::"), [""]),
    ],
)  # fmt: skip
def test_bash_is_offered_what_may_stand_there(project: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(project, *words) == offered


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_offered(project: Path, command: str) -> None:
    (described,) = [one for one in commands() if one.name == command]
    names = [name for option in described.options for name in option.names]

    assert completed(project, command, "-") == names
    assert "--help" in names


def test_in_a_real_bash_tab_completes_a_case(project: Path) -> None:
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project)
        shell = ["bash", "--norc", "--noprofile", "-i"]
        os.execvpe("bash", shell, {**in_path(project), "TERM": "dumb"})  # noqa: S606 - it is the shell that is tested
    try:
        os.write(terminal, b"source ./completion; bind 'set bell-style none'; echo so\\urced\n")
        wait_for(terminal, "sourced")
        os.write(terminal, b"echo x bpf; : && bpftest run suites/fi\t")
        wait_for(terminal, "suites/fire.yaml ")
        os.write(terminal, b"\b::drops\\ telnet\\ o\t")
        wait_for(terminal, "drops\\ telnet\\ over\\ IPv6")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def wait_for(terminal: int, text: str) -> None:
    """Reads what the shell shows up to *text*, which has to come."""
    said, end = "", time.monotonic() + PATIENCE
    while text not in said:
        assert select.select([terminal], [], [], end - time.monotonic())[0], said
        said += os.read(terminal, 4096).decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_hold_every_command_and_option(shell: str) -> None:
    text = script(shell)

    assert [word for word in words_of(shell) if word not in text] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(tmp_path: Path, shell: str) -> None:
    done = ran("completion", shell, cwd=tmp_path)

    first = ["#compdef bpftest"] if shell == "zsh" else []
    made = f"# made by `bpftest completion {shell}`; make it anew after an update of bpftest"
    assert (done.returncode, done.stdout) == (0, "\n".join([*first, made, script(shell)]))


def words_of(shell: str) -> Iterator[str]:
    for command in commands():
        yield command.name
        for option in command.options:
            for name in option.names:
                fish = f" -l {name[2:]} " if name.startswith("--") else f" -s {name[1:]} "
                if shell != "fish":
                    yield name
                elif "=" not in name:
                    yield fish


def test_words_with_quotation_marks_stay_words_in_fish() -> None:
    from bpftest.commands.completion import _fish_word

    assert _fish_word("bpftest's \\ word") == "'bpftest\\'s \\\\ word'"


def test_a_shell_that_is_not_known_is_refused(tmp_path: Path) -> None:
    done = ran("completion", "tcsh", cwd=tmp_path)

    assert (done.returncode, "invalid choice: 'tcsh'" in done.stderr) == (2, True)
