"""Values as YAML has them in a suite. Names come from objects of strangers: nothing in them may end its own line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bpftest.suite.document_scalars import plain_value
from bpftest.values.written import quoted

# What needs no quotes, in {} and [] neither; others than these are texts too, and quotes do no harm.
PLAIN = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./|$ -]*")
WORDS_OF_YAML_1_1 = {"y", "n", "yes", "no", "on", "off"}  # not everybody reads 1.2


def key(text: str) -> str:
    """*text* as the key of a mapping."""
    unquoted = PLAIN.fullmatch(text) and not text.endswith(" ") and text.lower() not in WORDS_OF_YAML_1_1
    return text if unquoted and _is_text(text) else quoted(text)


def scalar(text: str) -> str:
    """*text* as a value, in which a dollar sign would begin a variable."""
    return key(text.replace("$", "$$"))


def flow(value: object) -> str:
    """A value of any kind in one line: {ttl: 5, peer: 10.0.0.9}."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(str(name))}: {flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return scalar(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_text(text: str) -> bool:
    """Whether *text* without quotes is no number, no true, no null."""
    from bpftest.errors import SuiteError

    try:
        return isinstance(plain_value(text), str)
    except SuiteError:  # a number that readers take for different things
        return False
