"""What a document breaks of its JSON Schema, in the words of someone who writes suites.

Three keywords of the schema's own say what JSON Schema cannot:

``x-says``        a text: beside ``pattern`` and in ``propertyNames`` what a value or key must be ("a time with its
                  unit, such as 5s"), elsewhere the whole message for what is broken of that schema, but for
                  unknown and missing keys
``x-says-empty``  a text: the message for a mapping, a list or a text that is empty and may not be
``x-unknown``     a mapping: keys that are often written here by mistake → what to do instead
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bpftest.errors import Place, SuiteError
from bpftest.suite.schema_breaches import Breach, Path, Schema, breaches
from bpftest.suite.schema_hints import choice_hint, kind, missing_key_hint, one_of, type_hint, types, unknown_key_hint
from bpftest.suite.wording import MAX_FAULTS
from bpftest.wording import meant, shown

if TYPE_CHECKING:
    from bpftest.suite.document import Document

_Faults = Iterator[SuiteError]


def schema_faults(document: Document, schema: Schema) -> tuple[SuiteError, ...]:
    """The mistakes of *document* by *schema*, in the order of the file, but those that only follow from another."""
    found = _with_all_keys(list(breaches(document, schema)))
    mistyped = {breach.path for breach in found if breach.keyword == "type" and not breach.is_key}
    causes = [breach for breach in found if breach.keyword == "type" or not _is_inside(breach.path, mistyped)]
    faults: dict[tuple[Place | None, str], SuiteError] = {}
    for fault in _explained(sorted(causes, key=lambda breach: _position(breach.place))):
        faults.setdefault((fault.place, fault.what), fault)
        if len(faults) > MAX_FAULTS:
            break
    ordered = sorted(faults.values(), key=lambda fault: _position(fault.place))
    if len(ordered) > MAX_FAULTS:
        ordered[-1] = SuiteError("there are more mistakes from here on", place=ordered[-1].place)
    return tuple(ordered)


def _with_all_keys(found: list[Breach]) -> list[Breach]:
    """*found*; where a branch of a schema requires a key, its breach knows which keys are misspelt in the mapping."""
    closed = {breach.path: breach.schema for breach in found if breach.keyword == "additionalProperties"}
    return [
        replace(breach, schema={**closed[breach.path], "required": breach.rule})
        if breach.keyword == "required" and breach.path in closed
        else breach
        for breach in found
    ]


def _explained(found: Iterable[Breach]) -> _Faults:
    for breach in found:
        yield from EXPLANATIONS.get(breach.keyword, _unexplained)(breach)


def _position(place: Place | None) -> tuple[int, int]:
    return (place.line, place.column) if place else (0, 0)


def _is_inside(path: Path, paths: set[Path]) -> bool:
    return bool(paths) and any(path[:length] in paths for length in range(len(path) + 1))


def _says(breach: Breach, otherwise: str) -> str:
    """The schema's own message, if it has one."""
    says: str | None = breach.schema.get("x-says")
    if says is None:
        return otherwise
    return f"{breach.subject} must be {says}" if breach.is_key or "pattern" in breach.schema else says


def _value(value: object) -> str:
    """*value* as a message shows it."""
    if isinstance(value, (dict, list)):
        return kind(value)
    return f"'{shown(value)}'" if isinstance(value, str) else str(value).lower()


def _type(breach: Breach) -> _Faults:
    wanted = [breach.rule] if isinstance(breach.rule, str) else breach.rule
    what = f"{breach.subject} must be {types(wanted)}, not {kind(breach.value)}"
    if breach.value is None:
        what = f"{breach.subject} is empty; it must be {types(wanted)}"
    yield SuiteError(_says(breach, what), type_hint(breach, wanted), breach.place)


def _choice(breach: Breach) -> _Faults:
    yield SuiteError(_says(breach, _cannot(breach)), choice_hint(breach.value, breach.rule), breach.place)


def _cannot(breach: Breach) -> str:
    return f"{breach.subject} is not valid" if breach.is_key else f"{breach.subject} cannot be {_value(breach.value)}"


def _constant(breach: Breach) -> _Faults:
    what = f"{breach.subject} must be {_value(breach.rule)}, not {_value(breach.value)}"
    hint = f"write {_value(breach.rule)}, without quotes" if breach.value == _value(breach.rule) else ""
    yield SuiteError(_says(breach, what), hint, breach.place)


def _pattern(breach: Breach) -> _Faults:
    yield SuiteError(_says(breach, _cannot(breach)), "", breach.place)


def _range(breach: Breach) -> _Faults:
    least, most = breach.schema.get("minimum"), breach.schema.get("maximum")
    limits = f"at least {least}" if most is None else f"at most {most}" if least is None else f"from {least} to {most}"
    yield SuiteError(_says(breach, f"{breach.subject} must be {limits}, not {breach.value}"), "", breach.place)


def _size(breach: Breach) -> _Faults:
    """minLength, maxItems, minProperties and so on."""
    limit, of = breach.keyword[:3], breach.keyword[3:]
    least, most = breach.schema.get(f"min{of}"), breach.schema.get(f"max{of}")
    keys = list(breach.schema.get("properties", ()))
    hint = f"known here: {one_of(keys)}" if keys and of == "Properties" else ""
    what = f"{breach.subject} must have at {'least' if limit == 'min' else 'most'} {breach.rule} {_UNITS[of]}"
    if least == most == 1 and keys:
        what, hint = f"{breach.subject} takes exactly one key", f"give one of {one_of(keys)}"
    elif not breach.value:
        what = f"{breach.subject} is empty"
    says = breach.schema.get("x-says-empty") if not breach.value else None
    yield SuiteError(says or _says(breach, what), hint, breach.place)


def _unique(breach: Breach) -> _Faults:
    seen = set()
    for index, entry in enumerate(breach.value):
        said = json.dumps(entry, sort_keys=True)
        if said in seen:
            what = f"{breach.subject} has {_value(entry)} twice"
            yield SuiteError(_says(breach, what), "", breach.key_place(index))
        seen.add(said)


def _unknown_keys(breach: Breach) -> _Faults:
    for key in _unknown(breach):
        yield SuiteError(f"unknown key '{shown(key)}'", unknown_key_hint(breach, key), breach.key_place(key))


def _missing_keys(breach: Breach) -> _Faults:
    known = breach.schema.get("properties", ())
    misspelt = {meant(key, known) for key in _unknown(breach)}
    for key in breach.rule:
        if key not in breach.value and key not in misspelt:
            yield SuiteError(f"missing key '{key}'", missing_key_hint(breach, key), breach.place)


def _unknown(breach: Breach) -> list[str]:
    """The keys of a mapping that its schema has no room for."""
    if breach.schema.get("additionalProperties") is not False:
        return []
    return [key for key in breach.value if key not in breach.schema.get("properties", ())]


def _needed_keys(breach: Breach) -> _Faults:
    for key, others in breach.rule.items():
        if key in breach.value and isinstance(others, list):
            for other in others:
                if other not in breach.value:
                    yield SuiteError(_says(breach, f"'{key}' needs '{other}' beside it"), "", breach.key_place(key))


def _not(breach: Breach) -> _Faults:
    keys: list[str] = breach.rule.get("required", []) if isinstance(breach.rule, dict) else []
    if len(keys) > 1:
        what = " and ".join(f"'{key}'" for key in keys) + " do not go together"
        yield SuiteError(_says(breach, what), "", breach.key_place(keys[-1]))
    elif keys:
        yield SuiteError(_says(breach, f"'{keys[0]}' cannot be given here"), "", breach.key_place(keys[0]))
    elif breach.rule in ({}, True):
        yield from _forbidden(breach)
    else:
        yield from _unexplained(breach)


def _forbidden(breach: Breach) -> _Faults:
    yield SuiteError(_says(breach, f"{breach.subject} cannot be given here"), "", breach.own_key_place)


def _unexplained(breach: Breach) -> _Faults:
    yield SuiteError(_says(breach, f"{breach.subject} is not valid"), "", breach.place)


_UNITS = {"Length": "characters", "Items": "entries", "Properties": "keys"}

# Keyword of JSON Schema → what to say when it is broken. A schema that is just false has none.
EXPLANATIONS: dict[str, Callable[[Breach], _Faults]] = {
    "": _forbidden,
    "additionalProperties": _unknown_keys,
    "const": _constant,
    "dependencies": _needed_keys,
    "dependentRequired": _needed_keys,
    "enum": _choice,
    "maximum": _range,
    "maxItems": _size,
    "maxLength": _size,
    "maxProperties": _size,
    "minimum": _range,
    "minItems": _size,
    "minLength": _size,
    "minProperties": _size,
    "not": _not,
    "pattern": _pattern,
    "required": _missing_keys,
    "type": _type,
    "uniqueItems": _unique,
}
