"""Sockets that a case wants to be there while its program runs, in the network namespace of this process."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import privileges
from bpftest.kernel.interfaces import bring_up

if TYPE_CHECKING:
    from bpftest.kernel.door import Socket
    from bpftest.kernel.xdp_socket import XdpSocket

SO_COOKIE = 57  # asm-generic/socket.h
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h: an address may be bound that the namespace has not
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
BUFFER = 64 * 1024 * 1024  # bytes of datagrams: of a live run 4,096 come before they are read, each in a page


class Sockets:
    """Open sockets, by name."""

    def __init__(self, wanted: tuple[Socket, ...]) -> None:
        """Opens them. Raises RunError, HostError, and leaves none open then."""
        self._open: dict[str, socket.socket | XdpSocket] = {}
        try:
            bring_up("lo")
            for one in wanted:
                self._open[one.name] = _xdp(one) if one.kind == "xdp" else _opened(one)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes all of them."""
        for one in self._open.values():
            one.close()

    def descriptor(self, name: str) -> int:
        """The file descriptor of the socket *name*."""
        return self._open[name].fileno()

    def socket(self, name: str) -> socket.socket | XdpSocket:
        """The socket *name* itself."""
        return self._open[name]

    def cookies(self) -> tuple[tuple[str, int], ...]:
        """(name, SO_COOKIE) of each."""
        return tuple(
            (name, struct.unpack("=Q", one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0])
            for name, one in self._open.items()
            if isinstance(one, socket.socket)
        )


def _xdp(wanted: Socket) -> XdpSocket:
    from bpftest.kernel.xdp_socket import XdpSocket  # only for suites with one

    return XdpSocket(wanted)


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
        else:
            made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER // 2)  # the kernel doubles it
    except OSError as error:
        made.close()
        where = f"socket '{wanted.name}': {wanted.kind} at {wanted.address} port {wanted.port}"
        other = RunError(f"{where}: {error.strerror}")
        if error.errno != errno.EACCES:
            raise other from None
        raise privileges.explained(f"{where}: a port below 1024", "CAP_NET_BIND_SERVICE", other) from None
    return made
