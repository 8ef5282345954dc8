"""The parts of a block that the golden texts do not pin down one by one."""

from __future__ import annotations

import pytest

from bpftest.errors import Place
from bpftest.events import Excerpt, Finding, Mismatch, Mistake, Outcome, Problem
from bpftest.reporters import blocks
from bpftest.reporters.printable import columns
from tests.reporters import streams


def texts(lines: list[blocks.Line]) -> list[str]:
    return [text for _, text in lines]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("    repaet: 3", "repaet"),
        ("\trepaet: 3", "repaet"),
        ("数据包: \t[漢é, x]", "x"),
        ("e\u0301\u0301: bad", "bad"),
        ("\x1b[31m\x07: bad", "bad"),
        ("\udc80\ufffe: bad", "bad"),
        ("key: 漢字", "漢字"),
        ("key: a\tb", "a\tb"),
        ("x" * 70 + " " + "漢" * 90 + "bad" + "y" * 300, "bad"),
    ],
)
def test_the_carets_stand_below_what_is_wrong(line: str, part: str) -> None:
    *_, source, caret = texts(blocks.mistake(Mistake("wrong", "", streams.source(7, line, part))))
    shown = source[source.index(blocks.visible(part)) :]
    before = source[: len(source) - len(shown)]
    assert columns(before) == caret.index("^")
    assert caret.count("^") == columns(blocks.visible(part))


@pytest.mark.parametrize(("column", "caret"), [(1, "^"), (9, " " * 8 + "^"), (20, " " * 19 + "^")])
def test_a_place_may_be_behind_the_end_of_its_line(column: int, caret: str) -> None:
    excerpt = Excerpt(Place("a.yaml", 1, column), ((1, "key: {a"),))
    assert texts(blocks.mistake(Mistake("'}' is missing", "", excerpt)))[-1] == f"  | {caret}"


def test_a_place_far_behind_the_end_of_its_line_takes_no_more_room() -> None:
    near, far = (Excerpt(Place("a.yaml", 1, column), ((1, "key: {a"),)) for column in (1000, 10**30))
    assert texts(blocks.mistake(Mistake("", "", far)))[-2:] == texts(blocks.mistake(Mistake("", "", near)))[-2:]


def test_line_numbers_stand_in_one_gutter() -> None:
    excerpt = Excerpt(Place("a.yaml", 100, 1, 3), ((99, "a: 1"), (100, "b:"), (101, ""), (102, "c: 2")))
    assert texts(blocks.mistake(Mistake("wrong", "do it right", excerpt))) == [
        "error: wrong",
        "   --> a.yaml:100:1",
        "    |",
        " 99 | a: 1",
        "100 | b:",
        "    | ^^",
        "101 |",
        "102 | c: 2",
        "    = help: do it right",
    ]


def test_what_only_follows_comes_last_and_the_rest_keeps_its_order() -> None:
    mismatches = tuple(Mismatch(name, "1", "2", derived=name.isupper()) for name in ("A", "b", "C", "d"))
    case = streams.case("x", 5, Outcome.FAILED, findings=(Finding("output", mismatches=mismatches),))
    shown = [text.split()[1] for role, text in blocks.details(case) if role == "mismatch"]
    assert shown == ["b", "d", "A", "C"]


def test_a_case_that_passed_is_not_to_be_run_again() -> None:
    assert blocks.details(streams.PASSED._replace(findings=(), notes=())) == []


def test_notes_and_names_of_a_megabyte_are_clipped() -> None:
    big = "x" * 1_000_000
    finding = Finding(big, big, (Mismatch(big, big, big),))
    case = streams.case("x", 5, Outcome.FAILED, findings=(finding,), notes=(big,))
    assert max(map(len, texts(blocks.details(case, extra=((big, big),))))) < 2_000


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        ("bpftest.CompileError", "line 0", "... 95 more lines"),
        ("bpftest.LoadError", "... 95 earlier lines", "line 99"),
        ("bpftest.RunError", "... 95 earlier lines", "line 99"),
    ],
)
def test_a_compiler_is_shown_from_its_start_and_the_verifier_to_its_end(kind: str, first: str, last: str) -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    case = streams.case("x", 5, Outcome.ERROR, problem=Problem(kind, "no", text=text))
    log = [text.removeprefix("  | ") for role, text in blocks.details(case, log_lines=5) if role == "log"]
    assert (len(log), log[0], log[-1]) == (6, first, last)


def test_statistics_at_the_end_make_room_for_what_the_verifier_says() -> None:
    text = "r0 is bad\nR1 !read_ok\nsecond\nprocessed 1 insns\nstack depth 8\n"
    case = streams.case("x", 5, Outcome.ERROR, problem=Problem("bpftest.LoadError", "no", text=text))
    log = [text for role, text in blocks.details(case, log_lines=3) if role == "log"]
    assert log == ["  | r0 is bad", "  | R1 !read_ok", "  | second"]


def test_no_line_ends_with_a_blank() -> None:
    for events in (streams.EVERY_OUTCOME, streams.DETAILED):
        for event in events:
            if isinstance(event, type(streams.PASSED)):
                assert [text for text in texts(blocks.details(event)) if text != text.rstrip()] == []
