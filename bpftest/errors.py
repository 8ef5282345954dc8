"""Every error that bpftest raises on purpose, as a tree with a branch for each of its three readers.

    BpftestError
    ├── UsageError       who typed the command               exit 2
    ├── SuiteError       the suite's author                  exit 3, always ends up with a Place
    │   └── SuiteErrors      several of these, told together
    ├── HostError        the machine's owner                 exit 4
    └── ProgramError     the program's author                an ERROR of the case, exit 1
        ├── ObjectError      the ELF object cannot be read
        ├── CompileError     clang refused the source
        ├── LoadError        the verifier or the kernel refused the program
        ├── RunError         BPF_PROG_RUN itself failed
        ├── CaseTimeout      the case took longer than its `timeout`
        └── WorkerCrash      the process that ran the case died of it

Deep code raises without a place; the caller that knows the place adds it with ``at``. Whatever else is
raised is a bug of bpftest and keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Part = TypeVar("Part")
Made = TypeVar("Made")


class Place(NamedTuple):
    """Where something stands in a file that the user wrote."""

    path: str  # as the user named the file
    line: int  # from 1
    column: int  # from 1
    width: int = 1  # characters that the caret underlines

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class BpftestError(Exception):
    """*what* is wrong, in one line; *hint*: what to do or write instead; *place*: where, if it is known."""

    exit_code = 70

    def __init__(self, what: str, hint: str = "", place: Place | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


class UsageError(BpftestError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = 2


class SuiteError(BpftestError):
    """One mistake in a suite file.

    *span*: (offset, width) in characters, inside the text of the scalar that is wrong, where the mistake
    is a part of it (an ``ast`` node of a Scapy expression); the caller turns it into a column.
    """

    exit_code = 3

    def __init__(
        self, what: str, hint: str = "", place: Place | None = None, span: tuple[int, int] | None = None
    ) -> None:
        super().__init__(what, hint, place)
        self.span = span

    @property
    def mistakes(self) -> tuple[SuiteError, ...]:
        """This one; of SuiteErrors each of them."""
        return (self,)

    def at(self, place: Place) -> SuiteError:
        """The same mistake at *place*, unless it has one already."""
        for one in self.mistakes:
            one.place = one.place or place
        return self


class SuiteErrors(SuiteError):
    """Several mistakes of a suite that are told together, each with a place of its own."""

    def __init__(self, mistakes: tuple[SuiteError, ...]) -> None:
        super().__init__(mistakes[0].what, mistakes[0].hint)
        self._mistakes = mistakes

    @property
    def mistakes(self) -> tuple[SuiteError, ...]:
        """Each of them."""
        return self._mistakes


def each(make: Callable[[Part], Made], parts: Iterable[Part]) -> list[Made]:
    """What *make* gives for each of *parts*. Raises SuiteError for what is wrong with any of them, all at once."""
    made: list[Made] = []
    mistakes: list[SuiteError] = []
    for part in parts:
        try:
            made.append(make(part))
        except SuiteError as error:  # noqa: PERF203 - each is tried
            mistakes += error.mistakes
    if not mistakes:
        return made
    raise mistakes[0] if len(mistakes) == 1 else SuiteErrors(tuple(mistakes))


def both(first: Callable[[], Part], second: Callable[[], Made]) -> tuple[Part, Made]:
    """What *first* and *second* give. Raises SuiteError for what is wrong with either, both at once."""
    one, other = each(lambda make: make(), (first, second))
    return cast("Part", one), cast("Made", other)


class HostError(BpftestError):
    """This machine cannot run BPF tests, or lacks a tool; the hint is the command that mends it."""

    exit_code = 4


class ProgramError(BpftestError):
    """There is no verdict because of the program; *text* is what the tool itself said, at its full length."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "", place: Place | None = None, text: str = "") -> None:
        super().__init__(what, hint, place)
        self.text = text


class ObjectError(ProgramError):
    """The ELF object is missing, damaged, or does not hold what the suite asks for."""


class CompileError(ProgramError):
    """clang refused the source; *text* is its own output."""


class LoadError(ProgramError):
    """The kernel refused to load the program; *text* is the verifier's log."""


class RunError(ProgramError):
    """BPF_PROG_RUN failed with an errno, explained by the field that caused it."""


class CaseTimeout(ProgramError):
    """The case took longer than its ``timeout``."""


class WorkerCrash(ProgramError):
    """The process that ran the case died of it, by a signal or otherwise."""
