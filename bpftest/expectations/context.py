"""What expectations share: what they may know of their case, and how a check finds and shows what it looks at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.events import Excerpt, Finding
from bpftest.kernel.door import Observation
from bpftest.packets import framing
from bpftest.progtypes.xdp import XDP_MD

if TYPE_CHECKING:
    from bpftest.btf import Btf
    from bpftest.elf import ElfVariable
    from bpftest.kernel.door import Handle, Live, Read, Reply, Route, Size
    from bpftest.packets.sources import Scope
    from bpftest.progtypes import ProgType
    from bpftest.suite.model import Written

Check = Callable[[Observation], Finding]


class Looks(NamedTuple):
    """What is looked at around a run, in the terms of the kernel's door."""

    before: tuple[Read, ...] = ()
    reads: tuple[Read, ...] = ()  # after it
    records: tuple[str, ...] = ()
    handles: tuple[Handle, ...] = ()
    counted: tuple[str, ...] = ()  # programs whose runs are counted

    def and_those(self, others: Looks) -> Looks:
        """Both together."""
        return Looks(
            self.before + others.before,
            self.reads + others.reads,
            self.records + others.records,
            self.handles + others.handles,
            self.counted + others.counted,
        )


class Looking:
    """A check that wants something to be looked at."""

    __slots__ = ("_check", "looks")

    def __init__(self, check: Check, looks: Looks) -> None:
        self._check = check
        self.looks = looks

    def __call__(self, observation: Observation) -> Finding:
        """What the check finds."""
        return self._check(observation)


LOOPBACK: Mapping[str, int] = MappingProxyType({"lo": 1})  # of every network namespace: include/net/flow.h


def _no_types() -> Btf:
    raise SuiteError("the types of the object are not known", "compile it with clang -g")


class Context(NamedTuple):
    """What an expectation may need to know of its step."""

    prog_type: ProgType
    scope: Scope
    link: str = ""  # the first header of the packet: "ethernet" or "ip"
    chain: tuple[str, ...] = ()  # as in sources.Packet, of the packet that goes in
    types: Callable[[], Btf] = _no_types  # of the object; reads them when they are needed
    variables: tuple[ElfVariable, ...] = ()  # of the object
    programs: tuple[str, ...] = ()  # names of the object's programs
    sockets: tuple[str, ...] = ()  # names of the case's sockets
    struct: int = 0  # BTF id of the context's type, where the suite names it
    sizes: tuple[Size, ...] = ()  # of maps, where the suite says others than the object
    interfaces: Mapping[str, int] = LOOPBACK  # indices of the interfaces that there are, by name
    routes: tuple[Route, ...] = ()  # of the case
    live: Live | None = None  # how frames really go through the program; None: they do not

    def output(self, observation: Observation) -> bytes:
        """The packet after the run, with an Ethernet header if the suite's packet has one, without metadata."""
        reply = reply_of(observation)
        data = reply.data_out
        if self.prog_type.sees == "ip":  # the kernel gives 14 zero bytes for the header that it took off
            ip_packet = data[framing.ETHERNET_HEADER :]
            ethernet = observation.packet[: framing.ETHERNET_HEADER]
            return framing.with_ethernet(ip_packet, ethernet) if self.link == "ethernet" else ip_packet
        return data[self.metadata_length(reply) :]

    def metadata_length(self, reply: Reply) -> int:
        """Bytes of XDP metadata at the start of data_out: xdp_md.data counts from data_meta."""
        return int.from_bytes(reply.ctx_out[:4], sys.byteorder) if self.prog_type.ctx is XDP_MD else 0


def excerpt(want: Written) -> Excerpt:
    """The lines of the suite that say *want*."""
    place = want.key_place() if isinstance(want.key, str) and not want.is_of_a_row() else want.place()
    return Excerpt(place, want.document.lines(place.line, place.line))


def placed(want: Written, look_up: Callable[[Any], Any]) -> Any:
    """What *look_up* gives for the value of *want*. A SuiteError of it gets the place of *want*."""
    try:
        return look_up(want.value)
    except SuiteError as error:
        raise error.at(want.part(error.span)) from None


def reply_of(observation: Observation) -> Reply:
    """The reply of a case that runs something."""
    if observation.reply is None:
        raise AssertionError("a case that runs nothing has no such expectation")
    return observation.reply
