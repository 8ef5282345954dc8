"""What a suite says, frozen. The same value on every machine."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import Place, SuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bpftest.suite.document import Document

TIMEOUT_S = 10.0  # of a case that does not say
TIMEOUT_MAX_S = 3600.0  # poll(2) counts milliseconds in an int, which ends at 24 days


class Written:
    """A value of a suite, and where it stands: `container[key]`."""

    __slots__ = ("container", "document", "key")

    def __init__(self, document: Document, container: Any, key: str | int) -> None:
        self.document = document
        self.container = container  # the dict or list that holds the value
        self.key = key

    @property
    def value(self) -> Any:
        """The value as plain data."""
        return self.container[self.key]

    def __getitem__(self, key: str | int) -> Written:
        return Written(self.document, self.container[self.key], key)

    def __contains__(self, key: str) -> bool:
        value = self.container[self.key]
        return isinstance(value, dict) and key in value

    def __iter__(self) -> Iterator[str]:
        """The keys of a mapping, in the order of the file."""
        return iter(self.value)

    def parts(self) -> list[Written]:
        """The elements of a list, or the values of a mapping, in the order of the file."""
        value = self.value
        return [Written(self.document, value, key) for key in (value if isinstance(value, dict) else range(len(value)))]

    def is_of_a_row(self) -> bool:
        """Whether a row of a table says the value."""
        return self.document.is_of_a_row(self.container, self.key)

    def line_range(self) -> tuple[int, int]:
        """The first and the last line of the value."""
        return self.document.line_range(self.container, self.key)

    def place(self) -> Place:
        """Where the value stands."""
        return self.document.place(self.container, self.key)

    def key_place(self) -> Place:
        """Where its key stands."""
        return self.document.key_place(self.container, self.key)

    def part(self, span: tuple[int, int] | None) -> Place:
        """Where (offset, width) characters inside the value's text stand; None: the value itself."""
        return self.place() if span is None else self.document.place_within(self.container, self.key, *span)


class Ranges(NamedTuple):
    """The ranges in the row of a table: its case runs with each of their values."""

    values: Mapping[str, range]  # by the name of the variable
    parts: frozenset[str]  # keys of the case under which one of them stands: packet, ctx, expect
    filled: Callable[[Mapping[str, int]], dict[str, Any]]  # the case with these values, as plain data
    row: Written  # the row

    @property
    def first(self) -> dict[str, int]:
        """The first value of each."""
        return {name: numbers[0] for name, numbers in self.values.items()}

    @property
    def last(self) -> dict[str, int]:
        """The last value of each."""
        return {name: numbers[-1] for name, numbers in self.values.items()}


class Substituted(NamedTuple):
    """What became of a document when its variables got their values."""

    faults: tuple[SuiteError, ...] = ()
    unjudged: tuple[Place, ...] = ()  # of texts that keep their variables: what the schema says of them means nothing
    variables: Mapping[str, Any] = MappingProxyType({})  # of the suite: its own and those from outside
    used: frozenset[str] = frozenset()  # the names that it declares, or that its texts name
    ranges: Mapping[int, Ranges] = MappingProxyType({})  # of the cases that have some, by number
    beyond: int = 0  # cases at the end that nobody runs: those of the last values of ranges, for the schema


class Source(NamedTuple):
    """A BPF C file to compile."""

    file: str  # as it can be opened from where bpftest runs
    cflags: tuple[str, ...] = ()


class Load(NamedTuple):
    """How a program is loaded."""

    flags: tuple[str, ...] = ()
    log_level: int = 0
    also: tuple[str, ...] = ()
    maps: Written | None = None  # sizes of maps, by name


class Program(NamedTuple):
    """Which program of which object a case runs; None is what the suite does not say."""

    object: str | None = None  # path, as it can be opened from where bpftest runs
    source: Source | None = None
    name: str | None = None  # the C function
    type: str | None = None
    attach_type: str | None = None
    load: Load = Load()
    places: Mapping[str, Written] | None = None  # by key: where each was said


class Requires(NamedTuple):
    """What must be there for a case to run."""

    kernel: str = ""
    arch: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    config: tuple[str, ...] = ()


class Step(NamedTuple):
    """One BPF_PROG_RUN of a case; a case that has no `steps` is one itself."""

    here: Written  # the step as a whole
    program: Program
    expect: Written  # empty where the step expects nothing
    name: str = ""
    packet: Written | None = None
    ctx: Written | None = None
    maps: Written | None = None
    globals: Written | None = None
    repeat: int = 1
    cpu: int | None = None
    flags: Written | None = None
    timeout_s: float = TIMEOUT_S  # of the case
    benchmark: Written | None = None
    live: Written | None = None

    def name_place(self) -> Place:
        """Where its name stands, or the step itself if it has none."""
        return self.here["name"].key_place() if "name" in self.here else self.here.place()


class Case(NamedTuple):
    """One case."""

    name: str
    here: Written  # the case as a whole
    steps: tuple[Step, ...]  # one at least
    sockets: Written | None = None
    interfaces: Written | None = None
    routes: Written | None = None
    neighbours: Written | None = None
    maps: Written | None = None  # before the first of several steps; of a single one they are the step's
    globals: Written | None = None  # the same
    timeout_s: float = TIMEOUT_S
    tags: tuple[str, ...] = ()
    skip: str = ""
    xfail: str = ""
    requires: Requires = Requires()
    table: Written | None = None  # the case of the file of which this one is a row
    sweep: Written | None = None
    ranges: Ranges | None = None  # of its row; the rest of the case has their first values

    @property
    def program(self) -> Program:
        """The program of the first step."""
        return self.steps[0].program

    def expects(self, *keys: str) -> bool:
        """Whether a step expects one of *keys*."""
        return any(key in step.expect for step in self.steps for key in keys)


class Suite(NamedTuple):
    """A suite file that is valid by itself."""

    path: str  # as the user named it
    title: str
    document: Document
    variables: Mapping[str, Any]
    packets: Mapping[str, Any]
    headers: Mapping[str, Any]
    cases: tuple[Case, ...]
    used: frozenset[str] = frozenset()  # names of variables that it declares, or that its texts name
