"""$name and ${name} in a suite's texts, and where their values come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.suite.model import Substituted
from bpftest.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.errors import Place
    from bpftest.suite.document import Container, Document
    from bpftest.suite.model import Ranges

TEXT_MAX = 4 << 20  # characters of one text with its variables: as many as a suite may have
TEXTS_MAX = 64 << 20  # of all of them

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
NAME = re.compile(_NAME)
_VARIABLE = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<plain>{_NAME})|\{{(?P<braced>{_NAME})\}})")


class Named(NamedTuple):
    """A variable that a text names: `text[start:end]`."""

    name: str
    start: int
    end: int


class Part(NamedTuple):
    """Where a part of a text with its variables stands in the text as it is written."""

    start: int
    width: int
    name: str = ""  # of the variable in whose value it is; that is written at *start*
    offset: int = 0  # in that value


def named(text: str) -> list[Named]:
    """The variables that *text* names, in its order."""
    found = ((one["plain"] or one["braced"], *one.span()) for one in _VARIABLE.finditer(text))
    return [Named(name, start, end) for name, start, end in found if name]


def filled(text: str, values: Mapping[str, Any]) -> Any:
    """*text* with *values* in the places of their names; a text that is exactly $name becomes the value itself.

    A name without a value stays. Raises SuiteError with a span inside *text* for a value that no text can hold.
    """
    whole = _VARIABLE.fullmatch(text)
    if whole and not whole["dollar"]:
        return values.get(whole["plain"] or whole["braced"], text)
    size = 0

    def value(found: re.Match[str]) -> str:
        nonlocal size
        said = "$" if found["dollar"] else _value(found, values)
        size += len(said)
        if size > TEXT_MAX:
            raise SuiteError(f"with its variables this has more than {TEXT_MAX:,} characters")
        return said

    return _VARIABLE.sub(value, text)


def _value(found: re.Match[str], values: Mapping[str, Any]) -> str:
    name = found["plain"] or found["braced"]
    if name not in values:
        return found[0]
    if isinstance(values[name], (dict, list)):
        kind = "a mapping" if isinstance(values[name], dict) else "a list"
        span = found.start(), len(found[0])
        raise SuiteError(f"'{name}' is {kind}, which cannot stand inside a text", f"write ${name} alone", span=span)
    return as_text(values[name])


def as_text(value: object) -> str:
    """A scalar inside a text, as YAML writes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def part(text: str, values: Mapping[str, Any], offset: int, width: int) -> Part:
    """Where *width* characters from *offset* on, of *text* with its variables, stand."""
    longer = 0  # by so many characters, what has been put in so far
    for found in _VARIABLE.finditer(text):
        start, written = found.start() + longer, len(found[0])
        if offset < start:
            break
        name = found["plain"] or found["braced"]
        size = 1 if found["dollar"] else len(as_text(values[name])) if name in values else written
        if offset < start + size:
            return Part(found.start(), written, name or "", offset - start)
        longer += size - written
    return Part(offset - longer, width)


class Substitution:
    """The replacing of variables in one document, and what was found meanwhile."""

    def __init__(self, document: Document, variables: Mapping[str, Any]) -> None:
        self.faults: list[SuiteError] = []
        self.unjudged: list[Place] = []
        self.used: set[str] = set()
        self.variables = variables
        self._document = document
        self._seen: set[int] = set()
        self._room = TEXTS_MAX

    def leave(self, *nodes: Container) -> None:
        """Nothing is replaced in these."""
        self._seen.update(map(id, nodes))

    def set_aside(self, node: Container) -> None:
        """Texts below *node* keep their variables, whose values cannot be told."""
        texts = [(container, key) for container, key in self._texts(node) if "$" in container[key]]
        self.unjudged += [self._document.place(container, key) for container, key in texts]

    def replace(self, node: Any) -> None:
        """Replaces the variables of the suite in all texts below *node*, each once."""
        for container, key in self._texts(node):
            if "$" in container[key]:
                self.look_up(container, key, self.variables)
                self._document.fill(container, key, self.filled(container, key, self.variables), self.variables)

    def look_up(self, container: Container, key: Any, known: Mapping[str, Any]) -> None:
        """Makes a mistake of each variable that a text names and that is not *known*."""
        for one in named(container[key]):
            self.used.add(one.name)
            if one.name not in known:
                place = self._document.place_within(container, key, one.start, one.end - one.start)
                self.faults.append(SuiteError(f"unknown variable '{one.name}'", _hint(one.name, known), place))
                self.unjudged.append(place)

    def filled(self, container: Any, key: Any, values: Mapping[str, Any]) -> Any:
        """The text *key* of *container* with *values*; as it is, and a mistake, where they do not fit into it."""
        text = container[key]
        if self._room < 0:
            return text
        try:
            return self._within_limits(filled(text, values))
        except SuiteError as error:
            offset, width = error.span or (0, len(text))
            self.faults.append(error.at(self._document.place_within(container, key, offset, width)))
            self.unjudged.append(self._document.place(container, key))
            return text

    def _within_limits(self, made: Any) -> Any:
        self._room -= len(made) if isinstance(made, str) else 0
        if self._room < 0:
            raise SuiteError(f"up to here, texts with variables have more than {TEXTS_MAX:,} characters")
        return made

    def _texts(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """(container, key) of every text below *node*, each container once."""
        if not isinstance(node, (dict, list)) or id(node) in self._seen:
            return
        self._seen.add(id(node))
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if isinstance(value, str):
                yield node, key
            else:
                yield from self._texts(value)


def substitute(document: Document, given: Mapping[str, Any] | None = None) -> Substituted:
    """Puts the values of variables in the places of their names, and makes cases of the rows of tables.

    The variables are those of the document's `vars:`, which is left as it is, and those *given*, which are stronger.
    A text with a name that nobody knows is a mistake.
    """
    root = document.data
    own = root.get("vars", {}) if isinstance(root, dict) else None
    if not isinstance(own, dict):
        return Substituted()  # the schema says what is wrong
    doing = Substitution(document, own | dict(given or {}))
    doing.leave(own)
    ranges: Mapping[int, Ranges] = {}
    beyond = 0
    if document.contains("rows") or document.contains("matrix"):
        import gc

        from bpftest.suite.tables import expand

        collecting = gc.isenabled()
        gc.disable()  # nothing of what is made becomes garbage, and to look for it takes as long as to make it
        try:
            ranges, beyond = expand(document, doing)
        finally:
            if collecting:
                gc.enable()
    doing.replace(root)
    used = frozenset(doing.used | own.keys())
    return Substituted(tuple(doing.faults), tuple(doing.unjudged), doing.variables, used, ranges, beyond)


def _hint(name: str, variables: Mapping[str, Any]) -> str:
    close = meant(name, variables)
    if close:
        return f"did you mean '${close}'?"
    known = f"known here: {', '.join(variables)}" if variables else "declare it under 'vars' at the top"
    return f"{known}; a dollar sign itself is $$"
