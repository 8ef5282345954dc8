"""What the files of this project hold, for targets to begin with."""

from __future__ import annotations

import glob
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = os.path.join(PROJECT, "suites")
SIZE_MAX = 32 << 10  # bytes: what is larger makes slow inputs, and says nothing new

_BLOCK = re.compile(r"```yaml[^\n]*\n(.*?)```", re.DOTALL)


def contents(*patterns: str) -> Iterator[bytes]:
    """Those of the files that match the *patterns*, as seen from the project's folder."""
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(PROJECT, pattern), recursive=True)):
            if os.path.getsize(path) <= SIZE_MAX:
                with open(path, "rb") as file:
                    yield file.read()


def suites() -> Iterator[bytes]:
    """The pieces of suites that the documentation shows, and whole ones."""
    for page in contents("README.md", "docs/**/*.md"):
        yield from (block.encode() for block in _BLOCK.findall(page.decode()))
    yield from contents("docs/examples/**/*.yaml", "suites/**/*.yaml")


def objects() -> Iterator[bytes]:
    """The compiled programs of the tests; of suites/ too, which need the kernel's types and take longer to compile."""
    from bpftest.errors import CompileError
    from bpftest.kernel.compile import compiled

    for folder in ("tests/programs", "suites"):
        for source in sorted(glob.glob(os.path.join(PROJECT, folder, "*.bpf.c"))):
            with suppress(CompileError):  # some want arguments, which their suites say
                yield from contents(compiled(source))
