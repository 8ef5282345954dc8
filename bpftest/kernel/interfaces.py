"""Network interfaces by ioctl(2), in the network namespace of this process.

What takes no rtnetlink is made here: a process that wants no more needs no library for it, and waits for nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import HostError, RunError
from bpftest.kernel import privileges

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.kernel.door import Interface

# linux/sockios.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFHWADDR = 0x8913, 0x8914, 0x8922, 0x8924
SIOCSIFTXQLEN, SIOCETHTOOL = 0x8943, 0x8946
TUNSETIFF, TUNSETPERSIST, TUNSETIFINDEX = 0x400454CA, 0x400454CB, 0x400454DA  # linux/if_tun.h
IFF_UP, IFF_TAP, IFF_NO_PI = 1, 2, 0x1000  # linux/if.h, linux/if_tun.h
ARPHRD_ETHER = 1  # linux/if_arp.h
ETHTOOL_GLINK, ETHTOOL_STXCSUM, ETHTOOL_SGRO = 0x0A, 0x17, 0x2C  # linux/ethtool.h

# Frames that a tap holds until they are read; one more is dropped (tun_net_xmit, tun_xdp_xmit). Twice what is sent
# before it is read: the ring's slots are freed in lots, so that one that was full a moment ago has less room.
QUEUE = 8192


def tap(wanted: Interface) -> int:
    """A new tap, down: a descriptor from which the frames are read that leave through it. Raises HostError, RunError.

    It is persistent, so that closing the descriptor is quick: it goes away with its namespace, in the background,
    where to unregister it takes the kernel 20 ms.
    """
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        what = f"an interface is a tap, and there are none here: /dev/net/tun: {error.strerror}"
        other = HostError(what, "modprobe tun; in a container: --device /dev/net/tun")
        if error.errno != errno.EACCES:
            raise other from None
        raise privileges.explained("to open /dev/net/tun, for a tap,", "CAP_DAC_OVERRIDE", other) from None
    try:
        fcntl.ioctl(descriptor, TUNSETIFINDEX, struct.pack("I", wanted.ifindex))
        fcntl.ioctl(descriptor, TUNSETIFF, _request(wanted.name, "H", IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(descriptor, TUNSETPERSIST, 1)
    except OSError as error:
        os.close(descriptor)
        raise RunError(f"interface '{wanted.name}' cannot be made: {error.strerror}") from None
    return descriptor


def mac(wanted: Interface) -> bytes:
    """The address that it has, or is to have."""
    return bytes.fromhex((wanted.mac or f"02:00:00:00:00:{wanted.ifindex:02x}").replace(":", ""))


def set_up(wanted: Interface) -> None:
    """Gives an interface that has just been made what it is to have; it stays down. Raises RunError."""
    try:
        with _control() as ask:
            ask(SIOCSIFHWADDR, _request(wanted.name, "H6s", ARPHRD_ETHER, mac(wanted)))
            ask(SIOCSIFMTU, _request(wanted.name, "i", wanted.mtu))
            ask(SIOCSIFTXQLEN, _request(wanted.name, "i", QUEUE))
    except OSError as error:
        what = f"MAC {mac(wanted).hex(':')}, MTU {wanted.mtu}"
        raise RunError(f"interface '{wanted.name}' ({what}): {error.strerror}") from None


def bring_up(name: str) -> None:
    """Brings an interface up. A new namespace has even `lo` down, and with it 127.0.0.1 and ::1 are missing."""
    with _control() as ask:
        flags = struct.unpack_from("16sh", ask(SIOCGIFFLAGS, _request(name, "h", 0)))[1]
        if not flags & IFF_UP:
            ask(SIOCSIFFLAGS, _request(name, "h", flags | IFF_UP))
    # The kernel sees to it within a second that there is a carrier, and IPv6 waits for it; to ask for it makes it do so
    # at once (linkwatch_sync_dev, called by ethtool_op_get_link).
    ethtool(name, ETHTOOL_GLINK, 0)


def leave_frames_alone(name: str) -> None:
    """Frames pass the interface as they are: none are merged on reception, checksums are there when they are sent."""
    ethtool(name, ETHTOOL_SGRO, 0)
    ethtool(name, ETHTOOL_STXCSUM, 0)


def ethtool(name: str, command: int, value: int) -> None:
    """Gives an ETHTOOL_* with struct ethtool_value, where the interface takes it."""
    import ctypes

    setting = ctypes.create_string_buffer(struct.pack("II", command, value))
    with _control() as ask:
        try:
            ask(SIOCETHTOOL, _request(name, "P", ctypes.addressof(setting)))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise


class _control:  # noqa: N801 - reads as a word: with _control() as ask
    """A socket that interfaces are asked through."""

    def __enter__(self) -> Callable[[int, bytes], bytes]:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return lambda command, request: fcntl.ioctl(self._socket, command, request)

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _request(name: str, form: str, *values: int | bytes) -> bytes:
    """A struct ifreq (linux/if.h), 40 bytes."""
    return struct.pack(f"16s{form}", name.encode(), *values).ljust(40, b"\0")


class Sent(NamedTuple):
    """What an interface has ever sent."""

    frames: int
    dropped: int  # frames that there was no room for


def sent() -> dict[str, Sent]:
    """What each interface of this process's namespace has sent, from /proc/net/dev."""
    found = {}
    with open("/proc/thread-self/net/dev", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            name, colon, counters = line.rpartition(":")
            if colon:
                numbers = counters.split()
                found[name.strip()] = Sent(int(numbers[9]), int(numbers[11]))
    return found
