"""Python values as YAML has them, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bpftest.wording import meant

BRIEF = 60  # characters of a value that an error repeats
LISTED = 20  # names that an error lists
NUMBER_BITS = 256  # beyond, a number is not written out; Python itself refuses to from 4,300 digits on


def written(value: object) -> str:
    """*value* on one line: `5`, `true`, `"text"`, `[1, 2]`, `{ttl: 5}`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > NUMBER_BITS:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(content)}" for key, content in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def brief(value: object) -> str:
    """*value* on one line, cut where it is long."""
    text = written(value)
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 3]}..."


def quoted(text: str) -> str:
    """*text* in double quotes, as YAML reads it; what does not print is escaped."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in plain) + '"'


def either(options: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, [", ".join(options[:-1]), options[-1]]))


def choices(what: str, name: object, names: Iterable[str]) -> str:
    """The hint for a *name* that is none of *names*: the nearest of them, and what they all are."""
    names = tuple(names)
    near = meant(name, names) if isinstance(name, str) else ""
    return (f"did you mean '{near}'? " if near else "") + f"its {what}: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """*names* in one line, not too many of them."""
    names = tuple(names)
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "") if names else "none"
