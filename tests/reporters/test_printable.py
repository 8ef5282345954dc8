"""Text from elsewhere, made safe to show."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpftest.reporters.printable import clip, columns, cut, padded, plain, plain_lines, shell_word, visible
from tests.reporters import arbitrary


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("drops telnet", "drops telnet"),
        ("a\tb", "a    b"),
        ("bell\x07", "bell\\x07"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("nul\x00", "nul\\x00"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("ab\u202ecd", "ab\\u202ecd"),
        ("\ud800", "\\ud800"),
        ("\ufffe\U0001ffff", "\\ufffe\\U0001ffff"),
        ("数据包 é 🐝 👨\u200d👩", "数据包 é 🐝 👨\u200d👩"),
        ("]]>&<", "]]>&<"),
    ],
)
def test_what_does_not_show_becomes_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(arbitrary.ANY)
def test_nothing_hidden_is_left(text: str) -> None:
    assert arbitrary.hidden(visible(text) + plain(text) + "".join(plain_lines(text))) == []


@given(arbitrary.ANY, arbitrary.ANY)
def test_a_caret_can_be_placed_since_parts_are_shown_as_the_whole(left: str, right: str) -> None:
    assert visible(left + right) == visible(left) + visible(right)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31merror:\x1b[0m no", "error: no"),
        ("\x1b[38;2;1;2;3mx\x1b[m", "x"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bx\x1b7y\x1bM", "xy"),
        ("\x9b31mx", "x"),
        ("cut off \x1b[3", "cut off \\x1b[3"),
        ("\x1b", "\\x1b"),
        ("\x1b\x1b[31m[31mx", "\\x1b[31mx"),
    ],
)
def test_escape_sequences_go_as_a_whole(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n \n", []),
        ("one", ["one"]),
        ("\n  one\r\n\n two  \n\n", ["  one", "", " two"]),
        ("\x1b[1ma\x1b[0m\n\x07", ["a", "\\x07"]),
    ],
)
def test_a_text_falls_into_plain_lines(text: str, lines: list[str]) -> None:
    assert plain_lines(text) == lines


@pytest.mark.parametrize(
    ("line", "width"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("数据包", 6), ("🐝", 2), ("ﾊﾟ", 2), ("\uff21", 2)],
)
def test_columns_are_those_of_a_terminal(line: str, width: int) -> None:
    assert columns(line) == width
    assert columns(padded(line, 10)) == 10


def test_a_long_line_is_clipped_at_its_end() -> None:
    assert clip("abcdefgh", 8) == "abcdefgh"
    assert clip("abcdefghi", 8) == "abcde..."


def test_a_long_text_is_cut_in_its_middle_and_says_how_much_is_missing() -> None:
    text = "\n".join(f"line {number}" for number in range(1_000))
    assert cut(text, len(text)) == text
    assert cut(text, 40).splitlines() == [
        "line 0",
        "line 1",
        "line 2",
        "... 8,849 characters in 995 lines left out ...",
        "97",
        "line 998",
        "line 999",
    ]


@given(st.text(max_size=300), st.integers(2, 50).map(lambda half: 2 * half))
def test_a_cut_text_keeps_both_ends(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert short == text or (short.startswith(text[: limit // 2]) and short.endswith(text[-(limit // 2) :]))
    assert len(short) <= limit + 60


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("suites/fw.yaml:24", "suites/fw.yaml:24"),
        ("a b", "'a b'"),
        ("it's", "'it'\"'\"'s'"),
        ("a'b\\\x1b\t", "$'a\\'b\\\\\\x1b\\t'"),
        ("\udcff\u202e", "$'\\xff\\u202e'"),
    ],
)
def test_an_id_is_one_word_to_the_shell(word: str, quoted: str) -> None:
    assert shell_word(word) == quoted


@pytest.mark.parametrize(
    "word", ["a b", "it's", "$HOME `id` \\", "tab\t, bell\x07, \x1b[31m and 'quotes'\\", "数\u202e据"]
)
def test_bash_reads_back_the_same_word(word: str) -> None:
    bash = shutil.which("bash")
    assert bash
    command = [bash, "-c", f"printf %s {shell_word(word)}"]
    environ = {"LC_ALL": "C.UTF-8"}
    assert subprocess.run(command, capture_output=True, check=True, env=environ).stdout == word.encode()
