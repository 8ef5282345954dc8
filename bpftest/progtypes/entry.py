"""What bpftest needs to know of a program type: the shape of an entry."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bpftest.errors import SuiteError
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_SIZE = 4096  # bytes; the limits that follow from it are explained, never enforced
ETHERNET_HEADER = 14  # bytes


Value = int | str | list[Any] | tuple[Any, ...]  # of a member: a number, a constant's name, an address, or several

ADDRESSES = {"ip4": (2, "IPv4", "10.0.0.1"), "ip6": (10, "IPv6", "2001:db8::1")}  # form: family, name, example

_NONE: Mapping[Any, Any] = MappingProxyType({})


def _order() -> Literal["little", "big"]:
    return sys.byteorder


def _address(value: Value, form: str) -> bytes:
    from socket import inet_pton

    family, name, example = ADDRESSES[form]
    try:
        return inet_pton(family, value)  # type: ignore[arg-type]
    except (OSError, TypeError):
        raise SuiteError(f"{value!r} is no {name} address", f"such as {example}") from None


class CtxField(NamedTuple):
    """A member of a struct that the kernel takes or gives."""

    offset: int  # bytes
    size: int  # bytes of one element
    elements: int = 1  # more than 1: an array
    form: str = ""  # "": the machine's byte order; "network": big-endian; "ip4", "ip6": an address
    names: Mapping[str, int] = _NONE  # constants that people write instead of numbers

    def encoded(self, value: Value) -> bytes:
        """The member's bytes for *value*; elements that it does not have are 0. Raises SuiteError."""
        values = value if isinstance(value, (list, tuple)) else (value,)
        return b"".join(self._element(one) for one in values).ljust(self.size * self.elements, b"\0")

    def _element(self, value: Value) -> bytes:
        if self.form in ADDRESSES:
            return _address(value, self.form)
        number = self.number(value)
        if not 0 <= number < 1 << 8 * self.size:
            raise SuiteError(f"{number} does not fit {8 * self.size} bits", f"0 to {(1 << 8 * self.size) - 1}")
        return number.to_bytes(self.size, "big" if self.form == "network" else _order())

    def number(self, value: Value) -> int:
        """*value* as a number: a constant's name, true and false stand for theirs. Raises SuiteError."""
        if isinstance(value, int):
            return int(value)
        if not isinstance(value, str) or not self.names:
            raise SuiteError(f"{value!r} is no number")
        if value not in self.names:
            raise SuiteError(f"'{value}' is no constant of this field", suggestion(value, self.names))
        return self.names[value]

    def decoded(self, struct: bytes) -> Value:
        """The member in the bytes of its struct: a number, an address as text, or a tuple of them."""
        elements = tuple(
            self._read(struct[at : at + self.size])
            for at in range(self.offset, self.offset + self.size * self.elements, self.size)
        )
        return elements if self.elements > 1 else elements[0]

    def _read(self, element: bytes) -> int | str:
        if self.form in ADDRESSES:
            from socket import inet_ntop

            return inet_ntop(ADDRESSES[self.form][0], element)
        return int.from_bytes(element, "big" if self.form == "network" else _order())

    def text(self, value: Value) -> str:
        """*value* for people: a constant's name before its number."""
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(self.text(one) for one in value) + "]"
        if isinstance(value, str) and value not in self.names:
            return value
        number = self.number(value)
        name = next((name for name, constant in self.names.items() if constant == number), "")
        if name:
            return f"{name} ({number})"
        return f"{number} ({number:#x})" if number > 9 else str(number)


class Ctx(NamedTuple):
    """The context struct of program types."""

    struct: str  # its C name
    size: int  # bytes
    members: Mapping[str, CtxField]
    settable: tuple[str, ...]  # members that the kernel takes; the others must be 0
    returned: tuple[str, ...]  # members that ctx_out tells
    required: bool = False  # the kernel refuses a run without it

    def encoded(self, values: Mapping[str, Value]) -> bytes:
        """The struct with these members, all else 0. Raises SuiteError."""
        data = bytearray(self.size)
        for name, value in values.items():
            member = self.members[name]
            data[member.offset : member.offset + member.size * member.elements] = member.encoded(value)
        return bytes(data)


class Run(NamedTuple):
    """One run as the kernel is asked for it; what rules look at."""

    data_in: bytes  # as the kernel gets it, behind the metadata for xdp
    metadata: int = 0  # bytes
    ctx: Mapping[str, Value] = _NONE  # members by name, constants as numbers
    unseen: int = 0  # bytes of data_in that the program does not see: the Ethernet header
    ctx_size: int = 0  # bytes of ctx_in
    attach_type: str = ""  # what the suite or the section says; "": nothing
    cpu: int | None = None  # where the run is to be; None: anywhere
    interfaces: Mapping[str, int] = MappingProxyType({"lo": 1})  # that there are, with their indices
    batch_size: int = 0  # of live frames; 0: they are not live

    def missing_interface(self, index: object) -> str:
        """That there is no interface of this index, in words."""
        there = ", ".join(f"{name} ({number})" for name, number in self.interfaces.items())
        return f"there is no interface {index} in bpftest's network namespace, only {there}"


class Rule(NamedTuple):
    """Something that the kernel refuses, or takes and does not look at."""

    errno: str  # "": it is ignored
    key: str  # of the suite: the field that causes it
    broken: Callable[[Run], str]  # what is wrong in words, "" if nothing is
    everywhere: bool = True  # every kernel refuses it: an error of the suite. Else it only explains an errno


class ProgType(NamedTuple):
    """A program type, as bpftest needs to know it."""

    name: str  # as the suite says it
    number: int  # enum bpf_prog_type
    codes: tuple[tuple[str, int], ...] = ()  # names of return codes; the first of a number is the one that is shown
    words: Mapping[int, str] = _NONE  # what return codes without a name mean
    sees: str = ""  # what the program's data starts with: "ethernet", "ip"; "hook": see netfilter; "": it has no packet
    sizes: str = ""  # of a packet, or of the ctx of a type that has none
    gives: str = ""  # what comes back as data: "packet", "flow_keys"; "": nothing
    ctx_kind: str = ""  # how `ctx` is said: "struct", "args", "btf", "state"; "": not at all
    ctx: Ctx | None = None  # for ctx_kind "struct"
    rules: tuple[Rule, ...] = ()
    flags: Mapping[str, int] = _NONE  # of BPF_PROG_RUN
    attach_types: Mapping[str, int] = _NONE  # enum bpf_attach_type
    attach_type: int | None = None  # what is needed where libbpf does not know the section
    repeats: bool = True  # the kernel takes `repeat`
    attached: bool = False  # the program is attached, and the run makes the kernel call what it is attached to
    extras: tuple[str, ...] = ()  # keys of `expect` that only few types have
    load_flags: int = 0  # BPF_F_* of BPF_PROG_LOAD that the type cannot do without
    since: str = ""  # the release of Linux whose BPF_PROG_RUN first took the type
    notes: str = ""  # what surprises, a line each

    @property
    def takes(self) -> tuple[str, ...]:
        """Of the keys of a case that some types do not take, those that this one takes."""
        there = {"packet": self.sees, "ctx": self.ctx_kind, "repeat": self.repeats, "flags": self.flags}
        return tuple(key for key, taken in there.items() if taken)

    @property
    def gives_back(self) -> tuple[str, ...]:
        """The keys of `expect` for what BPF_PROG_RUN gives back; what a program leaves elsewhere is not among them."""
        ctx = self.ctx.returned if self.ctx else self.ctx_kind in ("btf", "state")
        return ("retval", *(("output",) if self.gives else ()), *(("ctx",) if ctx else ()), *self.extras)

    def refusal(self, key: str) -> SuiteError:
        """The mistake of a case that says *key*, which the type does not take."""
        keys = ", ".join(self.takes) or "none of packet, ctx, repeat, flags"
        return SuiteError(f"{self.name} takes no {key}", f"leave it out; {self.name} takes: {keys}")

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
