"""PyYAML's errors of syntax in the words of someone who writes suites: one line, a place, what to write instead.

PyYAML says where its scanner gave up and what it was reading; what the user meant shows in the text around. Its two
parsers, in C and in Python, word an error differently and put it at the same place, so it is the place that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.suite.wording import NO_TAGS, QUOTE, QUOTE_TEXT

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

    from bpftest.suite.document_source import Source

MAX_KEY = 1024  # characters, by YAML's rules
ESCAPE_HINT = "write \\\\ for a backslash, or put the text in '...', where nothing is escaped"

# Half of a surrogate pair, and what is above U+10FFFF.
_NO_CHARACTER = re.compile(r"(?<!\\)(?:\\\\)*(\\u[dD][89a-fA-F]..|\\U0000[dD][89a-fA-F]..|\\U(?!0010|000).{8})")

_Explained = tuple[str, str, int, int]  # what, hint, start and end in the text


class _Spot(NamedTuple):
    """Where PyYAML gave up."""

    text: str
    at: int
    since: int  # where that begins which it was reading
    problem: str  # what it says

    @property
    def character(self) -> str:
        """The one at the spot; empty at the end of the file."""
        return self.text[self.at : self.at + 1]

    def before(self) -> str:
        """The line of the spot, up to there."""
        return self.text[_line_start(self.text, self.at) : self.at]

    def above(self) -> str:
        """The last line before that which is not blank."""
        return self.text[: _line_start(self.text, self.at)].rstrip().rpartition("\n")[2]


def syntax_fault(source: Source, error: MarkedYAMLError) -> SuiteError:
    """The mistake in *source* that PyYAML calls *error*, with its place."""
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(source.text)) if mark else 0
    since = error.context_mark.index if error.context_mark else at
    what, hint, start, end = _explained(_Spot(source.text, at, since, error.problem or ""), error.context or "")
    return SuiteError(what, hint, source.place(start, end))


def escape_fault(source: Source, start: int = 0) -> SuiteError | None:
    """The first escape from *start* on that is no character, which PyYAML's parser in Python does not refuse itself.

    None if there is none.
    """
    found = _NO_CHARACTER.search(source.text, start)
    return SuiteError(f"{found[1]} is no escape", ESCAPE_HINT, source.place(*found.span(1))) if found else None


def _explained(spot: _Spot, context: str) -> _Explained:
    before = spot.before()
    if "\t" in before + spot.character and not before.strip(" \t-"):
        tab = spot.at - len(before) + f"{before}\t".index("\t")
        return "a tab cannot indent", "indent with blanks", tab, tab + 1
    for pattern, explain in _EXPLANATIONS:
        if re.search(pattern, f"{context}: {spot.problem}"):
            return explain(spot)
    return f"this is not YAML: {spot.problem}", "", spot.at, spot.at + 1


def _start(spot: _Spot) -> _Explained:
    character = "a tab" if spot.character == "\t" else f"'{spot.character}'"
    return f"plain text cannot begin with {character}", QUOTE, spot.at, spot.at + 1


def _colon(spot: _Spot) -> _Explained:
    """A ': ' where there can be no key, because of another one in the line, or of the line above."""
    before, above = spot.before(), spot.above()
    if re.search(r":\s", before):
        return "there is a second ': ' in this value", QUOTE, spot.at, spot.at + 1
    start = spot.at - len(before.lstrip(" -"))
    if spot.at - start > MAX_KEY:
        return f"this key is longer than {MAX_KEY} characters", "", start, spot.at
    if re.search(r":(\s|$)", above):
        return "this key stands inside the text above", "indent it like the key above", start, spot.at
    lacks = "a blank after its ':'" if ":" in above else "a ':'"
    return f"the line above is no key: it lacks {lacks}", "write 'key: value'", start, spot.at


def _no_colon(spot: _Spot) -> _Explained:
    key = _Spot(spot.text, spot.since, spot.since, "")
    end = _line_end(spot.text, spot.since)
    lacks = "a blank after its ':'" if re.match(r"\w+:\S", spot.text[spot.since : end]) else "a ':'"
    hint = _cut(key) or "write 'key: value'; text that goes on is indented deeper than its key"
    return f"this is no key: it lacks {lacks}", hint, spot.since, end


def _not_here(spot: _Spot) -> _Explained:
    """Something that is no further key of a mapping, or no further entry of a list."""
    before, end = spot.before().rstrip(), _line_end(spot.text, spot.at)
    if spot.character in ("]", "}"):
        return f"this '{spot.character}' closes nothing", QUOTE_TEXT, spot.at, spot.at + 1
    if spot.character == ":":
        return "there is no key before this ':'", "write 'key: value'", spot.at, end
    if before.strip(" -"):
        after = {'"': "the closing quote", "'": "the closing quote", "]": "the ']'", "}": "the '}'"}
        what = f"there is more after {after.get(before[-1], 'the value')}"
        return what, "put all of the value in quotes; in '...' a ' is written ''", spot.at, end
    if re.match(r"\s*-[^\s-]", spot.above()):
        return "the line above is no entry of a list", "write '- ', with a blank", spot.at, end
    if _column(spot.text, spot.since) == _column(spot.text, spot.at):
        if spot.text[spot.since] == "-":
            return "each entry of this list begins with '- '", "", spot.at, end
        if spot.character == "-":
            return "a list cannot stand among the keys of a mapping", "indent it deeper, below a key", spot.at, end
    hint = _cut(spot) or "keys of one mapping, and entries of one list, begin in the same column"
    return "this is indented like nothing above", hint, spot.at, end


def _cut(spot: _Spot) -> str:
    """A hint, if a comment has ended the text in the line above."""
    return "' #' begins a comment in the line above: put that text in quotes" if " #" in spot.above() else ""


def _entry(spot: _Spot) -> _Explained:
    return "a list cannot begin here", "begin it on the next line, or write [a, b]", spot.at, spot.at + 1


def _open_quote(spot: _Spot) -> _Explained:
    hint = "inside \"...\" a \" is written \\\", inside '...' a ' is written ''"
    return "this quote is never closed", hint, spot.since, spot.since + 1


def _escape(spot: _Spot) -> _Explained:
    start = spot.text.rfind("\\", spot.since, spot.at + 1)
    digits = {"x": 2, "u": 4, "U": 8}.get(spot.text[start + 1], 0)
    written = spot.text[start : min(start + 2 + digits, _line_end(spot.text, start))]
    return f"{written} is no escape", ESCAPE_HINT, start, start + len(written)


def _open_bracket(spot: _Spot) -> _Explained:
    if not spot.character:
        return f"this '{spot.text[spot.since]}' is never closed", "", spot.since, spot.since + 1
    opening, closing = spot.text[spot.since], {"[": "]", "{": "}"}[spot.text[spot.since]]
    if spot.character in ("]", "}"):
        return f"'{opening}' cannot be closed by '{spot.character}'", "", spot.at, spot.at + 1
    hint = "inside [ ] and { }, put text with , : [ ] { } in quotes"
    if _line_start(spot.text, spot.since) != _line_start(spot.text, spot.at):
        line = len(spot.text[: spot.since + 1].splitlines())
        hint = f"the '{opening}' in line {line} is not closed; {hint}"
    return f"there is a ',' or '{closing}' missing before this", hint, spot.at, spot.at + 1


def _no_value(spot: _Spot) -> _Explained:
    if not spot.character:
        return "the file ends inside [ ] or { }", "", spot.at, spot.at
    return f"there is a value missing before this '{spot.character}'", QUOTE_TEXT, spot.at, spot.at + 1


def _plain(spot: _Spot) -> _Explained:
    return f"plain text cannot have a '{spot.character}' here", QUOTE, spot.at, spot.at + 1


def _directive(spot: _Spot) -> _Explained:
    hint = "leave the line out; if this is text, put all of it in quotes"
    return "a line that begins with '%' is a directive", hint, spot.since, _line_end(spot.text, spot.since)


def _name(spot: _Spot) -> _Explained:
    mark = spot.text[spot.since]
    what = f"'{mark}' begins {'an alias' if mark == '*' else 'an anchor'}: a name of letters, digits, '-' and '_'"
    return what, QUOTE_TEXT, spot.since, spot.at + 1


def _block(spot: _Spot) -> _Explained:
    what = f"after '{spot.text[spot.since]}' the text begins on the next line"
    return what, QUOTE_TEXT, spot.since, _line_end(spot.text, spot.since)


def _tag(spot: _Spot) -> _Explained:
    return NO_TAGS, QUOTE_TEXT, spot.since, spot.at + 1


def _document_start(spot: _Spot) -> _Explained:
    return "'---' is missing between the directive and this", "leave the directive out", spot.at, spot.at + 1


def _column(text: str, position: int) -> int:
    return position - _line_start(text, position)


def _line_start(text: str, position: int) -> int:
    return max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1


def _line_end(text: str, position: int) -> int:
    found = re.compile(r"[\r\n]|\Z").search(text, position)
    return found.start() if found else len(text)


_EXPLANATIONS: tuple[tuple[str, Callable[[_Spot], _Explained]], ...] = (
    ("cannot start any token", _start),
    ("mapping keys are not allowed", _start),
    ("mapping values are not allowed", _colon),
    ("sequence entries are not allowed", _entry),
    ("scanning a simple key", _no_colon),
    ("quoted scalar: .*(end of stream|document)", _open_quote),
    ("quoted scalar", _escape),
    ("parsing a block (mapping|collection)", _not_here),
    ("parsing a flow (mapping|sequence)", _open_bracket),
    ("parsing a block node", _start),
    ("parsing a flow node", _no_value),
    ("scanning an (alias|anchor)", _name),
    ("block scalar", _block),
    ("plain scalar", _plain),
    ("directive", _directive),
    (r"\btag\b", _tag),
    ("<document start>", _document_start),
)
