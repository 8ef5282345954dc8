"""Tables, captures, kept packets and snapshots, as users run them."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bpftest.packets.captures import frames
from tests.packets.written import pcap
from tests.processes import ran

pytestmark = pytest.mark.kernel

FRAME = b"\xff" * 12 + b"\x90\0" + bytes(46)
TABLE = """\
version: 1
object: plain.o
program: pass
vars: {code: XDP_PASS}
cases:
  - name: type $type
    rows:
      - {type: 0x9000, verdict: XDP_PASS}
      - {type: 0x9001, verdict: XDP_DROP}
    packet: Ether(type=$type)/Raw(b"0123")
    expect: {retval: $verdict, output: {unchanged: true}}
  - name: captured
    rows: {pcap: two.pcap}
    expect: {retval: $code, output: {pcap: two.pcap, index: $frame}}
  - name: in steps
    matrix: {first: [1, 2]}
    steps:
      - {name: one, packet: {fill: $first, length: 60}, expect: {retval: XDP_PASS}}
      - {name: two, packet: {from: one}, expect: {output: {fill: 1, length: 60}}}
"""


@pytest.fixture
def suites(folder: Path) -> Path:
    (folder / "table.yaml").write_text(TABLE)
    (folder / "two.pcap").write_bytes(pcap(FRAME, FRAME + b"\1"))
    return folder


def test_each_row_is_an_entry_of_the_report_with_a_line_of_its_own(suites: Path) -> None:
    done = ran("run", "table.yaml", "--junit-xml", "out.xml", cwd=suites)

    assert done.returncode == 1
    cases = ET.parse(suites / "out.xml").iter("testcase")  # noqa: S314 - written by ourselves
    assert [
        (case.get("name"), case.get("line"), [one.tag for one in case if one.tag == "failure"]) for case in cases
    ] == [
        ("type 36864", "8", []),
        ("type 36865", "9", ["failure"]),
        ("captured [frame=1]", "13", []),
        ("captured [frame=2]", "13", []),
        ("in steps [first=1]", "15", []),
        ("in steps [first=2]", "15", ["failure"]),
    ]


def test_a_failure_shows_the_row_that_says_what_was_expected(suites: Path) -> None:
    done = ran("run", "table.yaml:9", "--color", "never", cwd=suites)

    assert "--> table.yaml:9:33\n" in done.stdout
    assert "9 |       - {type: 0x9001, verdict: XDP_DROP}\n" in done.stdout
    assert "Summary  1 case in" in done.stdout


def test_a_variable_from_outside_is_stronger_than_that_of_the_suite(suites: Path) -> None:
    done = [
        ran("run", "table.yaml", "-k", "captured", "--no-artifacts", *more, cwd=suites, **env)
        for more, env in (
            ((), {}),
            (("--var", "code=XDP_DROP"), {}),
            ((), {"BPFTEST_VAR_code": "XDP_DROP"}),
            (("--var", "code=2"), {"BPFTEST_VAR_code": "XDP_DROP"}),
            (("--var", "coed=2"), {}),
        )
    ]
    assert [one.returncode for one in done] == [0, 1, 1, 0, 2]
    assert done[-1].stderr.startswith("error: --var coed: no suite has a variable of this name\n")


# --- packets of failed cases --------------------------------------------------------------------------------------


def test_the_packets_of_a_failed_step_are_kept_as_captures(suites: Path) -> None:
    done = ran("run", "table.yaml", cwd=suites)

    kept = ".bpftest/artifacts/table/in-steps-first=2-"
    line = next(line for line in done.stdout.splitlines() if kept in line)
    folder, braced = line.split()[-1].rsplit("/", 1)
    assert (line.split()[:2], braced) == (["=", "pcap"], "{input,expected,actual}.pcap")
    assert Path(folder).name == "two"
    packets = {name: frames(str(suites / folder), f"{name}.pcap")[0].data for name in ("input", "expected", "actual")}
    assert packets == {"input": b"\2" * 60, "expected": b"\1" * 60, "actual": b"\2" * 60}


def test_under_sudo_they_belong_to_who_called_it(suites: Path) -> None:
    ran("run", "table.yaml", cwd=suites, SUDO_UID="1234", SUDO_GID="2345")

    found = [suites / ".bpftest", *(suites / ".bpftest").rglob("*")]
    assert len(found) > 5
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(1234, 2345)}


def test_without_artifacts_nothing_is_written(suites: Path) -> None:
    before = sorted(os.listdir(suites))
    done = ran("run", "table.yaml", "--no-artifacts", cwd=suites)

    assert (done.returncode, sorted(os.listdir(suites))) == (1, before)
    assert "pcap" not in done.stdout.replace("two.pcap", "")


# --- snapshots ----------------------------------------------------------------------------------------------------

KEPT = """\
version: 1
object: plain.o
program: pass
cases:
  - {name: one, packet: {fill: 1, length: 60}, expect: {output: {snapshot: first}}}
  - {name: two, packet: {fill: 2, length: 60}, expect: {output: {snapshot: second}}}
"""


@pytest.fixture
def kept(folder: Path) -> Path:
    (folder / "kept.yaml").write_text(KEPT)
    return folder


def snapshots(kept: Path) -> list[str]:
    path = kept / "__snapshots__/kept.yaml.snap"
    return [line for line in path.read_text().splitlines() if line.startswith("[")] if path.exists() else []


def test_a_missing_snapshot_fails_until_it_is_kept(kept: Path) -> None:
    before = ran("run", "kept.yaml", cwd=kept)
    assert (before.returncode, snapshots(kept)) == (1, [])
    assert "none; bpftest run --update-snapshots keeps this one" in before.stdout

    keeping = ran("run", "kept.yaml::one", "--update-snapshots", cwd=kept)
    assert (keeping.returncode, snapshots(kept)) == (0, ["[first]"])
    assert keeping.stderr == "note: __snapshots__/kept.yaml.snap: wrote first; read it before you commit it\n"

    assert [ran("run", f"kept.yaml::{name}", cwd=kept).returncode for name in ("one", "two")] == [0, 1]


def test_what_differs_is_told_and_replaced_only_by_all(kept: Path) -> None:
    ran("run", "kept.yaml", "--update-snapshots", cwd=kept)
    (kept / "kept.yaml").write_text(KEPT.replace("fill: 2", "fill: 3").replace("snapshot: first", "snapshot: other"))

    done = ran("run", "kept.yaml", "--update-snapshots=new", cwd=kept)
    assert (done.returncode, snapshots(kept)) == (1, ["[first]", "[other]", "[second]"])
    assert done.stderr.splitlines()[1:] == [
        "note: __snapshots__/kept.yaml.snap: no case names first; --update-snapshots=all drops them"
    ]
    done = ran("run", "kept.yaml", "--update-snapshots=all", cwd=kept)
    assert (done.returncode, snapshots(kept)) == (0, ["[other]", "[second]"])
    assert ran("run", "kept.yaml", cwd=kept).returncode == 0


def test_in_ci_none_is_written(kept: Path) -> None:
    done = ran("run", "kept.yaml", "--update-snapshots", cwd=kept, CI="true")
    assert (done.returncode, snapshots(kept)) == (2, [])
    assert done.stderr.startswith("error: with CI set, --update-snapshots writes nothing\n")
    assert ran("run", "kept.yaml", cwd=kept, CI="true").returncode == 1


def test_two_expectations_cannot_have_one_snapshot(kept: Path) -> None:
    (kept / "kept.yaml").write_text(KEPT.replace("snapshot: second", "snapshot: first"))
    done = ran("validate", "kept.yaml", cwd=kept)
    assert done.returncode == 3
    assert "error: a second snapshot 'first'\n --> kept.yaml:6:76\n" in done.stderr
