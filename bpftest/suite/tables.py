"""`rows:` and `matrix:`: a case that is a table → a case for each of its rows.

The rows' cases are copies of what names a variable; what names none is the same object in all of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import partial
from itertools import islice, product, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.suite.document_build import extent
from bpftest.suite.document_copies import Copy, Spot
from bpftest.suite.model import Ranges, Written
from bpftest.suite.ranges import parts_with, range_of, ranges
from bpftest.suite.variables import NAME, Substitution, as_text, named
from bpftest.suite.wording import MAX_FAULTS
from bpftest.wording import meant, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.suite.document import Container, Document

VALUES_MAX = 1_000_000  # values of all the cases that the tables of a suite stand for
COMPARED_MAX = 10_000_000  # rows of a matrix, times kinds of entries of its `exclude`
LABEL_MAX = 60  # characters that a row adds to the name of its case

TABLE_KEYS = ("rows", "matrix", "exclude")

Excluded = dict[tuple[int, ...], set[tuple[int, ...]]]  # numbers of names of a matrix → numbers of their values


class Row(NamedTuple):
    """One row of a table."""

    values: Mapping[str, Any]
    here: Spot  # what stands for it in reports: the row; of a matrix, the case
    origins: Mapping[str, Spot]  # where each value stands
    packet: dict[str, Any] | None = None  # of a row that is a frame of a capture


class Made(NamedTuple):
    """The case of a row."""

    row: Row
    case: dict[str, Any]  # of ranges it has the first values
    ranges: Ranges | None = None


def expand(document: Document, doing: Substitution) -> tuple[dict[int, Ranges], int]:
    """Replaces each case of *document* that is a table by the cases of its rows.

    Gives the ranges in rows, by the number of their cases, and how many cases stand behind all others: a copy of each
    case with ranges that has their last values, so that the schema sees both ends. A table whose rows cannot be
    understood stays: the schema says what is wrong with it.
    """
    cases = document.data.get("cases")
    if not isinstance(cases, list) or not any(map(_is_table, cases)):
        return {}, 0
    expansion = _Expansion(document, doing)
    for case in filter(_is_table, cases):
        for key in TABLE_KEYS:
            doing.replace(case.get(key))
    made: list[Any] = []
    origins: dict[str | int, Spot] = {}
    tables: dict[int, int] = {}
    swept: dict[int, Ranges] = {}
    for index, case in enumerate(cases):
        if not _is_table(case):
            doing.replace(case)
        found = expansion.cases(cases, index) if _is_table(case) else []
        if not found:
            origins[len(made)] = cases, index
            made.append(case)
        for one in found:
            origins[len(made)] = one.row.here
            tables[len(made)] = index
            if one.ranges is not None:
                swept[len(made)] = one.ranges
            made.append(one.case)
        doing.leave(*made[-len(found) or -1 :])
    for number, its in swept.items():
        origins[len(made)] = origins[number]
        made.append(its.filled(its.last))
        doing.leave(made[-1])
    document.expand(made, Copy(cases, origins), tables)
    return swept, len(swept)


def _is_table(case: Any) -> bool:
    return isinstance(case, dict) and ("rows" in case or "matrix" in case)


class _Expansion:
    """The expanding of the tables of one document."""

    def __init__(self, document: Document, doing: Substitution) -> None:
        self._document = document
        self._doing = doing
        self._left = VALUES_MAX

    def cases(self, cases: list[Any], index: int) -> list[Made]:
        """The case of each row of the table at *index*; none where the table is not understood."""
        case = cases[index]
        try:
            rows = self._rows(cases, index)
            if rows:
                return list(self._cases(case, rows))
        except SuiteError as error:
            self._doing.faults.append(error)
        self._doing.set_aside(case)
        return []

    def _rows(self, cases: list[Any], index: int) -> tuple[Row, ...] | None:
        """The rows of the table at *index*; None where they cannot be understood."""
        case = cases[index]
        if "rows" in case and "matrix" in case:
            place = self._document.key_place(case, "matrix")
            raise SuiteError("'rows' and 'matrix' do not go together", "make two cases of them", place)
        if "rows" in case and "exclude" in case:
            place = self._document.key_place(case, "exclude")
            raise SuiteError("'exclude' is for a 'matrix'", "leave out the rows that are not meant", place)
        return self._listed(case) if "rows" in case else self._multiplied(cases, index)

    def _cases(self, case: dict[str, Any], rows: tuple[Row, ...]) -> Iterator[Made]:
        """The case of each of the *rows*, named so that they can be told apart."""
        variables = dict(self._doing.variables)
        columns = frozenset(rows[0].values)
        known = dict.fromkeys(columns) | variables
        plan = self._plan({key: value for key, value in case.items() if key not in TABLE_KEYS}, case, known)
        self._refuse_much(case, plan, rows)
        name = case.get("name")
        tells = isinstance(name, str) and not columns.isdisjoint(one.name for one in named(name))
        labels = repeat("") if tells else (f" [{label}]" for label in _labels(rows))
        for row, label in zip(rows, labels):  # noqa: B905 - repeat() has no end
            found = ranges(self._document, row.origins, row.values)
            if not found:
                yield Made(row, self._case(case, plan, row, variables | dict(row.values), label))
                continue
            parts = parts_with(self._document, case, found, row.origins)
            said = case, plan, row, variables | dict(row.values), label
            swept = Ranges(found, parts, partial(_again, self._document, said), Written(self._document, *row.here))
            yield Made(row, self.swept(*said, swept.first), swept)

    def swept(
        self,
        case: dict[str, Any],
        plan: Mapping[Any, Any],
        row: Row,
        values: dict[str, Any],
        label: str,
        numbers: Mapping[str, int],
    ) -> dict[str, Any]:
        """The case of a row with these *numbers* of its ranges; its name has the ranges themselves."""
        made = self._case(case, plan, row, values | dict(numbers), "")
        if isinstance(case.get("name"), str):
            made["name"] = as_text(self._doing.filled(case, "name", values)) + label
        return made

    def _case(
        self, case: dict[str, Any], plan: Mapping[Any, Any], row: Row, values: Mapping[str, Any], label: str
    ) -> dict[str, Any]:
        """The case of a row: *case* with *values*, and *label* behind its name."""
        made: dict[str, Any] = self._made(case, plan, row, values)
        for key in TABLE_KEYS:
            made.pop(key, None)
        if isinstance(made.get("name"), (str, int, float)):
            made["name"] = as_text(made["name"]) + label
        if row.packet is not None and "packet" not in made:
            made["packet"] = row.packet
            self._document.add(made, "packet", row.here)
        return made

    # --- rows -----------------------------------------------------------------------------------------------------

    def _listed(self, case: dict[str, Any]) -> tuple[Row, ...] | None:
        """The rows under `rows`; without those in which something is wrong."""
        rows = case["rows"]
        if isinstance(rows, dict) and "pcap" in rows:
            return self._frames(case)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row for row in rows):
            return None
        if not all(map(NAME.fullmatch, rows[0])):
            return None
        faults = (fault for row in range(len(rows)) for fault in self._wrong(rows, row))
        self._doing.faults += islice(faults, MAX_FAULTS)
        return tuple(
            Row(row, (rows, index), {name: (row, name) for name in row})
            for index, row in enumerate(rows)
            if row.keys() == rows[0].keys()
        )

    def _wrong(self, rows: list[dict[str, Any]], index: int) -> Iterator[SuiteError]:
        """What is wrong with a row: its names are not those of the first."""
        row, first = rows[index], rows[0]
        missing = [name for name in first if name not in row]
        for name in row:
            if name in first:
                continue
            close = meant(name, missing)
            if close:
                missing.remove(close)
            hint = f"did you mean '{close}'?" if close else f"it has {', '.join(first)}: every row has the same"
            yield SuiteError(f"the first row has no '{shown(name)}'", hint, self._document.key_place(row, name))
        if missing:
            what = f"this row has no {', '.join(repr(name) for name in missing)}"
            yield SuiteError(what, "every row has what the first has", self._document.place(rows, index))

    # --- matrix ---------------------------------------------------------------------------------------------------

    def _multiplied(self, cases: list[Any], index: int) -> tuple[Row, ...] | None:
        """Each combination of the values under `matrix`, the last name first, without those under `exclude`."""
        case = cases[index]
        matrix = case["matrix"]
        if not isinstance(matrix, dict) or not matrix or not all(map(NAME.fullmatch, matrix)):
            return None
        if not all(isinstance(values, list) and values for values in matrix.values()):
            return None
        count = math.prod(map(len, matrix.values()))
        if count > VALUES_MAX:
            raise self._too_much(case, count)
        found = (self._range(values, number) for values in matrix.values() for number in range(len(values)))
        repeated = (self._repeated(values) for values in matrix.values())
        if fault := next(filter(None, (*found, *repeated)), None):
            raise fault
        excluded = self._excluded(case, count)
        return None if excluded is None else self._combined(cases, index, excluded)

    def _range(self, values: list[Any], number: int) -> SuiteError | None:
        """The mistake of a value such as 0..65535."""
        place = self._document.place(values, number)
        try:
            if range_of(values[number]) is None:
                return None
        except SuiteError as error:
            return error.at(place)
        return SuiteError("a range is no value of a matrix", "it is one of a row: 'rows: [{port: 0..65535}]'", place)

    def _repeated(self, values: list[Any]) -> SuiteError | None:
        """The mistake of a value that the matrix has twice for one name."""
        seen: set[Any] = set()
        for number, value in enumerate(values):
            if _written(value) in seen:
                return SuiteError("the matrix has this value twice", "", self._document.place(values, number))
            seen.add(_written(value))
        return None

    def _combined(self, cases: list[Any], index: int, excluded: Excluded) -> tuple[Row, ...]:
        case = cases[index]
        matrix, rows = case["matrix"], []
        for numbers in product(*map(range, map(len, matrix.values()))):
            if any(tuple(numbers[at] for at in columns) in found for columns, found in excluded.items()):
                continue
            chosen = list(zip(matrix.items(), numbers, strict=True))
            values = {name: values[number] for (name, values), number in chosen}
            origins = {name: (values, number) for (name, values), number in chosen}
            rows.append(Row(values, (cases, index), origins))
        if not rows:
            raise SuiteError("'exclude' leaves nothing", "", self._document.key_place(case, "exclude"))
        return tuple(rows)

    def _excluded(self, case: dict[str, Any], count: int) -> Excluded | None:
        """What `exclude` says; None where it cannot be understood."""
        matrix, entries = case["matrix"], case.get("exclude", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry for entry in entries):
            return None
        columns = {name: column for column, name in enumerate(matrix)}
        known = {name: {_written(value): at for at, value in enumerate(values)} for name, values in matrix.items()}
        found: Excluded = {}
        for entry in entries:
            ordered = sorted(entry, key=lambda name: columns.get(name, -1))
            numbers = tuple(self._number(known, entry, name) for name in ordered)
            found.setdefault(tuple(columns[name] for name in ordered), set()).add(numbers)
        if count * len(found) > COMPARED_MAX:
            place = self._document.key_place(case, "exclude")
            raise SuiteError("to exclude so much of so many rows would take too long", "write 'rows'", place)
        return found

    def _number(self, known: Mapping[str, Mapping[Any, int]], entry: dict[str, Any], name: str) -> int:
        """Which of the values of *name* an entry of `exclude` means. Raises SuiteError."""
        if name not in known:
            close = meant(name, known)
            hint = f"did you mean '{close}'?" if close else f"it has {', '.join(known)}"
            raise SuiteError(f"the matrix has no '{shown(name)}'", hint, self._document.key_place(entry, name))
        number = known[name].get(_written(entry[name]))
        if number is not None:
            return number
        what = f"'{shown(as_text(entry[name]))}' is none of the values of '{name}': this excludes nothing"
        raise SuiteError(what, "write the value as it stands in the matrix", self._document.place(entry, name))

    # --- a capture ------------------------------------------------------------------------------------------------

    def _frames(self, case: dict[str, Any]) -> tuple[Row, ...] | None:
        """A row for each frame of the capture that `rows: {pcap: ..}` names."""
        rows = case["rows"]
        if list(rows) != ["pcap"] or not isinstance(rows["pcap"], str):
            return None
        from bpftest.packets.captures import count_frames

        try:
            count = count_frames(os.path.dirname(self._document.path), rows["pcap"])
        except SuiteError as error:
            raise error.at(self._document.place(rows, "pcap")) from None
        here = case, "rows"
        found = []
        for number in range(1, count + 1):
            packet = {"pcap": rows["pcap"], "index": number}
            self._document.copied(packet, Copy(rows, {"index": here}))
            found.append(Row({"frame": number}, here, {"frame": here}, packet))
        return tuple(found)

    # --- copies ---------------------------------------------------------------------------------------------------

    def _plan(self, node: Container, original: Container, known: Mapping[str, Any]) -> dict[Any, Any]:
        """What of *node*, all or a part of *original*, is different in each row: key → the plan of what stands there.

        Of a text that is the variable it is exactly, or "". A name that is not *known* is a mistake.
        """
        plan: dict[Any, Any] = {}
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if isinstance(value, str):
                if "$" in value:
                    self._doing.look_up(original, key, known)
                    names = named(value)
                    plan[key] = names[0].name if names and names[0].end - names[0].start == len(value) else ""
            elif isinstance(value, (dict, list)):
                inner = self._plan(value, value, known)
                if inner:
                    plan[key] = inner
        return plan

    def _made(self, node: Container, plan: Mapping[Any, Any], row: Row, values: Mapping[str, Any]) -> Any:
        """*node* with what its *plan* says."""
        made: Any = node.copy()
        origins: dict[str | int, Spot] = {}
        for key, inner in plan.items():
            if isinstance(inner, dict):
                made[key] = self._made(node[key], inner, row, values)
                continue
            made[key] = self._doing.filled(node, key, values)
            if inner in row.origins:
                origins[key] = row.origins[inner]
        self._document.copied(made, Copy(node, origins, values, row.origins))
        return made

    def _refuse_much(self, case: dict[str, Any], plan: Mapping[Any, Any], rows: tuple[Row, ...]) -> None:
        """Raises SuiteError where the rows make more cases than is sensible."""
        written = extent(case)[0] - sum(extent(case[key])[0] for key in TABLE_KEYS if key in case)
        self._left -= len(rows) * written
        for name in _exact(plan):
            if self._left >= 0 and name in rows[0].values:
                self._left -= sum(extent(row.values[name])[0] for row in rows) - len(rows)
        if self._left < 0:
            raise self._too_much(case, len(rows))

    def _too_much(self, case: dict[str, Any], count: int) -> SuiteError:
        key = "rows" if "rows" in case else "matrix"
        what = f"with the {count:,} rows of this table the cases have more than {VALUES_MAX:,} values"
        return SuiteError(what, "make several suites of it", self._document.key_place(case, key))


def _again(document: Document, said: tuple[Any, ...], numbers: Mapping[str, int]) -> dict[str, Any]:
    """The case of a row with other *numbers* of its ranges; what is wrong with it was found with the first ones."""
    case, plan, row, values, label = said
    return _Expansion(document, Substitution(document, {})).swept(case, plan, row, values, label, numbers)


def _written(value: Any) -> tuple[type, str]:
    """What tells a value from others: 1, true and "1" are three."""
    return type(value), repr(value)


def _exact(plan: Mapping[Any, Any]) -> Iterator[str]:
    """The variables that *plan* puts in the places of whole texts."""
    for inner in plan.values():
        if isinstance(inner, dict):
            yield from _exact(inner)
        elif inner:
            yield inner


def _labels(rows: tuple[Row, ...]) -> list[str]:
    """What tells *rows* apart: their values if these are short, or else their numbers."""
    said = [", ".join(f"{name}={as_text(value)}" for name, value in row.values.items()) for row in rows]
    plain = not any(isinstance(value, (dict, list)) for row in rows for value in row.values.values())
    short = all(len(label) <= LABEL_MAX and label.isprintable() for label in said)
    return said if plain and short and len(set(said)) == len(said) else [str(index + 1) for index in range(len(rows))]
