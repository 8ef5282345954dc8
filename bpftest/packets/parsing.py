"""The text of a packet expression → an `ast` tree of bounded size.

``ast.parse`` dies of a deep or huge text in ways of its own, so the text is measured first.
"""

from __future__ import annotations

import ast
import re
import warnings

from bpftest.errors import SuiteError

TEXT_MAX = 300_000  # characters: the longest packet, every byte written as \xff
CODE_MAX = 32_768  # characters outside of literals
DEPTH_MAX = 50  # brackets
OPERATORS_MAX = 500

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
        raise SuiteError(f"not an expression: {error.msg}", span=_syntax_span(text, error)) from None
    except (RecursionError, MemoryError):
        raise SuiteError("the expression is nested too deeply") from None
    except ValueError as error:
        raise SuiteError(f"not an expression: {error}") from None


def _measure(text: str) -> None:
    if len(text) > TEXT_MAX:
        raise SuiteError(f"the expression has {len(text)} characters, {TEXT_MAX} are allowed", "use `file` or `hex`")
    if not text.strip():
        raise SuiteError("the expression is empty", "such as Ether()/IP()/UDP()")
    code = LITERALS.sub("", text)
    if len(code) > CODE_MAX:
        raise SuiteError(f"the expression has {len(code)} characters outside of its texts, {CODE_MAX} are allowed")
    if sum(map(code.count, "+-*/%|&^~<>@")) > OPERATORS_MAX:
        raise SuiteError(f"the expression has more than {OPERATORS_MAX} operators")
    depth = 0
    for bracket in re.findall(r"[()\[\]{}]", code):
        depth += 1 if bracket in "([{" else -1
        if depth < 0:
            raise SuiteError(f"'{bracket}' closes nothing")
        if depth > DEPTH_MAX:
            raise SuiteError(f"the expression has more than {DEPTH_MAX} brackets inside each other")


def _syntax_span(text: str, error: SyntaxError) -> tuple[int, int]:
    offset = _offset(text, error.lineno or 1, (error.offset or 1) - 1)
    return min(offset, max(len(text.rstrip()) - 1, 0)), 1


def span(text: str, node: ast.AST) -> tuple[int, int]:
    """(offset, width) in characters of *node*, which `parsed` made of *text*; to the end of its first line."""
    where: ast.expr = node  # type: ignore[assignment]  # every node that is asked for has a place
    start = _offset(text, where.lineno, _characters(text, where.lineno, where.col_offset))
    end_line = where.end_lineno or where.lineno
    end = _offset(text, end_line, _characters(text, end_line, where.end_col_offset or 0))
    first_line = text[start:end].split("\n", 1)[0].rstrip()
    return start, max(len(first_line), 1)


def _characters(text: str, line: int, column: int) -> int:
    """Characters before the UTF-8 byte *column* of *line*, as `ast` counts."""
    if text.isascii():
        return column
    source = f"({text}".split("\n")[line - 1]
    return len(source.encode()[:column].decode(errors="replace"))


def _offset(text: str, line: int, column: int) -> int:
    """The offset in *text* of a place in "(*text*"; *line* from 1, *column* in characters from 0."""
    before = sum(len(one) + 1 for one in text.split("\n")[: line - 1])
    return min(before + column - (line == 1), len(text))
