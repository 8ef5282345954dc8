"""A struct with every kind of member: what a suite writes is what C sees, and what C writes is what is read back.

The program of all_members.bpf.c copies each member into a number of its own, or out of it. The object itself lists
the members, and says how C sees each: "SIGNED 5 rows[1].rank".
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.kernel.door import Also, Loading, Patch, Read, Request, Setup, Write
from bpftest.kernel.session import Session
from bpftest.values import decode, differences, encode
from tests.kernel.conftest import Build

pytestmark = pytest.mark.kernel

SCHED_CLS = 3  # enum bpf_prog_type
KEY = bytes(4)
NUMBER = 16  # bytes

Numbers = dict[str, int]  # by member, as C sees them

# The enums of the C file, by the members that hold them.
VERDICT = {1: "DROP", 2: "PASS", 3: "TX"}
BALANCE = {-1: "OWING", 0: "EVEN", 1: "AHEAD"}
CONSTANTS = {
    "verdict": VERDICT,
    "small": VERDICT,
    "balance": BALANCE,
    "change": BALANCE,
    "wide": {1: "NEAR", 0x100000000: "FAR"},
    "tiny": {0: "OFF", 1: "ON"},
}
REALS = {32: ("=I", "=f"), 64: ("=Q", "=d")}  # C sees their bits; of the struct module
# Members that are in the same place; a suite writes one of them, and the first is what is read back.
UNIONS = (("v4", "raw"), ("whole", "halves", "octets"))


class Member(NamedTuple):
    """How C sees a member."""

    view: str
    bits: int
    path: str  # "rows[1].rank"

    @property
    def signed(self) -> bool:
        return self.view == "SIGNED"

    def number(self) -> st.SearchStrategy[int]:
        """What it can be."""
        if self.view == "REAL":
            integer, real = REALS[self.bits]
            reals = st.floats(width=self.bits, allow_nan=False)
            return reals.map(lambda one: struct.unpack(integer, struct.pack(real, one))[0])
        if self.view == "TEXT":
            return st.sampled_from(b"az~\0")
        if self.view == "BOOLEAN":
            return st.integers(0, 1)
        least = -(1 << self.bits - 1) if self.signed else 0
        greatest = least + (1 << self.bits) - 1
        return st.sampled_from([least, greatest, *CONSTANTS.get(self.path, ())]) | st.integers(least, greatest)

    def said(self, number: int) -> object:
        """The number in a suite's words."""
        if self.view == "REAL":
            integer, real = REALS[self.bits]
            return struct.unpack(real, struct.pack(integer, number))[0]
        if self.view == "IP4":
            return str(IPv4Address(number))
        return number == 1 if self.view == "BOOLEAN" else CONSTANTS.get(self.path, {}).get(number, number)


def text(octets: bytes) -> object:
    content = octets.rstrip(b"\0")
    return {"hex": octets.hex(" ")} if b"\0" in content else content.decode()


# Arrays that have a word of their own.
ARRAYS: dict[str, Callable[[list[int]], object]] = {
    "IP6": lambda words: str(IPv6Address(struct.pack(">4I", *words))),
    "MAC": lambda octets: bytes(octets).hex(":"),
    "OCTET": lambda octets: {"hex": bytes(octets).hex(" ")},
    "TEXT": lambda octets: text(bytes(octets)),
}


def value_of(members: Iterable[Member], numbers: Numbers) -> Any:
    """The struct in a suite's words."""
    tree: dict[str, Any] = {}
    for member in members:
        *outer, last = re.findall(r"\w+", member.path)
        inside = tree
        for step in outer:
            inside = inside.setdefault(step, {})
        inside[last] = (member, numbers[member.path])
    return _value(tree)


def _value(branch: Any) -> object:
    if isinstance(branch, tuple):
        member, number = branch
        return member.said(number)
    if "0" not in branch:
        return {name: _value(inner) for name, inner in branch.items()}
    elements = list(branch.values())
    view = elements[0][0].view if isinstance(elements[0], tuple) else ""
    return ARRAYS[view]([number for _, number in elements]) if view in ARRAYS else [*map(_value, elements)]


def with_unions(numbers: Numbers) -> Numbers:
    """*numbers*, those in a union as its first member has them."""
    raw = struct.pack(">I", numbers["v4"])
    octets = struct.pack("=Q", numbers["choice.whole"])
    halves = struct.unpack("=II", octets)
    return {
        **numbers,
        **{f"raw[{index}]": number for index, number in enumerate(raw)},
        **{f"choice.octets[{index}]": number for index, number in enumerate(octets)},
        **{f"choice.halves[{index}]": number for index, number in enumerate(halves)},
    }


class Program:
    """The loaded object, and a struct of it: in a map or a global variable."""

    def __init__(self, session: Session, btf: Btf, members: tuple[Member, ...], place: str) -> None:
        self.session, self.btf, self.members, self.place = session, btf, members, place
        types = {variable.name: variable.type for variable in btf.variables()}
        self.type = types["global"]
        self.numbers = st.fixed_dictionaries({member.path: member.number() for member in members})

    def run(self, program: str, setup: Setup) -> tuple[bytes, ...]:
        """What the sections that *setup* reads hold after a run of *program*."""
        self.session.begin()
        reply = self.session.run(Request(bytes(64), program=f"{program}_{self.place}", setup=setup))
        self.session.end()
        assert (reply.errno, reply.retval) == (0, len(self.members))
        return tuple(value or b"" for contents in reply.contents for _, value in contents.entries)

    def seen(self, content: bytes) -> Numbers:
        """What C sees in the struct that has these bytes."""
        read = (Read(".data.numbers"),)
        if self.place == "map":
            (found,) = self.run("see", Setup(writes=(Write("kept", KEY, content),), reads=read))
        else:
            (found,) = self.run("see", Setup(patches=(Patch(".data.global", 0, content),), reads=read))
        numbers = [found[at : at + NUMBER] for at in range(0, len(found), NUMBER)]
        return {
            member.path: int.from_bytes(number, sys.byteorder, signed=member.signed)
            for member, number in zip(self.members, numbers, strict=True)
        }

    def written(self, numbers: Numbers) -> bytes:
        """The struct that C makes of the numbers."""
        content = b"".join(
            numbers[member.path].to_bytes(NUMBER, sys.byteorder, signed=member.signed) for member in self.members
        )
        kept = Read("kept" if self.place == "map" else ".data.global")
        (made,) = self.run("put", Setup(patches=(Patch(".data.numbers", 0, content),), reads=(kept,)))
        return made

    def encoded(self, value: object) -> bytes:
        return encode(self.btf, self.type, value)

    def decoded(self, content: bytes) -> Any:
        return decode(self.btf, self.type, content)


def members_of(names: bytes) -> Iterator[Member]:
    """What the object's own list says."""
    for name in names.decode().split("\0"):
        if name:
            view, bits, path = name.split()
            yield Member(view, int(bits), path)


@pytest.fixture(params=[(), ("-DPACKED",)], ids=["padded", "packed"])
def path(request: pytest.FixtureRequest, build: Build) -> str:
    return build("all_members", *request.param)


@pytest.fixture(params=["map", "global"])
def program(request: pytest.FixtureRequest, path: str) -> Iterator[Program]:
    place = request.param
    content = read_object(path)
    (names,) = (variable.content for variable in content.variables if variable.name == "names")
    session = Session(Loading(path, f"see_{place}", SCHED_CLS, also=(Also(f"put_{place}"),), plain=True))
    yield Program(session, Btf(content.btf), tuple(members_of(names)), place)
    session.close()


thorough = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=30,
    phases=[Phase.generate],  # to shrink 120 numbers takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each run writes all that it reads
)


def chosen(data: st.DataObject, program: Program) -> Numbers:
    return with_unions(data.draw(program.numbers))


def without(members: Iterable[Member], names: Iterable[str]) -> list[Member]:
    return [member for member in members if not set(names) & set(re.findall(r"\w+", member.path))]


@given(data=st.data())
@thorough
def test_c_sees_what_a_suite_writes(program: Program, data: st.DataObject) -> None:
    numbers = chosen(data, program)
    others = [name for union in UNIONS for name in set(union) - {data.draw(st.sampled_from(union))}]

    content = program.encoded(value_of(without(program.members, others), numbers))

    assert program.seen(content) == numbers


@given(data=st.data())
@thorough
def test_what_c_writes_is_read_back(program: Program, data: st.DataObject) -> None:
    numbers = chosen(data, program)
    others = [name for _, *names in UNIONS for name in names]

    content = program.written(numbers)

    assert program.decoded(content) == value_of(without(program.members, others), numbers)
    assert program.encoded(program.decoded(content)) == content
    assert differences(program.btf, program.type, value_of(program.members, numbers), content) == ()


def test_a_difference_in_any_member_is_told_by_its_path(program: Program) -> None:
    zeros = dict.fromkeys((member.path for member in program.members), 0)
    alone = without(program.members, [name for union in UNIONS for name in union])
    nothing = value_of(alone, zeros)

    told = [
        [one.path for one in differences(program.btf, program.type, nothing, content)]
        for content in (program.written({**zeros, member.path: -1 if member.signed else 1}) for member in alone)
    ]

    assert told == [
        [f"value.{re.sub(r'.[0-9].$', '', member.path) if member.view in ARRAYS else member.path}"] for member in alone
    ]
