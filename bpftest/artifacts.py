"""The packets of cases that failed, as pcap files below .bpftest/artifacts/."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING
from zlib import crc32

from bpftest.events import CaseFinished, Outcome
from bpftest.kernel.files import make_folder, refuse_link, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.events import Event

ROOT = ".bpftest"  # where bpftest runs; it is no part of the user's project
FOLDER = os.path.join(ROOT, "artifacts")
SLUG_MAX = 80  # characters of a name that become part of a path
NAMES = ("input", "expected", "actual")

# https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcap.html: version 2.4, whole frames.
HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
MAGIC, FRAME_MAX = 0xA1B2C3D4, 256 << 10
LINK_TYPES = {"ip": 101}  # LINKTYPE_RAW; all else is LINKTYPE_ETHERNET


def with_artifacts(events: Iterable[Event]) -> Iterator[Event]:
    """The same *events*; those of failed cases say where their packets are kept, or why they are not.

    Of a flaky case the packets of the last run that failed are kept: it may be long until there are others.
    """
    for event in events:
        if isinstance(event, CaseFinished) and event.outcome is Outcome.FAILED:
            yield _kept(event)
        elif isinstance(event, CaseFinished) and event.outcome is Outcome.FLAKY and event.earlier:
            yield event._replace(earlier=(*event.earlier[:-1], _kept(event.earlier[-1])))
        else:
            yield event


def _kept(case: CaseFinished) -> CaseFinished:
    """*case*, its packets written to files."""
    if not case.packets:
        return case
    try:
        return case._replace(saved=_saved(case))
    except OSError as error:
        note = f"the packets could not be kept: {error.filename or FOLDER}: {error.strerror}"
        return case._replace(notes=(*case.notes, note))


def _saved(case: CaseFinished) -> tuple[str, ...]:
    """Writes the packets of *case*; gives the paths, those of one step in one text."""
    folder = os.path.join(FOLDER, *folders(case.path), slug(case.name))
    _prepare(folder)
    steps: dict[str, list[str]] = {}
    for packet in case.packets:
        inner = os.path.join(folder, slug(packet.step)) if packet.step else folder
        refuse_link(inner)
        make_folder(inner)
        content = pcap([bytes.fromhex(packet.data)], packet.link)
        write_file(os.path.join(inner, f"{packet.name}.pcap"), content)
        steps.setdefault(inner, []).append(packet.name)
    return tuple(f"{inner}/{_braced(names)}.pcap" for inner, names in steps.items())


def _prepare(folder: str) -> None:
    """Makes *folder*, without what an earlier run has left in it."""
    make_own(folder)
    for below, _, files in os.walk(folder):
        for name in files:
            if name.removesuffix(".pcap") in NAMES:
                os.unlink(os.path.join(below, name))


def make_own(folder: str) -> None:
    """Makes *folder*, which is ROOT or below it. Raises OSError, also where a link is in the way."""
    refuse_link(folder)
    make_folder(folder)
    ignored = os.path.join(ROOT, ".gitignore")
    if not os.path.exists(ignored):
        write_file(ignored, b"*\n")


def pcap(frames: Iterable[bytes], link: str) -> bytes:
    """A capture of *frames*. *link*: what each begins with, "ethernet" or "ip"."""
    header = HEADER.pack(MAGIC, 2, 4, 0, 0, FRAME_MAX, LINK_TYPES.get(link, 1))
    return b"".join((header, *(RECORD.pack(0, 0, len(data), len(data)) + data for data in frames)))


def folders(path: str) -> list[str]:
    """The parts of a suite's path, from where bpftest runs, without its ending."""
    parts = os.path.splitext(os.path.relpath(path))[0].split(os.sep)
    return [slug(part) for part in parts if part not in (os.curdir, os.pardir)]


def slug(name: str) -> str:
    """*name* as a part of a path: letters, digits, dots and dashes. Different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9._=]+", "-", name)[:SLUG_MAX].strip("-.")
    if plain.replace("-", " ") == name:
        return plain
    return f"{plain}-{crc32(name.encode('utf-8', 'surrogatepass')):08x}".lstrip("-")


def _braced(names: list[str]) -> str:
    """A shell's pattern for *names*."""
    return f"{{{','.join(names)}}}" if len(names) > 1 else names[0]
