"""`printk` and `streams`: the lines that programs print."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, placed, reply_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written

    Compare = Callable[[Sequence[str]], Iterator[Mismatch]]

STREAMS = {"stdout": 0, "stderr": 1}  # what each is in Reply.streams
LINES_SHOWN = 10  # of `exactly`, that differ


def printk(want: Written, _context: Context) -> Check:
    """What the programs print with bpf_printk has these lines."""
    compare = _lines(want, "")

    def check(observation: Observation) -> Finding:
        lines = reply_of(observation).printk
        mismatches = tuple(compare(lines))
        if mismatches:
            return Finding("printk", mismatches=mismatches, excerpt=excerpt(want))
        return Finding("printk", _counted(lines))

    return check


def streams(want: Written, _context: Context) -> Check:
    """What the program writes to its streams has these lines."""
    parts = [(STREAMS[name], _lines(want[name], f"{name} ")) for name in want]

    def check(observation: Observation) -> Finding:
        written = [stream_lines(text) for text in reply_of(observation).streams]
        mismatches = tuple(one for index, compare in parts for one in compare(written[index]))
        if mismatches:
            return Finding("streams", mismatches=mismatches, excerpt=excerpt(want))
        return Finding("streams", ", ".join(f"{name}: {_counted(written[STREAMS[name]])}" for name in want))

    return check


def stream_lines(text: str) -> list[str]:
    """The lines of a stream; a line break at the end begins no other."""
    return text.removesuffix("\n").split("\n") if text else []


def _lines(want: Written, where: str) -> Compare:
    """What differs in lines; *where* they are goes before what each difference is about."""
    compares = [FORMS[form](want[form], where) for form in want]

    def compare(lines: Sequence[str]) -> Iterator[Mismatch]:
        for one in compares:
            yield from one(lines)

    return compare


def _contains(want: Written, where: str) -> Compare:
    searches = [(one.value, re.compile(re.escape(one.value))) for one in _texts(want)]
    return _in_order(f"{where}contains", "a line with", searches)


def _matches(want: Written, where: str) -> Compare:
    searches = [(one.value, placed(one, _pattern)) for one in _texts(want)]
    return _in_order(f"{where}matches", "a line that matches", searches)


def _in_order(what: str, wanted: str, searches: list[tuple[str, re.Pattern[str]]]) -> Compare:
    """Each text is in a line, behind the one before it; the first that is not is told."""

    def compare(lines: Sequence[str]) -> Iterator[Mismatch]:
        at, start, behind = 0, 0, ""
        for text, search in searches:
            while at < len(lines) and not (found := search.search(lines[at], start)):
                at, start = at + 1, 0
            if at == len(lines):
                actual = f"none in {_counted(lines)}" if lines else "no line"
                yield Mismatch(what, f"{wanted} '{text}'{behind}", actual)
                return
            assert found
            start, behind = found.end(), f" behind '{text}'"

    return compare


def _count(want: Written, where: str) -> Compare:
    def compare(lines: Sequence[str]) -> Iterator[Mismatch]:
        if len(lines) != want.value:
            yield Mismatch(f"{where}count", str(want.value), str(len(lines)))

    return compare


def _exactly(want: Written, where: str) -> Compare:
    def differences(lines: Sequence[str]) -> Iterator[Mismatch]:
        for number, (expected, actual) in enumerate(itertools.zip_longest(want.value, lines), 1):
            if expected != actual:
                yield Mismatch(f"{where}line {number}", _line(expected), _line(actual))

    return lambda lines: itertools.islice(differences(lines), LINES_SHOWN)


FORMS: dict[str, Callable[[Written, str], Compare]] = {
    "contains": _contains,
    "matches": _matches,
    "count": _count,
    "exactly": _exactly,
}


def _texts(want: Written) -> list[Written]:
    return [want] if isinstance(want.value, str) else [want[index] for index in range(len(want.value))]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        hint = "it is what Python's re takes; 'contains' looks for a text as it is"
        raise SuiteError(f"'{text}' is no regular expression: {error}", hint) from None


def _line(text: str | None) -> str:
    return "no line" if text is None else f"'{text}'"


def _counted(lines: Sequence[str]) -> str:
    return f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"
