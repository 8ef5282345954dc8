from __future__ import annotations

from typing import Any

import pytest

from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from bpftest.suite.variables import substitute
from tests.suite.mistakes import report

VARIABLES = "vars: {port: 443, ratio: 0.5, on: true, code: XDP_TX, ip: 10.0.0.1, dollar: a$b, port_2: 80}\n"


def substituted(text: str, variables: str = VARIABLES) -> Any:
    """The data below `x:` with its variables replaced."""
    read = document("suite.yaml", f"{variables}x: {text}\n")
    assert substitute(read).faults == ()
    return read.data["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$port", 443),
        ("${port}", 443),
        ("'$port'", 443),
        ("$ratio", 0.5),
        ("$on", True),
        ("$code", "XDP_TX"),
        ("[$port, [$code], {a: $on}]", [443, ["XDP_TX"], {"a": True}]),
    ],
)
def test_a_value_that_is_exactly_a_name_keeps_its_type(text: str, value: Any) -> None:
    assert substituted(text) == value
    assert type(substituted(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TCP(dport=$port)", "TCP(dport=443)"),
        ("a $port b ${port}c", "a 443 b 443c"),
        ("$port$port", "443443"),
        ("' $port'", " 443"),
        ("$on and $ratio", "true and 0.5"),
        ("$port_2 $port-2 $port.2 ${port}_2", "80 443-2 443.2 443_2"),
        ('IP(dst="$ip")', 'IP(dst="10.0.0.1")'),
        ("|\n  $port\n  $code", "443\nXDP_TX\n"),
    ],
)
def test_inside_a_text_a_name_becomes_its_value_as_yaml_writes_it(text: str, value: str) -> None:
    assert substituted(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$$port", "$port"),
        ("$$", "$"),
        ("$$$port", "$443"),
        ("$$$$", "$$"),
        ("costs $$5", "costs $5"),
        ("costs $5", "costs $5"),
        ("5$", "5$"),
        ("${port", "${port"),
        ("$(port)", "$(port)"),
        ("${}", "${}"),
        ("$ port", "$ port"),
        ("$dollar", "a$b"),
        ("<$dollar>", "<a$b>"),
    ],
)
def test_a_dollar_sign_is_one_where_it_names_nothing_and_where_it_is_doubled(text: str, value: str) -> None:
    assert substituted(text) == value


def test_keys_and_the_variables_themselves_are_left_as_they_are() -> None:
    read = document("suite.yaml", "vars: {a: 1, b: $a}\nx: {$a: $a}\n")

    assert substitute(read).faults == ()
    assert read.data == {"vars": {"a": 1, "b": "$a"}, "x": {"$a": 1}}


def test_what_an_alias_repeats_is_replaced_once() -> None:
    read = document("suite.yaml", "vars: {a: 1}\nx: &x {y: '$$a', z: $a}\nagain: [*x, *x]\n")

    assert substitute(read).faults == ()
    assert read.data["again"] == [{"y": "$a", "z": 1}] * 2
    assert read.data["again"][0] is read.data["x"]


def test_a_suite_without_variables_is_left_as_it_is() -> None:
    assert substituted("[1, text, {a: null}]", variables="") == [1, "text", {"a": None}]


UNKNOWN = """\
vars: {port: 443, code: XDP_TX}
cases:
  - name: $nam
    packet: Ether()/IP()/TCP(dport=$prot, sport=${prot})
  - packet: >
      Ether()/
      IP(ttl=$ttl)
    expect: {retval: "$coed"}
"""


def test_an_unknown_variable_is_told_at_its_place_with_what_was_meant() -> None:
    read = document("suite.yaml", UNKNOWN)

    assert report(substitute(read).faults, read.lines) == (
        "suite.yaml:3:11: unknown variable 'nam'\n"
        "  |   - name: $nam\n"
        "  |           ^^^^\n"
        "  hint: known here: port, code; a dollar sign itself is $$\n"
        "suite.yaml:4:36: unknown variable 'prot'\n"
        "  |     packet: Ether()/IP()/TCP(dport=$prot, sport=${prot})\n"
        "  |                                    ^^^^^\n"
        "  hint: did you mean '$port'?\n"
        "suite.yaml:4:49: unknown variable 'prot'\n"
        "  |     packet: Ether()/IP()/TCP(dport=$prot, sport=${prot})\n"
        "  |                                                 ^^^^^^^\n"
        "  hint: did you mean '$port'?\n"
        "suite.yaml:7:14: unknown variable 'ttl'\n"
        "  |       IP(ttl=$ttl)\n"
        "  |              ^^^^\n"
        "  hint: known here: port, code; a dollar sign itself is $$\n"
        "suite.yaml:8:23: unknown variable 'coed'\n"
        '  |     expect: {retval: "$coed"}\n'
        "  |                       ^^^^^\n"
        "  hint: did you mean '$code'?\n"
    )


def test_without_any_variables_it_says_where_they_are_declared() -> None:
    (fault,) = substitute(document("suite.yaml", "x: $port\n")).faults

    assert fault.hint == "declare it under 'vars' at the top; a dollar sign itself is $$"


@pytest.mark.parametrize("variables", ["text", "[1, 2]", "5", "null", "true"])
def test_variables_that_are_no_mapping_are_left_to_the_schema(variables: str) -> None:
    read = document("suite.yaml", f"vars: {variables}\nx: $port\n")

    assert substitute(read).faults == ()
    assert read.data["x"] == "$port"


@pytest.mark.parametrize("text", ["$port", "[$port]", "5", "null"])
def test_a_document_that_is_no_mapping_is_left_to_the_schema(text: str) -> None:
    assert substitute(document("suite.yaml", text)).faults == ()


MISTAKEN = """\
version: 1
vars: {times: 5}
object: fw.bpf.o
cases:
  - name: one
    packet: Ether()/IP(ttl=$ttl)
    repeat: $time
    expct: {retval: 1}
    expect: {retval: 1, duration: $duration}
  - {name: two, skip: 5, repeat: $time, expect: {retval: 1}}
"""


def test_an_unknown_variable_hides_no_other_mistake_and_makes_none() -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        suite(document("suite.yaml", MISTAKEN))

    assert [str(fault) for fault in raised.value.faults] == [
        "suite.yaml:6:28: unknown variable 'ttl'",
        "suite.yaml:7:13: unknown variable 'time'",
        "suite.yaml:8:5: unknown key 'expct'",
        "suite.yaml:9:35: unknown variable 'duration'",
        "suite.yaml:10:23: 'skip' must be text, not a number",
        "suite.yaml:10:34: unknown variable 'time'",
    ]
