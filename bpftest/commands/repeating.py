"""Which of the selected cases run, in which order and how often: --lf, --ff, --shard, --count, --retries."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from bpftest.commands import quantities
from bpftest.suite.selection import numbered, unnumbered
from bpftest.suite.shards import shard, slices

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bpftest.collect import Selection
    from bpftest.commands.telling import Ready
    from bpftest.events import Event
    from bpftest.executors.worker import Overview
    from bpftest.last_run import Failed
    from bpftest.plan import Job, Plan


def arguments(parser: ArgumentParser) -> None:
    """What of the selected cases, and how often."""
    parser.add_argument(
        "--lf", "--last-failed", action="store_true", help="only cases that failed or errored when they ran last"
    )
    parser.add_argument("--ff", "--failed-first", action="store_true", help="the same ones first, then all others")
    parser.add_argument(
        "--shard", type=shard, metavar="M/N", help="the Mth of N parts of the cases; the N parts together are all"
    )
    parser.add_argument(
        "--count",
        type=quantities.number(1, quantities.TIMES_MAX),
        default=1,
        metavar="N",
        help="run each case N times, each with a result of its own",
    )
    parser.add_argument(
        "--retries",
        type=quantities.number(0, quantities.TIMES_MAX),
        default=0,
        metavar="N",
        help="run a case that fails or errors again, up to N times; one that passes then is FLAKY, and no failure",
    )
    parser.add_argument(
        "--shuffle",
        type=quantities.seed,
        metavar="[=SEED]",
        help="run the suites, and the cases of each, in another order; the one that SEED, a number, stands for",
    )
    parser.add_argument(
        "--watch", action="store_true", help="run again, until Ctrl-C, whenever a file changes that a run has read"
    )


# --- what failed --------------------------------------------------------------------------------------------------


def failed_before(options: Namespace) -> Failed:
    """What --lf and --ff go by; empty where neither is wanted. With --lf a note says so where nothing has failed."""
    if not options.lf and not options.ff:
        return {}
    from bpftest import last_run

    try:
        failed = last_run.read()
    except last_run.UnreadableError as error:
        note(f"which cases failed last is not known: {error}")
        failed = {}
    if options.lf and not failed:
        note("--lf: no case is known to have failed; all are run")
    return failed


def without_lf(options: Namespace) -> Namespace:
    """*options* for a run of all cases, since --lf has found none; a note says so."""
    note("--lf: no case that failed is among the selected ones; all of these are run")
    return Namespace(**{**vars(options), "lf": False, "watch": False})


def recorded(events: Iterable[Event], options: Namespace, selection: Selection) -> Iterable[Event]:
    """*events*; it is kept which cases have failed, for --lf, if *options* want that."""
    if options.no_artifacts:
        return events
    from bpftest.last_run import recorded

    targets = [target for _, targets in selection.files for target in targets]
    by_file = all(target.case is None and target.line is None for target in targets)
    return recorded(
        events,
        _base(options),
        whole=by_file and not (options.keyword or options.tag or options.shard),
        rerun=lambda: _rerun(options),
        warn=note,
    )


def _rerun(options: Namespace) -> str:
    """The command that runs those of these cases that failed; "" in CI, whose files are gone when it is read."""
    from bpftest.reporters.console import in_ci
    from bpftest.reporters.printable import shell_word

    if in_ci(os.environ):
        return ""
    said = [("-k", options.keyword), ("-t", options.tag), ("--dask", options.dask)]
    said += [("--var", one) for one in options.var]
    said += [("--vars-file", path) for path in options.vars_file]
    words = [word for pair in said if pair[1] for word in pair]
    paths = options.paths if options.paths != ["suites"] else []
    return " ".join(("bpftest run --lf", *map(shell_word, [*words, *paths])))


def note(what: str) -> None:
    """Tells on stderr what is worth knowing of a run."""
    from bpftest.reporters.printable import inert, plain

    print(inert(f"note: {plain(what)}"), file=sys.stderr)


# --- what runs ----------------------------------------------------------------------------------------------------


def repeated(plan: Plan, count: int) -> Plan:
    """*plan* with each job so many times in a row, each time with a name of its own."""
    return plan if count == 1 else plan._replace(jobs=tuple(_repeated(plan.jobs, count)))


def _repeated(jobs: Iterable[Job], count: int) -> Iterator[Job]:
    for job in jobs:
        for number in range(1, count + 1):
            yield job._replace(case=job.case._replace(name=numbered(job.case.name, number, count)))


def meant(plan: Plan, names: frozenset[str], options: Namespace, failed: Failed) -> tuple[str, ...]:
    """The names of the jobs of *plan*, which is ``repeated``, that run, in the order of the file.

    *names*: of the cases that are selected; *failed*: of all suites, for --lf; where there are none, all of them run.
    """
    if options.lf and failed:
        names &= _bad(plan, failed)
    base = _base(options)
    return tuple([job.case.name for job in plan.jobs if base(job.case.name) in names])


def in_order(plan: Plan, options: Namespace, failed: Failed) -> Plan:
    """*plan* with its jobs in the order that --shuffle and --ff want."""
    return _failed_first(plan if options.shuffle is None else shuffled(plan, options.shuffle), options, failed)


def shuffled(plan: Plan, seed: int) -> Plan:
    """*plan* with its jobs in the order that *seed* stands for.

    That depends on nothing else, so that a suite alone, and some of its cases, can repeat it.
    """
    import random

    return plan._replace(jobs=tuple(random.Random(seed).sample(plan.jobs, len(plan.jobs))))  # noqa: S311 - no secret


def _failed_first(plan: Plan, options: Namespace, failed: Failed) -> Plan:
    """*plan* with the jobs before all others that *failed*, if --ff is wanted."""
    if not options.ff or not (bad := _bad(plan, failed)):
        return plan
    base = _base(options)
    return plan._replace(jobs=tuple(sorted(plan.jobs, key=lambda job: base(job.case.name) not in bad)))


def _bad(plan: Plan, failed: Failed) -> frozenset[str]:
    from bpftest.last_run import key

    return failed.get(key(plan.suite.path), frozenset())


def _base(options: Namespace) -> Callable[[str], str]:
    """From the name of a job to that of its case."""
    return unnumbered if options.count > 1 else str


def shared(suites: Sequence[Overview], options: Namespace) -> list[Overview]:
    """*suites*, with the part of each that belongs to --shard."""
    if options.shard is None:
        return list(suites)
    counts = [one.chosen for one in suites]
    parts = slices(counts, options.shard, sum(counts))
    return [
        one._replace(chosen=stop - start, part=(start, stop)) for one, (start, stop) in zip(suites, parts, strict=True)
    ]


def ordered(ready: Ready, options: Namespace, failed: Failed) -> Ready:
    """The suites in the order that --shuffle and --ff want."""
    if options.shuffle is not None:
        import random

        ready = random.Random(options.shuffle).sample(ready, len(ready))  # noqa: S311 - an order, no secret
    if not options.ff:
        return ready
    from bpftest.last_run import key

    return sorted(ready, key=lambda one: key(one[1].path) not in failed)
