"""What to write instead: hints for values of the wrong type, and for keys that nobody knows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bpftest.wording import meant, shown

if TYPE_CHECKING:
    from bpftest.suite.document import Data
    from bpftest.suite.document_scalars import Scalar
    from bpftest.suite.schema_breaches import Breach, Path, Schema

_TYPES = {  # JSON Schema's names → the user's words
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}
_KINDS = {
    str: "text",
    int: "a number",
    float: "a number with a fraction",
    bool: "a boolean",
    list: "a list",
    dict: "a mapping",
    type(None): "empty",
}
# What YAML 1.1 takes for booleans, and YAML 1.2 for text.
_OLD_BOOLEANS = {
    **dict.fromkeys(("yes", "y", "on", "true"), True),
    **dict.fromkeys(("no", "n", "off", "false"), False),
}
MAX_LISTED = 24  # keys or values in a hint


def kind(value: object) -> str:
    """What *value* is, in the user's words."""
    return _KINDS[type(value)]


def types(names: Sequence[str]) -> str:
    """JSON Schema's *names* of types in the user's words."""
    words = [_TYPES[name] for name in names if name != "integer" or "number" not in names]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def one_of(names: Sequence[object]) -> str:
    """The *names* one after the other, as far as they fit."""
    listed = ", ".join(str(name) for name in names[:MAX_LISTED])
    return f"{listed}, ..." if len(names) > MAX_LISTED else listed


def type_hint(breach: Breach, wanted: Sequence[str]) -> str:
    """How to write a value that is of none of the types *wanted*."""
    value, written = breach.value, breach.written
    if written.startswith("$") and written != value:
        return f"{written} stands for {shown(str(value))}"
    if isinstance(value, dict):
        return "begin each entry with '- '" if wanted == ["array"] else ""
    if isinstance(value, list):
        return "write 'key: value', without '- '" if "object" in wanted else ""
    if isinstance(value, str) and "object" in wanted and re.match(r"\w+:\S", value):
        return "a blank is missing after the ':'"
    return next((hint for instead, hint in _instead(value, written) if breach.takes(instead)), "")


def _instead(value: Scalar, written: str) -> Iterator[tuple[Data, str]]:
    """Other values that the user may have meant, and how to write them."""
    if isinstance(value, str):
        if value.lower() in _OLD_BOOLEANS:
            meant_value = _OLD_BOOLEANS[value.lower()]
            yield meant_value, f"write {str(meant_value).lower()}"
        with contextlib.suppress(ValueError):
            number = int(value[:40], 0)  # Python knows 1_000 and 0b1
            yield number, f"write {number}"
    elif written:
        yield written, f'put it in quotes: "{shown(written)}"'
    if value is not None:
        yield [value], f"write a list: [{shown(written)}]"


def choice_hint(value: object, choices: Sequence[object]) -> str:
    """Which of the *choices* was meant, or all of them."""
    if isinstance(value, str):
        same = next((choice for choice in choices if str(choice) == value), None)
        if same is not None:
            return f"write {same}, without quotes"
        guess = meant(value, [choice for choice in choices if isinstance(choice, str)])
        if guess:
            return f"did you mean '{guess}'?"
    return f"it can only be '{choices[0]}'" if len(choices) == 1 else f"one of {one_of(choices)}"


def unknown_key_hint(breach: Breach, key: str) -> str:
    """What was meant by *key*, which the mapping may not have."""
    schema, value = breach.schema, breach.value[key]
    known = [name for name in schema.get("properties", ()) if name not in breach.value]
    before, _, after = key.partition(":")
    if value is None and before in known and after:
        return f"write '{before}: {shown(after)}', with a blank after the ':'"
    if value is None and any(mark in key for mark in "()=\"'"):
        return "a ',' ends a value inside { }: put text that holds one in quotes"
    return schema.get("x-unknown", {}).get(key) or _nearby(breach, key) or _closest(key, known)


def _closest(key: str, known: Sequence[str]) -> str:
    guess = meant(key, known)
    return f"did you mean '{guess}'?" if guess else f"known here: {one_of(known)}"


def _nearby(breach: Breach, key: str) -> str:
    """The place for a *key* that is indented too little or too much."""
    for name, inner in breach.schema.get("properties", {}).items():
        if key in _properties(breach.root, inner):
            return f"'{key}' belongs under '{name}'"
    for step, outer in reversed(list(zip(breach.path, _schemas_along(breach.root, breach.path), strict=False))):
        if key != step and key in outer.get("properties", ()):
            return f"'{key}' belongs beside '{step}', not under it"
    return ""


def _schemas_along(root: Schema, path: Path) -> Iterator[Schema]:
    """The schemas that the steps of *path* lead through, from *root* on."""
    schema = root
    for step in path:
        yield schema
        inner = schema.get("properties", {}).get(step) or schema.get("additionalProperties")
        schema = _resolved(root, schema.get("items") if isinstance(step, int) else inner)


def _properties(root: Schema, schema: object) -> Schema:
    """The keys of a mapping, or of the mappings in a list."""
    resolved = _resolved(root, schema)
    inner: Schema = (_resolved(root, resolved["items"]) if "items" in resolved else resolved).get("properties", {})
    return inner


def missing_key_hint(breach: Breach, key: str) -> str:
    """The first sentence of what the schema says about *key*."""
    known = breach.schema.get("properties", {})
    description: str = _resolved(breach.root, known.get(key)).get("description", "")
    sentence, dot, _ = description.partition(". ")
    return sentence + dot.strip()


def _resolved(root: Schema, schema: object) -> Schema:
    """*schema*, or what it refers to; an empty one for true and false."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#").split("/")[1:]:
            target = target[step]
        schema = target
    return schema if isinstance(schema, dict) else {}
