"""Sockets that a case wants to be there while its program runs, in the network namespace of this process."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import TYPE_CHECKING

from bpftest.errors import RunError

if TYPE_CHECKING:
    from types import TracebackType

    from bpftest.kernel.door import Socket

SO_COOKIE = 57  # asm-generic/socket.h
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h: an address may be bound that the namespace has not
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


class Sockets:
    """Open sockets by name, as long as the block lasts."""

    def __init__(self, wanted: tuple[Socket, ...]) -> None:
        self._wanted = wanted
        self._open: dict[str, socket.socket] = {}

    def __enter__(self) -> Sockets:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        try:
            if self._wanted:
                _bring_lo_up()
            for one in self._wanted:
                self._open[one.name] = _opened(one)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one in self._open.values():
            one.close()

    def descriptor(self, name: str) -> int:
        """The file descriptor of the socket *name*."""
        return self._open[name].fileno()

    def cookies(self) -> tuple[tuple[str, int], ...]:
        """(name, SO_COOKIE) of each."""
        return tuple(
            (name, struct.unpack("=Q", one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0])
            for name, one in self._open.items()
        )


def _opened(wanted: Socket) -> socket.socket:
    family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
    kind = socket.SOCK_STREAM if wanted.kind == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        made.bind((wanted.address, wanted.port))
        if kind == socket.SOCK_STREAM:
            made.listen()
    except OSError as error:
        made.close()
        where = f"{wanted.address} port {wanted.port}"
        raise RunError(f"socket '{wanted.name}': {wanted.kind} at {where}: {error.strerror}") from None
    return made


def _bring_lo_up() -> None:
    """A new namespace has its loopback interface down, and with it 127.0.0.1 and ::1 are missing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack_from("16sh", asked)[1]
        if not flags & IFF_UP:
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
