"""`maps` and `globals`: what the program left in its maps and global variables."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from bpftest import maps as declarations
from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, reply_of
from bpftest.kernel.door import Read
from bpftest.map_values import key_bytes, key_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.maps import Declared, Global
    from bpftest.suite.model import Written

    Compare = Callable[[bytes | None], Iterator[Mismatch]]  # of an entry's value, None where there is no entry
    Differ = Callable[[bytes, str], Iterator[Mismatch]]  # of a value, and its name in the report
    Entries = Mapping[bytes, bytes | None]

SECTION_KEY = bytes(4)  # a section of global variables is the only element of an array


def maps(want: Written, context: Context) -> Check:
    """Maps hold these entries, so many of them, or exactly these."""
    parts = [(name, _map(want[name], _declared(want[name], name, context), context)) for name in want]

    def check(observation: Observation) -> Finding:
        held = {one.map: dict(one.entries) for one in reply_of(observation).contents}
        mismatches = tuple(one for name, compare in parts for one in compare(held[name]))
        if mismatches:
            return Finding("maps", mismatches=mismatches, excerpt=excerpt(want))
        return Finding("maps", ", ".join(name for name, _ in parts))

    return check


def map_reads(want: Written, context: Context) -> tuple[Read, ...]:
    """What of the maps is to be read for `maps`: the keys that it names, or all of them."""
    found = []
    for name in want:
        declared = _declared(want[name], name, context)
        said = want[name].value
        keys = (
            tuple(_key(entry, declared, context) for entry in _entries(want[name])) if isinstance(said, list) else None
        )
        found.append(Read(name, keys))
    return tuple(found)


def _declared(here: Written, name: str, context: Context) -> Declared:
    try:
        found = declarations.declared(context.types(), name)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    if found.type not in declarations.VALUES:
        known = ", ".join(sorted(declarations.VALUES))
        text = f"'{name}' is a map of type {found.type or 'unknown to bpftest'}, whose entries are not read"
        raise SuiteError(text, f"maps of these types are: {known}", here.key_place())
    return found


def _entries(here: Written) -> list[Written]:
    return [here[index] for index in range(len(here.value))]


def _key(entry: Written, declared: Declared, context: Context) -> bytes:
    return key_bytes(entry["key"], declared, context.types)


def _map(here: Written, declared: Declared, context: Context) -> Callable[[Entries], Iterator[Mismatch]]:
    said = here.value
    if isinstance(said, list):
        return _named(_entries(here), declared, context)
    if "count" in said:
        return _count(declared.name, said["count"])
    return _exactly(here["exactly"], declared, context)


def _named(entries: list[Written], declared: Declared, context: Context) -> Callable[[Entries], Iterator[Mismatch]]:
    checks = [(_key(entry, declared, context), _entry(entry, declared, context)) for entry in entries]

    def compare(held: Entries) -> Iterator[Mismatch]:
        for key, differ in checks:
            yield from differ(held.get(key))

    return compare


def _count(name: str, wanted: int) -> Callable[[Entries], Iterator[Mismatch]]:
    def compare(held: Entries) -> Iterator[Mismatch]:
        if len(held) != wanted:
            yield Mismatch(f"{name} count", str(wanted), str(len(held)))

    return compare


def _exactly(here: Written, declared: Declared, context: Context) -> Callable[[Entries], Iterator[Mismatch]]:
    entries = _entries(here)
    named = _named(entries, declared, context)
    keys = {_key(entry, declared, context) for entry in entries}

    def compare(held: Entries) -> Iterator[Mismatch]:
        yield from named(held)
        for key, value in held.items():
            if key not in keys:
                path = f"{declared.name}[{key_text(key, declared, context.types)}]"
                yield from _absent(value, declared, context, path)

    return compare


def _entry(entry: Written, declared: Declared, context: Context) -> Compare:
    path = f"{declared.name}[{_written(entry['key'].value)}]"
    if entry.value.get("absent"):
        return lambda value: _absent(value, declared, context, path)
    if "value" not in entry:
        hint = "give the value, or 'absent: true'"
        raise SuiteError("this entry does not say what is expected", hint, entry.place())
    differ = _value(entry["value"], declared, context)

    def compare(value: bytes | None) -> Iterator[Mismatch]:
        if value is None:
            yield Mismatch(path, _written(entry["value"].value), "no entry")
        else:
            yield from differ(value, path)

    return compare


def _absent(value: bytes | None, declared: Declared, context: Context, path: str) -> Iterator[Mismatch]:
    if value is not None:
        yield Mismatch(path, "no entry", _shown(value, declared, context))


def _value(want: Written, declared: Declared, context: Context) -> Differ:
    """What differs in a value; of a per-CPU map in the sum, in the values of some CPUs, or in that of each."""
    said = want.value
    form = next(iter(said)) if isinstance(said, dict) and len(said) == 1 else ""
    if declared.type not in declarations.PER_CPU:
        return _plain(want, declared, context)
    if form == "sum":
        return _sum(want["sum"], declared, context)
    if form != "percpu":
        return _each(itertools.repeat(_plain(want, declared, context)), 0, declared)
    parts = [_plain(want["percpu"][cpu], declared, context) for cpu in range(len(said["percpu"]))]
    return _each(parts, len(parts), declared)


def _each(differs: Iterable[Differ], named: int, declared: Declared) -> Differ:
    """What differs in the values of CPUs from 0 on; *named*: how many there have to be."""

    def differ(value: bytes, path: str) -> Iterator[Mismatch]:
        values = _of_each_cpu(value, declared)
        if named > len(values):
            yield Mismatch(path, f"values of {named} CPUs", f"values of {len(values)} CPUs")
        for cpu, (differ_one, one) in enumerate(zip(differs, values)):  # noqa: B905 - as many as there are of both
            yield from differ_one(one, f"{path} cpu {cpu}")

    return differ


def _of_each_cpu(value: bytes, declared: Declared) -> list[bytes]:
    """A value of a per-CPU map in parts: the kernel pads each to 8 bytes."""
    size = (declared.value_size + 7) // 8 * 8
    return [value[at : at + declared.value_size] for at in range(0, len(value), size)]


def _plain(want: Written, declared: Declared, context: Context) -> Differ:
    from bpftest.values import differences, differences_without_btf

    value_type = declared.value

    def differ(value: bytes, path: str) -> Iterator[Mismatch]:
        if value_type is None:
            found = differences_without_btf(want.value, value, path)
        else:
            found = differences(context.types(), value_type, want.value, value, path)
        return (Mismatch(one.path, one.expected, one.actual) for one in found)

    try:
        tuple(differ(bytes(declared.value_size), declared.name))  # finds what cannot be a value of this type
    except SuiteError as error:
        raise error.at(want.place()) from None
    return differ


def _sum(want: Written, declared: Declared, context: Context) -> Differ:
    """The values of all CPUs added up: a number, or fields of a struct by name."""
    from bpftest.values import decode

    said = want.value
    wanted = said if isinstance(said, dict) else {"": said}

    def differ(value: bytes, path: str) -> Iterator[Mismatch]:
        values = [_decoded(one) for one in _of_each_cpu(value, declared)]
        for field, expected in wanted.items():
            total = sum(one[field] if field else one for one in values)
            if total != expected:
                yield Mismatch(f"{path}{'.' if field else ''}{field} sum", str(expected), str(total))

    def _decoded(one: bytes) -> Any:
        if declared.value is not None:
            return decode(context.types(), declared.value, one)
        return int.from_bytes(one, sys.byteorder)

    try:
        tuple(differ(bytes(declared.value_size), ""))
        fits = all(isinstance(expected, int) for expected in wanted.values())
    except (TypeError, KeyError, IndexError):
        fits = False
    if not fits:
        hint = "sum is for numbers, or for fields of a struct that are numbers"
        raise SuiteError(f"the values of '{declared.name}' cannot be added up like this", hint, want.place())
    return differ


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: bytes, declared: Declared, context: Context) -> str:
    from bpftest.values import decode

    if declared.value is None or declared.type in declarations.PER_CPU:
        return value.hex(" ")
    return _written(decode(context.types(), declared.value, value))


def globals_(want: Written, context: Context) -> Check:
    """Global variables have these values."""
    from bpftest.values import differences

    variables = [(name, _variable(want[name], name, context)) for name in want]
    for name, variable in variables:
        _refuse_misfit(want[name], variable, context)

    def check(observation: Observation) -> Finding:
        sections = {
            one.map: dict(one.entries)[SECTION_KEY] for one in reply_of(observation).contents if one.map[0] == "."
        }
        mismatches = []
        for name, variable in variables:
            content = (sections[variable.section] or b"")[variable.offset :][: len(variable.initial)]
            found = differences(context.types(), variable.type, want[name].value, content, name)
            mismatches += [Mismatch(one.path, one.expected, one.actual) for one in found]
        if mismatches:
            return Finding("globals", mismatches=tuple(mismatches), excerpt=excerpt(want))
        return Finding("globals", ", ".join(f"{name} {_written(want[name].value)}" for name in want))

    return check


def _refuse_misfit(want: Written, variable: Global, context: Context) -> None:
    """Raises SuiteError where *want* cannot be a value of the variable."""
    from bpftest.values import differences

    try:
        differences(context.types(), variable.type, want.value, variable.initial, variable.name)
    except SuiteError as error:
        raise error.at(want.place()) from None


def global_reads(want: Written, context: Context) -> tuple[Read, ...]:
    """The sections that hold the variables of `globals`."""
    sections = {_variable(want[name], name, context).section: None for name in want}
    return tuple(Read(section, (SECTION_KEY,)) for section in sections)


def _variable(here: Written, name: str, context: Context) -> Global:
    try:
        return declarations.variable(context.types(), context.variables, name)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
