"""`0..65535` as a value of a row: one case, which runs with each of the values."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.suite.variables import named
from bpftest.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bpftest.suite.document import Container, Document
    from bpftest.suite.document_copies import Spot

RUNS_MAX = 1 << 24  # of one case: with the quickest programs some minutes
VALUE_MAX = (1 << 64) - 1
SWEPT = ("packet", "ctx", "expect")  # what may differ from run to run of a case
COMPANY = {"steps": "write a row for each value", "sweep": "make two cases of them"}

_RANGE = re.compile(r"\s*([0-9]+)\s*\.\.\s*([0-9]+)\s*")


def range_of(value: object) -> range | None:
    """The numbers that a text such as 0..65535 stands for, both ends among them; None for any other value.

    Raises SuiteError for a range of none, or with numbers that no field holds.
    """
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    if max(map(len, found.groups())) > len(str(VALUE_MAX)) or int(found[2]) > VALUE_MAX:
        raise SuiteError(f"the numbers of a range have 64 bits: they go to {VALUE_MAX}")
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise SuiteError(f"the range {first}..{last} is empty", f"write the smaller number first: {last}..{first}")
    return range(first, last + 1)


def ranges(document: Document, origins: Mapping[str, Spot], values: Mapping[str, Any]) -> dict[str, range]:
    """Those of the *values* of a row that are ranges, by name. Raises SuiteError, at its place."""
    found: dict[str, range] = {}
    for name, value in values.items():
        try:
            numbers = range_of(value)
        except SuiteError as error:
            raise error.at(document.place(*origins[name])) from None
        if numbers is not None:
            found[name] = numbers
    count = math.prod(map(len, found.values()))
    if count > RUNS_MAX:
        place = document.place(*origins[next(iter(found))])
        hint = "make the ranges smaller, or several rows of them"
        raise SuiteError(f"this row stands for {count:,} runs, and a case makes {RUNS_MAX:,} at most", hint, place)
    return found


def parts_with(
    document: Document, case: dict[str, Any], found: Mapping[str, range], origins: Mapping[str, Spot]
) -> frozenset[str]:
    """The keys of *case* under which a range stands, the name aside. Raises SuiteError where one cannot stand."""
    _refuse_company(document, case)
    parts: dict[str, set[str]] = {name: set() for name in found}
    for key in case:
        for container, at, text in _texts(case, key):
            for one in named(text):
                if one.name not in found or key in ("name", "rows"):
                    continue
                if key not in SWEPT:
                    place = document.place_within(container, at, one.start, one.end - one.start)
                    what = f"${one.name} is a range, and '{key}' is the same for all runs of a case"
                    raise SuiteError(what, f"it can stand in {', '.join(SWEPT)}; or write a row for each value", place)
                parts[one.name].add(key)
    for name, keys in parts.items():
        if not keys:
            what = f"'{shown(name)}' is a range, and none of {', '.join(SWEPT)} names it: all runs would be the same"
            raise SuiteError(what, f"put ${shown(name)} where the number belongs", document.place(*origins[name]))
    return frozenset().union(*parts.values())


def _refuse_company(document: Document, case: dict[str, Any]) -> None:
    for key, hint in COMPANY.items():
        if key in case:
            what = f"'{key}' and a range in a row do not go together"
            raise SuiteError(what, hint, document.key_place(case, key))


def _texts(container: Any, key: Any) -> Iterator[tuple[Container, Any, str]]:
    """(what holds it, its key there, the text) of each text at *key* and below."""
    value = container[key]
    if isinstance(value, str):
        yield container, key, value
    elif isinstance(value, (dict, list)):
        for inner in value if isinstance(value, dict) else range(len(value)):
            yield from _texts(value, inner)
