from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpftest.errors import BpftestError, UsageError
from bpftest.suite.document import document
from bpftest.suite.outside import outside, refuse_unused
from bpftest.suite.parse import suite


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("443", 443),
        ("0x10", 16),
        ("true", True),
        ("0.5", 0.5),
        ("XDP_DROP", "XDP_DROP"),
        ("a=b", "a=b"),
        ("", ""),
        ("null", None),
        ('"443"', "443"),
        ("'true'", "true"),
        ("12:34:56:01:02:03", "12:34:56:01:02:03"),
    ],
)
def test_a_value_from_the_command_line_means_what_it_means_in_yaml(text: str, value: Any) -> None:
    (found,) = outside((), {}, [f"x={text}"]).values()
    assert (type(found), found) == (type(value), value)


def test_the_command_line_is_stronger_than_the_environment_than_files_than_the_suite(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text("{one: 1, two: 1, three: 1, four: 1}\n")
    (tmp_path / "2.yaml").write_text("two: 2\nthree: 2\nfour: 2\n")
    environment = {"BPFTEST_VAR_three": "3", "BPFTEST_VAR_four": "3", "HOME": "/"}
    given = outside([f"{tmp_path}/1.yaml", f"{tmp_path}/2.yaml"], environment, ["four=4", "four=5"])
    text = "version: 1\nobject: o\nvars: {zero: 0, one: 0, two: 0, three: 0, four: 0}\n"
    text += "cases: [{name: $zero$one$two$three$four, packet: IP(), expect: {retval: 1}}]\n"

    assert suite(document("x.yaml", text), given).cases[0].name == "01235"


@pytest.mark.parametrize(
    ("said", "environment", "message"),
    [
        (["port"], {}, "--var port: there is no '='"),
        (["=5"], {}, "--var : this is no name of a variable"),
        (["a-b=5"], {}, "--var a-b: this is no name of a variable"),
        (["a=0010"], {}, "--var a: 0010 has a leading zero, with which some programs read it as octal"),
        ([], {"BPFTEST_VAR_": "1"}, "BPFTEST_VAR_: this is no name of a variable"),
        ([], {"BPFTEST_VAR_a": "1e999"}, "BPFTEST_VAR_a: 1e999 is no number of at most 128 bits"),
    ],
)
def test_what_is_no_variable_is_refused(said: list[str], environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        outside((), environment, said)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "1:1: a file of variables is a mapping"),
        ("a: 1\nb-c: 2\n", "2:1: 'b-c' is no name of a variable"),
        ("a: 1\nb: [2]\n", "2:4: 'b' must be text, a number or a boolean"),
        ("a: 1\na: 2\n", "2:1: duplicate key 'a'"),
    ],
)
def test_a_mistake_in_a_file_of_variables_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "vars.yaml").write_text(text)
    with pytest.raises(BpftestError) as raised:
        outside([f"{tmp_path}/vars.yaml"], {}, ())
    assert str(raised.value) == f"{tmp_path}/vars.yaml:{message}"
    assert raised.value.exit_code == 3


def test_a_variable_that_no_suite_has_is_refused() -> None:
    refuse_unused(["port=1"], {"port", "verdict"})
    with pytest.raises(UsageError) as raised:
        refuse_unused(["prot=1"], {"port", "verdict"})
    assert (raised.value.what, raised.value.hint) == (
        "--var prot: no suite has a variable of this name",
        "did you mean 'port'?",
    )
