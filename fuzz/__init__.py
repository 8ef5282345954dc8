"""`make fuzz`: whatever the bytes are that bpftest reads, it gives a value or an error of its own, soon and in bounds.

A file fuzz_X.py is a target. It has two functions, and may have a third:

    seeds() -> Iterator[bytes]                   what real files hold: of suites/, tests/ and docs/, nothing is copied
    one(data: bytes) -> None                     reads *data*; any exception that comes out of it is a finding
    mutated(data: bytes, random: Random) -> bytes    another input, nearer to what people write than changed bytes are

Atheris drives them (fuzz/engine.py); without it each is a function like any other, and tests/test_fuzz_targets.py
runs them over their seeds.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))
PREFIX, ENDING = "fuzz_", ".py"
TARGETS = tuple(
    sorted(
        name.removeprefix(PREFIX).removesuffix(ENDING)
        for name in os.listdir(HERE)
        if name.startswith(PREFIX) and name.endswith(ENDING)
    )
)


def target(name: str) -> ModuleType:
    """The module of the target *name*."""
    return import_module(f"fuzz.{PREFIX}{name}")
