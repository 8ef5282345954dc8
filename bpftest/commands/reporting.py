"""How a run is reported: the arguments that say so, and the reporters. `run` and `report show` share them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bpftest.commands import quantities
from bpftest.commands.exits import console_on
from bpftest.commands.exits import show_invalid as show

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from bpftest.events import InvalidSuite, Outcome
    from bpftest.reporters import Reporter

FORMATS = ("human", "concise", "jsonl", "tap", "github")
FOR_PEOPLE = ("human", "github")  # the console's
DURATIONS = 10  # cases that --durations lists


def arguments(parser: ArgumentParser) -> None:
    """What is reported, where and how."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="human",
        help="what stands on stdout: concise for editors, jsonl a line of JSON an event, tap TAP 14; "
        "github as for people, and annotations, which are there in GitHub Actions anyway (default: human)",
    )
    for option, what in (("--json", "JSON"), ("--html", "HTML")):
        parser.add_argument(option, metavar="PATH", help=f"write {what}, whatever the outcome")
    parser.add_argument(
        "--junit-xml", "--junitxml", metavar="PATH", help="write a JUnit XML report, whatever the outcome"
    )
    parser.add_argument(
        "--junit-flavor",
        choices=("rich", "strict"),
        default="rich",
        help="strict: only what the public JUnit schemas know (default: rich)",
    )
    parser.add_argument(
        "--durations",
        type=_number,
        metavar="[=N]",
        help=f"list the N slowest cases at the end; {DURATIONS} without a number, all for 0",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_const", dest="verbosity", const=-1, default=0, help="only what did not pass"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", dest="verbosity", help="more of cases that passed; -vv: full logs"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours on the terminal (default: auto)"
    )


def _number(text: str) -> int:
    """How many cases --durations=*text* lists."""
    return quantities.number(0, quantities.TIMES_MAX)(text) if text else DURATIONS


def reporters(options: Namespace, bad: tuple[Outcome, ...]) -> list[Reporter]:
    """All that *options* ask for but the console, which tells of a run only that has begun.

    *bad*: outcomes with which the run fails.
    """
    from bpftest.reporters import factory

    made = []
    if options.format not in FOR_PEOPLE:
        takes = (bad,) if options.format == "concise" else ()
        made.append(_with_progress(factory(options.format)(sys.stdout, *takes)))
    beside = sys.stdout if options.format in FOR_PEOPLE else sys.stderr
    if options.durations is not None:
        made.append(factory("durations")(beside, options.durations))
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if in_actions or options.format == "github":
        made.append(factory("github")(beside, os.environ, bad))
    if in_actions and (page := os.environ.get("GITHUB_STEP_SUMMARY")):
        made.append(factory("github-summary")(page, bad))
    if options.junit_xml:
        made.append(factory("junit")(options.junit_xml, options.junit_flavor))
    made += [factory(name)(path) for name, path in (("json", options.json), ("html", options.html)) if path]
    return made


def with_console(others: list[Reporter], options: Namespace, bad: tuple[Outcome, ...]) -> list[Reporter]:
    """*others* behind the console, if stdout is for people."""
    if options.format not in FOR_PEOPLE:
        return others
    return [_with_progress(console_on(sys.stdout, options.color, options.verbosity, bad)), *others]


def _with_progress(report: Reporter) -> Reporter:
    """*report* with a line of progress, where a person looks on."""
    if not sys.stderr.isatty():
        return report
    from bpftest.reporters.console import in_ci
    from bpftest.reporters.progress import progress

    return report if in_ci(os.environ) else progress(report, sys.stderr)


def show_invalid(invalid: Iterable[InvalidSuite], options: Namespace) -> None:
    """Prints all mistakes of the files to stderr, unless stdout tells of them in a format of its own."""
    if options.format in FOR_PEOPLE:
        show(invalid, options.color)
