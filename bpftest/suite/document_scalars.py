"""What a plain scalar means: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).

Everything else is text: NO, on, 12:34:56:01:02:03, 2026-01-01, 1_000 and 0b1, which YAML 1.1 takes for
booleans, numbers and dates.
"""

from __future__ import annotations

import math
import re

from bpftest.errors import SuiteError
from bpftest.suite.wording import QUOTE_TEXT
from bpftest.wording import shown

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"""(?P<decimal> [-+]?[0-9]+ )
      | (?P<octal> 0o[0-7]+ )
      | (?P<hexadecimal> 0x[0-9a-fA-F]+ )
      | (?P<fraction> [-+]? (?: \.[0-9]+ | [0-9]+(?:\.[0-9]*)? ) (?: [eE][-+]?[0-9]+ )? )
      | (?P<endless> [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN) )""",
    re.VERBOSE,
)
_BASES = {"decimal": 10, "octal": 8, "hexadecimal": 16}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")

# No type of BPF is wider than 128 bits. Python refuses to convert more than 4300 digits, from 3.10.7 on.
_LEAST, _MOST = -(1 << 127), (1 << 128) - 1
_MAX_DIGITS = 1000


def plain_value(text: str) -> Scalar:
    """What the plain scalar *text* stands for.

    A number without a fraction is an int, 1.0 and 1e3 too, as JSON Schema counts them. Raises SuiteError without
    a place for a number that readers of YAML take for different things, or that is none.
    """
    if text in _WORDS:
        return _WORDS[text]
    found = _NUMBER.fullmatch(text)
    if not found:
        return text
    if _LEADING_ZERO.match(text):
        raise SuiteError(f"{shown(text)} has a leading zero, with which some programs read it as octal", QUOTE_TEXT)
    number = _number(text, found.lastgroup or "")
    if number is None:
        raise SuiteError(f"{shown(text)} is no number of at most 128 bits", QUOTE_TEXT)
    return number


def _number(text: str, kind: str) -> int | float | None:
    """The value of *text*; None if it is none, or takes more than 128 bits."""
    if kind == "endless" or len(text) > _MAX_DIGITS:
        return None
    if kind != "fraction":
        value: int | float = int(text, _BASES[kind])
    elif math.isinf(value := float(text)):
        return None
    elif value.is_integer():
        value = int(value)
    return value if _LEAST <= value <= _MOST else None
