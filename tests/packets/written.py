"""Captures written byte by byte."""

from __future__ import annotations

import gzip
import struct


def pcap(*frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = 1, cut: int = 0) -> bytes:
    """A pcap file. *cut*: so many bytes of each frame were not kept."""
    header = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    records = (struct.pack(f"{order}IIII", 1, 2, len(one), len(one) + cut) + one for one in frames)
    return header + b"".join(records)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of a pcapng file."""
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link_type: int = 1, limit: int = 0, order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, limit), order)


def enhanced(frame: bytes, number: int = 0, order: str = "<", cut: int = 0) -> bytes:
    head = struct.pack(f"{order}IIIII", number, 0, 0, len(frame), len(frame) + cut)
    return block(6, head + frame, order)


def simple(frame: bytes, length: int, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", length) + frame, order)


def old(frame: bytes, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(f"{order}HHIIII", number, 0, 0, 0, len(frame), len(frame))
    return block(2, head + frame, order)


def packed(data: bytes) -> bytes:
    return gzip.compress(data)
