"""Where the characters of a scalar stand in its file, whatever its style."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_Characters = Iterator[tuple[str, int, int]]  # a character of the value, and from where to where it is written

_BREAK = r"(?:\r\n|\r|\n)"
_BREAKS = re.compile(_BREAK)
_BLANKS = r"(?P<blanks>[ \t\r\n]+)"
_PIECES = {  # of a scalar, by its quote: some stand for themselves, the others for characters of their own
    "": re.compile(rf"{_BLANKS}|(?P<plain>[^ \t\r\n]+)"),
    "'": re.compile(rf"{_BLANKS}|(?P<quote>'')|(?P<plain>[^ \t\r\n']+)"),
    '"': re.compile(
        rf"{_BLANKS}|(?P<joined>\\{_BREAK}[ \t\r\n]*)"
        r"|(?P<code>\\(?:x.{2}|u.{4}|U.{8}))|(?P<letter>\\.)|(?P<plain>[^ \t\r\n\\]+)"
    ),
}
_LETTERS = dict(zip('0abt\tnvfre "/\\N_LP', '\0\a\b\t\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True))
_BLOCK_HEADER = re.compile(rf"(?P<style>[|>])[-+0-9]*[ \t]*(?:#[^\r\n]*)?{_BREAK}")


def spans(text: str, start: int, end: int, value: str) -> list[tuple[int, int]] | None:
    """For each character of *value* from where to where it is written in *text*, and at last the end of the scalar.

    *text*[*start*:*end*] is the scalar as it is written, without anchor and tag. None if that cannot be told.
    """
    header = _BLOCK_HEADER.match(text, start, end)
    quote = text[start] if text[start] in "\"'" else ""
    if header:
        lines = text[header.end() : end].splitlines(keepends=True)
        indent = _indent(lines) - _indent(value.split("\n"))
        found = list(_in_block(lines, header.end(), indent, folded=header["style"] == ">"))
    else:
        found = list(_in_flow(text, start + len(quote), end - len(quote), quote))
    read = "".join(character for character, _, _ in found)
    # A block's last ends of lines may be no part of its value.
    if read[: len(value)] != value or read[len(value) :].strip("\n"):
        return None
    return [*((first, last) for _, first, last in found[: len(value)]), (end - len(quote), end)]


def _in_flow(text: str, start: int, end: int, quote: str) -> _Characters:
    """What a plain scalar says (*quote* is empty), or what stands between two quotes."""
    for piece in _PIECES[quote].finditer(text, start, end):
        kind, written = piece.lastgroup, piece.group()
        if kind == "plain" or (kind == "blanks" and not _BREAKS.search(written)):
            yield from _each(written, piece.start())
        else:
            yield from ((character, *piece.span()) for character in _meaning(kind, written))


def _each(written: str, start: int) -> _Characters:
    """Characters that stand for themselves."""
    for position, character in enumerate(written, start):
        yield character, position, position + 1


def _meaning(kind: str | None, written: str) -> str:
    if kind == "blanks":
        return "\n" * (len(_BREAKS.findall(written)) - 1) or " "
    if kind == "joined":
        return "\n" * (len(_BREAKS.findall(written)) - 1)
    if kind == "code":
        return chr(int(written[2:], 16))  # noqa: FURB166 - it begins with \x, not 0x
    return _LETTERS[written[1]] if kind == "letter" else "'"


def _indent(lines: Iterable[str]) -> int:
    """The blanks before the first line that is not blank."""
    first = next((line for line in lines if line.strip(" \r\n")), "")
    return len(first) - len(first.lstrip(" "))


def _in_block(lines: Iterable[str], start: int, indent: int, *, folded: bool) -> _Characters:
    """What the *lines* after a | or > say, with all their ends of lines; the first begins at *start*."""
    breaks: list[int] = []  # that came after the last line that says something
    above = ""  # that line
    for line in lines:
        said = line.rstrip("\r\n")[indent:]
        if said:
            folds = folded and above and above[0] not in " \t" and said[0] not in " \t"
            if folds and len(breaks) == 1:
                yield " ", breaks[0], breaks[0] + 1
            else:
                yield from (("\n", position, position + 1) for position in (breaks[1:] if folds else breaks))
            yield from _each(said, start + indent)
            breaks, above = [], said
        breaks.append(start + len(line.rstrip("\r\n")))
        start += len(line)
    yield from (("\n", position, position + 1) for position in breaks)
