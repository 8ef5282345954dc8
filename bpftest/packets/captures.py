"""Frames of pcap and pcapng files, also of those that gzip has packed.

The file may be anybody's, so every length in it is checked before it is believed. Formats: pcap(5) and pcapng(5) as
https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/ has them; numbers of link types: https://www.tcpdump.org/linktypes.html
"""

from __future__ import annotations

import functools
import os
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPTURE_MAX = 64 << 20  # bytes, unpacked too
FRAME_MAX = 256 << 10  # bytes: MAXIMUM_SNAPLEN of libpcap

LINKS = {1: "ethernet", 12: "ip", 14: "ip", 101: "ip", 228: "ip", 229: "ip"}
COOKED = (113, 276)  # LINUX_SLL, LINUX_SLL2

ORDERS = {  # the first four bytes of a pcap file → its byte order; those of a file with nanoseconds too
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
}
GZIP = b"\x1f\x8b"
SECTION = b"\x0a\x0d\x0d\x0a"  # the type of a section header block, the same in both byte orders
SECTION_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET = 1, 2, 3, 6  # types of blocks
FCS_PRESENT = 1 << 26  # in the link type of a pcap file: frames end with their frame check sequence


class Frame(NamedTuple):
    """One frame of a capture."""

    data: bytes
    link_type: int  # LINKTYPE_ number
    length: int  # bytes on the wire; more than data has where the capture cut it off


class Interface(NamedTuple):
    """An interface of a section of a pcapng file."""

    link_type: int
    limit: int  # bytes of a frame that were kept; 0: all


def frame(folder: str, name: str, index: int | None) -> tuple[bytes, str]:
    """(bytes, link as in sources.Packet) of frame *index*, from 1, of the capture *name* in *folder*.

    *index* None: the only one. Raises SuiteError.
    """
    found = frames(folder, name)
    if index is None and len(found) != 1:
        hint = "say which: {pcap: .., index: 1} is the first"
        raise SuiteError(f"{name} has {_counted(len(found))}", hint if found else "")
    index = index or 1
    if index > len(found):
        raise SuiteError(f"{name} has only {_counted(len(found))}" if found else f"{name} has no frame")
    return whole(found[index - 1], name, index)


def whole(one: Frame, name: str, index: int) -> tuple[bytes, str]:
    """(bytes, link as in sources.Packet) of frame *index*, from 1, of the capture *name*.

    Raises SuiteError for a frame that was cut off, or is of a link type that cannot be used.
    """
    if one.length > len(one.data):
        what = f"frame {index} of {name} was cut off when it was captured: {len(one.data)} of {one.length} bytes"
        raise SuiteError(what, "capture whole frames: tcpdump -s 0")
    return one.data, _link(one, name)


def count_frames(folder: str, name: str) -> int:
    """How many frames the capture *name* in *folder* has, at least one. Raises SuiteError."""
    count = len(frames(folder, name))
    if not count:
        raise SuiteError(f"{name} has no frame")
    return count


def frames(folder: str, name: str) -> tuple[Frame, ...]:
    """The frames of the capture *name* in *folder*. Raises SuiteError."""
    path = os.path.join(folder, name)
    try:
        status = os.stat(path)
        return _read(path, name, (status.st_ino, status.st_size, status.st_mtime_ns))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SuiteError(f"cannot read {name}: {reason}", "paths are relative to the suite") from None


@functools.lru_cache(maxsize=4)
def _read(path: str, name: str, _version: tuple[int, ...]) -> tuple[Frame, ...]:
    """The frames of the file at *path*, read once for all the cases that want one of them."""
    return frames_in(read_regular(path, CAPTURE_MAX), name)


def is_capture(data: bytes) -> bool:
    """Whether *data* begins as a capture does, or as what gzip has packed."""
    return data[:4] in ORDERS or data[:4] == SECTION or data[:2] == GZIP


def frames_in(data: bytes, name: str) -> tuple[Frame, ...]:
    """The frames of the capture that *data*, the content of *name*, is. Raises SuiteError."""
    if data[:2] == GZIP:
        data = _unpacked(data, name)
    if data[:4] in ORDERS:
        return tuple(_pcap(data, name))
    if data[:4] == SECTION:
        return tuple(_pcapng(data, name))
    raise SuiteError(f"{name} is no capture", "pcap and pcapng can be read, also packed by gzip")


def _unpacked(data: bytes, name: str) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)  # gzip alone
    try:
        found = unpacking.decompress(data, CAPTURE_MAX + 1)
    except zlib.error as error:
        raise SuiteError(f"{name} is damaged: {error}") from None
    if len(found) > CAPTURE_MAX:
        raise SuiteError(f"{name} has more than {CAPTURE_MAX >> 20} MiB when it is unpacked")
    if not unpacking.eof:
        raise SuiteError(f"{name} is damaged: it ends too early")
    return found


def _pcap(data: bytes, name: str) -> Iterator[Frame]:
    order = ORDERS[data[:4]]
    if len(data) < 24:
        raise SuiteError(f"{name} is damaged: it ends in its header")
    major, link_type = struct.unpack_from(f"{order}4xH14xI", data)
    if major != 2:
        raise SuiteError(f"{name} is a pcap file of version {major}, only 2 is known")
    if link_type & FCS_PRESENT:
        raise SuiteError(f"the frames of {name} end with the checksum of the wire, which no program sees")
    header, at, number = struct.Struct(f"{order}8xII"), 24, 0
    while at < len(data):
        number += 1
        if at + 16 > len(data):
            raise SuiteError(f"{name} is damaged: it ends in the header of frame {number}")
        kept, length = header.unpack_from(data, at)
        yield Frame(_cut(data, at + 16, kept, name, number), link_type & 0xFFFF, length)
        at += 16 + kept


def _pcapng(data: bytes, name: str) -> Iterator[Frame]:
    order, at, number = "<", 0, 0
    interfaces: list[Interface] = []
    while at < len(data):
        if data[at : at + 4] == SECTION:
            order, interfaces = SECTION_ORDERS.get(data[at + 8 : at + 12], ""), []
            if not order:
                raise SuiteError(f"{name} is damaged: a section has no byte order")
        kind, body = _block(data, at, order, name)
        at += len(body) + 12
        if kind == INTERFACE:
            if len(body) < 8:
                raise SuiteError(f"{name} is damaged: the description of an interface is too short")
            interfaces.append(Interface(*struct.unpack_from(f"{order}H2xI", body)))
        elif kind in (PACKET, SIMPLE_PACKET, OLD_PACKET):
            number += 1
            yield _of_block(kind, body, order, interfaces, name, number)


def _block(data: bytes, at: int, order: str, name: str) -> tuple[int, bytes]:
    """(type, body) of the block that begins at *at*."""
    kind, size = struct.unpack_from(f"{order}II", data, at) if at + 12 <= len(data) else (0, 0)
    if size < 12 or size % 4 or at + size > len(data):
        raise SuiteError(f"{name} is damaged: the block at byte {at} has no sensible length")
    if data[at + 4 : at + 8] != data[at + size - 4 : at + size]:
        raise SuiteError(f"{name} is damaged: the block at byte {at} has two lengths")
    return kind, data[at + 8 : at + size - 4]


def _of_block(kind: int, body: bytes, order: str, interfaces: list[Interface], name: str, number: int) -> Frame:
    """The frame of a block of one of the three types that hold one."""
    form = {PACKET: "I8xII", OLD_PACKET: "H10xII", SIMPLE_PACKET: "I"}[kind]
    start = struct.calcsize(f"={form}")
    if len(body) < start:
        raise SuiteError(f"{name} is damaged: the block of frame {number} is too short")
    fields = struct.unpack_from(f"{order}{form}", body)
    at = 0 if kind == SIMPLE_PACKET else fields[0]
    if at >= len(interfaces):
        raise SuiteError(f"{name} is damaged: frame {number} is of an interface that it does not describe")
    length = fields[-1]
    kept = min(length, interfaces[at].limit or length) if kind == SIMPLE_PACKET else fields[1]
    return Frame(_cut(body, start, kept, name, number), interfaces[at].link_type, length)


def _cut(data: bytes, start: int, size: int, name: str, number: int) -> bytes:
    if size > FRAME_MAX:
        raise SuiteError(f"{name} is damaged: frame {number} would have {size:,} bytes")
    if start + size > len(data):
        raise SuiteError(f"{name} is damaged: it ends in frame {number}")
    return data[start : start + size]


def _link(one: Frame, name: str) -> str:
    if one.link_type in COOKED:
        what = f"{name} was captured on 'any' (Linux cooked), which loses the Ethernet headers"
        raise SuiteError(what, "capture on one interface: tcpdump -i NAME")
    if one.link_type not in LINKS:
        what = f"the frames of {name} have link type {one.link_type}"
        raise SuiteError(what, "Ethernet (1) and raw IP (101, 228, 229) can be used")
    return LINKS[one.link_type]


def _counted(number: int) -> str:
    return f"{number} frame" if number == 1 else f"{number} frames"
