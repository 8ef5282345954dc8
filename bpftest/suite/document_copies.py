"""What a document holds that is not written in its file like this: texts with variables, and cases made of rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Container = dict[str, Any] | list[Any]
Spot = tuple[Container, str | int]  # a value by what holds it, and its key there

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Copy(NamedTuple):
    """Where the values of a mapping or list stand that is a copy of one of the file."""

    template: Container  # of the file
    origins: Mapping[str | int, Spot]  # what does not stand there, by its key in the copy: where it does stand
    values: Mapping[str, Any] = _NOTHING  # of the variables in its texts
    rows: Mapping[str, Spot] = _NOTHING  # where those of them stand that a row of a table says

    def spot(self, key: str | int) -> Spot:
        """Where the value of *key* stands."""
        return self.origins.get(key) or (self.template, key)

    def key_spot(self, key: str | int) -> Spot:
        """Where *key* itself stands."""
        written = isinstance(self.template, dict) and key in self.template
        return (self.template, key) if written else self.spot(key)


class Text(NamedTuple):
    """A text as it is written, and the values of its variables."""

    written: str
    values: Mapping[str, Any]
    rows: Mapping[str, Spot] = _NOTHING
