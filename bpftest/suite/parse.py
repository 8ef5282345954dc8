"""A document that the schema accepts → Suite: defaults are applied, paths are relative to where bpftest runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.suite.document import InvalidDocument, read
from bpftest.suite.model import TIMEOUT_S, Case, Load, Program, Requires, Source, Suite, Written
from bpftest.suite.schema import faults as schema_faults

if TYPE_CHECKING:
    from bpftest.suite.document import Document

PROGRAM_KEYS = ("object", "source", "program", "type", "attach_type", "load")
INCLUDING = ("-idirafter", "-isystem", "-iquote", "-include", "-I")  # what follows is a path
# Longest unit first, so that "ms" is not read as "s".
SECONDS = {"min": 60.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "s": 1.0}


class InvalidSuiteFile(Exception):
    """A suite file that cannot be run; *faults* are all its mistakes, in the order of the file."""

    def __init__(self, path: str, faults: tuple[SuiteError, ...]) -> None:
        super().__init__(f"{path}: {len(faults)} mistakes")
        self.path = path
        self.faults = faults


def read_suite(path: str) -> Suite:
    """The suite at *path*. Raises InvalidSuiteFile."""
    try:
        document = read(path)
    except InvalidDocument as error:
        raise InvalidSuiteFile(path, error.faults) from None
    return suite(document)


def suite(document: Document) -> Suite:
    """The suite that *document* says. Raises InvalidSuiteFile."""
    faults = _substitute(document) or schema_faults(document)
    if faults:
        raise InvalidSuiteFile(document.path, faults)
    reading = _Reading(document)
    cases = tuple(reading.case(index) for index in range(len(document.data["cases"])))
    faults = (*reading.faults, *_repeated_names(cases))
    if faults:
        raise InvalidSuiteFile(document.path, tuple(sorted(faults, key=_position)))
    data = document.data
    return Suite(
        document.path,
        data.get("suite", ""),
        document,
        data.get("vars", {}),
        data.get("packets", {}),
        data.get("headers", {}),
        cases,
    )


def _substitute(document: Document) -> tuple[SuiteError, ...]:
    if not document.contains("$"):
        return ()
    from bpftest.suite.variables import substitute

    return substitute(document)


class _Reading:
    """The reading of one document: what its cases share, and the mistakes found so far."""

    def __init__(self, document: Document) -> None:
        self.faults: list[SuiteError] = []
        self._document = document
        self._folder = os.path.dirname(document.path)
        self._top: dict[str, Any] = document.data
        self._defaults: dict[str, Any] = self._top.get("defaults", {})
        self._shared = _layered(self._said(self._top), self._said(self._defaults))
        self._shared_program = self._program(self._shared)
        self._shared_requires = _requires(self._defaults.get("requires"))

    def case(self, index: int) -> Case:
        """The case at *index*, completed by the defaults."""
        cases: list[dict[str, Any]] = self._top["cases"]
        own = cases[index]
        document, defaults = self._document, self._defaults

        def written(key: str) -> Written | None:
            if key in own:
                return Written(document, own, key)
            return Written(document, defaults, key) if key in defaults else None

        def value(key: str, otherwise: Any = None) -> Any:
            return own[key] if key in own else defaults.get(key, otherwise)

        timeout = value("timeout")
        return Case(
            own["name"],
            Written(document, cases, index),
            self._program_of(own),
            Written(document, own, "expect"),
            written("packet"),
            written("ctx"),
            written("sockets"),
            written("maps"),
            written("globals"),
            value("repeat", 1),
            value("cpu"),
            written("flags"),
            seconds(timeout) if timeout else TIMEOUT_S,
            (*defaults.get("tags", ()), *own.get("tags", ())),
            value("skip", ""),
            value("xfail", ""),
            _requires(own["requires"]) if "requires" in own else self._shared_requires,
        )

    def _program_of(self, own: dict[str, Any]) -> Program:
        said = self._said(own)
        program = self._program(_layered(self._shared, said)) if said else self._shared_program
        if program.object is None and program.source is None:
            hint = "say 'object: file.bpf.o' or 'source: file.bpf.c', at the top or in the case"
            self.faults.append(SuiteError("no program to run", hint, self._document.key_place(own, "name")))
        return program

    def _said(self, container: dict[str, Any]) -> dict[str, Written]:
        """What *container* itself says of the program; an object beside a source is a mistake."""
        said = {key: Written(self._document, container, key) for key in PROGRAM_KEYS if key in container}
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
            Source(self._path(source["file"]) or "", self._cflags(source)) if source else None,
            value("program"),
            value("type"),
            value("attach_type"),
            Load(tuple(load.get("flags", ())), load.get("log_level", 0), tuple(load.get("also", ()))),
            said,
        )

    def _cflags(self, source: dict[str, Any]) -> tuple[str, ...]:
        """The arguments for clang; folders and files to include are relative to the suite, like every path."""
        flags: list[str] = []
        for flag in source.get("cflags", ()):
            option = next((one for one in INCLUDING if flag.startswith(one) and flag != one), "")
            if option:
                flags.append(option + os.path.join(self._folder, flag[len(option) :]))
            else:
                flags.append(os.path.join(self._folder, flag) if flags and flags[-1] in INCLUDING else flag)
        return tuple(flags)

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


def _position(fault: SuiteError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)


def _repeated_names(cases: tuple[Case, ...]) -> tuple[SuiteError, ...]:
    first: dict[str, Case] = {}
    faults = []
    for case in cases:
        before = first.setdefault(case.name, case)
        if before is not case:
            line = before.here["name"].place().line
            hint = f"the case at line {line} has this name; reports tell cases apart by it"
            faults.append(SuiteError(f"a second case named '{case.name}'", hint, case.here["name"].place()))
    return tuple(faults)
