"""Variables from outside of suites: from files, the environment and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError, UsageError
from bpftest.suite.document import read
from bpftest.suite.document_scalars import plain_value
from bpftest.suite.variables import NAME
from bpftest.wording import meant, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PREFIX = "BPFTEST_VAR_"


def outside(files: Iterable[str], environment: Mapping[str, str], said: Iterable[str]) -> dict[str, Any]:
    """The variables of YAML *files*, of the *environment* and those *said* as NAME=VALUE, the last the strongest.

    Raises UsageError, and SuiteError or InvalidDocument for a file that is wrong.
    """
    found: dict[str, Any] = {}
    for path in files:
        found |= _from_file(path)
    for name, text in environment.items():
        if name.startswith(PREFIX):
            found[_name(name.removeprefix(PREFIX), name)] = _value(text, name)
    for one in said:
        name, equals, text = one.partition("=")
        if not equals:
            raise UsageError(f"--var {shown(one)}: there is no '='", "--var NAME=VALUE")
        found[_name(name, f"--var {name}")] = _value(text, f"--var {name}")
    return found


def refuse_unused(said: Iterable[str], known: Collection[str]) -> None:
    """Raises UsageError for a variable *said* as NAME=VALUE that is none of those *known* to the suites."""
    for one in said:
        name = one.partition("=")[0]
        if name not in known:
            close = meant(name, known)
            hint = f"did you mean '{close}'?" if close else f"they have {', '.join(sorted(known)) or 'none'}"
            raise UsageError(f"--var {shown(name)}: no suite has a variable of this name", hint)


def _from_file(path: str) -> dict[str, Any]:
    document = read(path)
    found = document.data
    if not isinstance(found, dict):
        raise SuiteError("a file of variables is a mapping", "name: value, a line each", document.place_of(()))
    for name, value in found.items():
        if not NAME.fullmatch(name):
            hint = "a letter or _, then letters, digits and _"
            raise SuiteError(f"'{shown(name)}' is no name of a variable", hint, document.key_place(found, name))
        if isinstance(value, (dict, list)) or value is None:
            what = f"'{name}' must be text, a number or a boolean"
            raise SuiteError(what, "", document.place(found, name))
    return found


def _name(name: str, where: str) -> str:
    if NAME.fullmatch(name):
        return name
    raise UsageError(f"{shown(where)}: this is no name of a variable", "a letter or _, then letters, digits and _")


def _value(text: str, where: str) -> Any:
    """What *text* means as a scalar of YAML; in quotes, the text between them."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    try:
        value = plain_value(text)
    except SuiteError as error:
        raise UsageError(f"{shown(where)}: {error.what}", f"as text it is '\"{shown(text)}\"'") from None
    return "" if value is None and not text else value
