"""Which cases of which files the command line means."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from bpftest.errors import UsageError
from bpftest.wording import meant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.suite.model import Case, Suite, Written

ENDINGS = (".yaml", ".yml")
LEFT_OUT = "__snapshots__"


class Target(NamedTuple):
    """One argument of the command line."""

    path: str  # a file or a folder
    case: str | None = None  # the name of a case, from FILE::CASE
    line: int | None = None  # from FILE:LINE


def target(argument: str) -> Target:
    """What *argument* means: FILE::CASE, FILE:LINE, a file or a folder. Raises UsageError for no file."""
    if os.path.exists(argument):
        return Target(argument)
    parts = argument.split("::")
    for count in range(1, len(parts)):  # there may be a :: in the name of a case, and of a folder
        path = "::".join(parts[:count])
        if os.path.isfile(path):
            return Target(path, "::".join(parts[count:]))
    path, separator, line = argument.rpartition(":")
    if separator and line.isdecimal() and os.path.isfile(path):
        return Target(path, line=int(line))
    path = parts[0] if len(parts) > 1 or not line.isdecimal() else path
    what = "not a file" if os.path.exists(path) else "no such file or folder"
    raise UsageError(f"{what}: {path}", "name suites, folders of suites, FILE::CASE or FILE:LINE")


def files(path: str) -> Iterator[str]:
    """The suite files at or below *path*, sorted; hidden names and __snapshots__ left out. Raises UsageError."""
    if not os.path.isdir(path):
        yield path
        return
    try:
        listed = os.listdir(path)
    except OSError as error:
        raise UsageError(f"the folder {path} cannot be read: {error.strerror}") from None
    for name in sorted(listed):
        below = os.path.join(path, name)
        if name.startswith(".") or name == LEFT_OUT:
            continue
        if os.path.isdir(below):
            if not os.path.islink(below):
                yield from files(below)
        elif name.endswith(ENDINGS):
            yield below


def names(suite: Suite, targets: Iterable[Target]) -> frozenset[str]:
    """The cases of *suite* that *targets*, all of its file, mean. Raises UsageError."""
    found: set[str] = set()
    for one in targets:
        if one.case is not None:
            found.add(_by_name(suite, one.case).name)
        elif one.line is not None:
            found.update(case.name for case in _by_line(suite, one.line))
        else:
            found.update(case.name for case in suite.cases)
    return frozenset(found)


def numbered(name: str, number: int, count: int) -> str:
    """What a case is called when it runs *count* times: the *number*th time, from 1."""
    return f"{name} ({number} of {count})"


def unnumbered(name: str) -> str:
    """The case that is called *name* when it runs several times."""
    return re.sub(r" \(\d+ of \d+\)\Z", "", name)


def _by_name(suite: Suite, name: str) -> Case:
    cases = {case.name: case for case in suite.cases}
    found = cases.get(name) or cases.get(unnumbered(name))
    if found is not None:
        return found
    close = meant(name, [case.name for case in suite.cases])
    hint = f"did you mean '{suite.path}::{close}'?" if close else f"see: bpftest list {suite.path}"
    raise UsageError(f"no case '{name}' in {suite.path}", hint)


def _by_line(suite: Suite, line: int) -> list[Case]:
    """The case in which *line* stands; of a table the row, or all rows where the line is of none."""
    before = [case for case in suite.cases if _whole(case).place().line <= line]
    if not before:
        raise UsageError(f"no case at line {line} of {suite.path}", f"see: bpftest list {suite.path}")
    last = _whole(before[-1])
    cases = [case for case in before if _whole(case).key == last.key and bool(case.table) == bool(before[-1].table)]
    return [case for case in cases if line in range(*_ends(case.here))] or cases


def _whole(case: Case) -> Written:
    """The case as it stands in the file."""
    return case.table or case.here


def _ends(where: Written) -> tuple[int, int]:
    """The first line of a value, and the first after it."""
    first, last = where.line_range()
    return first, last + 1


# --- -k and -t ----------------------------------------------------------------------------------------------------

DEPTH_MAX = 50  # a level takes a few frames of Python's stack

_PIECE = r"""\s*(?:(\(|\))|"([^"]*)"|'([^']*)'|([^\s()'"]+))"""  # compiled when it is used: few runs do


def keyword(expression: str) -> Callable[[Case], bool]:
    """-k: words that the name holds, whatever their case, with `and`, `or`, `not` and brackets. Raises UsageError."""
    holds = _parsed(expression, "-k", lambda word, texts: any(word.lower() in text.lower() for text in texts))
    return lambda case: holds((case.name,))


def tag(expression: str) -> Callable[[Case], bool]:
    """-t: tags, with `and`, `or`, `not` and brackets. Raises UsageError."""
    holds = _parsed(expression, "-t", lambda word, texts: word in texts)
    return lambda case: holds(case.tags)


def _parsed(
    expression: str, option: str, matches: Callable[[str, Iterable[str]], bool]
) -> Callable[[Iterable[str]], bool]:
    tokens = _tokens(expression, option)
    parsing = _Parsing(tokens, matches, f"{option} {expression!r}")
    holds = parsing.either()
    parsing.end()
    return holds


def _tokens(expression: str, option: str) -> list[tuple[str, str]]:
    """(kind, text): kind is the operator or bracket itself, or "word"."""
    token = re.compile(_PIECE)
    tokens, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        found = token.match(text, at)
        if not found:
            raise UsageError(f"{option} {expression!r}: a quotation mark is not closed")
        bracket, double, single, word = found.groups()
        quoted = double if double is not None else single
        if quoted is not None:
            tokens.append(("word", quoted))
        elif bracket or word in ("and", "or", "not"):
            tokens.append((bracket or word, bracket or word))
        else:
            tokens.append(("word", word))
        at = found.end()
    return tokens


class _Parsing:
    """A recursive descent over the tokens: either → both → single."""

    def __init__(self, tokens: list[tuple[str, str]], matches: Callable[[str, Iterable[str]], bool], what: str) -> None:
        self._tokens = [*tokens, ("end", "the end")]
        self._at = 0
        self._matches = matches
        self._what = what
        self._depth = 0

    def either(self) -> Callable[[Iterable[str]], bool]:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return lambda texts: any(part(texts) for part in parts)

    def end(self) -> None:
        kind, word = self._tokens[self._at]
        if kind == ")":
            self._refuse("a bracket is closed that was not opened")
        if kind != "end":
            self._refuse(f"'and' or 'or' is missing before {word!r}")

    def _both(self) -> Callable[[Iterable[str]], bool]:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return lambda texts: all(part(texts) for part in parts)

    def _single(self) -> Callable[[Iterable[str]], bool]:
        if self._take("not"):
            inner = self._deeper(self._single)
            return lambda texts: not inner(texts)
        if self._take("("):
            inner = self._deeper(self.either)
            self._close()
            return inner
        kind, word = self._tokens[self._at]
        if kind != "word":
            self._refuse("a word is missing at the end" if kind == "end" else f"a word is missing before {word!r}")
        self._at += 1
        return lambda texts: self._matches(word, texts)

    def _close(self) -> None:
        kind, word = self._tokens[self._at]
        if kind == "end":
            self._refuse("a bracket is not closed")
        if not self._take(")"):
            self._refuse(f"'and' or 'or' is missing before {word!r}")

    def _deeper(self, parse: Callable[[], Callable[[Iterable[str]], bool]]) -> Callable[[Iterable[str]], bool]:
        if self._depth == DEPTH_MAX:
            raise UsageError(f"{self._what}: more than {DEPTH_MAX} brackets and nots inside each other")
        self._depth += 1
        inner = parse()
        self._depth -= 1
        return inner

    def _take(self, kind: str) -> bool:
        if self._tokens[self._at][0] != kind:
            return False
        self._at += 1
        return True

    def _refuse(self, why: str) -> NoReturn:
        hint = (
            "words with and, or, not and brackets; quote what has blanks or brackets: \"'drops telnet' and not slow\""
        )
        raise UsageError(f"{self._what}: {why}", hint)
