"""`bpftest run`: the cases of suites, on the running kernel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.commands import keeping, quantities, repeating, reporting, selecting
from bpftest.commands.exits import BAD, EMPTY, INVALID, PASSED, show_empty
from bpftest.commands.telling import nothing_ran, refused, report, whole_run, without_host
from bpftest.errors import HostError
from bpftest.events import InvalidSuite, Outcome
from bpftest.suite.model import TIMEOUT_S

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from bpftest.collect import Selection
    from bpftest.commands.telling import Ready
    from bpftest.executors.cluster import Cluster
    from bpftest.executors.worker import Overview, Planned
    from bpftest.executors.workers import Workers
    from bpftest.last_run import Failed
    from bpftest.reporters import Reporter


def arguments(parser: ArgumentParser) -> None:
    """What to run, when to stop, what to report."""
    selecting.arguments(parser)
    repeating.arguments(parser)
    parser.add_argument(
        "-x",
        "--exitfirst",
        action="store_const",
        const=1,
        dest="max_fail",
        help="stop after the first case that fails or errors",
    )
    parser.add_argument(
        "--max-fail",
        type=quantities.number(1, quantities.TIMES_MAX),
        metavar="N",
        help="stop after N cases that fail or error",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=quantities.jobs,
        default="auto",
        metavar="N",
        help="how many suites run at a time, each in a process of its own (default: auto, as many as there are CPUs)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="run the suites on the workers of the Dask cluster whose scheduler is there, such as tcp://10.0.0.1:8786",
    )
    parser.add_argument(
        "--timeout",
        type=quantities.timeout,
        default=TIMEOUT_S,
        metavar="TIME",
        help="how long a case may take that does not say so itself, such as 30s or 500ms (default: 10s)",
    )
    parser.add_argument("--allow-empty", action="store_true", help="exit 0 when no case is selected")
    parser.add_argument(
        "--fail-on-skip", action="store_true", help="exit 1 when a case is skipped, for whatever reason"
    )
    parser.add_argument(
        "--reproduce",
        action="store_true",
        help="run nothing: print the same runs as commands of bpftool, and write their files below .bpftest/reproduce",
    )
    keeping.arguments(parser)
    reporting.arguments(parser)


def run(options: Namespace) -> int:
    """Reads and plans all suites, then runs them. Gives the exit code."""
    if options.watch:
        from bpftest.commands import watching

        code = watching.watched(options.paths)
        if code is not None:
            return code
    if options.reproduce:
        from bpftest.commands import reproducing

        return reproducing.run(options)
    from bpftest.collect import selected
    from bpftest.executors.interrupts import Interrupts

    keeping.refuse_in_ci(options)
    meant = selected(options)
    failed = repeating.failed_before(options)
    with Interrupts() as interrupts, _workers(meant, options, failed) as workers:
        bad = (*BAD, Outcome.SKIPPED) if options.fail_on_skip else BAD
        reporters = reporting.reporters(options, bad)
        try:
            suites, invalid = _planned(workers, meant)
        except KeyboardInterrupt as signal:
            print(f"interrupted by {signal} before the first case", file=sys.stderr)
            return report(nothing_ran(str(signal)), reporters)
        if invalid:
            reporting.show_invalid(invalid, options)
            report(refused(invalid), reporters)
            return INVALID
        ready = [(number, one) for number, one in enumerate(repeating.shared(suites, options)) if one.chosen]
        if not ready and options.lf and failed:
            return run(repeating.without_lf(options))
        if not ready:
            kind = "note" if options.allow_empty else "error"
            show_empty(options, len(suites), sum(one.cases for one in suites), kind)
        if ready or options.dask is None:
            _prepare(workers, ready, reporters)
        if not ready:
            report(nothing_ran(), reporters)
            return PASSED if options.allow_empty else EMPTY
        ready = repeating.ordered(ready, options, failed)
        events = whole_run(workers, ready, interrupts, options.shuffle, options.max_fail)
        told = repeating.recorded(keeping.kept(events, options), options, meant)
        code = report(told, reporting.with_console(reporters, options, bad), bad)
        keeping.keep_snapshots(workers.keepsakes)
        return code


def _workers(meant: Selection, options: Namespace, failed: Failed) -> Workers | Cluster:
    """Where the suites run: in processes here, or on a Dask cluster."""
    from bpftest.executors.workers import Workers

    planning = _planning(meant, options, failed)
    paths = [path for path, _ in meant.files]
    if options.dask is None:
        return Workers(planning, paths, options.jobs)
    from argparse import Namespace

    from bpftest.executors.cluster import Cluster

    sent = Namespace(**{**vars(options), "paths": []})  # which can be very many, and have been taken into account

    def alone(number: int) -> Callable[[int], Planned | InvalidSuite]:
        return _planning(meant._replace(files=meant.files[number : number + 1]), sent, failed)

    return Cluster(options.dask, planning, alone, paths, options.jobs, repeating.note)


def _planning(meant: Selection, options: Namespace, failed: Failed) -> Callable[[int], Planned | InvalidSuite]:
    """What a worker calls to read and plan the suite with a number."""
    from bpftest.collect import Planner

    planner = Planner(options.update_snapshots)

    def plan(number: int) -> Planned | InvalidSuite:
        from bpftest.collect import chosen
        from bpftest.executors.worker import Planned

        one = chosen(meant, number)
        if isinstance(one, InvalidSuite):
            return one
        made = planner.plan(one.suite)
        if isinstance(made, InvalidSuite):
            return made
        made = repeating.repeated(made, options.count)
        names = repeating.meant(made, one.names, options, failed)
        return Planned(repeating.in_order(made, options, failed), names, options.retries)

    return plan


def _planned(workers: Workers | Cluster, meant: Selection) -> tuple[list[Overview], tuple[InvalidSuite, ...]]:
    """What there is to run, and the suites because of which nothing is. Raises UsageError."""
    from bpftest.collect import refuse_unused

    planned = workers.plan()
    invalid = tuple(one for one in planned if isinstance(one, InvalidSuite))
    suites = [one for one in planned if not isinstance(one, InvalidSuite)]
    if not invalid:
        refuse_unused(meant, (one.used for one in suites))
    return suites, invalid


def _prepare(workers: Workers | Cluster, ready: Ready, reporters: list[Reporter]) -> None:
    """Makes the workers ready to run suites. Raises HostError where they cannot, once all reports have it."""
    try:
        if ready:
            workers.prepare()
        else:
            from bpftest.executors import local

            local.refuse_machine()
    except HostError as error:
        error.hint = error.hint or f"run: {_sudo()}"
        report(without_host(workers, ready, error), reporters)
        raise


def _sudo() -> str:
    """The command that was typed, as root and with the same bpftest."""
    import os
    import shlex
    import shutil

    program = sys.argv[0]
    if os.path.basename(program) == "__main__.py":
        words = [sys.executable, "-m", "bpftest"]
    else:
        words = [os.path.abspath(shutil.which(program) or program)]
    return shlex.join(["sudo", *words, *sys.argv[1:]])
