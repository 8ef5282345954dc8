"""Who does not need a package does not pay for importing it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE, PROJECT, environment

HEAVY = ("scapy", "jsonschema", "junit_xml", "lxml", "pyroute2")
HEX = """\
version: 1
object: plain.o
program: pass
cases:
  - {name: hex, packet: {hex: "ffffffffffff 020000000001 9000 00000000"}, expect: {retval: XDP_PASS}}
  - name: the same
    packet: {hex: "ffffffffffff 020000000001 9000 00000000"}
    expect: {output: {hex: "ffffffffffff 020000000001 9000 ****0000"}}
"""
EXPRESSION = HEX.replace('{hex: "ffffffffffff 020000000001 9000 00000000"}', "Ether(type=0x9000)/Raw(b'1234')").replace(
    '{hex: "ffffffffffff 020000000001 9000 ****0000"}', "{unchanged: true}"
)
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


@pytest.fixture
def suites(folder: Path) -> Path:
    (folder / "hex.yaml").write_text(HEX, encoding="utf-8")
    (folder / "expression.yaml").write_text(EXPRESSION, encoding="utf-8")
    return folder


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The modules that `bpftest ARGUMENTS`, which ends well, imports, with those that Python itself does."""
    return imported_by("-m", "bpftest", *arguments, cwd=cwd)


def imported_by(*words: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(IMPORTED.findall(done.stderr))


def packages(modules: set[str]) -> set[str]:
    """The packages that belong neither to Python, nor to its installation, nor to bpftest."""
    started = {name.partition(".")[0] for name in imported_by("-c", "pass", cwd=PROJECT)}
    return {name.partition(".")[0] for name in modules} - started - sys.stdlib_module_names - {"bpftest"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", str(PROJECT / "suites")],
        ["validate", "hex.yaml"],
        ["schema"],
        ["--version"],
        pytest.param(["run", "hex.yaml"], marks=pytest.mark.kernel),
    ],
)
def test_nothing_heavy_is_imported_where_all_is_well(suites: Path, arguments: list[str]) -> None:
    assert packages(imported(*arguments, cwd=suites)).isdisjoint(HEAVY)


@pytest.mark.kernel
def test_expressions_cost_scapy_once(suites: Path) -> None:
    first = imported("run", "expression.yaml", cwd=suites)
    second = imported("run", "expression.yaml", cwd=suites)

    assert "scapy" in packages(first)
    assert packages(second).isdisjoint(HEAVY)


SLOW = {"asyncio", "bz2", "dataclasses", "difflib", "inspect", "json", "logging", "pathlib", "shutil", "subprocess"}


@pytest.mark.kernel
def test_a_hex_case_imports_the_readers_of_yaml_and_schema_and_nothing_else(suites: Path) -> None:
    modules = imported("run", "hex.yaml", cwd=suites)

    assert packages(modules) == {"jsonschema_rs", "yaml"}
    assert modules.isdisjoint(SLOW), "of Python's own"


# Rooms and modules of bpftest itself for what this suite does not say: state, several frames, programs that print.
UNUSED = re.compile(
    r"bpftest\.(btf|values|maps|map_values|refusals|verifier_\w+)\b"
    r"|bpftest\.plan\.(setup|entries|network)\b"
    r"|bpftest\.kernel\.(batch|benchmark|capture|contents|cpumap|inner|interfaces|live|map|map_refusals|network|printk"
    r"|probes|records|requirements|reset|sizes|sockets|state|statistics|streams|tracefs)\b"
)


@pytest.mark.kernel
def test_a_plain_case_pays_for_no_expectation_but_its_own_and_for_no_state(suites: Path) -> None:
    modules = imported("run", "hex.yaml", cwd=suites)

    assert {name.rpartition(".")[2] for name in modules if name.startswith("bpftest.expectations.")} == {
        *("context", "ctx", "output", "result")
    }
    assert [name for name in sorted(modules) if UNUSED.match(name)] == []


@pytest.mark.kernel
def test_a_report_costs_its_package_and_no_other(suites: Path) -> None:
    found = packages(imported("run", "hex.yaml", "--junit-xml", "out.xml", cwd=suites))

    assert found & set(HEAVY) == {"junit_xml"}
