"""From the arguments of a command to suites, and from suites to plans: the steps that commands share."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import BpftestError
from bpftest.events import Excerpt, InvalidSuite, Mistake
from bpftest.suite import selection
from bpftest.suite.expressions import expressions
from bpftest.suite.model import TIMEOUT_S

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping

    from bpftest.errors import Place, SuiteError
    from bpftest.packets.cache import Cache
    from bpftest.plan import Object, Plan
    from bpftest.plan.program import ObjectKey
    from bpftest.suite.model import Case, Program, Suite
    from bpftest.suite.parse import InvalidSuiteFile

FIRST = 64  # cases of a suite that are looked at before it is planned
NEVER = 1_000_000_000  # collections of the young before one of the old


class Selection(NamedTuple):
    """What the arguments mean, before any suite has been read."""

    files: tuple[tuple[str, tuple[selection.Target, ...]], ...]  # each once, in the order of the arguments
    accepts: tuple[Callable[[Case], bool], ...]  # of -k and -t: a case that is meant satisfies all
    given: Mapping[str, Any]  # variables from outside
    said: tuple[str, ...] = ()  # NAME=VALUE of each --var
    timeout_s: float = TIMEOUT_S  # of cases that say none


class Chosen(NamedTuple):
    """A suite, and which of its cases are meant."""

    suite: Suite
    names: frozenset[str]


class Collection(NamedTuple):
    """What the arguments mean: the suites in the order of the arguments, and the files that are no suites."""

    chosen: tuple[Chosen, ...]
    invalid: tuple[InvalidSuite, ...]

    @property
    def cases(self) -> int:
        """How many cases are meant."""
        return sum(len(one.names) for one in self.chosen)


def selected(options: Namespace) -> Selection:
    """What `options.paths`, `options.keyword`, `options.tag` and the variables from outside mean.

    Raises UsageError, and InvalidDocument for a file of variables.
    """
    accepts = tuple(
        make(text) for make, text in ((selection.keyword, options.keyword), (selection.tag, options.tag)) if text
    )
    files = tuple((path, tuple(targets)) for path, targets in _by_file(options.paths).items())
    timeout_s = getattr(options, "timeout", TIMEOUT_S)
    return Selection(files, accepts, _given(options), tuple(getattr(options, "var", ())), timeout_s)


def collect(options: Namespace) -> Collection:
    """The suites and cases that *options* mean. Raises UsageError, and InvalidDocument for a file of variables."""
    meant = selected(options)
    read = [chosen(meant, number) for number in range(len(meant.files))]
    gc.freeze()  # what has been read stays to the end: the collector need not look at it again and again
    suites = tuple(one for one in read if isinstance(one, Chosen))
    invalid = tuple(one for one in read if isinstance(one, InvalidSuite))
    if not invalid:
        refuse_unused(meant, (one.suite.used for one in suites))
    return Collection(suites, invalid)


def chosen(meant: Selection, number: int) -> Chosen | InvalidSuite:
    """The suite in the file with that *number*, and its cases that are meant. Raises UsageError."""
    from bpftest.suite.parse import InvalidSuiteFile, read_suite

    path, targets = meant.files[number]
    try:
        suite = read_suite(path, meant.given, meant.timeout_s)
    except InvalidSuiteFile as error:
        return invalid_suite(error)
    names = selection.names(suite, targets)
    if meant.accepts:
        cases = (case for case in suite.cases if case.name in names)
        names = frozenset(case.name for case in cases if all(accepts(case) for accepts in meant.accepts))
    return Chosen(suite, names)


def _given(options: Namespace) -> Mapping[str, Any]:
    """The variables from outside of the suites. Raises UsageError, and InvalidDocument for a file of them."""
    files, said = getattr(options, "vars_file", ()), getattr(options, "var", ())
    if not files and not said and not any(name.startswith("BPFTEST_VAR_") for name in os.environ):
        return {}
    from bpftest.suite.outside import outside

    return outside(files, os.environ, said)


def refuse_unused(meant: Selection, used: Iterable[frozenset[str]]) -> None:
    """Raises UsageError for a --var that no suite knows. *used*: what each of them does."""
    if not meant.said:
        return
    from bpftest.suite import outside

    outside.refuse_unused(meant.said, frozenset().union(*used))


def _by_file(arguments: Iterable[str]) -> dict[str, list[selection.Target]]:
    """The targets of each file, a file once, in the order of the arguments."""
    found: dict[str, list[selection.Target]] = {}
    for argument in arguments:
        target = selection.target(argument)
        for path in selection.files(target.path):
            found.setdefault(path, []).append(target)
    return found


class Planner:
    """Makes plans of suites, which share what their objects are.

    *update*: which snapshots a run writes, as packets.snapshots.Snapshots has it.
    """

    def __init__(self, update: str = "") -> None:
        self._update = update
        self._objects: dict[ObjectKey, Object | BpftestError] = {}

    def plan(self, suite: Suite) -> Plan | InvalidSuite:
        """The plan of *suite*, or what is wrong with it that only planning shows."""
        from bpftest.packets.cache import Cache

        cache = Cache(_cache_path(suite.path))
        _begin_scapy(suite, cache)
        from bpftest.plan import plan  # takes a while, in which Scapy is imported
        from bpftest.suite.parse import InvalidSuiteFile

        thresholds = gc.get_threshold()
        gc.set_threshold(*thresholds[:2], NEVER)  # plans stay: of what is old nothing becomes garbage
        try:
            _find_objects(suite, self._objects)
            return plan(suite, self._objects, cache, self._update)
        except InvalidSuiteFile as error:
            return invalid_suite(error)
        finally:
            cache.save()
            gc.set_threshold(*thresholds)
            gc.freeze()


def _begin_scapy(suite: Suite, cache: Cache) -> None:
    """Has the import of Scapy begin where one of the first cases has an expression that no run before has built."""
    from bpftest.packets.sources import Scope, is_new

    scope = Scope(suite.variables, suite.packets, suite.headers, cache=cache)
    text = next((text for text in expressions(suite.cases[:FIRST]) if is_new(text, scope)), None)
    if text is not None:
        from bpftest.packets import asking

        asking.begin(text, scope)


def plans(suites: Iterable[Chosen], update: str = "") -> tuple[tuple[Plan, ...], tuple[InvalidSuite, ...]]:
    """The plans of the suites, and the suites that turn out to be invalid when they are planned."""
    planner = Planner(update)
    made = [planner.plan(one.suite) for one in suites]
    invalid = tuple(one for one in made if isinstance(one, InvalidSuite))
    return tuple(one for one in made if not isinstance(one, InvalidSuite)), invalid


def _cache_path(suite_path: str) -> str:
    """Where the built packets of a suite are kept. Two suites that share a file would only build more often."""
    from zlib import crc32

    from bpftest.kernel.files import cache_folder

    path = os.path.abspath(suite_path).encode("utf-8", "surrogateescape")
    return os.path.join(cache_folder("packets"), f"{crc32(path):08x}.json")


def _find_objects(suite: Suite, objects: dict[ObjectKey, Object | BpftestError]) -> None:
    """Adds what the suite's programs name: compiles sources, and reads which programs an object holds."""
    from bpftest.plan import object_key

    for case in suite.cases:
        key = object_key(case.program)
        if key not in objects:
            objects[key] = _object(case.program)


def _object(program: Program) -> Object | BpftestError:
    from bpftest.elf import read_object
    from bpftest.plan import Object

    try:
        path = program.object
        if program.source is not None:
            from bpftest.kernel.compile import compiled

            path = compiled(program.source.file, program.source.cflags)
        return Object(path or "", *read_object(path or ""))
    except BpftestError as error:
        return _at(error, program)


def _at(error: BpftestError, program: Program) -> BpftestError:
    """*error* at the place where the suite names the object."""
    where = (program.places or {}).get("source" if program.source else "object")
    if error.place is None and where is not None:
        error.place = where.place()
    return error


# --- mistakes for reports -----------------------------------------------------------------------------------------

EXCERPT_ABOVE = 1  # lines shown above the one with the mistake
EXCERPT_SIZE = 4 * 1024 * 1024  # bytes; a larger file is no suite, and is not read to show a line of it


def invalid_suite(error: InvalidSuiteFile) -> InvalidSuite:
    """The event that tells of an invalid file."""
    lines = _lines(error.path)
    return InvalidSuite(error.path, tuple(_mistake(fault, error.path, lines) for fault in error.faults))


def _mistake(fault: SuiteError, path: str, lines: list[str]) -> Mistake:
    from bpftest.errors import Place

    place = fault.place or Place(path, 1, 1)
    return Mistake(fault.what, fault.hint, Excerpt(place, _around(place, lines)))


def _around(place: Place, lines: list[str]) -> tuple[tuple[int, str], ...]:
    first = max(1, place.line - EXCERPT_ABOVE)
    return tuple((number, lines[number - 1]) for number in range(first, place.line + 1) if number <= len(lines))


def _lines(path: str) -> list[str]:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > EXCERPT_SIZE:
            return []
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return []
