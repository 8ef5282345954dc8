"""`vars:`: $name and ${name} in a suite's texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.wording import meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bpftest.suite.document import Document

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\})")


def substitute(document: Document) -> tuple[SuiteError, ...]:
    """Puts the values of the document's `vars:` in the places of their names; gives a mistake for each unknown one.

    A text that is exactly $name becomes the value with its type. `vars:` itself is left as it is.
    """
    root = document.data
    if not isinstance(root, dict):
        return ()
    variables = root.get("vars", {})
    if not isinstance(variables, dict):
        return ()  # the schema says what is wrong
    faults: list[SuiteError] = []
    seen: set[int] = {id(variables)}
    for container, key in _texts(root, seen):
        text = container[key]
        if "$" not in text:
            continue
        for found in _VARIABLE.finditer(text):
            name = found["plain"] or found["braced"]
            if name and name not in variables:
                place = document.place_within(container, key, found.start(), len(found[0]))
                faults.append(SuiteError(f"unknown variable '{name}'", _hint(name, variables), place))
        container[key] = _replaced(text, variables)
    return tuple(faults)


def _replaced(text: str, variables: Mapping[str, Any]) -> Any:
    whole = _VARIABLE.fullmatch(text)
    if whole and not whole["dollar"]:
        return variables.get(whole["plain"] or whole["braced"], text)

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        return _text(variables.get(found["plain"] or found["braced"], found[0]))

    return _VARIABLE.sub(value, text)


def _text(value: object) -> str:
    """A value inside a text, as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(node: Any, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every text below *node*, each container once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, str):
            yield node, key
        elif isinstance(value, (dict, list)):
            yield from _texts(value, seen)


def _hint(name: str, variables: Mapping[str, Any]) -> str:
    close = meant(name, variables)
    if close:
        return f"did you mean '${close}'?"
    known = f"known here: {', '.join(variables)}" if variables else "declare it under 'vars' at the top"
    return f"{known}; a dollar sign itself is $$"
