"""What differs in one value of a map, by what the map holds: bytes, numbers of each CPU, or names."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError, each
from bpftest.events import Mismatch
from bpftest.kernel.door import Handle
from bpftest.map_values import (
    blamed,
    cpu_values,
    device_of,
    named,
    refuse_special,
    text_of,
    value_bytes,
    value_text,
)
from bpftest.maps import DEVICES, PER_CPU, REFERENCES, map_types
from bpftest.values import decode, differences, differences_without_btf, refuse_misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

    Entries = tuple[tuple[bytes, bytes | None], ...]
    Differ = Callable[["Held", str], Iterator[Mismatch]]  # of a value, and its name in the report

COOKIE_SIZE = 8  # bytes: a socket is read as its cookie, a u64


class Ids(NamedTuple):
    """The numbers by which the kernel tells what values name."""

    numbers: dict[tuple[str, str], int]  # by kind and name

    def name(self, kind: str, number: int) -> str:
        """What *number* stands for; "" if the case does not name it."""
        return next((name for (one, name), id_ in self.numbers.items() if one == kind and id_ == number), "")

    def named(self, kind: str, number: int) -> str:
        """The value that *number* is, as a suite would write it."""
        name = self.name(kind, number)
        return f"{{{kind}: {name}}}" if name else self.unnamed(kind, number)

    def unnamed(self, kind: str, number: int) -> str:
        """What a report calls what the case does not name."""
        return f"a {kind} that the case does not name ({'cookie' if kind == 'socket' else 'id'} {number})"


class Held(NamedTuple):
    """One value that a map held, and what is needed to read it."""

    content: bytes
    inner: Entries  # of the map that it is, where that is wanted
    ids: Ids


class ValueCheck(NamedTuple):
    """What is expected of a value."""

    differ: Differ
    handles: tuple[Handle, ...] = ()  # whose ids it needs
    inner: bool = False  # the value is a map, whose entries are looked at


def value_check(want: Written, declared: Declared, context: Context) -> ValueCheck:
    """The check of a value of *declared*, a map whose values are not maps written in place. Raises SuiteError."""
    if declared.type in REFERENCES:
        return _reference(want, declared, context)
    if declared.type in DEVICES:
        return _device(want, declared, context)
    return ValueCheck(_of_cpus(want, declared, context) if declared.type in PER_CPU else plain(want, declared, context))


def plain(want: Written, declared: Declared, context: Context) -> Differ:
    """What differs in bytes, by their BTF type."""
    compare = _plain(want, declared, context)
    return lambda held, path: compare(held.content, path)


def bytes_differ(expected: bytes, actual: bytes, declared: Declared, context: Context, path: str) -> Iterator[Mismatch]:
    """What differs between two values of the map, field by field where their type has fields."""
    if declared.type in PER_CPU:
        pairs = zip(cpu_values(expected, declared), cpu_values(actual, declared), strict=True)
        for cpu, (before, after) in enumerate(pairs):
            yield from bytes_differ(before, after, declared._replace(type="array"), context, f"{path} cpu {cpu}")
    elif expected == actual:
        return
    elif declared.value is None or declared.type in DEVICES:
        yield Mismatch(path, text_of(expected, None, context.types), text_of(actual, None, context.types))
    else:
        types = context.types()
        found = differences(types, declared.value, decode(types, declared.value, expected), actual, path)
        yield from (Mismatch(one.path, one.expected, one.actual) for one in found)


def _plain(want: Written, declared: Declared, context: Context) -> Callable[[bytes, str], Iterator[Mismatch]]:
    value_type = declared.value

    def differ(value: bytes, path: str) -> Iterator[Mismatch]:
        if value == whole:
            return iter(())
        if value_type is None:
            found = differences_without_btf(want.value, value, path)
        else:
            found = differences(context.types(), value_type, want.value, value, path)
        return (Mismatch(one.path, one.expected, one.actual) for one in found)

    whole: bytes | None = None  # where all of it is said
    try:  # what cannot be a value of this type is found now
        if value_type is not None and isinstance(want.value, (dict, list)):
            refuse_special(context.types(), value_type, want.value, declared.name)
            refuse_misfit(context.types(), value_type, want.value, declared.name)
        else:
            whole = value_bytes(want.value, value_type, declared.value_size, context.types, declared.name)
    except SuiteError as error:
        raise blamed(want, error, declared.name) from None
    return differ


def _of_cpus(want: Written, declared: Declared, context: Context) -> Differ:
    """What differs in the sum of all CPUs, in the values of the first, or in that of each."""
    said = want.value
    form = next(iter(said)) if isinstance(said, dict) and len(said) == 1 else ""
    if form == "sum":
        return _sum(want["sum"], declared, context)
    if form != "percpu":
        return _each(itertools.repeat(_plain(want, declared, context)), 0, declared)
    if not isinstance(said["percpu"], list):
        hint = "write {percpu: [1, 2]}, from CPU 0 on"
        raise SuiteError("'percpu' takes a list of values, one a CPU", hint, want["percpu"].place())
    parts = each(lambda one: _plain(one, declared, context), want["percpu"].parts())
    return _each(parts, len(parts), declared)


def _each(differs: Iterable[Callable[[bytes, str], Iterator[Mismatch]]], least: int, declared: Declared) -> Differ:
    """What differs in the values of CPUs from 0 on; *least*: how many there have to be."""

    def differ(held: Held, path: str) -> Iterator[Mismatch]:
        values = cpu_values(held.content, declared)
        if least > len(values):
            yield Mismatch(path, f"values of {least} CPUs", f"values of {len(values)} CPUs")
        for cpu, (differ_one, one) in enumerate(zip(differs, values)):  # noqa: B905 - as many as there are of both
            yield from differ_one(one, f"{path} cpu {cpu}")

    return differ


def _sum(want: Written, declared: Declared, context: Context) -> Differ:
    """The values of all CPUs added up: a number, or fields of a struct by name."""
    said = want.value
    wanted = said if isinstance(said, dict) else {"": said}

    def _decoded(one: bytes) -> Any:
        if declared.value is not None:
            return decode(context.types(), declared.value, one)
        return int.from_bytes(one, sys.byteorder)

    def differ(held: Held, path: str) -> Iterator[Mismatch]:
        values = [_decoded(one) for one in cpu_values(held.content, declared)]
        for field, expected in wanted.items():
            total = sum(one[field] if field else one for one in values)
            if total != expected:
                yield Mismatch(f"{path}{'.' if field else ''}{field} sum", str(expected), str(total))

    try:
        tuple(differ(Held(bytes(declared.value_size), (), Ids({})), ""))
        fits = all(isinstance(expected, int) for expected in wanted.values())
    except (TypeError, KeyError, IndexError):
        fits = False
    if not fits:
        hint = "sum is for numbers, or for fields of a struct that are numbers"
        raise SuiteError(f"the values of '{declared.name}' cannot be added up like this", hint, want.place())
    return differ


def _reference(want: Written, declared: Declared, context: Context) -> ValueCheck:
    """The value names a program, a socket or a map."""
    kind = REFERENCES[declared.type]
    name = named(want, kind, referable(kind, declared, context), f"the values of '{declared.name}' are {kind}s")
    if kind == "socket" and declared.value_size != COOKIE_SIZE:
        hint = "declare them with __type(value, __u64)"
        text = f"the values of '{declared.name}' have {declared.value_size} bytes: the kernel tells a socket in 8"
        raise SuiteError(text, hint, want.place())

    def differ(held: Held, path: str) -> Iterator[Mismatch]:
        actual = int.from_bytes(held.content, sys.byteorder)
        if actual != held.ids.numbers[kind, name]:
            yield Mismatch(path, f"{{{kind}: {name}}}", held.ids.named(kind, actual))

    return ValueCheck(differ, () if kind == "socket" else (Handle(kind, name),))  # the reply has all cookies


def referable(kind: str, declared: Declared, context: Context) -> Collection[str]:
    """The names of what values of *declared* can be."""
    if kind == "map":
        return [name for name in map_types(context.types()) if name != declared.name]
    return context.sockets if kind == "socket" else context.programs


def _device(want: Written, declared: Declared, context: Context) -> ValueCheck:
    """struct bpf_devmap_val or bpf_cpumap_val: a number, and the id of a program behind it."""
    what = DEVICES[declared.type]
    wanted = device_of(want, declared, context.programs, context.interfaces)

    def differ(held: Held, path: str) -> Iterator[Mismatch]:
        number = int.from_bytes(held.content[:4], sys.byteorder)
        program = int.from_bytes(held.content[4:8], sys.byteorder)
        if wanted.number is not None and number != wanted.number:
            yield Mismatch(f"{path}.{what}", str(wanted.number), str(number))
        if wanted.program is not None and program != held.ids.numbers["program", wanted.program]:
            yield Mismatch(f"{path}.program", wanted.program, _program(program, held.ids))

    return ValueCheck(differ, (Handle("program", wanted.program, 4),) if wanted.program else ())


def _program(number: int, ids: Ids) -> str:
    return (ids.name("program", number) or ids.unnamed("program", number)) if number else "none"


def shown_value(held: Held, declared: Declared, context: Context, like: object = None) -> str:
    """A value as a suite would write it."""
    if declared.type in REFERENCES:
        return held.ids.named(REFERENCES[declared.type], int.from_bytes(held.content, sys.byteorder))
    if declared.type not in DEVICES:
        return value_text(held.content, declared, context.types, like)
    number = int.from_bytes(held.content[:4], sys.byteorder)
    program = int.from_bytes(held.content[4:8], sys.byteorder)
    beside = f", program: {_program(program, held.ids)}" if program else ""
    return f"{{{DEVICES[declared.type]}: {number}{beside}}}"
