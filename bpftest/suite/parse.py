"""A document that the schema accepts → Suite: defaults are applied, paths are relative to where bpftest runs."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.suite.document import InvalidDocument, read
from bpftest.suite.model import (
    TIMEOUT_MAX_S,
    TIMEOUT_S,
    Case,
    Load,
    Program,
    Requires,
    Source,
    Step,
    Substituted,
    Suite,
    Written,
)
from bpftest.suite.schema import faults as schema_faults
from bpftest.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bpftest.errors import Place
    from bpftest.suite.document import Document
    from bpftest.suite.model import Ranges

_NONE: Mapping[str, Any] = MappingProxyType({})
PROGRAM_KEYS = ("object", "source", "program", "type", "attach_type", "load")
NETWORK = ("interfaces", "routes", "neighbours")
OF_A_RUN = ("packet", "ctx", "sockets", *NETWORK, "maps", "globals", "repeat", "live", "cpu", "flags", "benchmark")
OF_A_CASE = ("sockets", *NETWORK, "maps", "globals")  # what steps share instead of each having it
NOTHING: dict[str, Any] = {"expect": {}}  # of a step that expects nothing
# Longest unit first, so that "ms" is not read as "s".
SECONDS = {"min": 60.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "s": 1.0}


class InvalidSuiteFile(Exception):
    """A suite file that cannot be run; *faults* are all its mistakes, in the order of the file."""

    def __init__(self, path: str, faults: tuple[SuiteError, ...]) -> None:
        super().__init__(f"{path}: {len(faults)} mistakes")
        self.path = path
        self.faults = faults


def read_suite(path: str, given: Mapping[str, Any] = _NONE, timeout_s: float = TIMEOUT_S) -> Suite:
    """The suite at *path*. *given*, *timeout_s*: as suite() takes them. Raises InvalidSuiteFile."""
    try:
        document = read(path)
    except InvalidDocument as error:
        raise InvalidSuiteFile(path, error.faults) from None
    return suite(document, given, timeout_s)


def suite(document: Document, given: Mapping[str, Any] = _NONE, timeout_s: float = TIMEOUT_S) -> Suite:
    """The suite that *document* says, which is changed. Raises InvalidSuiteFile.

    *given*: variables from outside, stronger than its own. *timeout_s*: of cases that say none.
    """
    found = _substitute(document, given)
    faults = (*found.faults, *(fault for fault in schema_faults(document) if not _about(fault, found.unjudged)))
    if faults:
        raise InvalidSuiteFile(document.path, _in_order(faults))
    reading = _Reading(document, found.ranges, timeout_s)
    cases = tuple(reading.case(index) for index in range(len(document.data["cases"]) - found.beyond))
    faults = (*reading.faults, *_repeated_names(cases))
    if faults:
        raise InvalidSuiteFile(document.path, _in_order(faults))
    data = document.data
    return Suite(
        document.path,
        data.get("suite", ""),
        document,
        found.variables,
        data.get("packets", {}),
        data.get("headers", {}),
        cases,
        found.used,
    )


def _substitute(document: Document, given: Mapping[str, Any]) -> Substituted:
    if not any(map(document.contains, ("$", "vars", "rows", "matrix"))) and not given:
        return Substituted()
    from bpftest.suite.variables import substitute

    return substitute(document, given)


def _about(fault: SuiteError, unjudged: tuple[Place, ...]) -> bool:
    """Whether *fault* is of a text that still has the name of a variable in it."""
    here = fault.place
    return here is not None and any(
        here.line == there.line and here.column <= there.column < here.column + here.width for there in unjudged
    )


class _Reading:
    """The reading of one document: what its cases share, and the mistakes found so far."""

    def __init__(self, document: Document, ranges: Mapping[int, Ranges], timeout_s: float) -> None:
        self.faults: list[SuiteError] = []
        self._timeout_s = timeout_s
        self._document = document
        self._ranges = ranges
        self._folder = os.path.dirname(document.path)
        self._top: dict[str, Any] = document.data
        self._defaults: dict[str, Any] = self._top.get("defaults", {})
        self._shared = _layered(self._said(self._top), self._said(self._defaults))
        self._shared_program = self._program(self._shared)
        self._shared_run = self._of_a_run(self._defaults)
        self._shared_requires = _requires(self._defaults.get("requires"))

    def case(self, index: int) -> Case:
        """The case at *index*, completed by the defaults."""
        cases: list[dict[str, Any]] = self._top["cases"]
        own = cases[index]
        defaults, outer = self._defaults, self._outer(own)
        here = Written(self._document, cases, index)
        timeout_s = self._timeout(own)
        if "steps" in own:
            steps, several = self._steps(own, outer, timeout_s), outer
        else:
            program = self._program_of(own, self._said(own))
            steps, several = (self._step(own, here, "", outer, program, timeout_s),), {}
        return Case(
            own["name"],
            here,
            steps,
            outer.get("sockets"),
            outer.get("interfaces"),
            outer.get("routes"),
            outer.get("neighbours"),
            several.get("maps"),
            several.get("globals"),
            timeout_s,
            (*defaults.get("tags", ()), *own.get("tags", ())),
            own.get("skip", defaults.get("skip", "")),
            own.get("xfail", defaults.get("xfail", "")),
            _requires(own["requires"]) if "requires" in own else self._shared_requires,
            self._table(index),
            self._sweep(own),
            self._ranges.get(index),
        )

    def _timeout(self, own: dict[str, Any]) -> float:
        """The seconds that a case may take."""
        said = own if "timeout" in own else self._defaults
        if "timeout" not in said:
            return self._timeout_s
        found = seconds(said["timeout"])
        if not 0 < found <= TIMEOUT_MAX_S:
            what = f"'{shown(said['timeout'])}' is no time that a case could take"
            place = self._document.place(said, "timeout")
            self.faults.append(SuiteError(what, "such as 500ms or 30s, an hour at most", place))
        return found

    def _sweep(self, own: dict[str, Any]) -> Written | None:
        """What a case says of a sweep; steps beside it are a mistake."""
        if "sweep" not in own:
            return None
        if "steps" in own:
            hint = "make a case of the step that is to be swept, with the state that it needs"
            place = self._document.key_place(own, "sweep")
            self.faults.append(SuiteError("'sweep' is for a case without steps", hint, place))
        return Written(self._document, own, "sweep")

    def _table(self, index: int) -> Written | None:
        """The case of the file of which the case at *index* is a row."""
        spot = self._document.table(index)
        return Written(self._document, *spot) if spot else None

    def _outer(self, own: dict[str, Any]) -> dict[str, Written]:
        """What a case and the defaults say, the case first."""
        return self._shared_run | self._of_a_run(own)

    def _of_a_run(self, container: dict[str, Any]) -> dict[str, Written]:
        return {key: Written(self._document, container, key) for key in container if key in OF_A_RUN}

    def _steps(self, own: dict[str, Any], outer: dict[str, Written], timeout_s: float) -> tuple[Step, ...]:
        """The steps of a case, each completed by what the case and the defaults say of a run."""
        document, written = self._document, own["steps"]
        shared = {key: where for key, where in outer.items() if key not in OF_A_CASE}
        of_case = self._said(own)
        steps = []
        for index, one in enumerate(written):
            of_step = {key: Written(document, one, key) for key in one if key in PROGRAM_KEYS}
            inner = self._of_a_run(one)
            program = self._program_of(own, of_case | of_step)
            here = Written(document, written, index)
            steps.append(self._step(one, here, one.get("name", ""), shared | inner, program, timeout_s))
        self.faults += _wrong_steps(own, tuple(steps), document)
        return tuple(steps)

    def _step(
        self,
        own: dict[str, Any],
        here: Written,
        name: str,
        said: dict[str, Written],
        program: Program,
        timeout_s: float,
    ) -> Step:
        document = self._document
        return Step(
            here,
            program,
            Written(document, own if "expect" in own else NOTHING, "expect"),
            name,
            said.get("packet"),
            said.get("ctx"),
            said.get("maps"),
            said.get("globals"),
            said["repeat"].value if "repeat" in said else 1,
            said["cpu"].value if "cpu" in said else None,
            said.get("flags"),
            timeout_s,
            said.get("benchmark"),
            said.get("live"),
        )

    def _program_of(self, case: dict[str, Any], said: dict[str, Written]) -> Program:
        program = self._program(_layered(self._shared, said)) if said else self._shared_program
        if program.object is None and program.source is None:
            hint = "say 'object: file.bpf.o' or 'source: file.bpf.c', at the top or in the case"
            self.faults.append(SuiteError("no program to run", hint, self._document.key_place(case, "name")))
        return program

    def _said(self, container: dict[str, Any]) -> dict[str, Written]:
        """What *container* itself says of the program; an object beside a source is a mistake."""
        said = {key: Written(self._document, container, key) for key in container if key in PROGRAM_KEYS}
        if "object" in said and "source" in said:
            hint = "give the compiled object, or the C file that bpftest is to compile"
            place = said["source"].key_place()
            self.faults.append(SuiteError("'object' and 'source' do not go together", hint, place))
        return said

    def _program(self, said: dict[str, Written]) -> Program:
        def value(key: str) -> Any:
            return said[key].value if key in said else None

        source, load = value("source"), value("load") or {}
        if isinstance(source, str):
            source = {"file": source}
        return Program(
            self._path(value("object")),
            Source(self._path(source["file"]) or "", self._cflags(said["source"])) if source else None,
            value("program"),
            value("type"),
            value("attach_type"),
            Load(
                tuple(load.get("flags", ())),
                load.get("log_level", 0),
                tuple(load.get("also", ())),
                said["load"]["maps"] if "maps" in load else None,
            ),
            said,
        )

    def _cflags(self, source: Written) -> tuple[str, ...]:
        """The arguments for clang; folders and files to include are relative to the suite, like every path."""
        if not isinstance(source.value, dict) or "cflags" not in source.value:
            return ()
        from bpftest.suite.cflags import arguments  # only for suites with some

        flags = source["cflags"]
        words, mistakes = arguments(flags.value, self._folder)
        self.faults += [mistake.at(flags[number].place()) for number, mistake in mistakes.items()]
        return words

    def _path(self, path: str | None) -> str | None:
        return None if path is None else os.path.join(self._folder, path)


def _layered(outer: dict[str, Written], inner: dict[str, Written]) -> dict[str, Written]:
    """*outer* with what *inner* says instead; an object there replaces a source here, and the other way round."""
    if "object" in inner or "source" in inner:
        outer = {key: where for key, where in outer.items() if key not in ("object", "source")}
    return outer | inner


def seconds(quantity: str) -> float:
    """A time such as "1.5ms" in seconds."""
    for unit, factor in SECONDS.items():
        if quantity.endswith(unit):
            return float(quantity[: -len(unit)]) * factor
    raise ValueError(quantity)  # the schema lets no other text through


def _requires(said: dict[str, Any] | None) -> Requires:
    if not said:
        return Requires()
    lists = {key: tuple(said.get(key, ())) for key in ("arch", "types", "features", "config")}
    return Requires(said.get("kernel", ""), **lists)


def _in_order(faults: tuple[SuiteError, ...]) -> tuple[SuiteError, ...]:
    """Each mistake once, from the top of the file: the rows of a table share its mistakes."""
    unique = {str(fault): fault for fault in faults}
    return tuple(sorted(unique.values(), key=_position))


def _position(fault: SuiteError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)


def _wrong_steps(case: dict[str, Any], steps: tuple[Step, ...], document: Document) -> Iterator[SuiteError]:
    """The mistakes of a case with steps that its schema cannot tell."""
    if "expect" in case:
        hint = "put it into the last step, to look at the end of the case"
        yield SuiteError("with 'steps', each step has its own 'expect'", hint, document.key_place(case, "expect"))
    elif not any(step.expect.value for step in steps):
        hint = "a case that checks nothing would always pass: say 'expect:' in a step"
        yield SuiteError("no step expects anything", hint, document.key_place(case, "steps"))
    before: dict[str, Step] = {}
    for step in steps:
        if step.name and before.setdefault(step.name, step) is not step:
            line = before[step.name].here["name"].place().line
            what = f"a second step named '{step.name}'"
            yield SuiteError(what, f"the step at line {line} has this name", step.here["name"].place())


def _repeated_names(cases: tuple[Case, ...]) -> tuple[SuiteError, ...]:
    first: dict[str, Case] = {}
    faults = []
    for case in cases:
        before = first.setdefault(case.name, case)
        if before is case:
            continue
        place = case.here.place() if case.table else case.here["name"].place()
        line = (before.here if before.table else before.here["name"]).place().line
        hint = f"the case at line {line} has this name; reports tell cases apart by it"
        if case.table and before.table and case.table.key == before.table.key:
            hint = "say more of the row's variables in the name: reports tell cases apart by it"
        faults.append(SuiteError(f"a second case named '{case.name}'", hint, place))
    return tuple(faults)
