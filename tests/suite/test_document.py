from __future__ import annotations

import gc
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest.errors import Place, SuiteError
from bpftest.suite import document_build
from bpftest.suite.document import Document, InvalidDocument, document, read
from bpftest.suite.document_build import MAX_DEPTH, MAX_NODES
from bpftest.suite.document_scalars import plain_value
from bpftest.suite.document_source import MAX_BYTES
from bpftest.suite.wording import MAX_FAULTS
from tests.golden import GOLDEN, assert_golden
from tests.suite.mistakes import report

if TYPE_CHECKING:
    from pathlib import Path

LOADERS = {"in C": yaml.CSafeLoader, "in Python": yaml.SafeLoader}
# The parser in C gives up at once, the one in Python reads on.
PARSERS_DIFFER = {"colon-before-a-comma-in-braces", "percent-begins-a-line"}
MISTAKES = sorted(path.stem for path in (GOLDEN / "mistakes/yaml").glob("*.yaml"))


@pytest.fixture(params=list(LOADERS))
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_build, "_Loader", LOADERS[request.param])


def faults(text: str | bytes) -> list[str]:
    """What is wrong with *text*, without the file's name."""
    with pytest.raises(InvalidDocument) as caught:
        document("f", text)
    return [str(fault).removeprefix("f:") for fault in caught.value.faults]


def at(found: Document, *path: str | int) -> tuple[Any, str | int]:
    """The container and the key that lead to *path*."""
    return found.at(path[:-1]), path[-1]


def underlined(found: Document, place: Place | None) -> str | None:
    """The characters of the file at *place*."""
    if place is None:
        return None
    ((_, line),) = found.lines(place.line, place.line)
    return line[place.column - 1 : place.column - 1 + place.width]


# --- what scalars mean -------------------------------------------------------------------------------------------

TEXTS = """
    NO no Yes yes on off y n 12:34:56:01:02:03 52:54:00:12:34:56 2026-01-01 2026-01-01T12:00:00Z 1_000 0b1 0b101
    10.0.0.9 10.0.0.0/8 ::1 0x 0xfg 0o8 0X1F 0O17 -0x1F +0o7 1e 1e+ e1 . .. - + -. +. --1 +-1 1.2.3 1,000 1/2
    tRue nulL nil None .Inf5 inf nan Infinity .iNF = == << $port ${port} XDP_PASS 0..65536 150ns >=6.4 5% ½ ٣ 1٣
""".split()


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_core_schema_does_not_know_is_text(text: str) -> None:
    assert plain_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("-12", -12),
        ("18446744073709551615", 2**64 - 1),
        ("340282366920938463463374607431768211455", 2**128 - 1),
        ("-170141183460469231731687303715884105728", -(2**127)),
        ("0o17", 15),
        ("0o00", 0),
        ("0x1F", 31),
        ("0x000000000000000000000000000000000000000f", 15),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("0.25", 0.25),
        ("12e-1", 1.2),
        ("1.", 1),
        ("1.0", 1),
        ("1e3", 1000),
        ("-0.0", 0),
        ("1.5E+1", 15),
    ],
)
def test_what_the_core_schema_knows_has_its_type(text: str, value: object) -> None:
    found = plain_value(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["0010", "-07", "+01", "00", "00.5", "00e1", "08", "-00"])
def test_a_number_with_a_leading_zero_is_refused(text: str) -> None:
    with pytest.raises(SuiteError, match=re.escape(f"{text} has a leading zero")):
        plain_value(text)


@pytest.mark.parametrize(
    "text",
    [
        *("340282366920938463463374607431768211456", "-170141183460469231731687303715884105729", "1e39", "1e999"),
        *("1" * 400, "1" * 5000, "0x" + "f" * 5000, "0o" + "7" * 5000, "1." + "1" * 5000, "1e" + "9" * 5000),
        *(".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN"),
    ],
)
def test_a_number_that_no_program_can_hold_is_refused(text: str) -> None:
    with pytest.raises(SuiteError, match=r"is no number of at most 128 bits") as caught:
        plain_value(text)
    assert len(caught.value.what) < 100


@pytest.mark.parametrize("text", ["1", "true", "~", "0010", ".inf", "<<", ""])
@pytest.mark.parametrize("style", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
def test_what_is_quoted_or_a_block_is_text(text: str, style: str) -> None:
    assert document("f", f"a: {style.format(text)}").data == {"a": text}


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\n", None),
        ("--- # x\n...\n", None),
        ("text", "text"),
        ("a: 1", {"a": 1}),
        ("a: 1\n...\n# the end\n...\n", {"a": 1}),
        ("# first\n%YAML 1.2\n# then\n---\na: 1\n", {"a": 1}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a:\r\n- b\r\n- c\r\n", {"a": ["b", "c"]}),
        ("a:\r- b\r- c\r", {"a": ["b", "c"]}),
        ("a:\n- [x, {y: z}, ]\n-\n", {"a": [["x", {"y": "z"}], None]}),
        ("{a, b: , 'c': d}", {"a": None, "b": None, "c": "d"}),
        ("a: b\n c\n\n d", {"a": "b c\nd"}),
        ("'1': a\n\"true\": b\n'<<': c\non: d\n", {"1": "a", "true": "b", "<<": "c", "on": "d"}),
        ("? a\n: b", {"a": "b"}),
        ("? |\n  a\n: b", {"a\n": "b"}),
        ("&k a: 1\nb: *k\n*k : 2\n", None),
        ("a: &p x\n*p : 2\nb: *p", {"a": "x", "x": 2, "b": "x"}),
        ("a: &p 5\nb: [*p, *p]", {"a": 5, "b": [5, 5]}),
        ("a: &p\nb: *p", {"a": None, "b": None}),
        ("a: &p 1\nb: &p 2\nc: *p", {"a": 1, "b": 2, "c": 2}),
        ("a: &p [&p x, *p]\nb: *p", {"a": ["x", "x"], "b": ["x", "x"]}),
        ("a: '\U0001f600'", {"a": "\U0001f600"}),
        ('a: "\\U0001F600\\x00\\uFEFF\\N"', {"a": "\U0001f600\0\ufeff\x85"}),
    ],
)
def test_a_text_gives_its_data(text: str, data: object) -> None:
    if text.startswith("&k"):
        assert faults(text) == ["3:1: duplicate key 'a'"]
    else:
        assert document("f", text).data == data
        assert document("f", text.encode()).data == data


def test_an_alias_gives_the_very_value_that_its_anchor_names() -> None:
    data = document("f", "a: &x [1]\nb: {c: *x}\n").data
    assert data["b"]["c"] is data["a"]


def test_reading_leaves_the_garbage_collector_as_it_was() -> None:
    document("f", "a: 1")
    with pytest.raises(InvalidDocument):
        document("f", "a: [")
    assert gc.isenabled()
    gc.disable()
    try:
        document("f", "a: 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_what_to_write(name: str) -> None:
    text = (GOLDEN / "mistakes/yaml" / f"{name}.yaml").read_bytes()
    with pytest.raises(InvalidDocument) as caught:
        document(f"{name}.yaml", text)
    assert_golden(f"mistakes/yaml/{name}.txt", report(caught.value.faults, caught.value.source.lines))


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in PARSERS_DIFFER])
def test_both_parsers_of_pyyaml_lead_to_the_same_mistakes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (GOLDEN / "mistakes/yaml" / f"{name}.yaml").read_bytes()
    found = []
    for loader in LOADERS.values():
        monkeypatch.setattr(document_build, "_Loader", loader)
        with pytest.raises(InvalidDocument) as caught:
            document("f", text)
        found.append([(fault.place, fault.what, fault.hint) for fault in caught.value.faults])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"suite: a\nname: caf\xe9\n", "2:10: the byte 0xe9 is not UTF-8"),
        (b"\xef\xbb\xbfname: \xff\n", "1:7: the byte 0xff is not UTF-8"),
        (b"name: \xf0\x9f\x98\x80\xed\xa0\x80", "1:8: the byte 0xed is not UTF-8"),
        ("a: b".encode("utf-16"), "1:1: this is text in UTF-16, not a suite"),
        ("\ufeffa: b".encode("utf-16-be"), "1:1: this is text in UTF-16, not a suite"),
        ("a: b".encode("utf-32"), "1:1: this is text in UTF-32, not a suite"),
        ("\ufeffa: b".encode("utf-32-be"), "1:1: this is text in UTF-32, not a suite"),
        ("a: b".encode("utf-16-le"), "1:2: this is text in UTF-16, or no text at all"),
        ("a: b".encode("utf-16-be"), "1:1: this is text in UTF-16, or no text at all"),
        (b"\x7fELF\2\1\1\0", "1:1: this is an ELF object, not a suite"),
        (b"\x1f\x8b\x08\0", "1:1: this is a gzip archive, not a suite"),
        (b"a: b\nc: d\0\0\n", "2:5: the character U+0000 cannot stand in a suite"),
        (b"a: \x1b[1mb\n", "1:4: the character U+001B cannot stand in a suite"),
        ("a: b\x85".encode(), "1:5: the character U+0085 cannot stand in a suite"),
        ("a: b\r\nc: \u2028".encode(), "2:4: the character U+2028 cannot stand in a suite"),
        ("a: b\rc: \ufeff".encode(), "2:4: the character U+FEFF cannot stand in a suite"),
        ("a: \ud800", "1:4: the character U+D800 cannot stand in a suite"),
        ("a: \uffff", "1:4: the character U+FFFF cannot stand in a suite"),
        (b"a: b\r\nc:\r  d: e\r f: g\n", "4:2: this is indented like nothing above"),
        (b"k" * 1030 + b": 1", "1:1: this key is longer than 1024 characters"),
    ],
)
def test_text_that_is_not_clean_is_told_with_its_place(text: bytes | str, fault: str) -> None:
    assert faults(text) == [fault]


def test_the_lines_of_a_file_with_unclean_text_can_be_shown() -> None:
    with pytest.raises(InvalidDocument) as caught:
        document("f", b"a: b\nc: \xff\0d\x85e\n")
    assert caught.value.source.lines(0, 9) == ((1, "a: b"), (2, "c: \ufffd\ufffdd\ufffde"), (3, ""))


@pytest.mark.parametrize("code", range(0x20))
def test_a_control_character_is_refused_with_the_escape_to_write(code: int) -> None:
    text = f"a: b{chr(code)}"
    if chr(code) in "\t\n\r":
        assert document("f", text).data == {"a": "b"}
        return
    with pytest.raises(InvalidDocument) as caught:
        document("f", text)
    escape = re.search(r'"(.*)"', caught.value.hint)
    assert escape
    assert document("f", f'a: "b{escape[1]}"').data == {"a": f"b{chr(code)}"}


# --- limits -------------------------------------------------------------------------------------------------------

DEEP = {"[": "[", "{": "{", "- ": "- ", "? ": "? ", "{a: ": "{a: ", "lines": "[\n"}


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize("opening", DEEP.values(), ids=DEEP)
def test_a_hundred_thousand_levels_are_one_mistake(opening: str) -> None:
    (fault,) = faults(opening * 100_000)
    assert fault.endswith(f"this is nested deeper than {MAX_DEPTH} levels")


def test_as_many_levels_as_allowed_are_no_mistake() -> None:
    found = document("f", "[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert found.place_of([0] * (MAX_DEPTH - 1)) == Place("f", 1, MAX_DEPTH, 2)
    assert faults("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == ["1:65: this is nested deeper than 64 levels"]


def test_as_many_values_as_allowed_are_no_mistake() -> None:
    many = "- a\n" * (MAX_NODES - 1)
    assert len(document("f", many).data) == MAX_NODES - 1
    assert faults(f"{many}- b\n") == ["100000:3: there are more than 100,000 values up to here, aliases followed"]


def test_keys_are_no_values() -> None:
    half = MAX_NODES // 2
    many = "".join(f"k{number}: [x]\n" for number in range(half))
    assert faults(many) == ["50000:10: there are more than 100,000 values up to here, aliases followed"]
    assert len(document("f", many.replace(f"k{half - 1}: [x]", "k: x")).data) == half


def test_what_an_alias_repeats_is_counted_each_time() -> None:
    tens = "a: &a [0,1,2,3,4,5,6,7,8]\n" + "b: &b [" + "*a," * 1000 + "]\n"
    assert len(document("f", f"{tens}c: [{'*b,' * 8}]").data["c"]) == 8
    assert faults(f"{tens}c: [{'*b,' * 9}]") == [
        "3:29: there are more than 100,000 values up to here, aliases followed"
    ]


def test_what_an_alias_repeats_counts_with_its_levels() -> None:
    text = "a: &a [[0]]\nb: " + "[" * 61 + "*a" + "]" * 61
    assert document("f", text).at(["b", *[0] * 61]) == [[0]]
    assert faults(text.replace("*a", "[*a]")) == ["2:66: this is nested deeper than 64 levels"]


def test_a_file_with_very_many_mistakes_tells_the_first() -> None:
    found = faults("- *a\n" * 5000)
    assert found[:2] == ["1:3: no value above has the anchor &a", "2:3: no value above has the anchor &a"]
    assert found[MAX_FAULTS:] == ["101:3: there are more mistakes from here on"]


@pytest.mark.parametrize(
    "text",
    [
        "%TAG !a! x\n" * 300_000 + "---\na: b\n",
        "a: b\n...\n" + "%TAG !a! x\n" * 300_000,
        "\n" * 4_000_000 + "]",
        "#\n" * 2_000_000 + "]",
        " " * 4_000_000 + "]",
        "".join(f"- &a{number} x\n" for number in range(40_000)) + "- *b\n" * 100,
        "".join(f"k{number}: 1\n" for number in range(50_000)) + "k49999: 1\n" * 200,
        f"- &{'a' * 2_000_000} x\n- *{'a' * 1_000_000}\n",
        f"a: '{'é' * 1_000_000}\n",
        f"{'k' * 4_000_000}: 1\n",
    ],
    ids=[
        *("directives", "later directives", "line ends", "comments", "blanks"),
        *("anchors", "keys", "names", "quote", "key"),
    ],
)
def test_a_large_hostile_file_is_refused_like_any_other(text: str) -> None:
    assert all(len(fault) < 200 for fault in faults(text))


# --- files --------------------------------------------------------------------------------------------------------


def refusal(path: str | Path) -> str:
    with pytest.raises(InvalidDocument) as caught:
        read(str(path))
    (fault,) = caught.value.faults
    assert fault.place == Place(str(path), 1, 1)
    assert caught.value.source.lines(1, 1) == ((1, ""),)
    return fault.what


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: é\n".encode())
    found = read(str(path))
    assert (found.path, found.data) == (str(path), {"a": "é"})


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "none.yaml") == "there is no such file"
    assert refusal(tmp_path) == "this is a folder, not a file"
    assert refusal(tmp_path / "pipe") == "this is not a regular file"
    assert refusal("/dev/zero") == "this is not a regular file"
    assert refusal(tmp_path / "file/x") == "this cannot be opened: Not a directory"
    assert refusal(tmp_path / "loop") == "this cannot be opened: Too many levels of symbolic links"
    assert refusal("a\0b") == "no file has a NUL character in its name"
    assert refusal("/proc/self/mem") == "this cannot be read: Input/output error"


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: b\n" + "#" * (MAX_BYTES - 5))
    assert read(str(path)).data == {"a": "b"}
    with path.open("a") as file:
        file.truncate(10**12)  # a sparse file: to read it would take all memory
    assert refusal(path) == "this file is larger than 4 MiB"


# --- places -------------------------------------------------------------------------------------------------------

PLACES = """\
suite: "a b"   # title
empty:
cases:
  - name: &n drops
    expect: {retval: 1, list: [x, 'y z']}
  - &c # anchored
    name: *n
    packet: >-
      one
      two
  -
  - [a,
     b]
  - *c
  - - deep
    -   key: v
"""


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("path", "line", "column", "shown"),
    [
        ((), 1, 1, "suite"),
        (("suite",), 1, 8, '"a b"'),
        (("empty",), 2, 1, "empty"),
        (("cases",), 4, 3, "-"),
        (("cases", 0), 4, 5, "name"),
        (("cases", 0, "name"), 4, 14, "drops"),
        (("cases", 0, "expect"), 5, 13, "{retval: 1, list: [x, 'y z']}"),
        (("cases", 0, "expect", "retval"), 5, 22, "1"),
        (("cases", 0, "expect", "list"), 5, 31, "[x, 'y z']"),
        (("cases", 0, "expect", "list", 1), 5, 35, "'y z'"),
        (("cases", 1), 7, 5, "name"),
        (("cases", 1, "name"), 7, 11, "*n"),
        (("cases", 1, "packet"), 8, 13, ">-"),
        (("cases", 2), 11, 3, "-"),
        (("cases", 3), 12, 5, "[a,"),
        (("cases", 3, 1), 13, 6, "b"),
        (("cases", 4), 14, 5, "*c"),
        (("cases", 4, "packet"), 8, 13, ">-"),
        (("cases", 5), 15, 5, "-"),
        (("cases", 5, 0), 15, 7, "deep"),
        (("cases", 5, 1), 16, 9, "key"),
        (("cases", 5, 1, "key"), 16, 14, "v"),
    ],
)
def test_a_value_has_the_place_where_it_is_written(
    path: tuple[str | int, ...], line: int, column: int, shown: str
) -> None:
    found = document("f", PLACES)
    assert found.place_of(path) == Place("f", line, column, len(shown))
    assert underlined(found, found.place_of(path)) == shown
    if path:
        assert found.place(*at(found, *path)) == found.place_of(path)


@pytest.mark.parametrize(
    ("path", "line", "column", "shown"),
    [
        (("suite",), 1, 1, "suite"),
        (("empty",), 2, 1, "empty"),
        (("cases", 0, "expect", "list"), 5, 25, "list"),
        (("cases", 1, "name"), 7, 5, "name"),
        (("cases", 0), 4, 5, "name"),
        (("cases", 2), 11, 3, "-"),
        (("cases", 4), 14, 5, "*c"),
        (("cases", 5, 1, "key"), 16, 9, "key"),
    ],
)
def test_a_key_has_its_own_place_and_an_entry_that_of_its_value(
    path: tuple[str | int, ...], line: int, column: int, shown: str
) -> None:
    found = document("f", PLACES)
    assert found.key_place(*at(found, *path)) == Place("f", line, column, len(shown))


def test_an_empty_document_has_its_place_at_the_beginning() -> None:
    assert document("f", "").place_of([]) == Place("f", 1, 1)
    assert document("f", "# a\n--- # b").place_of([]) == Place("f", 2, 8)


def test_an_anchor_that_names_nothing_is_the_place_of_null() -> None:
    found = document("f", "a: &x\nb: *x\nc: [&y , d]\n? &k e\n: f")
    assert found.data == {"a": None, "b": None, "c": [None, "d"], "e": "f"}
    assert [underlined(found, found.place(found.data, key)) for key in "abc"] == ["&x", "*x", "[&y , d]"]
    assert underlined(found, found.place(found.data["c"], 0)) == "&y"
    assert underlined(found, found.key_place(found.data, "e")) == "e"
    assert found.written(found.data, "a") == ""
    assert found.cut_comment(found.data, "a") is None


def test_a_value_that_was_replaced_keeps_its_place() -> None:
    found = document("f", "vars: {a: [1]}\nb: $a\n")
    found.data["b"] = found.data["vars"]["a"]
    assert found.place(found.data, "b") == Place("f", 2, 4, 2)
    assert found.written(found.data, "b") == "$a"
    assert found.place_of(["b", 0]) == Place("f", 1, 12, 1)
    assert found.place_within(found.data, "b", 0, 1) == Place("f", 2, 4, 2)


def test_the_place_in_a_mapping_that_is_not_of_the_document_is_an_error() -> None:
    with pytest.raises(KeyError):
        document("f", "a: 1").place({"a": 1}, "a")


def test_lines_come_with_their_numbers_and_without_their_ends() -> None:
    found = document("f", "a:\r\n- b\r- c\n\n- é\n")
    assert found.lines(-5, 99) == ((1, "a:"), (2, "- b"), (3, "- c"), (4, ""), (5, "- é"), (6, ""))
    assert found.lines(2, 3) == ((2, "- b"), (3, "- c"))
    assert found.lines(7, 9) == ()
    assert document("f", "a: b").lines(1, 2) == ((1, "a: b"),)


# --- places inside a text -----------------------------------------------------------------------------------------

WITHIN = r"""
plain: Ether()/IPP()  # comment
folded: Ether()/
    IPP()


    /UDP()
single: 'it''s

  IPP()'
double: "\"\x41\u00e9\tIPP() \
    end"
literal: |
  Ether()/

    IPP()
chomped: >-
  Ether()/
  IPP()

   # no comment
  end
explicit: |2
   IPP()
anchored: &a # why
  "IPP()"
alias: *a
wrapped: >
  Ether()/


  IPP()
number: 12
"""


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(
    ("key", "line", "column"),
    [
        *(("plain", 2, 16), ("folded", 4, 5), ("single", 10, 3), ("double", 11, 24), ("literal", 16, 5)),
        *(("chomped", 19, 3), ("explicit", 24, 4), ("anchored", 26, 4), ("alias", 26, 4), ("wrapped", 32, 3)),
    ],
)
def test_a_piece_of_a_text_has_the_place_where_it_is_written(key: str, line: int, column: int) -> None:
    found = document("f", WITHIN)
    offset = found.data[key].index("IPP()")
    assert found.place_within(found.data, key, offset, 5) == Place("f", line, column, 5)
    assert found.place_within(found.data, key, offset + 3, 1) == Place("f", line, column + 3, 1)


def test_a_piece_over_several_lines_is_underlined_in_the_first() -> None:
    found = document("f", WITHIN)
    assert underlined(found, found.place_within(found.data, "folded", 0, 99)) == "Ether()/"
    assert underlined(found, found.place_within(found.data, "literal", 0, 99)) == "Ether()/"


def test_an_escape_is_underlined_as_a_whole() -> None:
    found = document("f", WITHIN)
    shown = [underlined(found, found.place_within(found.data, "double", offset, 1)) for offset in range(5)]
    assert shown == ['\\"', "\\x41", "\\u00e9", "\\t", "I"]


def test_the_end_of_a_text_has_a_place_and_what_is_outside_has_that_of_the_value() -> None:
    found = document("f", 'a: "xyz"  # why\nb: 12\nc: {d: e}\n')
    assert found.place_within(found.data, "a", 3, 1) == Place("f", 1, 8)
    assert found.place_within(found.data, "a", 4, 1) == Place("f", 1, 4, 5)
    assert found.place_within(found.data, "a", -1, 1) == Place("f", 1, 4, 5)
    assert found.place_within(found.data, "b", 0, 1) == Place("f", 2, 4, 2)
    assert found.place_within(found.data, "c", 0, 1) == Place("f", 3, 4, 6)


@settings(deadline=None)
@given(
    text=st.text(st.sampled_from("ab1 \n\t'\"\\#:,[]{}-é😀\x07\x85\ufeff"), max_size=60),
    style=st.sampled_from([None, '"', "'", "|", ">"]),
    unicode=st.booleans(),
    width=st.integers(5, 30),
)
def test_every_character_of_any_text_is_found_in_the_file(text: str, style: str, unicode: bool, width: int) -> None:
    unicode = unicode and not set("\x85\ufeff") & set(text)  # which PyYAML would write as they are
    written = yaml.safe_dump({"k": [text]}, default_style=style, allow_unicode=unicode, width=width)
    if yaml.load(written, yaml.BaseLoader) != {"k": [text]}:  # noqa: S506 - gives texts only
        return  # PyYAML does not read what it wrote
    found = document("f", written)
    (value,) = found.data["k"]
    assert value == text or plain_value(text) == value
    for offset, character in enumerate(value if isinstance(value, str) else ""):
        shown = underlined(found, found.place_within(found.data["k"], 0, offset, 1)) or ""
        assert shown in ("", " ") or shown == character or shown[0] == "\\" or shown == "''"
        assert not character.isalnum() or shown == character or shown[0] == "\\"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('k: Ether()/Raw(b"a # b")', '# b")'),
        ("k: x # y", "# y"),
        ("k: 5\t#y", "#y"),
        ("k: x\n  y # z", "# z"),
        ("k: [x, 5] # y", None),
        ("k: &a x # y", "# y"),
        ("a: &a x # y\nk: *a # z", "# y"),
        ("k: 'x' # y", None),
        ('k: "x" # y', None),
        ("k: | # y\n  x", None),
        ("k: x#y", None),
        ("k: x", None),
        ("k: # y", None),
        ("k:\n  a: x # y", None),
        ("k:\n  - x # y", None),
    ],
)
def test_a_comment_that_may_have_cut_a_text_is_found(text: str, shown: str | None) -> None:
    found = document("f", text)
    assert underlined(found, found.cut_comment(found.data, "k")) == shown
