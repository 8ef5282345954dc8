"""The JUnit file, as other programs read it."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Properties, Skipped
from lxml import etree

from bpftest.errors import HostError
from bpftest.events import (
    CaseFinished,
    Event,
    Outcome,
    RunFinished,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.reporters import files
from bpftest.reporters.junit import classname, junit
from tests.golden import assert_golden
from tests.reporters import arbitrary, streams

SCHEMAS = Path(__file__).parent.parent / "schemas"
XSDS = {name: etree.XMLSchema(etree.parse(SCHEMAS / name)) for name in ("jenkins-junit-10.xsd", "windyroad-JUnit.xsd")}
STREAMS = {
    "every_outcome": streams.EVERY_OUTCOME,
    "all_passed": streams.ALL_PASSED,
    "interrupted": streams.INTERRUPTED,
    "nothing": streams.NOTHING,
    "invalid": streams.INVALID,
    "detailed": streams.DETAILED,
}
NASTY = [
    "emoji 🐝 👨‍👩‍👧",
    "nul \x00 and bell \x07",
    "]]> <![CDATA[ & < > \" '",
    "\x1b[31mred\x1b[0m, half \x1b[3",
    "\ufffe\uffff\U0001fffe",
    "lone \ud800 and \udcff surrogates",
    "two\nlines\r\nand\ttabs",
    "\x85\u2028\u202e\ufeff",
    "x" * 1_000_000,
    "漢" * 1_000_000,
    " ",
]


def write(path: Path, events: list[Event], flavor: str = "rich") -> Path:
    reporter = junit(str(path), flavor)
    for event in events:
        reporter(event)
    return path


def only_case(path: Path) -> etree._Element:
    (case,) = etree.parse(path, etree.XMLParser(huge_tree=True)).iter("testcase")
    return case


@pytest.mark.parametrize("flavor", ["rich", "strict"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_run_is_written_as_in_its_golden_file(tmp_path: Path, stream: str, flavor: str) -> None:
    text = write(tmp_path / "results.xml", STREAMS[stream], flavor).read_text(encoding="utf-8")
    assert_golden(f"junit/{stream}_{flavor}.xml", text)


@pytest.mark.parametrize("xsd", XSDS)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_strict_flavor_keeps_to_both_public_schemas(tmp_path: Path, stream: str, xsd: str) -> None:
    path = write(tmp_path / "results.xml", STREAMS[stream], "strict")
    XSDS[xsd].assertValid(etree.parse(path))
    xmlschema.XMLSchema(SCHEMAS / xsd).validate(path)


@pytest.mark.parametrize("xsd", XSDS)
def test_the_schemas_can_say_no(tmp_path: Path, xsd: str) -> None:
    path = write(tmp_path / "results.xml", streams.EVERY_OUTCOME, "rich")
    assert not XSDS[xsd].validate(etree.parse(path))


def test_a_reader_finds_counts_times_and_properties(tmp_path: Path) -> None:
    report = JUnitXml.fromfile(str(write(tmp_path / "results.xml", streams.EVERY_OUTCOME)))
    assert (report.tests, report.failures, report.errors, report.skipped, report.time) == (7, 1, 2, 2, 1.3)
    firewall, nat = report
    assert (firewall.name, firewall.hostname, firewall.timestamp) == ("suites.firewall", "buildhost", streams.NOON)
    assert (firewall.tests, firewall.failures, firewall.errors, firewall.skipped) == (6, 1, 2, 2)
    assert {it.name: it.value for it in firewall.properties()} == {
        "bpftest": "0.1.0",
        "kernel": "Linux 6.18.44",
        "arch": "x86_64",
        "suite": "firewall",
        "jit": "on",
    }
    passed, failed, skipped, error, _, xfailed = firewall
    assert (passed.name, passed.classname, passed.time, passed.result) == (
        "drops telnet",
        "suites.firewall",
        0.0007,
        [],
    )
    assert [(it.name, it.value) for it in passed.child(Properties)] == list(streams.PASSED.properties)
    assert [(type(it), it.type, it.message) for it in failed.result] == [
        (Failure, "bpftest.OutputMismatch", "output: IP.ttl 63 != 64 (and 1 more)")
    ]
    assert [(type(it), it.type, it.message) for it in error.result] == [
        (Error, "bpftest.LoadError", streams.REFUSED.message)
    ]
    assert [(type(it), it.message) for it in skipped.result] == [(Skipped, streams.SKIPPED.message)]
    assert [(type(it), it.type, it.message) for it in xfailed.result] == [(Skipped, "bpftest.xfail", "not written yet")]
    assert [(case.name, case.time) for case in nat] == [("translates", 1.2345)]


def test_a_time_is_always_there_with_six_decimals(tmp_path: Path) -> None:
    cases = [streams.PASSED._replace(name=str(seconds), seconds=seconds) for seconds in (0.0, 1e-7, 0.5, 1234.5)]
    root = etree.parse(write(tmp_path / "results.xml", streams.run_of(*cases)))
    assert [it.get("time") for it in root.iter("testcase")] == ["0.000000", "0.000000", "0.500000", "1234.500000"]
    assert [it.get("time") for it in root.iter("testsuite", "testsuites")] == ["0.200000", "0.100000"]


def test_the_place_of_a_case_is_there(tmp_path: Path) -> None:
    case = only_case(write(tmp_path / "results.xml", streams.run_of(streams.FAILED)))
    assert (case.get("file"), case.get("line")) == (streams.FIREWALL, "24")


def test_the_body_repeats_the_message_and_then_shows_the_block(tmp_path: Path) -> None:
    (failure,) = only_case(write(tmp_path / "results.xml", streams.run_of(streams.FAILED))).iter("failure")
    lines = failure.text.splitlines()
    assert lines[:3] == [streams.FAILED.message, "", f"FAIL  {streams.FAILED.id}"]
    assert lines[-1].endswith(f"bpftest run '{streams.FAILED.id}'")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED, Outcome.XFAILED])
def test_a_case_without_a_message_still_counts_as_what_it_is(tmp_path: Path, outcome: Outcome) -> None:
    report = JUnitXml.fromfile(str(write(tmp_path / "results.xml", streams.run_of(streams.case("silent", 5, outcome)))))
    assert report.tests == report.failures + report.errors + report.skipped == 1
    ((case,),) = report
    assert len(case.result) == 1
    assert case.result[0].message


@pytest.mark.parametrize(("kind", "expected"), [("yaml", "bpftest.yaml"), ("", "bpftest.Failure"), ("a.B", "a.B")])
def test_a_type_has_a_dot(tmp_path: Path, kind: str, expected: str) -> None:
    (failure,) = only_case(write(tmp_path / "results.xml", streams.run_of(streams.FAILED._replace(kind=kind)))).iter(
        "failure"
    )
    assert failure.get("type") == expected


def test_a_case_that_runs_several_times_has_several_names(tmp_path: Path) -> None:
    root = etree.parse(write(tmp_path / "results.xml", streams.run_of(*[streams.PASSED] * 3)))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["drops telnet", "drops telnet #2", "drops telnet #3"]


def test_suites_that_overlap_keep_their_own_cases(tmp_path: Path) -> None:
    events: list[Event] = [
        streams.started(2, 3),
        SuiteStarted(streams.FIREWALL, "", 2, streams.NOON),
        SuiteStarted(streams.NAT, "", 1, streams.NOON),
        streams.PASSED,
        streams.TRANSLATES,
        streams.FAILED,
        SuiteFinished(streams.NAT, 1.0),
        SuiteFinished(streams.FIREWALL, 2.0),
        RunFinished(2.0),
    ]
    root = etree.parse(write(tmp_path / "results.xml", events)).getroot()
    assert [
        (suite.get("name"), suite.get("id"), [case.get("name") for case in suite.iter("testcase")]) for suite in root
    ] == [
        ("suites.nat", "0", ["translates"]),
        ("suites.firewall", "1", ["drops telnet", "forwards and decrements the TTL"]),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("suites/firewall.yaml", "suites.firewall"),
        ("./suites/firewall.yml", "suites.firewall"),
        ("../../suites/firewall.yaml", "suites.firewall"),
        ("/srv/suites/firewall.yaml", "srv.suites.firewall"),
        ("firewall.yaml", "firewall"),
        ("suites/v1.2/fw.ipv6.yaml", "suites.v1_2.fw_ipv6"),
        ("suites/fw\x1b.yaml", "suites.fw\\x1b"),
        ("my suites/fw", "my suites.fw"),
        (".yaml", "suite"),
    ],
)
def test_a_suite_is_named_as_jenkins_groups_it(path: str, name: str) -> None:
    assert classname(path) == name


@pytest.mark.parametrize("flavor", ["rich", "strict"])
@pytest.mark.parametrize("text", NASTY, ids=[ascii(text[:20]) for text in NASTY])
def test_nasty_text_is_still_xml_wherever_it_stands(tmp_path: Path, text: str, flavor: str) -> None:
    path = write(tmp_path / "results.xml", arbitrary.everywhere(text), flavor)
    root = etree.parse(path, etree.XMLParser(huge_tree=True)).getroot()
    assert sum(int(suite.get("errors")) for suite in root) == 3
    for element in root.iter():
        assert arbitrary.hidden("".join([element.text or "", *element.attrib.values()]).replace("\n", "")) == []
    for outcome in root.iter("failure", "error"):
        assert len(outcome.text) < 70_000
        assert len(outcome.get("message")) <= 1_000
    if flavor == "strict" and len(text) < 1_000:
        for xsd in XSDS.values():
            xsd.assertValid(root)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("junit")


@settings(deadline=None)
@given(found=st.lists(arbitrary.cases(), max_size=4), flavor=st.sampled_from(["rich", "strict"]))
def test_any_cases_give_well_formed_xml_with_their_counts(folder: Path, found: list[CaseFinished], flavor: str) -> None:
    root = etree.parse(write(folder / "results.xml", streams.run_of(*found), flavor)).getroot()
    (suite,) = root
    count = Counter(case.outcome for case in found)
    assert {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": len(found),
        "failures": count[Outcome.FAILED],
        "errors": count[Outcome.ERROR],
        "skipped": count[Outcome.SKIPPED] + count[Outcome.XFAILED],
    }
    for name in ("failure", "error", "skipped"):
        assert len(list(suite.iter(name))) == int(suite.get({"failure": "failures", "error": "errors"}.get(name, name)))
    if flavor == "strict":
        for xsd in XSDS.values():
            xsd.assertValid(root)


def test_a_missing_folder_is_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write(tmp_path / "out" / "reports" / "results.xml", streams.ALL_PASSED)
    assert os.listdir(tmp_path / "out" / "reports") == ["results.xml"]


def test_an_old_report_stands_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.xml"
    path.write_text("old")
    reporter = junit(str(path))
    for event in streams.ALL_PASSED[:-1]:
        reporter(event)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["results.xml"])
    reporter(streams.ALL_PASSED[-1])
    assert path.read_text().startswith("<?xml")
    assert os.listdir(tmp_path) == ["results.xml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "latest.xml").symlink_to("results.xml")
    write(tmp_path / "latest.xml", streams.ALL_PASSED)
    assert (tmp_path / "latest.xml").is_symlink()
    assert (tmp_path / "results.xml").read_text().startswith("<?xml")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, streams.ALL_PASSED)
        assert os.read(reader, 1 << 16).startswith(b"<?xml")
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = write(tmp_path / "results.xml", streams.ALL_PASSED)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_path_that_cannot_be_written_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in [(tmp_path, "it is a folder"), (tmp_path / "file" / "results.xml", "Not a directory")]:
        with pytest.raises(HostError) as caught:
            junit(str(path))(streams.started(1, 1))
        assert str(caught.value) == f"cannot write {path}: {reason}"


def test_a_folder_that_went_away_is_a_host_error_too(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    reporter = junit(str(folder / "results.xml"))
    reporter(streams.started(0, 0))
    folder.rmdir()
    with pytest.raises(HostError, match="No such file or directory"):
        reporter(RunFinished(0.1))


def test_what_sudo_wrote_belongs_to_who_called_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_away: list[tuple[str, int, int]] = []
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "5678")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given_away.append(("report", user, group)))
    monkeypatch.setattr(
        os, "chown", lambda path, user, group, **_: given_away.append((os.path.basename(path), user, group))
    )
    write(tmp_path / "a" / "b" / "results.xml", streams.ALL_PASSED)
    assert given_away == [("a", 1234, 5678), ("b", 1234, 5678), ("report", 1234, 5678)]


def test_without_sudo_nothing_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert files._owner() is None
