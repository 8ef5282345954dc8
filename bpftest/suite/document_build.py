"""The events of PyYAML's parser → plain data, and where each piece of it stands.

The events are PyYAML's, what they mean is not: its constructors know YAML 1.1, make Python objects on demand and keep
the last of duplicate keys, and its C loader dies of deep nesting. Here depth and size are counted before anything is
built of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from bpftest.errors import Place, SuiteError
from bpftest.suite.document_scalars import Scalar, plain_value
from bpftest.suite.wording import MAX_FAULTS, NO_TAGS, QUOTE_TEXT
from bpftest.wording import meant, shown

if TYPE_CHECKING:
    from bpftest.suite.document_source import Source

MAX_DEPTH = 64  # mappings and sequences inside each other, aliases followed
MAX_NODES = 100_000  # values, aliases followed; keys are not counted

Data = dict[str, Any] | list[Any] | Scalar
Event = Any  # one of yaml.events; their attributes have no types

# With libyaml, in C, where PyYAML was built with it: 25 times faster.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What may stand before a document, and after it. Neither can fail to match, so neither ever goes back.
_COMMENTS = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_AFTERWARDS = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*|\.\.\.(?=\s|\Z))*")
_ENDS = (MappingEndEvent, SequenceEndEvent)
_KINDS = {dict: "a mapping", list: "a list", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}


class Building:
    """What the events of one text have built so far."""

    def __init__(self, source: Source) -> None:
        self.faults: list[SuiteError] = []
        # Where the parts of a mapping or sequence stand, by its id(): its own start and end; then for each entry
        # the start and end of the key, if it is a mapping, and the start and end of the value.
        self.marks: dict[int, list[int]] = {}
        self.anchors: dict[int, tuple[int, int]] = {}  # start of an alias → start and end of the value it repeats
        self._source = source
        self._next_event: Callable[[], Event] = _Loader(source.text).get_event
        self._plain_value = functools.cache(plain_value)
        self._anchored: dict[str, tuple[Data, int, int] | None] = {}  # None while the value is being read
        self._nodes = 0

    def root(self) -> tuple[Data, int, int]:
        """The value of the whole text, its start and its end.

        A mistake after which reading can go on is put into *faults*. Raises SuiteError for one that ends it,
        yaml.MarkedYAMLError where the text is not YAML.
        """
        self._refuse_directives()
        self._next_event()
        if not isinstance(self._next_event(), DocumentStartEvent):
            return None, 0, 0  # there is nothing but comments
        event = self._next_event()
        value = self._value(event, 0)
        self._refuse_more(self._next_event())
        return value, event.start_mark.index, event.end_mark.index

    def _value(self, event: Event, depth: int) -> Data:
        """The value that begins with *event* and stands inside *depth* mappings and sequences."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._too_large(event)
        if type(event) is ScalarEvent:
            return self._scalar(event)
        if type(event) is AliasEvent:
            return self._alias(event, depth)
        return self._collection(event, depth + 1)

    def _scalar(self, event: Event) -> Scalar:
        value: Scalar = event.value
        if not event.style:
            try:
                value = self._plain_value(value)
            except SuiteError as fault:
                self._refuse(event, fault.what, fault.hint)
        elif event.style == '"' and not event.value.isascii():
            self._refuse_surrogates(event)
        if event.tag is not None:
            self._refuse(event, NO_TAGS, QUOTE_TEXT)
        if event.anchor is not None:
            self._anchored[event.anchor] = value, event.start_mark.index, event.end_mark.index
        return value

    def _alias(self, event: Event, depth: int) -> Data:
        anchored = self._anchored.get(event.anchor)
        if anchored is None:
            self._refuse_alias(event)
            return None
        value, start, end = anchored
        nodes, levels = extent(value)
        self._nodes += nodes - 1
        if self._nodes > MAX_NODES:
            raise self._too_large(event)
        if depth + levels > MAX_DEPTH:
            raise self._too_deep(event)
        self.anchors[event.start_mark.index] = start, end
        return value

    def _collection(self, event: Event, depth: int) -> Data:
        if depth > MAX_DEPTH:
            raise self._too_deep(event)
        if event.tag is not None:
            self._refuse(event, NO_TAGS, "leave it out")
        if event.anchor is not None:
            self._anchored[event.anchor] = None
        marks = [event.start_mark.index, 0]
        value = self._mapping(depth, marks) if type(event) is MappingStartEvent else self._sequence(depth, marks)
        self.marks[id(value)] = marks
        if event.anchor is not None:
            self._anchored[event.anchor] = value, marks[0], marks[1]
        return value

    def _mapping(self, depth: int, marks: list[int]) -> Data:
        value: dict[str, Data] = {}
        while type(event := self._next_event()) not in _ENDS:
            key = self._key(event, depth, value, marks)
            begin = self._next_event()
            entry = self._value(begin, depth)
            if key is not None:
                value[key] = entry
                marks += event.start_mark.index, event.end_mark.index, begin.start_mark.index, begin.end_mark.index
        marks[1] = event.end_mark.index
        return value

    def _sequence(self, depth: int, marks: list[int]) -> Data:
        value: list[Data] = []
        while type(event := self._next_event()) not in _ENDS:
            value.append(self._value(event, depth))
            marks += event.start_mark.index, event.end_mark.index
        marks[1] = event.end_mark.index
        return value

    def _key(self, event: Event, depth: int, known: dict[str, Data], marks: list[int]) -> str | None:
        """The key that begins with *event*; None, and a mistake, if it cannot be one."""
        key = self._scalar(event) if type(event) is ScalarEvent else self._value(event, depth)
        if not isinstance(key, str):
            self._refuse(event, f"a key is text, and this is {_KINDS[type(key)]}", QUOTE_TEXT)
        elif key in known:
            line = self._source.place(marks[2 + 4 * list(known).index(key)], 0).line
            self._refuse(event, f"duplicate key '{shown(key)}'", f"it has a value in line {line}")
        elif key == "<<" and type(event) is ScalarEvent and not event.style:
            self._refuse(event, "'<<' merges mappings, which suites do not", "write the keys out, or use 'defaults'")
        else:
            return key
        return None

    def _refuse(self, event: Event, what: str, hint: str) -> None:
        """Keeps a mistake after which reading goes on, as long as there are not too many."""
        if len(self.faults) == MAX_FAULTS:
            raise self._fault(event, "there are more mistakes from here on", "")
        self.faults.append(self._fault(event, what, hint))

    def _fault(self, event: Event, what: str, hint: str) -> SuiteError:
        return SuiteError(what, hint, self._source.place(event.start_mark.index, event.end_mark.index))

    def _too_large(self, event: Event) -> SuiteError:
        hint = "make several suites of it, or keep packets and map entries in files of their own"
        return self._fault(event, f"there are more than {MAX_NODES:,} values up to here, aliases followed", hint)

    def _too_deep(self, event: Event) -> SuiteError:
        return self._fault(event, f"this is nested deeper than {MAX_DEPTH} levels", "")

    def _refuse_alias(self, event: Event) -> None:
        name = shown(event.anchor)
        if event.anchor in self._anchored:
            self._refuse(event, f"*{name} stands inside the value that it repeats", "write the value out")
            return
        guess = meant(event.anchor, self._anchored)
        self._refuse(
            event, f"no value above has the anchor &{name}", f"did you mean *{guess}?" if guess else QUOTE_TEXT
        )

    def _refuse_surrogates(self, event: Event) -> None:
        """Halves of characters, which the parser in C refuses itself."""
        if any("\ud800" <= character <= "\udfff" for character in event.value):
            from bpftest.suite.document_syntax import escape_fault

            fault = escape_fault(self._source, event.start_mark.index)
            raise fault or self._fault(event, "there is half a character in this text", "")

    def _refuse_directives(self) -> None:
        """What begins with % before the document, but for one %YAML 1.2.

        Before PyYAML reads them, since many %TAG take it quadratic time, and minutes.
        """
        text, line = self._source.text, self._after(_COMMENTS, 0)
        if text.startswith("%YAML 1.2", line):
            line = self._after(_COMMENTS, line + len("%YAML 1.2"))
        if text.startswith("%", line) and self._source.place(line, line).column == 1:
            raise SuiteError("a directive cannot stand in a suite", "leave the line out", self._line(line))

    def _refuse_more(self, end: Event) -> None:
        """What stands after the *end* of the document, other than comments."""
        start = self._after(_AFTERWARDS, end.end_mark.index)
        if start == len(self._source.text):
            return
        what, hint = "this does not belong to the suite above", "keys of one mapping begin in the same column"
        if end.explicit or self._source.text.startswith("---", start):
            what, hint = "a second document begins here", "one file holds one suite"
        raise SuiteError(what, hint, self._line(start))

    def _after(self, pattern: re.Pattern[str], start: int) -> int:
        found = pattern.match(self._source.text, start)
        return found.end() if found else start

    def _line(self, start: int) -> Place:
        """The line in which *start* stands, from there on."""
        return self._source.place(start, len(self._source.text))


def extent(value: Any) -> tuple[int, int]:
    """How many values *value* holds, itself included, and how many levels: 0 for a scalar."""
    if not isinstance(value, (dict, list)):
        return 1, 0
    inner = [extent(entry) for entry in (value.values() if isinstance(value, dict) else value)]
    return 1 + sum(nodes for nodes, _ in inner), 1 + max((levels for _, levels in inner), default=0)
