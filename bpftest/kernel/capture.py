"""Frames that leave through the interfaces of a case, that its network stack gets, and what its sockets receive.

Taps and sockets hold what comes until it is read: whoever lets many frames go calls Capture.settle in between.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import interfaces
from bpftest.kernel.door import Caught

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.door import Setup
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.sockets import Sockets
    from bpftest.kernel.xdp_socket import XdpSocket

ETH_P_ALL = 0x0003  # linux/if_ether.h
STACK = "stack"  # in Setup.frames: what the ingress passes to the network stack
PATIENCE = 1.0  # seconds, for frames that are on their way from one end of a veth to the other
FRAME_SPARE = 64  # bytes that a frame may have more than the MTU: its Ethernet header and VLAN tags
SO_MEMINFO, SK_MEMINFO_DROPS = 55, 8  # asm-generic/socket.h, linux/sock_diag.h
SOL_PACKET = 263  # linux/socket.h
PACKET_STATISTICS, PACKET_AUXDATA = 6, 8  # linux/if_packet.h
# struct tpacket_auxdata (linux/if_packet.h). The kernel takes a VLAN tag out of a frame before packet sockets get it
# (skb_vlan_untag in __netif_receive_skb_core), and tells it beside.
AUXDATA = struct.Struct("=IIIHHHH")
TP_STATUS_VLAN_VALID = 1 << 4
MACS = 12  # bytes before a VLAN tag
LARGEST = 1 << 16  # bytes of a datagram


class Capture:
    """All that comes from its making on."""

    def __init__(
        self,
        setup: Setup,
        ingress: str,
        namespace: Namespace | None,
        sockets: Sockets | None,
        ethertypes: tuple[int, ...] = (ETH_P_ALL,),
    ) -> None:
        """*setup* says what is wanted; *ingress*: the interface that "stack" is about.

        *ethertypes*: those that "stack" looks at; ETH_P_ALL looks before tc does, a single one behind it.
        """
        self._setup = setup
        self._frames: dict[str, _Source] = {}
        self._payloads: dict[str, _Source] = {}
        self._veths: list[_Source] = []
        if namespace is not None:
            self._sent = interfaces.sent()
            self._frames = {name: _tap(name, tap, namespace) for name, tap in namespace.taps.items()}
            self._veths = [_packets(name, _size(name, namespace), end) for name, end in namespace.outside.items()]
            self._frames.update((one.name, one) for one in self._veths)
            if STACK in setup.frames:
                ends = [namespace.stack(ingress, ethertype) for ethertype in ethertypes]
                self._frames[STACK] = _packets(STACK, _size(ingress, namespace), *ends)
        if sockets is not None:
            self._payloads = {name: _payloads(name, sockets.socket(name)) for name in setup.received}

    def settle(self) -> None:
        """Takes what has come, and what is still in a veth, from which a softirq delivers it to the other end."""
        self._read()
        ends = time.monotonic() + PATIENCE
        while self._veths and self._under_way() and time.monotonic() < ends:
            os.sched_yield()
            self._read()

    def frames(self) -> tuple[Caught, ...]:
        """Those of Setup.frames. Raises RunError where there was no room for some."""
        return tuple(Caught(name, tuple(self._frames[name].all())) for name in self._setup.frames)

    def received(self) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
        """(socket, its payloads) of Setup.received. Raises RunError where there was no room for some."""
        return tuple(
            (name, tuple(itertools.chain.from_iterable(itertools.repeat(*run) for run in self._payloads[name].all())))
            for name in self._setup.received
        )

    def _read(self) -> None:
        for source in (*self._frames.values(), *self._payloads.values()):
            source.read()

    def _under_way(self) -> bool:
        now = interfaces.sent()
        return any(now[one.name].frames - self._sent[one.name].frames > one.arrived + one.lost() for one in self._veths)


class _Source:
    """What comes from one descriptor, as runs of equal frames or payloads: (content, how many), in order."""

    def __init__(self, name: str, waiting: Callable[[], Iterator[bytes]], lost: Callable[[], int]) -> None:
        """*waiting*: gives what has come and takes it away. *lost*: how many have ever found no room."""
        self.name = name
        self.arrived = 0
        self._runs: list[tuple[bytes, int]] = []
        self._waiting = waiting
        for _ in waiting():  # it has come before
            pass
        self._lost = lost
        self._lost_before = lost()

    def read(self) -> None:
        for content, equal in itertools.groupby(self._waiting()):
            many = sum(1 for _ in equal)
            self.arrived += many
            if self._runs and self._runs[-1][0] == content:
                many += self._runs.pop()[1]
            self._runs.append((content, many))

    def lost(self) -> int:
        return self._lost() - self._lost_before

    def all(self) -> list[tuple[bytes, int]]:
        """Raises RunError where there was no room for some."""
        if lost := self.lost():
            what = f"{lost:,} of what came at '{self.name}' is lost: more came at once than bpftest can hold"
            raise RunError(what, "let fewer frames go: a smaller 'repeat:'")
        return self._runs


def _size(name: str, namespace: Namespace) -> int:
    """Bytes that a frame of the interface has at most."""
    return namespace.interfaces[name].mtu + FRAME_SPARE


def _tap(name: str, tap: int, namespace: Namespace) -> _Source:
    size = _size(name, namespace)

    def waiting() -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield os.read(tap, size)

    return _Source(name, waiting, lambda: interfaces.sent()[name].dropped)


def _packets(name: str, size: int, *ends: socket.socket) -> _Source:
    lost = 0

    def ever_lost() -> int:
        nonlocal lost
        # struct tpacket_stats; what is read begins at 0 again
        for end in ends:
            lost += int.from_bytes(end.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)[4:], sys.byteorder)
        return lost

    def waiting() -> Iterator[bytes]:
        space = socket.CMSG_SPACE(AUXDATA.size)
        for end in ends:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, beside, _, _ = end.recvmsg(size, space)
                    yield _tagged(frame, beside)

    return _Source(name, waiting, ever_lost)


def _tagged(frame: bytes, beside: list[tuple[int, int, bytes]]) -> bytes:
    """The frame with the VLAN tag that stood in it."""
    for level, kind, told in beside:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, *_, tci, protocol = AUXDATA.unpack(told)
            if status & TP_STATUS_VLAN_VALID:
                return frame[:MACS] + struct.pack(">HH", protocol, tci) + frame[MACS:]
    return frame


def _without_room() -> int:
    """How many datagrams sockets of this process's namespace had no room for: RcvbufErrors of UDP."""
    with open("/proc/thread-self/net/snmp", encoding="ascii") as table:
        names, numbers = (line.split() for line in table if line.startswith("Udp:"))
    found = int(numbers[names.index("RcvbufErrors")])
    with contextlib.suppress(FileNotFoundError), open("/proc/thread-self/net/snmp6", encoding="ascii") as table:
        found += sum(int(line.split()[1]) for line in table if line.startswith("Udp6RcvbufErrors"))
    return found


def _payloads(name: str, one: socket.socket | XdpSocket) -> _Source:
    if not isinstance(one, socket.socket):
        return _Source(name, one.waiting, one.lost)

    def waiting() -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield one.recv(LARGEST, socket.MSG_DONTWAIT)

    def lost() -> int:
        # What the socket has dropped may have had a wrong checksum, or a program that did not allow it; how often there
        # was no room is told of all sockets together.
        counters = struct.unpack("=9I", one.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
        dropped: int = counters[SK_MEMINFO_DROPS]
        return min(dropped, _without_room())

    return _Source(name, waiting, lost)
