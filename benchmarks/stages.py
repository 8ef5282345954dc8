"""One stage of bpftest, measured in a process of its own; prints the nanoseconds that it took.

python -m benchmarks.stages STAGE SUITE
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.collect import Chosen
    from bpftest.events import Event
    from bpftest.plan import Plan

    Planned = tuple[Plan, frozenset[str]]


def reading(path: str) -> Callable[[], object]:
    """A suite, read and checked by its schema."""
    from bpftest.suite import schema
    from bpftest.suite.document import read

    schema._validator()  # noqa: SLF001 - made before, as the other's is

    def stage() -> None:
        assert schema.faults(read(path)) == ()

    return stage


def reading_as_usual(path: str) -> Callable[[], object]:
    """The same with PyYAML's own loader, in C, and jsonschema: without places, and with the traps of YAML 1.1."""
    import json

    import yaml
    from jsonschema import Draft7Validator

    from bpftest.suite.schema import schema_text

    validator = Draft7Validator(json.loads(schema_text()))

    def stage() -> None:
        with open(path, encoding="utf-8") as file:
            validator.validate(yaml.load(file, yaml.CSafeLoader))

    return stage


def running(path: str) -> Callable[[], object]:
    """Jobs that are planned, loaded, run and judged. An event is not kept, as a worker does not."""
    events = _events(path)
    return lambda: deque(events(), maxlen=0)


def _events(path: str) -> Callable[[], Iterator[Event]]:
    """What gives the events of a suite that is planned."""
    from bpftest.executors import local
    from bpftest.runner import run_suite

    plan, names = _planned(path)
    local.prepare()
    return lambda: run_suite(plan, names, local.RunningKernel())


def alone(path: str) -> Callable[[], object]:
    """Read, planned and run in this process."""

    def stage() -> None:
        running(path)()

    _imported()
    return stage


def by_worker(path: str) -> Callable[[], object]:
    """The same, in a worker process that tells this one."""
    from bpftest.collect import Planner, chosen, selected
    from bpftest.executors.worker import Planned
    from bpftest.executors.workers import Workers

    meant, planner = selected(_options(path)), Planner()

    def planning(number: int) -> Any:
        one: Any = chosen(meant, number)
        return Planned(planner.plan(one.suite), tuple(case.name for case in one.suite.cases))  # type: ignore[arg-type]

    def stage() -> None:
        with Workers(planning, [path], 1) as workers:
            overviews: Any = workers.plan()
            workers.prepare()
            for _ in workers.run(enumerate(overviews)):
                pass

    _imported()
    return stage


def later_case(path: str) -> Callable[[], object]:
    """The median case of a suite, but for the first one; it tells its time itself."""
    import statistics

    from bpftest.events import CaseFinished

    events = _events(path)

    def stage() -> float:
        return statistics.median([one.seconds for one in events() if isinstance(one, CaseFinished)][1:])

    return stage


def _imported() -> None:
    """What a run imports is there, for all that are compared."""
    from importlib import import_module

    from bpftest.suite import schema

    for name in ("plan", "runner", "suite.parse", "executors.local", "executors.workers"):
        import_module(f"bpftest.{name}")
    schema._validator()  # noqa: SLF001 - as a run makes it


def _planned(path: str) -> Planned:
    from bpftest.collect import collect, plans

    chosen: Chosen = collect(_options(path)).chosen[0]
    (plan,), _ = plans([chosen])
    return plan, chosen.names


def _options(path: str) -> Namespace:
    return Namespace(paths=[path], keyword=None, tag=None)


STAGES = {stage.__name__: stage for stage in (reading, reading_as_usual, running, alone, by_worker, later_case)}


def main(name: str, path: str) -> None:
    stage = STAGES[name](path)
    started = time.perf_counter_ns()
    own = stage()
    taken = time.perf_counter_ns() - started
    print(round(own * 1e9) if isinstance(own, float) else taken)


if __name__ == "__main__":
    main(*sys.argv[1:])
