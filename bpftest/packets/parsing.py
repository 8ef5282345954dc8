"""The text of a packet expression → an `ast` tree of bounded size.

``ast.parse`` dies of a deep or huge text in ways of its own, so the text is measured first.
"""

from __future__ import annotations

import ast
import re
import unicodedata  # noqa: F401 - Python's parser wants it for names that are not ASCII, where nothing can be imported
import warnings

from bpftest.errors import SuiteError

NOT_AN_EXPRESSION = "not an expression"  # how the error begins where Python cannot parse the text
TEXT_MAX = 300_000  # characters: the longest packet, every byte written as \xff
CODE_MAX = 32_768  # characters outside of literals
DEPTH_MAX = 50  # brackets
OPERATORS_MAX = 500

NEWLINE = re.compile(r"\r\n?|\n")
LITERALS = re.compile(
    r"""
    \"\"\"(?:[^\\]|\\.)*?\"\"\" | \'\'\'(?:[^\\]|\\.)*?\'\'\'
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
    | \#[^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)


def parsed(text: str) -> ast.expr:
    """The tree of the expression *text*. Raises SuiteError, with a span inside *text*."""
    _measure(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape is a matter of taste
            return ast.parse(f"({text}\n)", mode="eval").body  # in brackets, it may span lines
    except SyntaxError as error:
        raise SuiteError(f"{NOT_AN_EXPRESSION}: {error.msg}", span=_syntax_span(text, error)) from None
    except (RecursionError, MemoryError):
        raise SuiteError("the expression is nested too deeply") from None
    except ValueError as error:
        raise SuiteError(f"{NOT_AN_EXPRESSION}: {error}") from None


def _measure(text: str) -> None:
    if len(text) > TEXT_MAX:
        raise SuiteError(f"the expression has {len(text)} characters, {TEXT_MAX} are allowed", "use `file` or `hex`")
    code = LITERALS.sub(lambda literal: " " * len(literal[0]), text)
    if not code.strip() and not LITERALS.sub(lambda literal: literal[0].partition("#")[0], text).strip():
        raise SuiteError("the expression is empty", "such as Ether()/IP()/UDP()")
    if len(code) - code.count(" ") > CODE_MAX:
        raise SuiteError(f"the expression has more than {CODE_MAX} characters outside of its texts")
    if sum(map(code.count, "+-*/%|&^~<>@")) > OPERATORS_MAX:
        raise SuiteError(f"the expression has more than {OPERATORS_MAX} operators")
    depth = 0
    for bracket in re.finditer(r"[()\[\]{}]", code):
        depth += 1 if bracket[0] in "([{" else -1
        if depth < 0:
            raise SuiteError(f"'{bracket[0]}' closes nothing", span=(bracket.start(), 1))
        if depth > DEPTH_MAX:
            what = f"the expression has more than {DEPTH_MAX} brackets inside each other"
            raise SuiteError(what, span=(bracket.start(), 1))


def _syntax_span(text: str, error: SyntaxError) -> tuple[int, int]:
    line = error.lineno or 1
    offset = _line_start(text, line) + (error.offset or 1) - 1 - (line == 1)
    return max(0, min(offset, len(text.rstrip()) - 1)), 1


def span(text: str, node: ast.AST) -> tuple[int, int]:
    """(offset, width) in characters of *node*, which `parsed` made of *text*; to the end of its first line."""
    where: ast.expr = node  # type: ignore[assignment]  # every node that is asked for has a place
    start = _offset(text, where.lineno, where.col_offset)
    end = _offset(text, where.end_lineno or where.lineno, where.end_col_offset or 0)
    first_line = NEWLINE.split(text[start:end])[0].rstrip()
    return start, max(len(first_line), 1)


def _offset(text: str, line: int, column: int) -> int:
    """The offset in characters of a place that `ast` gives: *line* from 1, *column* in bytes of UTF-8 from 0."""
    start = _line_start(text, line)
    if line == 1:
        column -= 1  # the bracket before the text
    if not text.isascii():
        column = len(text[start:].encode()[:column].decode(errors="ignore"))
    return max(0, min(start + column, len(text)))


def _line_start(text: str, line: int) -> int:
    """The offset of *line*, from 1; the end of *text* for the line of the bracket behind it."""
    starts = [0, *(newline.end() for newline in NEWLINE.finditer(text)), len(text)]
    return starts[min(line, len(starts)) - 1]
