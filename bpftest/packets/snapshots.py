"""Packets that a suite keeps in a file beside it, as hex with comments that can be reviewed like code.

    [forwarded]
    # IP
    45                 # version 4, ihl 5
    00                 # tos 0
    ..

Only names in brackets and hex mean something; the comments are for readers, and for their diffs: a line a field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import Place, SuiteError
from bpftest.reading import read_regular
from bpftest.wording import shown as shown_text

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

    from bpftest.packets.dissection import Field, Header

FOLDER = "__snapshots__"
ENDING = ".snap"
FILE_MAX = 64 << 20  # bytes
ROW = 16  # bytes of a line
PLAIN = ("Raw", "Padding")  # headers without fields
COLUMN = 17  # where comments begin: behind six bytes, as many as a MAC address has

UPDATE_NEW, UPDATE_ALL = "new", "all"
UPDATES = (UPDATE_NEW, UPDATE_ALL)

_HEX = re.compile(r"\s*(?:[0-9A-Fa-f]{2}\s*)*", re.ASCII)  # as bytes.fromhex has it


class Kept(NamedTuple):
    """One snapshot of the file."""

    data: bytes
    lines: tuple[str, ...]  # below its name, as they stand in the file


class Snapshots:
    """The snapshots of one suite: what its file holds, and what a run makes of it.

    *update*: "" compares, "new" adds those that are missing, "all" also replaces those that differ and drops those
    that no case names.
    """

    def __init__(self, suite_path: str, update: str = "") -> None:
        folder, name = os.path.split(suite_path)
        self.path = os.path.join(folder, FOLDER, name + ENDING)
        self.made: list[str] = []  # the names that this run added or replaced
        self._update = update
        self._named: set[str] = set()
        self._known: dict[str, Kept] | None = None  # not read yet: a suite without snapshots never does

    def name(self, name: str) -> None:
        """An expectation of the suite is called *name*. Raises SuiteError where another one is, or for a bad file."""
        if name in self._named:
            raise SuiteError(f"a second snapshot '{name}'", "each is of one run of one case; a name may hold variables")
        self._named.add(name)
        self._kept()

    def expected(self, name: str, data: bytes, lines: Callable[[], Iterable[str]]) -> bytes | None:
        """What *data* is to be compared with: *data* itself, where it is kept now. None: there is no such snapshot.

        *lines*: what the file is to say of *data*, where it is kept now.
        """
        known = self._kept().get(name)
        if known is not None and (known.data == data or self._update != UPDATE_ALL or name in self.made):
            return known.data
        if not self._update:
            return None
        self._kept()[name] = Kept(data, tuple(lines()))
        self.made.append(name)
        return data

    @property
    def drops(self) -> bool:
        """Whether what no case names goes."""
        return self._update == UPDATE_ALL

    @property
    def unused(self) -> tuple[str, ...]:
        """The names in the file that no expectation of the suite has."""
        if not self._named and self._known is None and not os.path.exists(self.path):
            return ()
        return tuple(sorted(self._kept().keys() - self._named))

    def content(self) -> bytes | None:
        """What the file is to hold after the run; None where nothing changes, b"" where nothing is left."""
        dropped = self.unused if self.drops else ()
        if not self.made and not dropped:
            return None
        kept = {name: one for name, one in sorted(self._kept().items()) if name not in dropped}
        if not kept:
            return b""
        title = f"# What the cases of {os.path.basename(self.path).removesuffix(ENDING)} gave: see `snapshot`."
        sections = ("\n".join((f"[{name}]", *one.lines)) for name, one in kept.items())
        return ("\n\n".join((title, *sections)) + "\n").encode()

    def _kept(self) -> dict[str, Kept]:
        if self._known is None:
            self._known = _read(self.path)
        return self._known


def _read(path: str) -> dict[str, Kept]:
    """The snapshots in the file at *path*, none if there is none. Raises SuiteError."""
    try:
        text = read_regular(path, FILE_MAX).decode()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SuiteError("this is no file of snapshots: it is not UTF-8", place=Place(path, 1, 1)) from None
    except OSError as error:
        raise SuiteError(f"this cannot be read: {error.strerror}", place=Place(path, 1, 1)) from None
    return _parsed(path, text)


def _parsed(path: str, text: str) -> dict[str, Kept]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []  # above the first name
    for number, line in enumerate(text.split("\n"), 1):
        written = line.partition("#")[0]
        said = written.strip()
        if said.startswith("[") and said.endswith("]"):
            name = said[1:-1]
            if name in found:
                raise SuiteError(f"a second snapshot '{shown_text(name)}'", place=Place(path, number, 1))
            lines = found[name] = []
            continue
        if not _HEX.fullmatch(written) or (said and not found):
            hint = "a name in brackets, or bytes in hex; write it anew with --update-snapshots=all"
            raise SuiteError("this is no line of a file of snapshots", hint, Place(path, number, 1, max(len(line), 1)))
        lines.append(line.rstrip())
    return {name: _one(lines) for name, lines in found.items()}


def _one(lines: list[str]) -> Kept:
    data = bytes.fromhex("".join(line.partition("#")[0] for line in lines))
    while lines and not lines[-1]:
        lines.pop()
    return Kept(data, tuple(lines))


def data_of(lines: Sequence[str]) -> bytes | None:
    """The bytes that *lines* below a name say; None where they say something else."""
    if any("\n" in line or not _HEX.fullmatch(line.partition("#")[0]) for line in lines):
        return None
    return _one(list(lines)).data


# --- comments -----------------------------------------------------------------------------------------------------


def plain_lines(data: bytes) -> tuple[str, ...]:
    """*data* in hex, a line a row."""
    return tuple(_texts(data))


def lines(data: bytes, link: str, chain: Sequence[type[Layer]]) -> Iterator[str]:
    """*data* in hex, a line a field, as far as Scapy can tell them."""
    from bpftest.packets.dissection import headers, stack

    at = 0
    for header in stack(headers(data, link, chain)):
        yield from _texts(data[at : header.start])
        yield f"# {header.name}"
        yield from _texts(data[header.start : header.end]) if header.name in PLAIN else _header(data, header)
        at = max(at, header.end)
    yield from _texts(data[at:])


def _header(data: bytes, header: Header) -> Iterator[str]:
    """The bytes of *header*; fields that share a byte share a line."""
    at, together = header.start, list[str]()
    for field in header.fields:
        if field.start // 8 < at or field.start == field.end or field.end > 8 * header.end:
            continue
        together.append(_told(header, field))
        if field.end % 8 == 0:
            yield from _rows(data[at : field.end // 8], ", ".join(together))
            at, together = field.end // 8, []
    yield from _rows(data[at : header.end])


def _told(header: Header, field: Field) -> str:
    from bpftest.packets.shown import shown

    return f"{field.name} {shown_text(shown(header.layer, field))}"


def _rows(data: bytes, comment: str = "") -> list[str]:
    rows = [data[at : at + ROW].hex(" ") for at in range(0, len(data), ROW)]
    if comment and rows:
        rows[0] = f"{rows[0]:<{COLUMN}} # {comment}"
    return rows


def _texts(data: bytes) -> Iterator[str]:
    """Bytes that are no fields, with the text that they may be."""
    for at in range(0, len(data), ROW):
        row = data[at : at + ROW]
        text = "".join(chr(byte) if 32 < byte < 127 else "." for byte in row)
        yield f"{row.hex(' '):<{3 * ROW - 1}} # {text}"
