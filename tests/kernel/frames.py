"""Frames for the programs of tests/programs/live.bpf.c, and the network that they go through."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from bpftest.kernel.compile import compiled
from bpftest.kernel.door import Interface, Live, Loading, Network, Reply, Request, Setup, Socket
from bpftest.kernel.session import Session

XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
LEFT, RIGHT = Interface("left", 2), Interface("right", 3)
BOTH = Network((LEFT, RIGHT))
EVERYWHERE = ("left", "right", "stack")
BROADCAST = bytes([0xFF] * 6)
MACS = {name: bytes([2, 0, 0, 0, 0, index]) for name, index in (("left", 2), ("right", 3))}
THROUGH_LEFT = Live("left")
FRAME = BROADCAST + MACS["right"] + b"\x12\x34" + bytes(50)  # of a type that nothing handles


def checksum(content: bytes) -> bytes:
    """The Internet checksum of an even number of bytes."""
    total = sum(struct.unpack(f">{len(content) // 2}H", content))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)


def udp(
    to: str,
    port: int,
    payload: bytes = b"hello",
    mac: bytes = MACS["left"],
    source: str = "10.0.0.9",
    number: int = 0,
) -> bytes:
    """A frame with UDP in IPv4."""
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, to.split(".")))
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), number, 0, 64, 17, 0) + addresses
    header = header[:10] + checksum(header) + header[12:]
    return mac + MACS["right"] + b"\x08\x00" + header + struct.pack(">HHHH", 1000, port, 8 + len(payload), 0) + payload


@contextmanager
def case(
    program: str,
    network: Network = BOTH,
    sockets: tuple[Socket, ...] = (),
    *,
    prog_type: int = XDP,
    **loading: object,
) -> Iterator[Session]:
    """A case of one program of live.bpf.c."""
    session = Session(Loading(compiled("tests/programs/live.bpf.c"), program, prog_type, **loading))  # type: ignore[arg-type]
    assert not session.report.errno, session.report
    try:
        session.begin(sockets, network)
        yield session
    finally:
        session.close()


def request(frame: bytes = FRAME, repeat: int = 1, *, live: Live | None = THROUGH_LEFT, **setup: object) -> Request:
    """A live run whose frames are wanted from everywhere."""
    wanted = Setup(**{"frames": EVERYWHERE, **setup})  # type: ignore[arg-type]
    return Request(frame, repeat=repeat, live=live, setup=wanted, timeout_s=60)


def counts(reply: Reply) -> dict[str, int]:
    """How many frames there were, by interface, where there were any."""
    assert not reply.errno, reply
    found = {caught.interface: sum(many for _, many in caught.frames) for caught in reply.frames}
    return {name: many for name, many in found.items() if many}


def frames(reply: Reply, interface: str) -> tuple[tuple[bytes, int], ...]:
    """What was caught at one of them."""
    return next(caught.frames for caught in reply.frames if caught.interface == interface)
