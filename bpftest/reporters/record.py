"""Events as plain data for JSON, and back, as schemas/report.schema.json describes them.

A value that is what the event has anyway (an empty text, no findings) is left out. Names with values are an object;
every other tuple is a list. Lone surrogates, which few readers of JSON take, become their escape as text.
"""

from __future__ import annotations

import functools
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from bpftest import events
from bpftest.events import (
    CaseFinished,
    InvalidSuite,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.events import Event

FORMAT = 1  # of the document
NAMES: dict[type[Event], str] = {  # of the events, as `--format jsonl` writes them
    RunStarted: "run_started",
    SuiteStarted: "suite_started",
    CaseFinished: "case_finished",
    SuiteFinished: "suite_finished",
    InvalidSuite: "invalid_suite",
    RunFinished: "run_finished",
}
BY_NAME = frozenset({"properties", "facts"})  # fields that hold pairs of a name and a value

_SURROGATES = re.compile("[\ud800-\udfff]")


def data(value: Any) -> Any:
    """*value*, an event or a part of one, as dict, list, str, number or bool."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub(lambda it: f"\\u{ord(it[0]):04x}", value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 6)  # seconds, to the microsecond
    if not isinstance(value, tuple):
        return value
    fields: tuple[str, ...] | None = getattr(value, "_fields", None)
    if fields is None:
        return [data(one) for one in value]
    given = _defaults(type(value))
    return {
        name: {data(key): data(held) for key, held in one} if name in BY_NAME else data(one)
        for name, one in zip(fields, value, strict=True)
        if name not in given or one != given[name]
    }


@functools.cache
def _defaults(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = getattr(kind, "_field_defaults", {})
    return found


def value_of(kind: Any, plain: Any) -> Any:
    """The value of type *kind* (of a field, or an event) that ``data`` has made *plain* from."""
    from typing import get_args

    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if kind is int:
        return int(plain)  # 4.0 is an integer to JSON Schema
    types = _types(kind)
    if types is not None:
        return kind(**{name: value_of(one, plain[name]) for name, one in types.items() if name in plain})
    arguments = get_args(kind)
    if plain is None or not arguments:
        return plain
    if type(None) in arguments:
        return value_of(next(one for one in arguments if one is not type(None)), plain)
    if isinstance(plain, dict):
        return tuple(plain.items())
    if arguments[-1] is Ellipsis:
        return tuple([value_of(arguments[0], one) for one in plain])
    return tuple([value_of(one, part) for one, part in zip(arguments, plain, strict=True)])


@functools.cache
def _types(kind: Any) -> dict[str, Any] | None:
    """The types of the fields of *kind*; None if it has no fields."""
    from typing import get_type_hints

    return get_type_hints(kind, vars(events)) if hasattr(kind, "_fields") else None


def replayed(document: dict[str, Any]) -> Iterator[Event]:
    """The events of the run that *document*, a valid JSON report, tells of; every suite is finished."""
    yield value_of(RunStarted, document["run"])
    for suite in document["suites"]:
        yield value_of(SuiteStarted, suite)
        for case in suite["results"]:
            yield value_of(CaseFinished, {"path": suite["path"], **case})
        yield value_of(SuiteFinished, suite)
    for invalid in document["invalid"]:
        yield value_of(InvalidSuite, invalid)
    yield value_of(RunFinished, document["end"])
