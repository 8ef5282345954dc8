"""Global variables of every kind, set and looked at by a suite."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import ran

pytestmark = pytest.mark.kernel

SUITE = """
version: 1
object: {object}
cases:
  - name: as the object has them
    packet: {{zeros: 64}}
    expect:
      retval: 101
      globals:
        passed: 1
        hidden: 4
        count.calls: 1
        limits: {{rate: 9, ports: [80, 443, 0, 0]}}
        budget: 100
        name: first
        LINUX_KERNEL_VERSION: {version}
        CONFIG_NOWHERE: TRI_NO
        CONFIG_NOWHERE_FLAG: false
        CONFIG_NOWHERE_TEXT: ""
  - name: as the suite has them
    globals: {{hidden: 7, count.calls: 10, limits: {{ports: [22]}}, budget: 5, name: second}}
    packet: {{zeros: 64}}
    expect:
      retval: 16
      globals: {{hidden: 8, limits: {{rate: 9, ports: [22, 443]}}, budget: 5, name: second}}
  - name: as the object has them again
    packet: {{zeros: 64}}
    expect: {{retval: 101, globals: {{hidden: 4, count.calls: 1, limits: {{rate: 9}}}}}}
  - name: not so
    packet: {{zeros: 64}}
    expect: {{globals: {{LINUX_KERNEL_VERSION: 0, hidden: 5, name: last}}}}
"""


def kernel_version() -> int:
    """KERNEL_VERSION() of linux/version.h."""
    major, minor, patch = (int(part) for part in re.findall(r"\d+", platform.release())[:3])
    return (major << 16) + (minor << 8) + min(patch, 255)


def test_variables_of_every_section_are_set_and_looked_at(build: Callable[..., str], tmp_path: Path) -> None:
    text = SUITE.format(object=build("globals"), version=kernel_version())
    (tmp_path / "globals.yaml").write_text(text, encoding="utf-8")

    done = ran("run", "globals.yaml", cwd=tmp_path)

    assert re.findall(r"^  (PASS|FAIL|ERROR)  ?\[[^]]+\] (\w+(?: \w+)*)", done.stdout, re.MULTILINE) == [
        ("PASS", "as the object has them"),
        ("PASS", "as the suite has them"),
        ("PASS", "as the object has them again"),
        ("FAIL", "not so"),
    ], done.stdout + done.stderr
    assert re.findall(r"= (\S+) +expected (\S+) +got (\S+)", done.stdout) == [
        ("LINUX_KERNEL_VERSION", "0", str(kernel_version())),
        ("hidden", "5", "4"),
        ("name", '"last"', '"first"'),
    ]
