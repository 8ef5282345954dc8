"""`maps`: what the program left in its maps."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError, each
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import Looking, Looks, excerpt, reply_of
from bpftest.expectations.entries import Seen
from bpftest.expectations.map_forms import forms_of
from bpftest.expectations.map_values import Ids
from bpftest.expectations.records import KEYS as RECORDS_KEYS
from bpftest.expectations.records import events
from bpftest.kernel.door import Read
from bpftest.map_values import refuse_closed
from bpftest.maps import RECORDS, WHOLE, Declared, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.expectations.map_forms import Form
    from bpftest.kernel.door import Contents, Observation, Reply
    from bpftest.suite.model import Written

TOLD_MAX = 20  # differences of one map that a report shows
COUNTED_MAX = 1000  # differences behind those that are counted
REST = 9  # other keys that are asked for where one is missing


class MapCheck(NamedTuple):
    """What is expected of a map, and what of it is looked at."""

    name: str
    compare: Callable[[Observation, Ids], Iterator[Mismatch]]
    looks: Looks


def maps(want: Written, context: Context) -> Looking:
    """Maps hold these entries, so many of them, or exactly these; records came out of them."""
    parts = each(lambda one: _map_check(one, context), want.parts())

    def check(observation: Observation) -> Finding:
        ids = _ids(reply_of(observation))
        found = {part.name: tuple(_first(part.compare(observation, ids), part.name)) for part in parts}
        wrong = next((name for name, differences in found.items() if differences), None)
        if wrong is not None:
            mismatches = tuple(itertools.chain(*found.values()))
            return Finding("maps", mismatches=mismatches, excerpt=excerpt(want[wrong]))
        return Finding("maps", ", ".join(part.name for part in parts))

    return Looking(check, functools.reduce(Looks.and_those, (part.looks for part in parts)))


def declared_map(here: Written, context: Context) -> Declared:
    """The map that the key of *here* names, with the size that the suite says. Raises SuiteError, at its place."""
    name = str(here.key)
    try:
        found = declared(context.types(), name)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    size = next((one for one in context.sizes if one.map == name), None)
    if size is None:
        return found
    if found.inner is not None and size.inner_max_entries:
        found = found._replace(inner=found.inner._replace(max_entries=size.inner_max_entries))
    return found._replace(max_entries=size.max_entries or found.max_entries)


def _map_check(here: Written, context: Context) -> MapCheck:
    its = declared_map(here, context)
    if its.type in RECORDS:
        sent = events(here, its, context)
        return MapCheck(its.name, lambda observation, _: sent(observation), Looks(records=(its.name,)))
    try:
        refuse_closed(its)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    _refuse_records(here, its)
    forms = forms_of(here, its, context, its.name)
    read = _read(its, forms)
    before = (Read(its.name),) if any(form.needs_before for form in forms) else ()
    handles = tuple(handle for form in forms for handle in form.handles)

    def compare(observation: Observation, ids: Ids) -> Iterator[Mismatch]:
        reply = reply_of(observation)
        seen = _seen(reply.contents, its.name, ids)._replace(in_order=bool(read.key_handles))
        first = _seen(reply.before, its.name, ids) if before else seen
        for form in forms:
            yield from form.differ(seen, first)

    return MapCheck(its.name, compare, Looks(before, (read,), handles=handles))


def _refuse_records(here: Written, its: Declared) -> None:
    for key in here if isinstance(here.value, dict) else ():
        if key in RECORDS_KEYS and key != "count":
            text = f"'{its.name}' is of type {its.type}: it has entries, and no records"
            raise SuiteError(text, "records come out of a ring buffer or a perf event array", here[key].key_place())


def _read(its: Declared, forms: list[Form]) -> Read:
    """What the *forms* together need."""
    inner = any(form.inner for form in forms)
    keys = forms[0].keys
    if len(forms) > 1 or keys is None:
        return Read(its.name, None, (), inner)
    handles = tuple(key.handle for key in keys if key.handle is not None)
    lists_others = not handles and its.type not in (*WHOLE, "bloom_filter")
    return Read(its.name, tuple(key.content for key in keys), handles, inner, REST if lists_others else 0)


def _seen(contents: tuple[Contents, ...], name: str, ids: Ids) -> Seen:
    found = next(one for one in contents if one.map == name)
    return Seen(found.entries, found.inner, ids)


def _ids(reply: Reply) -> Ids:
    sockets = {("socket", name): cookie for name, cookie in reply.cookies}
    return Ids(sockets | {(handle.kind, handle.name): number for handle, number in reply.ids})


def _first(found: Iterator[Mismatch], name: str) -> Iterator[Mismatch]:
    """The first differences of a map, and how many more there are."""
    yield from itertools.islice(found, TOLD_MAX)
    more = sum(1 for _ in itertools.islice(found, COUNTED_MAX))
    if more:
        yield Mismatch(name, "no more differences", f"{more}{' or' if more == COUNTED_MAX else ''} more")
