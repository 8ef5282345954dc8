"""A file of frames: pcap, pcapng, either of them packed."""

from __future__ import annotations

import gzip
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.packets.captures import frames_in, is_capture, whole
from fuzz import seeds as files

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "fuzzed.pcap"
FRAME = b"\xff" * 12 + b"\x08\x00" + b"\x45" + b"\0" * 19


def seeds() -> Iterator[bytes]:
    """The captures of suites/, and each form that there is."""
    captures = [*files.contents("suites/frames/*.pcap*"), _pcapng("<"), _pcapng(">")]
    yield from captures
    yield from (gzip.compress(one, mtime=0) for one in captures)


def _pcapng(order: str) -> bytes:
    """A section, an interface, and a frame in each of the three kinds of blocks."""
    size, padded = len(FRAME), FRAME + b"\0" * (-len(FRAME) % 4)
    bodies = (
        (0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, struct.pack(f"{order}HHI", 1, 0, 0)),
        (6, struct.pack(f"{order}IIIII", 0, 0, 0, size, size) + padded),
        (3, struct.pack(f"{order}I", size) + padded),
        (2, struct.pack(f"{order}HHIIII", 0, 0, 0, 0, size, size) + padded),
    )
    blocks = []
    for kind, body in bodies:
        length = struct.pack(f"{order}I", len(body) + 12)
        blocks.append(struct.pack(f"{order}I", kind) + length + body + length)
    return b"".join(blocks)


def one(data: bytes) -> None:
    """Its frames, or a SuiteError; no frame is longer than the file."""
    try:
        found = frames_in(data, NAME)
    except SuiteError as error:
        assert NAME in error.what
        return
    assert is_capture(data)
    for index, frame in enumerate(found, 1):
        with suppress(SuiteError):
            assert whole(frame, NAME, index)[0] == frame.data
