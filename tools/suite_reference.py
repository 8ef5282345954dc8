"""docs/reference/suite.md, made from schemas/suite.schema.json.

To be written again: python -m tools.suite_reference > docs/reference/suite.md
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from bpftest.suite.schema import schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = json.loads(schema_text())
DEFS: dict[str, Any] = SCHEMA["$defs"]
HERE = "#/$defs/"

HEAD = """\
# The suite format

Every key that a suite can have. A key that is not here is an error, with its line and what was probably meant;
`bpftest validate` finds all of them, without root. The same text is in the JSON Schema, which `bpftest schema` prints
and editors show.

A name in capitals stands for a name of yours, `[]` for each item of a list.

<!-- Made from schemas/suite.schema.json by: python -m tools.suite_reference -->
"""
INHERITED = "In a case, or under `defaults`."
CHAPTERS = (  # title, where its keys stand, the definitions that it shows
    ("The program", "At the top of the suite, under `defaults`, or in a case; the innermost wins.",
     ("object", "source", "program", "type", "attach_type", "load")),
    ("What goes in", INHERITED, ("packet", "ctx", "maps", "globals", "entry", "value")),
    ("Around the program", INHERITED, ("sockets", "interfaces", "routes", "neighbours")),
    ("How it runs", INHERITED, ("repeat", "sweep", "live", "cpu", "flags", "benchmark", "timeout")),
    ("Choosing and marking", INHERITED, ("tags", "skip", "xfail", "requires")),
)  # fmt: skip
LAST_CHAPTERS = (
    ("Forms that expectations share", "As the keys of `expect` refer to them.",
     ("lines", "expected_entry", "expected_record", "expected_count", "expected_frames", "expected_payload",
      "packet_rate")),
    ("Headers of your own", "Under `headers` of the suite.", ("header_field",)),
)  # fmt: skip
ONLY_REFUSED = "The kernel takes no value for it"  # how the description of such a field of the ctx begins


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_entries(), *_chapters(CHAPTERS), *_expect(), *_chapters(LAST_CHAPTERS)])


def shown() -> frozenset[str]:
    """The definitions of the schema that the page shows."""
    return frozenset(("case", "step", "expect", *(name for _, _, names in CHAPTERS + LAST_CHAPTERS for name in names)))


def _entries() -> Iterator[str]:
    """The suite, a case, a step: tables of keys, most of which have a heading of their own below."""
    for title, schema in (("The suite", SCHEMA), ("A case", DEFS["case"]), ("A step", DEFS["step"])):
        yield f"## {title}\n\n{schema['description']}\n"
        yield _table(_keys(schema["properties"], schema.get("required", ())))


def _chapters(chapters: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Iterator[str]:
    for title, where, names in chapters:
        yield f"## {title}\n\n{where}\n"
        for name in names:
            yield from _definition(name, DEFS[name])


def _expect() -> Iterator[str]:
    expect = DEFS["expect"]
    yield f"## What is expected\n\nUnder `expect` of a case or a step. {expect['description']}\n"
    for name, schema in expect["properties"].items():
        yield from _definition(f"expect.{name}", schema)


def _definition(name: str, schema: dict[str, Any]) -> Iterator[str]:
    """A heading, what it is, and a table of all keys below it."""
    yield f"### {name}\n\n{_said(schema)}\n\nTakes: {_type(schema)}.\n"
    refused = [
        key for key, one in schema.get("properties", {}).items() if one.get("description", "").startswith(ONLY_REFUSED)
    ]
    rows = [row for row in _below(schema, "") if row[0].strip("`") not in refused]
    if rows:
        yield _table(rows)
    if refused:
        names = ", ".join(f"`{key}`" for key in refused)
        yield f"{ONLY_REFUSED}, so only in a case that expects an errno: {names}.\n"


def _keys(properties: dict[str, Any], required: list[str] | tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """A row a key; what has a heading of its own is linked, and not shown again."""
    for key, schema in properties.items():
        must = " **Required.**" if key in required else ""
        target = schema.get("$ref", "").removeprefix(HERE)
        if target == "expect":
            yield "[`expect`](#what-is-expected)", "mapping", "What is to hold after the run." + must
        elif target:
            yield f"[`{key}`](#{target})", _kinds(DEFS[target]), _first_sentence(DEFS[target]["description"]) + must
        else:
            yield f"`{key}`", _type(schema), _said(schema) + must
            if key != "defaults":
                yield from _below(schema, f"{key}")


def _below(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    """A row for each key below a schema, whatever the depth."""
    if "$ref" in schema:
        return
    schema = {**schema, "properties": {**schema.get("then", {}).get("properties", {}), **schema.get("properties", {})}}
    required = schema.get("required", ())
    for key, one in schema["properties"].items():
        path = f"{prefix}.{key}" if prefix else key
        yield f"`{path}`", _type(one), _said(one) + (" **Required.**" if key in required else "")
        yield from _below(one, path)
    yield from _of_names(schema.get("additionalProperties"), f"{prefix}.NAME" if prefix else "NAME")
    yield from _of_names(schema.get("items"), f"{prefix}[]")


def _of_names(schema: object, path: str) -> Iterator[tuple[str, str, str]]:
    """Rows of what stands under any name, or in a list; a plain value needs none."""
    if not isinstance(schema, dict):
        return
    if "description" in schema or "$ref" in schema:
        yield f"`{path}`", _type(schema), _said(schema)
    yield from _below(schema, path)


def _said(schema: dict[str, Any]) -> str:
    """The description, and where what it refers to is described."""
    text: str = schema.get("description", "")
    return f"{text} See {_link(schema['$ref'])}.".lstrip() if "$ref" in schema else text


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:;]) ", text)[0].rstrip(":;.") + "."


def _link(target: str) -> str:
    """A link to the heading at which the page shows what a $ref leads to."""
    name, *below = target.removeprefix(HERE).split("/")
    title = f"expect.{below[1]}" if name == "expect" and below else {"case": "A case", "step": "A step"}.get(name, name)
    return f"[{title}](#{title.lower().replace('.', '').replace(' ', '-')})"


def _type(schema: dict[str, Any]) -> str:
    """What may stand there: its types, values and bounds."""
    if "$ref" in schema:
        return _type(_resolved(schema["$ref"]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "type" not in schema:
        return "anything"
    return _kinds(schema) + _bounds(schema) + _items(schema.get("items", {}))


def _kinds(schema: dict[str, Any]) -> str:
    """The types alone."""
    types = schema.get("type", "string")
    if len(types) > 4 and not isinstance(types, str):
        return "any value"
    return " or ".join(NAMES[one] for one in ([types] if isinstance(types, str) else types))


def _items(schema: dict[str, Any]) -> str:
    """What a list takes, where a word or two say it."""
    return (
        f" of {_type(schema)}".replace("whole number", "whole numbers")
        if "enum" in schema or schema.get("type") in ("string", "integer")
        else ""
    )


NAMES = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "mapping",
    "string": "text",
}


def _bounds(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {least:,} to {most:,}"
    return f", {least:,} or more" if least is not None else ""


def _resolved(target: str) -> dict[str, Any]:
    found: Any = SCHEMA
    for part in target.removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved


def _table(rows: Iterator[tuple[str, str, str]] | list[tuple[str, str, str]]) -> str:
    lines = [("key", "takes", ""), ("---",) * 3, *(tuple(_cell(one) for one in row) for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*.", "\\*.")


if __name__ == "__main__":
    sys.stdout.write(page())
