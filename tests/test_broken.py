"""A real program and its suite, broken on purpose."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml

from tests.golden import assert_golden
from tests.processes import PROJECT, ran

SUITE, SOURCE = "xdp_router.yaml", "xdp_router.bpf.c"
FORWARDS = "forwards and decrements the TTL"


@pytest.fixture(scope="module")
def router_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("router")


@pytest.fixture
def router(router_folder: Path) -> Path:
    """A folder with the router of suites/ as it is; the same for all tests, so that it is compiled once."""
    for name in (SUITE, SOURCE):
        shutil.copy(PROJECT / "suites" / name, router_folder)
    return router_folder


def change(path: Path, old: str, new: str) -> None:
    """Puts *new* in the place of the first *old* in the file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def blocks(report: str) -> dict[str, str]:
    """The block below each case that failed, without its indentation, by the case's name."""
    found = re.findall(r"^  FAIL  \[[^]]+\] (.*?)  +output: .*\n((?: {4}.*\n)+)", report, re.MULTILINE)
    return {name: textwrap.dedent(block) for name, block in found}


@pytest.mark.kernel
def test_a_router_that_forgets_the_ttl_is_told_by_the_field_that_is_wrong(router: Path) -> None:
    change(router / SOURCE, "\tdecrement_ttl(ip);\n", "")

    done = ran("run", SUITE, "--junit-xml", "out.xml", cwd=router)

    block = blocks(done.stdout)[FORWARDS]
    assert (done.returncode, done.stderr) == (1, "")
    assert_golden("broken/ttl.txt", block)
    (suite,) = JUnitXml.fromfile(str(router / "out.xml"))
    results = {case.name: case.result for case in suite}
    assert {name for name, result in results.items() if result} == {
        FORWARDS,
        "finds the second gateway",
        "keeps the type of service, the identification and DF",
        "forwards fragments",
        "carries when the checksum overflows",
        "turns the checksum 0xfeff into zero, not into 0xffff",
        "forwards for the last time at TTL 2",
    }
    (failure,) = results[FORWARDS]
    assert isinstance(failure, Failure)
    assert failure.message == "output: IP.ttl 63 != 64 (and 1 more)"
    assert failure.text == f"{failure.message}\n\nFAIL  {SUITE}::{FORWARDS}\n{block.rstrip()}"


@pytest.mark.kernel
def test_a_router_that_forgets_a_check_is_told_by_the_verifier(router: Path) -> None:
    change(router / SOURCE, "if ((void *)(eth + 1) > end)\n\t\treturn XDP_DROP;", "")

    done = ran("run", f"{SUITE}::{FORWARDS}", cwd=router)

    assert done.returncode == 1
    assert "the verifier refuses 'router': " in done.stdout
    assert "eth->h_dest[0]" in done.stdout, "the line of C"
    assert "invalid access to packet" in done.stdout


MISTAKES = {
    "a key": ("packet: arriving/IP(", "paket: arriving/IP("),
    "a return code": ("retval: XDP_TX", "retval: XDP_TXX"),
    "the program": ("program: router", "program: rooter"),
    "a field of a header": ("ttl=64)/UDP(", "tll=64)/UDP("),
    "a layer": ("/UDP(sport=5000", "/Udp(sport=5000"),
    "an address": ('dst="10.1.2.3", ttl=64', 'dst="10.1.2.256", ttl=64'),
    "a variable": ("$gateway1", "$gatway1"),
    "a comment that cuts a text": ('/Raw(b"question")', '/Raw(b"question # 1")'),
    "a bracket": ('/Raw(b"question")', '/Raw(b"question"'),
    "a name for its key": ("output: {unchanged: true}", "output: unchanged"),
    "an expected field": ("IP.ttl: 8", "IP.tll: 8"),
    "a name twice": ("finds the second gateway for IPv6", "finds the second gateway"),
    "nothing expected": ("    expect: {retval: XDP_DROP}\n", ""),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_its_suite_is_told_at_its_place_before_anything_runs(router: Path, mistake: str) -> None:
    change(router / SUITE, *MISTAKES[mistake])

    done = ran("run", SUITE, cwd=router)

    assert (done.returncode, done.stdout) == (3, "")
    assert_golden(f"broken/{mistake.replace(' ', '-')}.txt", done.stderr)
