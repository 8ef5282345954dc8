"""Where a document breaks a JSON Schema: jsonschema's errors, without its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bpftest.errors import Place
from bpftest.wording import shown

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from bpftest.suite.document import Document

Schema = dict[str, Any]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """One keyword of a schema that one value of a document breaks."""

    document: Document
    validator: Validator  # of the whole document
    schema: Schema  # that the keyword stands in; {} where the schema is just false
    keyword: str  # "" there
    path: Path  # from the root of the document to the value, or to the mapping whose key it is
    value: Any
    is_key: bool

    @property
    def root(self) -> Schema:
        """The whole schema."""
        root: Schema = self.validator.schema  # type: ignore[assignment]
        return root

    @property
    def rule(self) -> Any:
        """What the schema says for the keyword."""
        return self.schema.get(self.keyword)

    @property
    def subject(self) -> str:
        """What the value is called in a message."""
        if self.is_key:
            return f"the key '{shown(self.value)}'"
        if not self.path:
            return "a suite"
        last = self.path[-1]
        if isinstance(last, str):
            return f"'{shown(last)}'"
        holder = next((f"'{shown(step)}'" for step in reversed(self.path) if isinstance(step, str)), "the list")
        return f"entry {last + 1} of {holder}"

    @property
    def written(self) -> str:
        """The value, a scalar, as it stands in the file."""
        return self.document.written(self.document.at(self.path[:-1]), self.path[-1]) if self.path else ""

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return self.key_place(self.value) if self.is_key else self.document.place_of(self.path)

    @property
    def own_key_place(self) -> Place:
        """Where the key stands that the value has."""
        return self.document.key_place(self.document.at(self.path[:-1]), self.path[-1]) if self.path else self.place

    def takes(self, value: Any) -> bool:
        """Whether *value* would do here."""
        return self.validator.evolve(schema=self.schema).is_valid(value)

    def key_place(self, key: str | int) -> Place:
        """Where *key* stands, of the mapping or list at *path*."""
        return self.document.key_place(self.document.at(self.path), key)


def breaches(document: Document, schema: Schema) -> Iterator[Breach]:
    """All that *document* breaks of *schema*, in the order of the schema."""
    from jsonschema.validators import extend, validator_for

    validator = extend(validator_for(schema), {"pattern": _pattern})(_spelt_out(schema))  # type: ignore[no-untyped-call]
    for error in validator.iter_errors(document.data):
        holder = error.schema if isinstance(error.schema, dict) else {}
        is_key = list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]
        path = tuple(error.absolute_path)
        yield Breach(document, validator, holder, str(error.validator or ""), path, error.instance, is_key)


def _spelt_out(schema: Any) -> Any:
    """*schema* with {"not": {}} for each property that is false, for which jsonschema forgets the path."""
    if isinstance(schema, list):
        return [_spelt_out(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    spelt = {keyword: _spelt_out(inner) for keyword, inner in schema.items()}
    if isinstance(properties := spelt.get("properties"), dict):
        spelt["properties"] = {key: {"not": {}} if inner is False else inner for key, inner in properties.items()}
    return spelt


def _pattern(_: Validator, rule: str, value: object, __: Schema) -> Iterator[ValidationError]:
    """As in ECMA 262 and jsonschema_rs: digits are ASCII, and $ matches at the end alone, not before a last newline."""
    from jsonschema import ValidationError

    if isinstance(value, str) and not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", rule), value, re.ASCII):
        yield ValidationError("")
