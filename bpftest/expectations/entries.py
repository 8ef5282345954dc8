"""`expect.maps` of maps with keys: entries by name, and these and no others."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError, both
from bpftest.events import Mismatch
from bpftest.expectations.map_values import Held, ValueCheck, bytes_differ, shown_value, value_check
from bpftest.map_values import key_of, key_text, refuse_keyless
from bpftest.maps import WHOLE
from bpftest.values import plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.expectations.map_values import Entries, Ids
    from bpftest.map_values import Key
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

    InnerCheck = Callable[[Written, Declared, Context, str], ValueCheck]

NUMBERS = re.compile(r"(\d*)(\D*)")
SORTED_MAX = 1000  # keys; of more, only some are told
NEARBY = 8  # keys of other entries that are told where one is missing


class Seen(NamedTuple):
    """What a map held."""

    entries: Entries
    inner: tuple[Entries, ...]  # for each of the entries, those of the map that it is; or none
    ids: Ids
    in_order: bool = False  # the entries are those that were asked for, in that order: their keys tell nothing

    def held(self, content: bytes, index: int) -> Held:
        """The value of the entry at *index*."""
        return Held(content, self.inner[index] if self.inner else (), self.ids)


class Expected(NamedTuple):
    """An entry that is to be there, or not."""

    key: Key
    path: str  # what reports call it
    said: str  # the value as the suite writes it
    value: ValueCheck | None  # None: it is to be absent
    like: tuple[object, object]  # its key and its value, as the suite writes them


def expected(here: Written, declared: Declared, context: Context, path: str, inner_check: InnerCheck) -> Expected:
    """The entry that *here* says; *path*: what reports call the map. Raises SuiteError, at its place."""
    refuse_keyless(here, declared)
    said = here["key"].value
    is_socket = declared.type == "sk_storage" and "socket" in here["key"]
    name = f"{path}[{said['socket'] if is_socket else plainly(said)}]"
    key, check = both(
        lambda: key_of(here["key"], declared, context.types, context.sockets),
        lambda: _value(here, declared, context, name, inner_check),
    )
    if check is None:
        return Expected(key, name, "no entry", None, (said, None))
    value = here["value"].value
    return Expected(key, name, plainly(value), check, (said, value))


def _value(
    here: Written, declared: Declared, context: Context, name: str, inner_check: InnerCheck
) -> ValueCheck | None:
    """The check of the value of an entry; None: it is to be absent."""
    if "absent" in here:
        if declared.type in WHOLE:
            hint = "expect its value, such as 0"
            raise SuiteError(f"an entry of an {declared.type} is never absent", hint, here["absent"].key_place())
        return None
    if "value" not in here:
        hint = "give the value, or 'absent: true'"
        raise SuiteError("this entry does not say what is expected", hint, here.place())
    value = here["value"]
    is_inner = declared.type in ("array_of_maps", "hash_of_maps") and "map" not in value
    return inner_check(value, declared, context, name) if is_inner else value_check(value, declared, context)


def named_differ(wanted: list[Expected], seen: Seen, declared: Declared, context: Context) -> Iterator[Mismatch]:
    """What is not so of the entries that are named."""
    found = _found(wanted, seen)
    for one in wanted:
        held = found.get(one.key)
        if held is None and one.value is not None:
            yield Mismatch(one.path, one.said, _missing(one, seen, declared, context))
        else:
            yield from _entry_differs(one, held, declared, context)


def exactly_differ(
    wanted: list[Expected], seen: Seen, declared: Declared, context: Context, path: str
) -> Iterator[Mismatch]:
    """What is not so where these entries are all; the others of an array are zero."""
    found = _found(wanted, seen)
    for one in wanted:
        yield from _entry_differs(one, found.get(one.key), declared, context)
    keys = {one.key.content for one in wanted}
    like = wanted[0].like if wanted else (None, None)
    is_whole = declared.type in WHOLE
    others = {
        key: (value, index)
        for index, (key, value) in enumerate(seen.entries)
        if key not in keys and value is not None and (any(value) or not is_whole)
    }
    for text, key in _in_order(others, declared, context, like[0]):
        value, index = others[key]
        if is_whole:
            yield from bytes_differ(bytes(len(value)), value, declared, context, f"{path}[{text}]")
        else:
            shown = shown_value(seen.held(value, index), declared, context, like[1])
            yield Mismatch(f"{path}[{text}]", "no entry", shown)


def unchanged_differ(before: Seen, seen: Seen, declared: Declared, context: Context, path: str) -> Iterator[Mismatch]:
    """What of the entries is other than it was before."""
    first, last = dict(before.entries), dict(seen.entries)
    changed = [key for key in {**first, **last} if first.get(key) != last.get(key)]
    for text, key in _in_order(changed, declared, context):
        was, now, name = first.get(key), last.get(key), f"{path}[{text}]"
        if was is None or now is None:
            texts = [_shown(one, seen, declared, context) for one in (was, now)]
            yield Mismatch(name, texts[0], texts[1])
        elif declared.type in ("hash", "array", "lru_hash", "lpm_trie") or "percpu" in declared.type:
            yield from bytes_differ(was, now, declared, context, name)
        else:
            yield Mismatch(name, _shown(was, seen, declared, context), _shown(now, seen, declared, context))


def _shown(value: bytes | None, seen: Seen, declared: Declared, context: Context) -> str:
    return "no entry" if value is None else shown_value(Held(value, (), seen.ids), declared, context)


def _found(wanted: list[Expected], seen: Seen) -> dict[Key, Held]:
    """Those of the entries that are there."""
    if seen.in_order:
        found = zip(wanted, (value for _, value in seen.entries), itertools.count())
        return {one.key: seen.held(value, index) for one, value, index in found if value is not None}
    places = {key: (value, index) for index, (key, value) in enumerate(seen.entries) if value is not None}
    return {one.key: seen.held(*places[one.key.content]) for one in wanted if one.key.content in places}


def _missing(one: Expected, seen: Seen, declared: Declared, context: Context) -> str:
    """What a report says where an entry is missing: which others there are, too."""
    if one.key.handle is not None:
        return "no entry"
    keys = list(dict.fromkeys(key for key, value in seen.entries if value is not None))
    if not keys:
        return "no entry; the map is empty"
    texts = [text for text, _ in _in_order(keys, declared, context, one.like[0])]
    more = ", .." if len(keys) > NEARBY else ""
    return f"no entry; the map has {'keys' if len(keys) > 1 else 'key'} {', '.join(texts[:NEARBY])}{more}"


def _in_order(
    keys: Collection[bytes], declared: Declared, context: Context, like: object = None
) -> Iterable[tuple[str, bytes]]:
    """The *keys* as text and as they are, numbers in them by size; if there are many, in the order of the kernel."""
    texts = ((key_text(key, declared, context.types, like), key) for key in keys)
    return sorted(texts, key=_numbers) if len(keys) <= SORTED_MAX else texts


def _numbers(one: tuple[str, bytes]) -> list[tuple[int, str]]:
    return [(int(part or 0), between) for part, between in NUMBERS.findall(one[0])]


def _entry_differs(one: Expected, held: Held | None, declared: Declared, context: Context) -> Iterator[Mismatch]:
    if one.value is None:
        if held is not None:
            yield Mismatch(one.path, "no entry", shown_value(held, declared, context))
    elif held is None:
        yield Mismatch(one.path, one.said, "no entry")
    else:
        yield from one.value.differ(held, one.path)
