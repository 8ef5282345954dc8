"""Code of a test's own, run in a confined process."""

from __future__ import annotations

import ast
import ctypes
import encodings.idna  # noqa: F401 - of addresses; inside, nothing can be imported
import os
import resource
import socket
from collections.abc import Callable

from bpftest.sandbox.child import Child
from bpftest.sandbox.confinement import Limits

NAMES = {"ctypes": ctypes, "open": open, "os": os, "resource": resource, "socket": socket}


def evaluating() -> Callable[[bytes], bytes]:
    """Answers with what an expression gives, or the words of what it raises."""

    def answer(request: bytes) -> bytes:
        value: object
        try:
            value = eval(request, dict(NAMES))  # noqa: S307 - that is what it is for
        except OSError as error:
            value = error.strerror
        except (MemoryError, ValueError) as error:
            value = str(error) or "MemoryError"
        return repr(value).encode()

    return answer


class Inside:
    """Confined processes, one for each limits: Inside()("os.getuid()") gives what the expression does there."""

    def __init__(self) -> None:
        self.children: dict[Limits, Child] = {}

    def __call__(self, expression: str, limits: Limits = Limits()) -> object:  # noqa: B008 - a constant
        if limits not in self.children:
            self.children[limits] = Child(evaluating, limits)
        return ast.literal_eval(self.children[limits].ask(expression.encode(), 30).decode())

    def close(self) -> None:
        for child in self.children.values():
            child.close()
