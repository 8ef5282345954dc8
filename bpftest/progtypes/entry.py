"""What bpftest needs to know of a program type: the shape of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_SIZE = 4096  # bytes; the limits that follow from it are explained, never enforced
ETHERNET_HEADER = 14  # bytes


_NONE: Mapping[Any, Any] = MappingProxyType({})


class CtxField(NamedTuple):
    """A member of a context struct."""

    offset: int  # bytes
    size: int  # bytes of one element
    elements: int = 1  # more than 1: an array


class Ctx(NamedTuple):
    """The context struct of program types."""

    struct: str  # its C name
    size: int  # bytes
    members: Mapping[str, CtxField]
    settable: tuple[str, ...]  # members that the kernel takes; the others must be 0
    returned: tuple[str, ...]  # members that ctx_out tells


class Run(NamedTuple):
    """One run as the kernel is asked for it; what rules look at."""

    data_in: bytes  # as the kernel gets it: behind the metadata for xdp, with an Ethernet header for all
    metadata: int = 0  # bytes
    ctx: Mapping[str, int | tuple[int, ...]] = _NONE
    link_offset: int = 0  # bytes of data_in that the program does not see


class Rule(NamedTuple):
    """Something that the kernel refuses."""

    errno: str
    key: str  # of the suite: the field that causes it
    broken: Callable[[Run], str]  # what is wrong in words, "" if nothing is
    everywhere: bool = True  # every kernel refuses it: an error of the suite. Else it only explains an errno


class ProgType(NamedTuple):
    """A program type, as bpftest needs to know it."""

    name: str  # as the suite says it
    number: int  # enum bpf_prog_type
    codes: tuple[tuple[str, int], ...]  # names of return codes; the first name of a number is the one that is shown
    ctx: Ctx
    sees: str  # the header that the program's data starts with: "ethernet" or "ip"
    rules: tuple[Rule, ...]
    flags: Mapping[str, int] = _NONE  # of BPF_PROG_RUN
    attach_types: Mapping[str, int] = _NONE  # enum bpf_attach_type
    words: Mapping[int, str] = _NONE  # what return codes without a name mean

    def return_code(self, want: int | str) -> int:
        """The signed 32-bit number of *want*, a name or a number. Raises SuiteError."""
        if isinstance(want, int):
            return want - 2**32 if want >= 2**31 else want
        for name, number in self.codes:
            if name == want:
                return number
        if not self.codes:
            raise SuiteError(f"the return codes of {self.name} have no names", "write the number")
        raise SuiteError(
            f"'{want}' is no return code of {self.name}", suggestion(want, [name for name, _ in self.codes])
        )

    def code_text(self, number: int) -> str:
        """A return code for people: the name before the number."""
        for name, code in self.codes:
            if code == number:
                return f"{name} ({number})"
        word = self.words.get(number)
        return f"{number} ({word})" if word else str(number)
