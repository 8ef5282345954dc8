from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpftest.suite.document import document
from bpftest.suite.model import Case, Load, Program, Requires, Source, Suite
from bpftest.suite.parse import InvalidSuiteFile, read_suite, seconds, suite
from tests.suite.mistakes import report


def parsed(text: str, path: str = "suites/fw.yaml") -> Suite:
    return suite(document(path, f"version: 1\n{text}"))


def program_of(text: str) -> Program:
    """The program of the only case, without the places where it is said."""
    (case,) = parsed(text).cases
    return case.program._replace(places=None)


def refused(text: str) -> str:
    """All that is wrong with a suite, as people see it."""
    read = document("fw.yaml", f"version: 1\n{text}")
    with pytest.raises(InvalidSuiteFile) as raised:
        suite(read)
    assert raised.value.path == "fw.yaml"
    return report(raised.value.faults, read.lines)


ONE_CASE = "cases: [{name: passes, packet: IP(), expect: {retval: 1}}]\n"


def with_case(**keys: str) -> str:
    """A case that says no more than it has to, and *keys*."""
    said = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return f"cases:\n  - name: passes\n{said}    expect: {{retval: 1}}\n"


# --- the program --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("object: fw.bpf.o\n" + ONE_CASE, Program("suites/fw.bpf.o")),
        ("object: ../build/fw.bpf.o\n" + ONE_CASE, Program("suites/../build/fw.bpf.o")),
        ("object: /build/fw.bpf.o\n" + ONE_CASE, Program("/build/fw.bpf.o")),
        ("source: fw.bpf.c\n" + ONE_CASE, Program(None, Source("suites/fw.bpf.c"))),
        ("source: {file: fw.bpf.c}\n" + ONE_CASE, Program(None, Source("suites/fw.bpf.c"))),
        (
            "source: {file: fw.bpf.c, cflags: [-DX=1, -O1]}\n" + ONE_CASE,
            Program(None, Source("suites/fw.bpf.c", ("-DX=1", "-O1"))),
        ),
        (
            "object: fw.bpf.o\nprogram: fw\ntype: xdp\nattach_type: xdp_devmap\n" + ONE_CASE,
            Program("suites/fw.bpf.o", None, "fw", "xdp", "xdp_devmap"),
        ),
        (
            "object: fw.bpf.o\nload: {flags: [strict_alignment, sleepable], log_level: 2, also: [other]}\n" + ONE_CASE,
            Program("suites/fw.bpf.o", load=Load(("strict_alignment", "sleepable"), 2, ("other",))),
        ),
    ],
)
def test_a_program_is_said_at_the_top(text: str, program: Program) -> None:
    assert program_of(text) == program


TOP = "object: top.o\nprogram: top\ntype: xdp\nload: {log_level: 1, flags: [sleepable]}\n"
DEFAULTS = "defaults: {object: default.o, program: default, type: sched_cls, load: {log_level: 2}}\n"
CASE = {"object": "own.o", "program": "own", "type": "sched_act", "load": "{log_level: 4}"}


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (TOP + with_case(), Program("suites/top.o", None, "top", "xdp", None, Load(("sleepable",), 1))),
        (TOP + DEFAULTS + with_case(), Program("suites/default.o", None, "default", "sched_cls", None, Load((), 2))),
        (TOP + DEFAULTS + with_case(**CASE), Program("suites/own.o", None, "own", "sched_act", None, Load((), 4))),
        (TOP + with_case(program="own"), Program("suites/top.o", None, "own", "xdp", None, Load(("sleepable",), 1))),
        (DEFAULTS + with_case(type="xdp"), Program("suites/default.o", None, "default", "xdp", None, Load((), 2))),
        (with_case(**CASE), Program("suites/own.o", None, "own", "sched_act", None, Load((), 4))),
    ],
    ids=["top", "defaults", "case", "a part in the case", "a part of the defaults", "the case alone"],
)
def test_of_the_program_the_innermost_wins_key_by_key(text: str, program: Program) -> None:
    assert program_of(text) == program


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("object: a.o\n" + with_case(source="b.c"), Program(None, Source("suites/b.c"))),
        ("source: b.c\n" + with_case(object="a.o"), Program("suites/a.o")),
        ("object: a.o\ndefaults: {source: b.c}\n" + with_case(), Program(None, Source("suites/b.c"))),
        ("source: b.c\ndefaults: {object: a.o}\n" + with_case(), Program("suites/a.o")),
        ("object: a.o\ndefaults: {source: b.c}\n" + with_case(object="c.o"), Program("suites/c.o")),
    ],
)
def test_an_object_takes_the_place_of_a_source_and_the_other_way_round(text: str, program: Program) -> None:
    assert program_of(text) == program


def test_each_part_of_a_program_knows_where_it_is_said() -> None:
    (case,) = parsed(TOP + "defaults: {type: sched_cls}\n" + with_case(program="own")).cases

    places = {key: str(where.place()) for key, where in (case.program.places or {}).items()}
    assert places == {
        "object": "suites/fw.yaml:2:9",
        "program": "suites/fw.yaml:9:14",
        "type": "suites/fw.yaml:6:18",
        "load": "suites/fw.yaml:5:7",
    }


def test_cases_that_say_nothing_of_their_program_share_one() -> None:
    one, two, other = parsed(
        "object: a.o\n"
        "cases:\n"
        "  - {name: one, expect: {retval: 1}}\n"
        "  - {name: two, expect: {retval: 1}}\n"
        "  - {name: other, program: x, expect: {retval: 1}}\n"
    ).cases

    assert one.program is two.program
    assert one.program is not other.program


def test_paths_lead_from_where_the_suite_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "fw.yaml").write_text(f"version: 1\nobject: ../fw.bpf.o\n{ONE_CASE}")
    monkeypatch.chdir(tmp_path)

    paths = [read_suite(path).cases[0].program.object for path in ("suites/fw.yaml", f"{tmp_path}/suites/fw.yaml")]
    monkeypatch.chdir(tmp_path / "suites")

    assert paths == ["suites/../fw.bpf.o", f"{tmp_path}/suites/../fw.bpf.o"]
    assert read_suite("fw.yaml").cases[0].program.object == "../fw.bpf.o"


# --- cases --------------------------------------------------------------------------------------------------------

PLAIN = {
    "repeat": 1,
    "cpu": None,
    "timeout_s": 10.0,
    "tags": (),
    "skip": "",
    "xfail": "",
    "requires": Requires(),
}


def plain(case: Case) -> dict[str, Any]:
    """What of *case* is plain data."""
    (step,) = case.steps
    assert step.timeout_s == case.timeout_s
    return {key: getattr(step if key in step._fields else case, key) for key in PLAIN}


def said(case: Case) -> dict[str, Any]:
    """What of *case* stands in the file as it is."""
    keys = ("packet", "ctx", "flags", "maps", "globals")
    (step,) = case.steps
    found = {key: getattr(step, key) for key in keys}
    return {key: where.value for key, where in found.items() if where is not None}


FULL = """\
defaults:
  packet: Ether()
  ctx: {mark: 1}
  flags: [checksum_complete]
  repeat: 5
  cpu: 1
  timeout: 2s
  tags: [net, slow]
  skip: not today
  xfail: known
  requires: {kernel: ">=6.1", arch: [x86_64]}
"""


def test_a_case_that_says_nothing_has_what_the_model_says() -> None:
    (case,) = parsed("object: a.o\n" + ONE_CASE).cases

    assert (case.name, plain(case), said(case)) == ("passes", PLAIN, {"packet": "IP()"})
    assert case.steps[0].expect.value == {"retval": 1}
    assert case.here.value == {"name": "passes", "packet": "IP()", "expect": {"retval": 1}}


def test_defaults_hold_for_a_case_that_does_not_say_otherwise() -> None:
    (case,) = parsed(f"object: a.o\n{FULL}{with_case()}").cases

    assert plain(case) == {
        "repeat": 5,
        "cpu": 1,
        "timeout_s": 2.0,
        "tags": ("net", "slow"),
        "skip": "not today",
        "xfail": "known",
        "requires": Requires(">=6.1", ("x86_64",)),
    }
    assert said(case) == {"packet": "Ether()", "ctx": {"mark": 1}, "flags": ["checksum_complete"]}


def test_what_a_case_says_replaces_the_defaults_and_its_tags_are_added() -> None:
    own = with_case(
        packet="IP()",
        ctx="{priority: 2}",
        repeat="1",
        cpu="0",
        timeout="1.5ms",
        tags="[fast]",
        skip="later",
        xfail="fixed soon",
        requires="{types: [xdp], features: [xdp_ctx], config: [BPF]}",
    )
    (case,) = parsed(f"object: a.o\n{FULL}{own}").cases

    assert plain(case) == {
        "repeat": 1,
        "cpu": 0,
        "timeout_s": pytest.approx(0.0015),
        "tags": ("net", "slow", "fast"),
        "skip": "later",
        "xfail": "fixed soon",
        "requires": Requires("", (), ("xdp",), ("xdp_ctx",), ("BPF",)),
    }
    assert said(case) == {"packet": "IP()", "ctx": {"priority": 2}, "flags": ["checksum_complete"]}


def test_a_value_knows_where_it_is_said_in_the_case_or_in_the_defaults() -> None:
    (case,) = parsed(f"object: a.o\n{FULL}{with_case(packet='IP()')}").cases

    (step,) = case.steps
    assert step.packet
    assert step.ctx
    places = case.here.place(), step.packet.place(), step.ctx["mark"].place(), step.expect["retval"].key_place()
    assert [str(place) for place in places] == [
        "suites/fw.yaml:15:5",
        "suites/fw.yaml:16:13",
        "suites/fw.yaml:5:15",
        "suites/fw.yaml:17:14",
    ]


STEPS = """\
object: a.o
defaults: {repeat: 5, cpu: 1, maps: {a: [{key: 1, value: 2}]}}
cases:
  - name: several
    program: ingress
    packet: IP()
    cpu: 2
    timeout: 3s
    globals: {limit: 3}
    sockets: {web: {type: tcp, address: 127.0.0.1, port: 80}}
    steps:
      - {name: first, expect: {retval: 1}}
      - {packet: {from: first}, repeat: 1, maps: {a: [{key: 1, value: 7}]}}
      - {name: last, program: egress, type: sched_cls, cpu: 0, globals: {limit: 9}, expect: {retval: 2}}
"""


def test_a_step_has_what_the_case_and_the_defaults_say_of_a_run_and_its_own_state() -> None:
    (case,) = parsed(STEPS).cases
    first, second, last = case.steps

    assert [step.name for step in case.steps] == ["first", "", "last"]
    assert [(step.repeat, step.cpu, step.timeout_s) for step in case.steps] == [(5, 2, 3), (1, 2, 3), (5, 0, 3)]
    assert [step.packet.value for step in case.steps if step.packet] == ["IP()", {"from": "first"}, "IP()"]
    assert [step.expect.value for step in case.steps] == [{"retval": 1}, {}, {"retval": 2}]
    assert [(step.program.name, step.program.type) for step in case.steps] == [
        ("ingress", None),
        ("ingress", None),
        ("egress", "sched_cls"),
    ]
    assert (case.maps and case.maps.value, case.globals and case.globals.value) == (
        {"a": [{"key": 1, "value": 2}]},
        {"limit": 3},
    )
    assert (first.maps, first.globals, last.maps) == (None, None, None)
    assert (second.maps and second.maps.value, last.globals and last.globals.value) == (
        {"a": [{"key": 1, "value": 7}]},
        {"limit": 9},
    )
    assert case.sockets is not None


@pytest.mark.parametrize(
    ("steps", "mistake"),
    [
        (
            "expect: {retval: 1}, steps: [{expect: {retval: 1}}]",
            "with 'steps', each step has its own 'expect' | put it into the last step, to look at the end of the case",
        ),
        (
            "steps: [{repeat: 2}, {repeat: 3}]",
            "no step expects anything | a case that checks nothing would always pass: say 'expect:' in a step",
        ),
        (
            "steps: [{name: x, expect: {retval: 1}}, {name: x}]",
            "a second step named 'x' | the step at line 4 has this name",
        ),
        (
            "steps: [{object: b.o, expect: {retval: 1}}]",
            "unknown key 'object' | all steps share the object of the case",
        ),
        ("steps: []", "'steps' is empty | "),
    ],
)
def test_mistakes_of_steps_are_told(steps: str, mistake: str) -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        parsed(f"object: a.o\ncases:\n  - {{name: one, {steps}}}\n")

    assert [f"{fault.what} | {fault.hint}" for fault in raised.value.faults] == [mistake]


def test_the_rest_of_a_suite_is_there_as_it_is_said() -> None:
    read = parsed(
        "suite: a firewall\nvars: {port: 80}\npackets: {ping: IP()/ICMP()}\n"
        "headers: {Mine: [{name: a, type: u8}]}\nobject: a.o\n" + ONE_CASE
    )

    assert read[:2] == ("suites/fw.yaml", "a firewall")
    assert (read.variables, read.packets) == ({"port": 80}, {"ping": "IP()/ICMP()"})
    assert read.headers == {"Mine": [{"name": "a", "type": "u8"}]}


def test_variables_are_replaced_before_the_schema_is_asked() -> None:
    (case,) = parsed(f"vars: {{n: 7, file: a.o}}\nobject: build/$file\n{with_case(repeat='$n')}").cases

    assert (case.steps[0].repeat, case.program.object) == (7, "suites/build/a.o")


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("5s", 5), ("500ms", 0.5), ("1.5ms", 0.0015), ("20us", 2e-5), ("150ns", 1.5e-7), ("2min", 120), ("0s", 0)],
)
def test_a_time_is_read_with_its_unit(quantity: str, number: float) -> None:
    assert seconds(quantity) == pytest.approx(number)


# --- mistakes -----------------------------------------------------------------------------------------------------


def test_a_case_without_a_program_is_told() -> None:
    assert refused("cases:\n  - name: one\n    packet: IP()\n    expect: {retval: 1}\n") == (
        "fw.yaml:3:5: no program to run\n"
        "  |   - name: one\n"
        "  |     ^^^^\n"
        "  hint: say 'object: file.bpf.o' or 'source: file.bpf.c', at the top or in the case\n"
    )


@pytest.mark.parametrize("text", [with_case(timeout="SOON"), f"defaults: {{timeout: SOON}}\n{ONE_CASE}"])
@pytest.mark.parametrize("timeout", ["0s", "0.0ms", "61min", "9999999s", f"{'9' * 400}s"])
def test_a_time_that_no_case_could_take_is_refused(text: str, timeout: str) -> None:
    said = refused("object: a.o\n" + text.replace("SOON", timeout))
    assert "is no time that a case could take" in said
    assert said.endswith("  hint: such as 500ms or 30s, an hour at most\n")


def test_two_cases_of_one_name_are_told_at_the_second() -> None:
    assert refused(
        "object: a.o\ncases:\n"
        "  - {name: same, expect: {retval: 1}}\n"
        "  - {name: other, expect: {retval: 1}}\n"
        "  - {name: same, expect: {retval: 1}}\n"
    ) == (
        "fw.yaml:6:12: a second case named 'same'\n"
        "  |   - {name: same, expect: {retval: 1}}\n"
        "  |            ^^^^\n"
        "  hint: the case at line 4 has this name; reports tell cases apart by it\n"
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "defaults: {object: a.o, source: a.c}\n"
        "cases:\n"
        "  - {name: same, expect: {retval: 1}}\n"
        "  - {name: same, expect: {retval: 1}}\n"
        "  - {name: both, object: b.o, source: b.c, expect: {retval: 1}}\n"
    )

    assert [line for line in refused(text).splitlines() if line.startswith("fw.yaml")] == [
        "fw.yaml:2:25: 'object' and 'source' do not go together",
        "fw.yaml:5:12: a second case named 'same'",
        "fw.yaml:6:31: 'object' and 'source' do not go together",
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("object: $missing\n" + ONE_CASE, "fw.yaml:2:9: unknown variable 'missing'"),
        ("object: a.o\n" + with_case(repaet="3"), "fw.yaml:5:5: unknown key 'repaet'"),
    ],
)
def test_mistakes_of_variables_and_of_the_schema_come_out_as_one_kind(text: str, first: str) -> None:
    assert refused(text).splitlines()[0] == first


def test_a_file_that_cannot_be_read_is_an_invalid_suite(tmp_path: Path) -> None:
    path = str(tmp_path / "missing.yaml")

    with pytest.raises(InvalidSuiteFile) as raised:
        read_suite(path)

    assert [str(fault) for fault in raised.value.faults] == [f"{path}:1:1: there is no such file"]
