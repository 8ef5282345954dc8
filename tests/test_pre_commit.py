"""The hook that other projects use from .pre-commit-hooks.yaml."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from bpftest.commands import COMMANDS
from tests.processes import PATIENCE, PROJECT, ran

FILE = PROJECT / ".pre-commit-hooks.yaml"
HOOK: dict[str, Any]
(HOOK,) = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_pre_commit_takes_the_file() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(FILE)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_calls_a_command_that_the_package_installs() -> None:
    program, command = HOOK["entry"].split(" ")
    assert f'\n{program} = "bpftest.__main__:main"\n' in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert command in COMMANDS
    assert (HOOK["language"], HOOK["types"]) == ("python", ["yaml"])


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("suites/fw.yaml", True),
        ("services/edge/suites/deep/fw.yml", True),
        ("compose.yaml", False),
        ("testsuites/fw.yaml", False),
        ("suites/__snapshots__/fw.yaml.snap", False),
    ],
)
def test_it_is_about_suites(path: str, chosen: bool) -> None:
    assert (bool(re.search(HOOK["files"], path)) and not re.search(HOOK["exclude"], path)) is chosen


def test_files_that_pre_commit_names_are_all_checked() -> None:
    done = ran("validate", "suites/xdp_reflector.yaml", "suites/verifier.yaml", cwd=PROJECT)
    assert (done.returncode, done.stdout.partition(" valid")[0]) == (0, "2 suites")
