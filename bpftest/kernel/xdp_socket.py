"""AF_XDP sockets: what a program redirects to an xskmap, in rings that the kernel and this process share.

Layouts and numbers: include/uapi/linux/if_xdp.h. The kernel copies the frames (XDP_COPY), which any interface can.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import privileges, syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.door import Socket

AF_XDP, SOL_XDP = 44, 283  # linux/socket.h
XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_UMEM_REG = 1, 2, 4
XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_STATISTICS = 5, 6, 7
XDP_PGOFF_RX_RING, XDP_UMEM_PGOFF_FILL_RING = 0, 0x1_0000_0000
XDP_COPY = 1 << 1
ROOM = 4096  # frames, each in a chunk of memory; as many as a live run lets go before they are read
CHUNK = 4096  # bytes; a frame with its headroom of 256 has to fit
SOCKADDR = struct.Struct("=HHIII")  # struct sockaddr_xdp
UMEM = struct.Struct("=QQIIII")  # struct xdp_umem_reg
OFFSETS = struct.Struct("=16Q")  # struct xdp_mmap_offsets: producer, consumer, desc, flags, of four rings
RX, FILL = 0, 8  # where theirs begin
DESCRIPTOR = struct.Struct("=QII")  # struct xdp_desc: addr, len, options
ADDRESS = struct.Struct("=Q")
STATISTICS = struct.Struct(
    "=6Q"
)  # struct xdp_statistics: rx_dropped, .., .., rx_ring_full, rx_fill_ring_empty_descs, ..


class XdpSocket:
    """A socket that is bound to a queue of an interface, and receives."""

    def __init__(self, wanted: Socket) -> None:
        """Raises RunError, HostError."""
        self._opened = ExitStack()
        with self._opened:
            try:
                self._open(wanted)
            except OSError as error:
                where = f"queue {wanted.queue} of '{wanted.interface}'"
                why = os.strerror(error.errno) if error.errno else "there is no such interface"  # if_nametoindex
                other = RunError(f"socket '{wanted.name}': xdp at {where}: {why}")
                if error.errno == errno.ENOBUFS:  # xdp_umem_account_pages, net/xdp/xdp_umem.c
                    what = f"socket '{wanted.name}': memory that is locked, beyond `ulimit -l`,"
                    raise privileges.explained(what, "CAP_IPC_LOCK", other) from None
                if error.errno == errno.EPERM:
                    raise privileges.explained(f"socket '{wanted.name}': xdp", "CAP_NET_RAW", other) from None
                raise other from None
            self._opened = self._opened.pop_all()

    def _open(self, wanted: Socket) -> None:
        self._socket = self._opened.enter_context(socket.socket(AF_XDP, socket.SOCK_RAW))
        self._memory = self._opened.enter_context(mmap.mmap(-1, ROOM * CHUNK))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._socket.setsockopt(SOL_XDP, XDP_UMEM_REG, UMEM.pack(start, ROOM * CHUNK, CHUNK, 0, 0, 0))
        for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING):
            self._socket.setsockopt(SOL_XDP, ring, ROOM)
        offsets = OFFSETS.unpack(self._socket.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, OFFSETS.size))
        self._arrived = self._ring((offsets[RX], offsets[RX + 1], offsets[RX + 2]), DESCRIPTOR.size, XDP_PGOFF_RX_RING)
        self._free = self._ring(
            (offsets[FILL], offsets[FILL + 1], offsets[FILL + 2]), ADDRESS.size, XDP_UMEM_PGOFF_FILL_RING
        )
        for chunk in range(ROOM):
            self._give(chunk * CHUNK)
        index = socket.if_nametoindex(wanted.interface)
        syscalls.bind(self.fileno(), SOCKADDR.pack(AF_XDP, XDP_COPY, index, wanted.queue, 0))

    def _ring(self, offsets: tuple[int, int, int], size: int, where: int) -> _Ring:
        length = offsets[2] + ROOM * size
        return _Ring(self._opened.enter_context(mmap.mmap(self.fileno(), length, offset=where)), *offsets, size)

    def fileno(self) -> int:
        """Its file descriptor."""
        return self._socket.fileno()

    def waiting(self) -> Iterator[bytes]:
        """The frames that have come; they are taken away."""
        ring = self._arrived
        while ring.consumer != ring.producer:
            address, length, _ = DESCRIPTOR.unpack_from(ring.memory, ring.place(ring.consumer))
            frame = self._memory[address : address + length]
            ring.consumer += 1
            self._give(address // CHUNK * CHUNK)
            yield frame

    def lost(self) -> int:
        """How many frames have ever found no room."""
        told = STATISTICS.unpack(self._socket.getsockopt(SOL_XDP, XDP_STATISTICS, STATISTICS.size))
        return sum((told[0], told[3], told[4]))

    def _give(self, address: int) -> None:
        """Gives the kernel a chunk to put a frame into."""
        ring = self._free
        ADDRESS.pack_into(ring.memory, ring.place(ring.producer), address)
        ring.producer += 1

    def close(self) -> None:
        """Closes it."""
        self._opened.close()


class _Ring:
    """A ring of ROOM entries. Its positions count on and on, in 32 bits."""

    def __init__(self, memory: mmap.mmap, producer: int, consumer: int, entries: int, size: int) -> None:
        """*producer*, *consumer*, *entries*: where they stand, in bytes; *size*: of an entry."""
        self.memory = memory
        self._producer, self._consumer, self._entries, self._size = producer, consumer, entries, size

    def place(self, position: int) -> int:
        return self._entries + position % ROOM * self._size

    @property
    def producer(self) -> int:
        return self._at(self._producer)

    @producer.setter
    def producer(self, position: int) -> None:
        self._set(self._producer, position)

    @property
    def consumer(self) -> int:
        return self._at(self._consumer)

    @consumer.setter
    def consumer(self, position: int) -> None:
        self._set(self._consumer, position)

    def _at(self, place: int) -> int:
        found: int = struct.unpack_from("=I", self.memory, place)[0]
        return found

    def _set(self, place: int, position: int) -> None:
        struct.pack_into("=I", self.memory, place, position & 0xFFFFFFFF)
