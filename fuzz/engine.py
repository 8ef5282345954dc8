"""Runs one target: `python -m fuzz.engine TARGET ARGUMENT...`, arguments of libFuzzer, which Atheris has in it."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from random import Random

import atheris

from fuzz import target

BYTES_IN = 3  # one mutation in so many changes bytes, where a target knows a better one
MUTATIONS_MAX = 4  # at once
APART = "bpftest.pytest_plugin"  # imports pytest


def instrumented() -> None:
    """Imports all of bpftest so that libFuzzer sees which of its branches run; what is imported later it does not."""
    import bpftest

    with atheris.instrument_imports(include=["bpftest"]):
        for module in pkgutil.walk_packages(bpftest.__path__, "bpftest."):
            if not module.name.startswith((APART, "bpftest.__main__")):
                import_module(module.name)


def main(name: str, *arguments: str) -> None:
    """Never returns: libFuzzer ends the process."""
    instrumented()
    meant = target(name)

    def mutated(data: bytes, size_max: int, seed: int) -> bytes:
        random = Random(seed)
        if random.randrange(BYTES_IN) == 0:
            return atheris.Mutate(data, size_max)
        for _ in range(random.randint(1, MUTATIONS_MAX)):
            data = meant.mutated(data, random)
        return data[:size_max]

    own = {"custom_mutator": mutated} if hasattr(meant, "mutated") else {}
    atheris.Setup([sys.argv[0], *arguments], meant.one, **own)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
