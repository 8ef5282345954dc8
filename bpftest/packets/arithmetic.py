"""The operators of packet expressions, each result measured before it is made."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bpftest.errors import SuiteError

SIZE_MAX = 73_152  # bytes, characters or items: the longest packet
BITS_MAX = 2_048  # of a number


def combined(operator: ast.operator, left: Any, right: Any) -> Any:
    """*left* *operator* *right* for numbers, texts, bytes and lists. Raises SuiteError."""
    if isinstance(left, int) and isinstance(right, int):
        return _number(operator, left, right)
    if isinstance(operator, ast.Add) and type(left) is type(right) and isinstance(left, (str, bytes, list, tuple)):
        return _sized(len(left) + len(right), lambda: left + right)
    if isinstance(operator, ast.Mult):
        many, times = (right, left) if isinstance(left, int) else (left, right)
        if isinstance(times, int) and isinstance(many, (str, bytes, list, tuple)):
            return _sized(len(many) * max(times, 0), lambda: many * times)
    sign = SIGNS.get(type(operator), "this operator")
    raise SuiteError(f"{sign} does not go with {kind(left)} and {kind(right)}")


def _sized(size: int, make: Callable[[], Any]) -> Any:
    if size > SIZE_MAX:
        raise SuiteError(f"this would be {size} bytes or items long, {SIZE_MAX} are allowed")
    return make()


def _number(operator: ast.operator, left: int, right: int) -> int:
    if isinstance(operator, (ast.LShift, ast.RShift)):
        if not 0 <= right <= BITS_MAX:
            raise SuiteError(f"numbers are shifted by 0 to {BITS_MAX} bits, not {right}")
        bits = left.bit_length() + right
    elif isinstance(operator, ast.Mult):
        bits = left.bit_length() + right.bit_length()
    else:
        bits = max(left.bit_length(), right.bit_length())
    if bits > BITS_MAX:
        raise SuiteError(f"numbers have at most {BITS_MAX} bits")
    compute = NUMBERS.get(type(operator))
    if compute is None:
        raise SuiteError(f"{SIGNS.get(type(operator), 'this operator')} is not for numbers in an expression")
    return compute(left, right)


NUMBERS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.BitOr: lambda a, b: a | b,
    ast.BitAnd: lambda a, b: a & b,
    ast.BitXor: lambda a, b: a ^ b,
    ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b,
}
SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}


def kind(value: Any) -> str:
    """What *value* is, in a message."""
    if hasattr(value, "add_payload"):
        return f"a layer ({type(value).__name__})"
    names: dict[type, str] = {int: "a number", bool: "a number", float: "a number", str: "text", bytes: "bytes"}
    return names.get(type(value), "nothing" if value is None else f"a {type(value).__name__}")
