from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpftest.suite import selection, tables
from bpftest.suite.document import document
from bpftest.suite.model import Suite
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.golden import GOLDEN, assert_golden
from tests.packets.written import pcap
from tests.suite.mistakes import report

HEAD = "version: 1\nobject: fw.bpf.o\n"
MISTAKES = sorted(path.stem for path in (GOLDEN / "mistakes/tables").glob("*.yaml"))

PORTS = """\
vars: {ttl: 64, port: 1}
cases:
  - name: port $port is $verdict
    rows:
      - {port: 22, verdict: XDP_DROP}
      - port: 443
        verdict: XDP_PASS

    packet: IP(ttl=$ttl)/TCP(dport=$port)
    repeat: $port
    expect: {retval: $verdict}
  - {name: alone at $port, packet: IP(), expect: {retval: 1}}
  - name: all of them
    matrix: {l2: [Ether(), Dot1Q()], l3: [IP(), IPv6()]}
    exclude: [{l2: Dot1Q(), l3: IPv6()}]
    packet: $l2/$l3
    expect: {retval: 1}
"""


def parsed(text: str, path: str = "suites/fw.yaml", **given: Any) -> Suite:
    return suite(document(path, HEAD + text), given)


def said(found: Suite) -> list[Any]:
    """The cases as plain data."""
    return [case.here.value for case in found.cases]


def names(found: Suite) -> list[str]:
    return [case.name for case in found.cases]


def test_each_row_is_a_case_with_the_values_in_their_own_types() -> None:
    assert said(parsed(PORTS))[:2] == [
        {
            "name": "port 22 is XDP_DROP",
            "packet": "IP(ttl=64)/TCP(dport=22)",
            "repeat": 22,
            "expect": {"retval": "XDP_DROP"},
        },
        {
            "name": "port 443 is XDP_PASS",
            "packet": "IP(ttl=64)/TCP(dport=443)",
            "repeat": 443,
            "expect": {"retval": "XDP_PASS"},
        },
    ]


def test_a_matrix_is_a_case_for_each_combination_that_is_not_excluded() -> None:
    assert [(case["name"], case["packet"]) for case in said(parsed(PORTS))[3:]] == [
        ("all of them [l2=Ether(), l3=IP()]", "Ether()/IP()"),
        ("all of them [l2=Ether(), l3=IPv6()]", "Ether()/IPv6()"),
        ("all of them [l2=Dot1Q(), l3=IP()]", "Dot1Q()/IP()"),
    ]


def test_a_row_is_where_it_is_written_and_a_combination_where_its_case_is() -> None:
    places = [(case.here.place().line, case.here.line_range()) for case in parsed(PORTS).cases]
    assert places == [(7, (7, 7)), (8, (8, 9)), (14, (14, 14)), (15, (15, 19)), (15, (15, 19)), (15, (15, 19))]


def test_the_variables_of_a_row_are_stronger_than_all_others_and_hold_in_its_case_alone() -> None:
    assert names(parsed(PORTS, port=7, verdict="XDP_TX"))[:3] == [
        "port 22 is XDP_DROP",
        "port 443 is XDP_PASS",
        "alone at 7",
    ]


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ("[{a: 1, b: x}, {a: true, b: null}]", ["[a=1, b=x]", "[a=true, b=null]"]),
        ("[{a: 1}, {a: 1}]", ["[1]", "[2]"]),
        ("[{a: 1}, {a: '1'}]", ["[1]", "[2]"]),
        ("[{a: [1]}, {a: {b: 1}}]", ["[1]", "[2]"]),
        ('[{a: "x\\ny"}, {a: z}]', ["[1]", "[2]"]),
        (f"[{{a: {'x' * 61}}}, {{a: z}}]", ["[1]", "[2]"]),
    ],
)
def test_a_name_without_the_rows_variables_gets_what_tells_them_apart(rows: str, labels: list[str]) -> None:
    text = f"vars: {{v: 5}}\ncases: [{{name: $v passes, rows: {rows}, packet: IP(), expect: {{retval: 1}}}}]\n"
    assert names(parsed(text)) == [f"5 passes {label}" for label in labels]


def test_rows_may_hold_lists_and_mappings_and_variables_of_the_suite() -> None:
    text = """\
vars: {good: 2}
cases:
  - name: case $n
    rows: [{n: 1, ctx: {mark: $good}, all: [{retval: $good}]}, {n: $good, ctx: {mark: 0}, all: []}]
    ctx: $ctx
    steps: [{packet: "IP()/'$$n'", ctx: $ctx, expect: {retval: $n}}]
"""
    assert said(parsed(text)) == [
        {
            "name": "case 1",
            "ctx": {"mark": 2},
            "steps": [{"packet": "IP()/'$n'", "ctx": {"mark": 2}, "expect": {"retval": 1}}],
        },
        {
            "name": "case 2",
            "ctx": {"mark": 0},
            "steps": [{"packet": "IP()/'$n'", "ctx": {"mark": 0}, "expect": {"retval": 2}}],
        },
    ]


def test_what_names_no_variable_is_one_object_in_all_rows() -> None:
    first, second, *_ = said(
        parsed("cases: [{name: x $a, rows: [{a: 1}, {a: 2}], packet: {hex: aa}, expect: {retval: $a}}]\n")
    )
    assert first["packet"] is second["packet"]
    assert first["expect"] != second["expect"]


def test_an_anchor_in_a_table_is_replaced_in_each_place_for_itself() -> None:
    text = """\
vars: {a: 7}
cases:
  - {name: row $a, rows: [{a: 1}, {a: 2}], packet: &p {hex: "0$a"}, expect: {retval: 1}}
  - {name: no row, packet: *p, expect: {retval: 1}}
"""
    assert [case["packet"] for case in said(parsed(text))] == [{"hex": "01"}, {"hex": "02"}, {"hex": "07"}]


# --- places -------------------------------------------------------------------------------------------------------


def test_a_value_of_a_row_stands_in_the_row_and_what_is_around_it_in_the_case() -> None:
    case = parsed(PORTS).cases[1]
    retval, packet = case.here["expect"]["retval"], case.here["packet"]
    at = case.here["packet"].value.index("443")
    assert [str(place)[len("suites/fw.yaml:") :] for place in (retval.place(), retval.key_place())] == ["9:18", "13:14"]
    assert (packet.part((at, 3)).line, packet.part((at, 3)).column) == (8, 15)
    assert (packet.part((at - 6, 5)).line, packet.part((at - 6, 5)).column) == (11, 30)
    assert (packet.part((7, 2)).line, packet.part((7, 2)).column, packet.part((7, 2)).width) == (11, 20, 4)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_table_is_told_with_its_place_and_what_to_write(name: str) -> None:
    found = document(f"{name}.yaml", (GOLDEN / "mistakes/tables" / f"{name}.yaml").read_bytes())
    with pytest.raises(InvalidSuiteFile) as raised:
        suite(found)
    assert_golden(f"mistakes/tables/{name}.txt", report(raised.value.faults, found.lines))


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidSuiteFile) as raised:
        parsed(text, "fw.yaml")
    return [str(fault) for fault in raised.value.faults]


def test_a_table_that_is_too_large_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "VALUES_MAX", 40)
    matrix = "cases: [{name: x, matrix: {a: [1, 2, 3], b: [1, 2, 3]}, packet: $a, expect: {retval: $b}}]\n"
    rows = "{a: [1, 2, 3, 4, 5, 6, 7, 8, 9]}, {a: [1]}"
    shared = f"cases: [{{name: x, rows: [{rows}], ctx: $a, maps: $a, live: $a, packet: $a, expect: {{retval: 1}}}}]\n"
    assert faults(matrix)[0] == "fw.yaml:3:19: with the 9 rows of this table the cases have more than 40 values"
    assert faults(shared)[0] == "fw.yaml:3:19: with the 2 rows of this table the cases have more than 40 values"


def test_a_product_that_nobody_can_hold_is_refused_at_once() -> None:
    values = ", ".join(f"v{number}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for number in range(30))
    assert faults(f"cases: [{{name: x, matrix: {{{values}}}, packet: IP(), expect: {{retval: 1}}}}]\n")[0].startswith(
        f"fw.yaml:3:19: with the {10**30:,} rows of this table"
    )


def test_texts_that_grow_with_their_variables_are_refused() -> None:
    text = f"vars: {{a: {'x' * 100_000}}}\ncases: [{{name: x, packet: {'$a' * 100}, expect: {{retval: 1}}}}]\n"
    assert faults(text) == ["fw.yaml:4:27: with its variables this has more than 4,194,304 characters"]


# --- frames of a capture ------------------------------------------------------------------------------------------


def test_a_capture_is_a_row_for_each_of_its_frames(tmp_path: Path) -> None:
    (tmp_path / "two.pcap").write_bytes(pcap(b"first", b"second"))
    text = """\
cases:
  - {name: frame $frame, rows: {pcap: two.pcap}, expect: {retval: 1}}
  - {name: padded, rows: {pcap: two.pcap}, packet: {pcap: two.pcap, index: $frame, pad_to: 60}, expect: {retval: 1}}
"""
    found = parsed(text, f"{tmp_path}/fw.yaml")
    assert said(found) == [
        {"name": "frame 1", "packet": {"pcap": "two.pcap", "index": 1}, "expect": {"retval": 1}},
        {"name": "frame 2", "packet": {"pcap": "two.pcap", "index": 2}, "expect": {"retval": 1}},
        {"name": "padded [frame=1]", "packet": {"pcap": "two.pcap", "index": 1, "pad_to": 60}, "expect": {"retval": 1}},
        {"name": "padded [frame=2]", "packet": {"pcap": "two.pcap", "index": 2, "pad_to": 60}, "expect": {"retval": 1}},
    ]
    packet = found.cases[0].here["packet"]
    places = (packet.place(), packet.key_place(), packet["pcap"].place(), packet["index"].place())
    assert [(place.line, place.column) for place in places] == [(4, 32), (4, 26), (4, 39), (4, 32)]


# --- selecting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cases"),
    [
        (5, ["port 22 is XDP_DROP", "port 443 is XDP_PASS"]),
        (7, ["port 22 is XDP_DROP"]),
        (8, ["port 443 is XDP_PASS"]),
        (9, ["port 443 is XDP_PASS"]),
        (11, ["port 22 is XDP_DROP", "port 443 is XDP_PASS"]),
        (14, ["alone at 1"]),
        (
            17,
            [
                f"all of them [l2={l2}, l3={l3}]"
                for l2, l3 in (("Ether()", "IP()"), ("Ether()", "IPv6()"), ("Dot1Q()", "IP()"))
            ],
        ),
    ],
)
def test_a_line_means_its_row_or_all_rows_of_its_case(line: int, cases: list[str]) -> None:
    found = parsed(PORTS)
    assert selection.names(found, [selection.Target("fw.yaml", line=line)]) == frozenset(cases)


def test_a_row_is_selected_by_its_name() -> None:
    found = parsed(PORTS)
    assert selection.names(found, [selection.Target("fw.yaml", "port 22 is XDP_DROP")]) == {"port 22 is XDP_DROP"}
