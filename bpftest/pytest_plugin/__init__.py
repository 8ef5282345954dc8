"""The pytest plugin: `pytest suites/` collects suites beside Python tests, each case an item.

pytest imports this module at every start wherever bpftest is installed, so it imports nothing that pytest does not; the
rest of the plugin comes with the first suite that is collected.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from bpftest.pytest_plugin.items import SuiteFile


LEFT_OUT = "__snapshots__"  # as `bpftest run` leaves it out


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin, on the command line and in pytest's configuration."""
    parser.addini(
        "bpftest_suites",
        "which YAML files are suites of bpftest: files and folders, from pytest's rootdir on, with *, ? and **",
        type="linelist",
        default=["suites"],
    )
    parser.addini("bpftest_vars", "variables of the suites, NAME=VALUE a line", type="linelist", default=[])
    parser.getgroup("bpftest").addoption(
        "--bpftest-var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the suites, stronger than their `vars` and than BPFTEST_VAR_NAME; may be repeated",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """The suite at *file_path*: one that the command line names, or that `bpftest_suites` says is one."""
    if file_path.suffix not in {".yaml", ".yml"}:
        return None
    if not parent.session.isinitpath(file_path) and not _is_suite(file_path, parent.config):
        return None
    from bpftest.pytest_plugin.items import SuiteFile

    found: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return found


def _is_suite(path: Path, config: pytest.Config) -> bool:
    names = os.path.relpath(path, config.rootpath).split(os.sep)
    if LEFT_OUT in names or names[-1].startswith("."):
        return False
    patterns: list[str] = config.getini("bpftest_suites")
    return any(within(names, os.path.normpath(pattern).split(os.sep)) for pattern in patterns)


def within(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether *pattern* means the file at *names*, or a folder above it; `**` stands for any number of folders."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(within(names[skipped:], pattern[1:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and within(names[1:], pattern[1:])
