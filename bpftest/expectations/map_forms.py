"""The forms of `expect.maps`: some entries, so many, exactly these, or those from before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError, each
from bpftest.events import Mismatch
from bpftest.expectations.entries import Seen, exactly_differ, expected, named_differ, unchanged_differ
from bpftest.expectations.items import item, items_changed, items_differ, member, members_differ
from bpftest.expectations.map_values import ValueCheck
from bpftest.map_values import Key, closed
from bpftest.maps import KEYLESS, WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.expectations.map_values import Held
    from bpftest.kernel.door import Handle
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

# The kernel does not tell what these hold, but of a key or a value whether it is there.
UNLISTED = {"bloom_filter": "the values", "sk_storage": "the sockets"}


class Form(NamedTuple):
    """One thing that is expected of a map."""

    differ: Callable[[Seen, Seen], Iterator[Mismatch]]  # told what the map held after the run, and before
    keys: tuple[Key, ...] | None = None  # what is to be read; None: every entry
    handles: tuple[Handle, ...] = ()  # whose ids it needs
    inner: bool = False  # the entries of maps in the map are needed
    needs_before: bool = False


def forms_of(here: Written, declared: Declared, context: Context, path: str) -> list[Form]:
    """What *here* expects of the map, which reports call *path*. Raises SuiteError, at its place."""
    if isinstance(here.value, list):
        return [_entries(here, declared, context, path)]
    return each(lambda form: FORMS[str(form.key)](form, declared, context, path), here.parts())


def _entries(here: Written, declared: Declared, context: Context, path: str) -> Form:
    """These entries, whatever others there are; of a queue or a stack the values that are taken out next."""
    if declared.type in KEYLESS:
        return _values(here, declared, context, path, whole=False)
    wanted = each(lambda one: expected(one, declared, context, path, _inner), here.parts())
    values = [one.value for one in wanted if one.value is not None]
    return Form(
        lambda seen, _: named_differ(wanted, seen, declared, context),
        tuple(one.key for one in wanted),
        tuple(handle for value in values for handle in value.handles),
        any(value.inner for value in values),
    )


def _values(here: Written, declared: Declared, context: Context, path: str, *, whole: bool) -> Form:
    if declared.type == "bloom_filter":
        members = each(lambda one: member(one, declared, context), here.parts())
        keys = tuple(Key(one.content) for one in members)
        return Form(lambda seen, _: members_differ(members, seen, path), keys)
    items = each(lambda one: item(one, declared, context), here.parts())
    return Form(lambda seen, _: items_differ(items, seen, declared, context, path, whole=whole))


def _count(here: Written, declared: Declared, _context: Context, path: str) -> Form:
    """So many entries."""
    _refuse_unlisted(here, declared)
    if declared.type in WHOLE:
        text = f"an {declared.type} always has all of its entries: 'count' says nothing of it"
        raise SuiteError(text, "expect its values", here.key_place())
    wanted: int = here.value

    def differ(seen: Seen, _: Seen) -> Iterator[Mismatch]:
        count = sum(value is not None for _, value in seen.entries)
        if count != wanted:
            yield Mismatch(f"{path} count", str(wanted), str(count))

    return Form(differ)


def _exactly(here: Written, declared: Declared, context: Context, path: str) -> Form:
    """These entries and no others; the others of an array are zero."""
    _refuse_unlisted(here, declared)
    if declared.type in KEYLESS:
        return _values(here, declared, context, path, whole=True)
    wanted = each(lambda one: expected(one, declared, context, path, _inner), here.parts())
    values = [one.value for one in wanted if one.value is not None]
    return Form(
        lambda seen, _: exactly_differ(wanted, seen, declared, context, path),
        None,
        tuple(handle for value in values for handle in value.handles),
        any(value.inner for value in values),
    )


def _unchanged(here: Written, declared: Declared, context: Context, path: str) -> Form:
    """What was there before the run, behind what the suite put in."""
    _refuse_unlisted(here, declared)
    differ = items_changed if declared.type in KEYLESS else unchanged_differ
    return Form(lambda seen, before: differ(before, seen, declared, context, path), needs_before=True)


def _refuse_unlisted(here: Written, declared: Declared) -> None:
    if declared.type in UNLISTED:
        text = f"'{here.key}' is not to be found out for '{declared.name}': the kernel does not list a {declared.type}"
        raise SuiteError(text, f"name {UNLISTED[declared.type]}, in a list", here.key_place())


FORMS: dict[str, Callable[[Written, Declared, Context, str], Form]] = {
    "entries": _entries,
    "count": _count,
    "exactly": _exactly,
    "unchanged": _unchanged,
}


def _inner(here: Written, declared: Declared, context: Context, path: str) -> ValueCheck:
    """What is expected of a map that is a value of *declared*, written in its place."""
    if declared.inner is None:
        text = f"the declaration of '{declared.name}' does not tell what its maps are like"
        raise SuiteError(text, "give it __array(values, ..), or expect {map: NAME}", here.place())
    reason = closed(declared.inner)
    if reason is not None:
        raise reason.at(here.place())
    if not isinstance(here.value, (dict, list)) or not set(here.value if isinstance(here.value, dict) else ()) <= INNER:
        hint = "write {map: NAME}, a list of its entries, or {exactly: [..]} or {count: N}"
        raise SuiteError(f"the values of '{declared.name}' are maps", hint, here.place())
    forms = forms_of(here, declared.inner, context, path)

    def differ(held: Held, _: str) -> Iterator[Mismatch]:
        seen = Seen(held.inner, (), held.ids)
        for form in forms:
            yield from form.differ(seen, seen)

    return ValueCheck(differ, tuple(handle for form in forms for handle in form.handles), inner=True)


INNER = {"entries", "count", "exactly"}  # what can be said of a map that is a value
