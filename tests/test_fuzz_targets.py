"""The targets of `make fuzz` find nothing in what real files hold, nor in a change or two of it."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from fuzz import TARGETS, target

SEEDS_MAX = 5  # of a target: they are to work, and not to look for something


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing_in_its_seeds(name: str) -> None:
    module = target(name)
    seeds = list(islice(module.seeds(), SEEDS_MAX))

    assert seeds
    for number, seed in enumerate(seeds):
        module.one(seed)
        if hasattr(module, "mutated"):
            module.one(module.mutated(seed, Random(number)))  # noqa: S311 - the same every time
