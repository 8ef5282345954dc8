"""What editors make of the schema: good suites have no mistakes, and others have them where `bpftest validate` does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

import pytest

from bpftest.suite.parse import InvalidSuiteFile, read_suite
from tests.language_server import LanguageServer
from tests.processes import PROJECT

SCHEMA_FILE = PROJECT / "schemas" / "suite.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
SUITES = sorted([*PROJECT.glob("suites/*.yaml"), *PROJECT.glob("docs/examples/*.yaml")])
MISTAKES = PROJECT / "tests" / "editors" / "mistakes.yaml"
WHOLE_LIST = {(27, 22): (27, 11)}  # where an entry is there twice, editors underline the list


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    """One process for all tests: it takes a second to start."""
    with LanguageServer(SCHEMA_FILE) as server:
        yield server


@pytest.mark.editor
def test_nothing_is_underlined_in_good_suites(server: LanguageServer) -> None:
    told = {path.name: server.diagnostics(path) for path in SUITES}
    assert {name: found for name, found in told.items() if found} == {}


@pytest.mark.editor
def test_mistakes_are_underlined_where_validate_has_them(server: LanguageServer) -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        read_suite(str(MISTAKES))

    ours = [(fault.place.line, fault.place.column) for fault in raised.value.faults if fault.place]
    theirs = [(one.line, one.column) for one in server.diagnostics(MISTAKES)]
    assert sorted(theirs) == sorted(WHOLE_LIST.get(place, place) for place in ours)
    assert len(theirs) == 18


@pytest.mark.editor
def test_a_key_under_the_mouse_is_explained(server: LanguageServer) -> None:
    server.diagnostics(MISTAKES)

    assert SCHEMA["properties"]["version"]["description"] in server.hover(MISTAKES, 2, 3)
    assert SCHEMA["$defs"]["timeout"]["description"] in server.hover(MISTAKES, 5, 14)


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key that *schema* knows, wherever it stands, with what is said of its value."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from keys(part, f"{path}/{index}")
    elif isinstance(schema, dict):
        for name, part in schema.items():
            if name == "properties":
                yield from ((f"{path}/{key}", said) for key, said in part.items())
            if name != "if":  # which asks for keys, and knows none
                yield from keys(part, f"{path}/{name}")


def described(said: Any) -> bool:
    """Whether *said*, or what it refers to, has a description."""
    while "description" not in said and "$ref" in said:
        said = reduce(getitem, said["$ref"].removeprefix("#/").split("/"), SCHEMA)
    return "description" in said


def test_every_key_has_a_description_to_show() -> None:
    found = dict(keys(SCHEMA))
    assert len(found) > 150
    assert [path for path, said in found.items() if isinstance(said, dict) and not described(said)] == []
