"""`expect.maps` of maps without keys: queues and stacks, in the order of taking out, and bloom filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.events import Mismatch
from bpftest.expectations.map_values import Held, bytes_differ, plain, shown_value
from bpftest.map_values import blamed, item_of, value_bytes
from bpftest.values import plainly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.expectations.context import Context
    from bpftest.expectations.entries import Seen
    from bpftest.expectations.map_values import Differ
    from bpftest.maps import Declared
    from bpftest.suite.model import Written


class Item(NamedTuple):
    """A value that is to be taken out."""

    said: str  # as the suite writes it
    like: object
    differ: Differ


class Member(NamedTuple):
    """A value that a bloom filter is to know, or not."""

    said: str
    content: bytes
    there: bool


def item(here: Written, declared: Declared, context: Context) -> Item:
    """The value of a queue or a stack that *here* says. Raises SuiteError, at its place."""
    value = item_of(here, declared, context.types)
    if isinstance(here.value, dict) and value.container is here.value and "absent" in here:
        hint = "the list has the values that are taken out next; {count: N} says how many there are"
        raise SuiteError(f"a value of a {declared.type} is not looked for", hint, here["absent"].key_place())
    return Item(plainly(value.value), value.value, plain(value, declared, context))


def items_differ(
    wanted: list[Item], seen: Seen, declared: Declared, context: Context, path: str, *, whole: bool
) -> Iterator[Mismatch]:
    """What is not so of the values that are taken out next; *whole*: there are no others."""
    there = [value for _, value in seen.entries if value is not None]
    for index, one in enumerate(wanted):
        if index < len(there):
            yield from one.differ(seen.held(there[index], index), f"{path}[{index}]")
        else:
            yield Mismatch(f"{path}[{index}]", one.said, "no more values" if there else f"the {declared.type} is empty")
    for index in range(len(wanted), len(there) if whole else 0):
        like = wanted[0].like if wanted else None
        yield Mismatch(f"{path}[{index}]", "no more values", _shown(there[index], seen, declared, context, like))


def items_changed(before: Seen, seen: Seen, declared: Declared, context: Context, path: str) -> Iterator[Mismatch]:
    """What of the values is other than it was before."""
    first = [value for _, value in before.entries if value is not None]
    last = [value for _, value in seen.entries if value is not None]
    for index in range(max(len(first), len(last))):
        name = f"{path}[{index}]"
        if index >= len(last):
            yield Mismatch(name, _shown(first[index], seen, declared, context), "no more values")
        elif index >= len(first):
            yield Mismatch(name, "no more values", _shown(last[index], seen, declared, context))
        else:
            yield from bytes_differ(first[index], last[index], declared, context, name)


def member(here: Written, declared: Declared, context: Context) -> Member:
    """The value of a bloom filter that *here* says. Raises SuiteError, at its place."""
    value = item_of(here, declared, context.types)
    path = f"{declared.name} value"
    try:
        content = value_bytes(value.value, declared.value, declared.value_size, context.types, path)
    except SuiteError as error:
        raise blamed(value, error, path) from None
    is_wrapped = value.container is here.value
    return Member(plainly(value.value), content, not (is_wrapped and "absent" in here))


def members_differ(wanted: list[Member], seen: Seen, path: str) -> Iterator[Mismatch]:
    """What is not so of the values that are looked for; the filter says yes to one that was never put in by chance."""
    for one, (_, value) in zip(wanted, seen.entries, strict=True):
        if one.there != (value is not None):
            words = ("in the filter", "not in the filter")
            yield Mismatch(f"{path}[{one.said}]", words[not one.there], words[one.there])


def _shown(value: bytes, seen: Seen, declared: Declared, context: Context, like: object = None) -> str:
    return shown_value(Held(value, (), seen.ids), declared, context, like)
