"""Which Dask workers a suite goes to: those on which most of its cases can run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.executors.worker import Planned
    from bpftest.suite.model import Requires

    Needs = Mapping[tuple[Requires, tuple[str, ...]], int]  # how many cases have these requirements and tags


class Candidate(NamedTuple):
    """A Dask worker that can run suites."""

    host: str  # of its address: another worker there has the same kernel
    meets: frozenset[Requires]
    resources: frozenset[str]  # of which it has one at least


class Placing(NamedTuple):
    """Where a suite may run, as Dask takes it."""

    hosts: frozenset[str]
    resources: Mapping[str, int]


def needs(planned: Planned) -> Needs:
    """What the cases of *planned* need that run."""
    names = frozenset(planned.names)
    cases = (job.case for job in planned.plan.jobs)
    return Counter((case.requires, case.tags) for case in cases if case.name in names)


def placing(needed: Needs, candidates: tuple[Candidate, ...]) -> Placing:
    """Where a suite with these needs may run. At least one of *candidates*, which are not empty, always will do.

    A tag that is a resource of some Dask worker keeps a case to those workers that have it.
    """
    declared = frozenset[str]().union(*(one.resources for one in candidates))
    counts = [_runnable(needed, one, declared) for one in candidates]
    best = [one for one, count in zip(candidates, counts, strict=True) if count == max(counts)]
    wanted = declared.intersection(*(one.resources for one in best), (tag for _, tags in needed for tag in tags))
    return Placing(frozenset(one.host for one in best), dict.fromkeys(sorted(wanted), 1))


def _runnable(needed: Needs, candidate: Candidate, declared: frozenset[str]) -> int:
    """How many cases can run there."""
    return sum(
        count
        for (requires, tags), count in needed.items()
        if requires in candidate.meets and declared.intersection(tags) <= candidate.resources
    )
