"""The text of a suite file → plain data that knows where each piece of it stands.

YAML 1.2 with its core schema: one document, no tags, no merge keys, every key a text. It is read within limits, so
that a hostile file gets an error at a line like any other.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping, Sequence
from typing import Any

from yaml import MarkedYAMLError

from bpftest.errors import Place, SuiteError
from bpftest.suite.document_build import Building, Data
from bpftest.suite.document_copies import Container, Copy, Spot, Text
from bpftest.suite.document_source import InvalidDocument, Source, read_source, source

__all__ = ["Container", "Data", "Document", "InvalidDocument", "document", "read"]

_ANCHOR = re.compile(r"&\S*(?:\s+(?:#[^\r\n]*)?)*")
_COMMENT = re.compile(r"[ \t]+(?P<comment>#[^\r\n]*)")


class Document:
    """The data of a suite file, and where each piece of it stands.

    *data* is plain: dict, list, str, int, float, bool, None. A piece of it is named by the mapping or list that holds
    it, the very object in *data*, and its key or index there. What an alias repeats is one object in two places: what
    stands inside it is where the anchor is. Values in *data* may be replaced, entries may not come or go; texts with
    variables and tables are, by `fill` and `expand`, which keep in mind what is written.
    """

    __slots__ = ("_anchors", "_copies", "_marks", "_orders", "_root", "_source", "_tables", "_texts", "data", "path")

    def __init__(self, source: Source, building: Building, root: tuple[Data, int, int]) -> None:
        self.path = source.path  # as the user named it
        self.data: Any = root[0]
        self._root = root[1], root[2]
        self._source = source
        self._marks = building.marks
        self._anchors = building.anchors
        self._orders: dict[int, dict[str, int]] = {}  # id of a mapping → the number of each key
        self._copies: dict[int, Copy] = {}  # id of a mapping or list that is not in the file → what it is a copy of
        self._texts: dict[tuple[int, str | int], Text] = {}  # what `fill` has replaced
        self._tables: tuple[Container, Mapping[int, int]] = ([], {})  # as `expand` has them

    def fill(self, container: Container, key: Any, value: Any, values: Mapping[str, Any]) -> None:
        """Puts *value* in the place of a text: what that says with the *values* of its variables."""
        self._texts[id(container), key] = Text(container[key], values)
        container[key] = value

    def copied(self, made: Container, copy: Copy) -> None:
        """*made*, which is to become a part of *data*, is a *copy* of a mapping or list of the file."""
        self._copies[id(made)] = copy

    def add(self, made: Container, key: str | int, spot: Spot) -> None:
        """*made*, a copy, has a value of *key*, for which *spot* stands in the file."""
        copy = self._copies[id(made)]
        self._copies[id(made)] = copy._replace(origins={**copy.origins, key: spot})

    def expand(self, cases: list[Any], copy: Copy, tables: Mapping[int, int]) -> None:
        """Puts *cases* in the place of those of the file. *tables*: those that are rows of a case → its number."""
        self._tables = self.data["cases"], tables
        self.data["cases"] = cases
        self.copied(cases, copy)

    def table(self, index: int) -> Spot | None:
        """The case of the file of which the case at *index* is a row; None if it is none."""
        cases, tables = self._tables
        return (cases, tables[index]) if index in tables else None

    def is_of_a_row(self, container: Container, key: str | int) -> bool:
        """Whether the value of *key* is what a row of a table says, and stands there."""
        copy = self._copies.get(id(container))
        return copy is not None and key in copy.origins

    def place(self, container: Container, key: str | int) -> Place:
        """Where the value of *key* in *container* stands; the key, if nothing is written there, which is null.

        Of a mapping or list in block style its beginning: the first key, the first '-'. Of an alias, the alias.
        Of a variable of a table's row, in the row.
        """
        container, key = self._spot(container, key)
        start, end = self._value_span(container, key)
        value = container[key]  # type: ignore[index]
        return self.key_place(container, key) if value is None and start == end else self._beginning(value, start, end)

    def key_place(self, container: Container, key: str | int) -> Place:
        """Where *key* itself stands; for an entry of a list, which has no key, the entry."""
        if id(container) in self._copies:
            container, key = self._copies[id(container)].key_spot(key)
        marks, at = self._marks[id(container)], self._number(container, key)
        if isinstance(container, dict):
            return self._source.place(self._without_anchor(*marks[2 + 4 * at : 4 + 4 * at]), marks[3 + 4 * at])
        start, end = self._value_span(container, key)
        if container[at] is None and start == end:
            return self._source.place(start - 1, start)  # the '-'
        return self._beginning(container[at], start, end)

    def place_within(self, container: Container, key: str | int, offset: int, width: int) -> Place:
        """Where *width* characters of a text stand, from *offset* on, in whatever style it is written.

        Of an alias, in the text that it repeats. The whole value, where this cannot be told.
        """
        from bpftest.suite.document_columns import spans

        filled = self._text(container, key)
        value = container[key] if filled is None else filled.written  # type: ignore[index]
        if filled is not None:
            from bpftest.suite.variables import part

            inside = part(filled.written, filled.values, offset, width)
            if inside.name in filled.rows:
                return self.place_within(*filled.rows[inside.name], inside.offset, width)
            offset, width = inside.start, inside.width
        start, end = self._written_span(container, key)
        found = spans(self._source.text, start, end, value) if isinstance(value, str) and start < end else None
        if found is None or not 0 <= offset < len(found):
            return self.place(container, key)
        last = found[max(offset, min(offset + width, len(value)) - 1)]
        return self._source.place(found[offset][0], last[1])

    def at(self, path: Sequence[str | int]) -> Any:
        """The value to which *path* leads from the root, a key or index a step."""
        value = self.data
        for key in path:
            value = value[key]
        return value

    def place_of(self, path: Sequence[str | int]) -> Place:
        """Where the value stands to which *path* leads."""
        return self.place(self.at(path[:-1]), path[-1]) if path else self._beginning(self.data, *self._root)

    def cut_comment(self, container: Container, key: str | int) -> Place | None:
        """The comment right after a plain scalar: what the user may have meant as a part of it. None if there is none.

        ``packet: Ether()/Raw(b"a # b")`` is the text ``Ether()/Raw(b"a`` and a comment.
        """
        start, end = self._written_span(container, key)
        container, key = self._spot(container, key)
        if start == end or self._source.text[start] in "\"'|>[{" or id(container[key]) in self._marks:  # type: ignore[index]
            return None
        comment = _COMMENT.match(self._source.text, end)
        return self._source.place(*comment.span("comment")) if comment else None

    def written(self, container: Container, key: str | int) -> str:
        """The value of *key*, a scalar, as it is written in the file: of an alias, what that repeats."""
        start, end = self._written_span(container, key)
        return self._source.text[start:end]

    def contains(self, text: str) -> bool:
        """Whether *text* stands anywhere in the file."""
        return text in self._source.text

    def lines(self, first: int, last: int) -> tuple[tuple[int, str], ...]:
        """(number, text without its end) of the lines *first* to *last*, both from 1, those that there are."""
        return self._source.lines(first, last)

    def _spot(self, container: Container, key: str | int) -> Spot:
        """Where the file has the value of *key*."""
        copy = self._copies.get(id(container))
        return (container, key) if copy is None else copy.spot(key)

    def _text(self, container: Container, key: str | int) -> Text | None:
        """The value of *key* as it is written, if that is a text with variables."""
        copy = self._copies.get(id(container))
        if copy is None:
            return self._texts.get((id(container), key))
        if key in copy.origins:
            return None
        written = copy.template[key]  # type: ignore[index]
        return Text(written, copy.values, copy.rows) if isinstance(written, str) and "$" in written else None

    def _number(self, container: Container, key: str | int) -> int:
        if isinstance(key, int):
            return key
        order = self._orders.get(id(container))
        if order is None:
            order = self._orders[id(container)] = {key: number for number, key in enumerate(container)}
        return order[key]

    def _value_span(self, container: Container, key: str | int) -> tuple[int, int]:
        """Start and end of a value; for a mapping or list, of its first token only."""
        marks, number = self._marks[id(container)], self._number(container, key)
        at = 4 + 4 * number if isinstance(container, dict) else 2 + 2 * number
        return marks[at], marks[at + 1]

    def _written_span(self, container: Container, key: str | int) -> tuple[int, int]:
        """Start and end of a value without its anchor; of an alias, those of the value that it repeats."""
        container, key = self._spot(container, key)
        start, end = self._value_span(container, key)
        start, end = self._anchors.get(start, (start, end))
        return self._without_anchor(start, end), end

    def line_range(self, container: Container, key: str | int) -> tuple[int, int]:
        """The first and the last line, from 1, of the value of *key*."""
        container, key = self._spot(container, key)
        start, end = self._value_span(container, key)
        marks = self._marks.get(id(container[key]))  # type: ignore[index]
        if marks is not None and marks[0] == start:
            end = marks[1]
        written = self._source.text[start:end].rstrip()
        return self._source.place(start, start).line, self._source.place(start + len(written) - 1, start).line

    def _beginning(self, value: Data, start: int, end: int) -> Place:
        text, first = self._source.text, self._without_anchor(start, end)
        marks = self._marks.get(id(value))
        if marks is None or marks[0] != start:  # a scalar or an alias
            return self._source.place(first if first < end else start, end)
        if text[first] in "[{":
            return self._source.place(first, marks[1])
        return self._source.place(first, marks[3] if isinstance(value, dict) else first + 1)

    def _without_anchor(self, start: int, end: int) -> int:
        anchor = _ANCHOR.match(self._source.text, start, end)
        return anchor.end() if anchor else start


def read(path: str) -> Document:
    """The document in the file *path*. Raises InvalidDocument, for a file that cannot be read too."""
    return _document(read_source(path))


def document(path: str, text: bytes | str) -> Document:
    """The document that *text* says, the contents of a file *path*. Raises InvalidDocument."""
    return _document(source(path, text))


def _document(source: Source) -> Document:
    building = Building(source)
    collecting = gc.isenabled()
    gc.disable()  # nothing of what is built becomes garbage, and to look for it takes as long as to build
    try:
        root = building.root()
    except (SuiteError, MarkedYAMLError, OverflowError, ValueError) as error:
        root = None, 0, 0
        _add_last(building.faults, source, error)
    finally:
        if collecting:
            gc.enable()
    if building.faults:
        raise InvalidDocument(source, tuple(sorted(building.faults, key=_position)))
    return Document(source, building, root)


def _add_last(faults: list[SuiteError], source: Source, error: Exception) -> None:
    """Adds the mistake that ended the reading, unless it only follows from one before it in its line."""
    from bpftest.suite.document_syntax import escape_fault, syntax_fault

    if isinstance(error, SuiteError):
        fault: SuiteError | None = error
    else:
        fault = syntax_fault(source, error) if isinstance(error, MarkedYAMLError) else escape_fault(source)
    if fault is None:
        raise error
    if not faults or _position(faults[-1])[0] != _position(fault)[0]:
        faults.append(fault)


def _position(fault: SuiteError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)
