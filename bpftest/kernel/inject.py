"""Packets that are put in where a program of another type than xdp is attached, and what comes of them.

A frame that is written to a tap goes through the kernel at once, in this process: netif_receive_skb in tun_get_user
(drivers/net/tun.c); when write(2) is over, it has been dropped, delivered, or queued in the tap that it leaves through.
What a raw socket sends does too.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel.attach import BEFORE_THE_STACK, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, attached
from bpftest.kernel.capture import Capture
from bpftest.kernel.causes import Causes
from bpftest.kernel.cgroup import raw_socket
from bpftest.kernel.door import Reply
from bpftest.kernel.run import pinned

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bpftest.kernel.door import Live, Request
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.sockets import Sockets

CHUNK = 1024  # frames that are put in before what came of them is read: each may have become eight, by then
ETH_P_ARP, ETH_P_802_2, ETH_P_802_3_MIN, VLANS = 0x0806, 0x0004, 0x0600, (0x8100, 0x88A8)  # linux/if_ether.h
ETHERNET_HEADER = 14  # bytes
NOBODY = bytes(6)  # the destination in an Ethernet header that the suite has not written


def run(program_fd: int, request: Request, live: Live, namespace: Namespace, sockets: Sockets | None) -> Reply:
    """Puts the packet in Request.repeat times while the program is attached; the reply has what came of it.

    It says nothing of what the program returned, nor how long it took. Raises RunError.
    """
    capture = Capture(request.setup, live.ingress, namespace, sockets, _seen_by_stack(live, request.data_in or b""))
    with closing(Causes(namespace, live, ())) as causes:
        if not _put_in(program_fd, request, live, namespace, capture, causes):
            return Reply(errno=errno.EINTR, timed_out=True)
        return Reply(frames=capture.frames(), received=capture.received(), causes=causes.told())


def _put_in(
    program_fd: int, request: Request, live: Live, namespace: Namespace, capture: Capture, causes: Causes
) -> bool:
    """Whether all of them were put in, in time."""
    frame = request.data_in or b""
    ends = time.monotonic() + request.timeout_s
    left = max(request.repeat, 1)
    with attached(program_fd, live, namespace, frame), _way_in(frame, live, namespace) as put_in, _on(request.cpu):
        while left:
            if time.monotonic() >= ends:
                return False
            for _ in range(min(left, CHUNK)):
                put_in()
            left -= min(left, CHUNK)
            capture.settle()
            causes.enough()
    return True


def _seen_by_stack(live: Live, frame: bytes) -> tuple[int, ...]:
    """The EtherTypes of frames that the network stack gets, for Capture."""
    if live.hook not in BEFORE_THE_STACK:
        return (ETH_P_ALL,)
    return tuple({ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, _ethertype(frame)})


def _ethertype(frame: bytes) -> int:
    """What the kernel makes of that of a frame, without the VLAN tag that it takes out: eth_type_trans."""
    first, second = (int.from_bytes(frame[at : at + 2], "big") for at in (12, 16))
    found = second if first in VLANS else first
    return found if found >= ETH_P_802_3_MIN else ETH_P_802_2


def _on(cpu: int | None) -> AbstractContextManager[None]:
    return nullcontext() if cpu is None else pinned(cpu)


class _way_in:  # noqa: N801 - reads as a word: with _way_in(..) as put_in
    """What puts the packet in once."""

    def __init__(self, frame: bytes, live: Live, namespace: Namespace) -> None:
        self._frame = frame
        self._live = live
        self._namespace = namespace
        self._socket: socket.socket | None = None

    def __enter__(self) -> Callable[[], None]:
        if not self._live.ingress:
            return self._sending(self._frame[ETHERNET_HEADER:])
        name, frame = self._live.ingress, self._frame
        if frame.startswith(NOBODY):
            frame = self._namespace.mac(name) + frame[len(NOBODY) :]
        return lambda: self._namespace.send(name, frame)

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def _sending(self, packet: bytes) -> Callable[[], None]:
        """Sends an IP packet from within the namespace, to its destination."""
        is_ipv6 = packet[:1] >= b"\x60"
        family, where = (socket.AF_INET6, packet[24:40]) if is_ipv6 else (socket.AF_INET, packet[16:20])
        try:
            destination = (socket.inet_ntop(family, where), 0)
        except ValueError:
            raise RunError("the packet is too short: it has no destination to be sent to") from None
        if self._namespace.cgroup is not None:
            sender = self._namespace.cgroup.sender(family)
        else:
            self._socket = sender = raw_socket(family)

        def send() -> None:
            try:
                sender.sendto(packet, destination)
            except PermissionError:
                pass  # a program has dropped it
            except OSError as error:
                raise RunError(
                    f"the packet to {destination[0]} cannot be sent: {os.strerror(error.errno or 0)}"
                ) from None

        return send
