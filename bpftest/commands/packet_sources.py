"""What `bpftest packet` is given → packets: text, a capture, a file of bytes, the cases of suites."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import Place, SuiteError, UsageError
from bpftest.events import Excerpt, Mistake
from bpftest.packets.captures import CAPTURE_MAX, frames_in, is_capture, whole
from bpftest.packets.sources import COMMENT, NOT_HEX, Packet, Scope, packet
from bpftest.reading import read_regular
from bpftest.suite.selection import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.collect import Collection
    from bpftest.suite.model import Case, Step

ARGUMENT = "PACKET"  # what the argument is called where a mistake in it is shown
FILES = (".pcap", ".pcapng", ".cap", ".gz", ".bin", ".hex", *ENDINGS)  # a text that ends so was to be a file


class Given(NamedTuple):
    """A packet that is to be shown."""

    name: str  # "frame 2", "drops telnet"; "" for one that has none
    packet: Packet
    scope: Scope = Scope()  # what an expression of it may name


class Misread(UsageError):
    """A text that says no packet, with its *mistake*."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.what, mistake.hint)
        self.mistake = mistake


def is_suite(argument: str) -> bool:
    """Whether *argument* names a suite, a folder of them, or cases of one."""
    path = argument.partition("::")[0] if "::" in argument else _parts(argument)[0]
    return os.path.isdir(path) or (os.path.isfile(path) and path.endswith(ENDINGS))


def given(argument: str) -> Iterator[Given]:
    """The packets that *argument*, which names no suite, stands for. Raises UsageError."""
    if argument == "-":
        yield from _content(sys.stdin.buffer.read(CAPTURE_MAX + 1), "stdin", None)
        return
    path, index = _parts(argument)
    if os.path.exists(path):
        yield from _content(_read(path), path, index)
    elif path.endswith(FILES) or "::" in argument:
        raise UsageError(f"no such file: {path.partition('::')[0]}")
    else:
        yield _of_text(argument, ARGUMENT)


def of_cases(collection: Collection) -> Iterator[Given]:
    """The packets of the cases that are meant, as the suite gives them. Raises SuiteError, at its place."""
    from bpftest.plan.request import built

    for suite, names in collection.chosen:
        scope = Scope(suite.variables, suite.packets, suite.headers, os.path.dirname(suite.path))
        own = Scope(headers=suite.headers)
        for case in suite.cases:
            for number, step in enumerate(case.steps, 1):
                if case.name in names and step.packet is not None and "from" not in step.packet:
                    yield Given(_name(case, step, number), built(step.packet, scope), own)


def _name(case: Case, step: Step, number: int) -> str:
    return f"{case.name}, {step.name or f'step {number}'}" if len(case.steps) > 1 else case.name


def _parts(argument: str) -> tuple[str, int | None]:
    """(path, index of a frame, if one is said) of FILE or FILE:INDEX."""
    path, colon, index = argument.rpartition(":")
    if colon and index.isdecimal() and index.isascii() and not os.path.exists(argument):
        return path, int(index)
    return argument, None


def _read(path: str) -> bytes:
    try:
        return read_regular(path, CAPTURE_MAX)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _content(content: bytes, name: str, index: int | None) -> Iterator[Given]:
    """The packets of a file's *content*: of a capture its frames, else one, as text or as its bytes."""
    if len(content) > CAPTURE_MAX:
        raise UsageError(f"{name} has more than {CAPTURE_MAX >> 20} MiB")
    if is_capture(content):
        yield from _frames(content, name, index)
        return
    if index is not None:
        raise UsageError(f"{name} is no capture, and has no frame {index}", "pcap and pcapng can be read, also gzipped")
    text = _printable(content)
    yield Given("", Packet(content)) if text is None else _of_text(text, name)


def _frames(content: bytes, name: str, index: int | None) -> Iterator[Given]:
    """The frames of a capture; with an *index*, from 1, the one. Raises UsageError."""
    try:
        found = frames_in(content, name)
        if index is not None and not 1 <= index <= len(found):
            raise UsageError(f"{name} has no frame {index}, but {len(found)}", "they are counted from 1")
        for number, one in enumerate(found, 1):
            if index in (None, number):
                data, link = whole(one, name, number)
                yield Given(f"frame {number}" if len(found) > 1 else "", Packet(data, link=link))
    except SuiteError as error:
        raise UsageError(error.what, error.hint) from None


def _printable(content: bytes) -> str | None:
    """*content* as text, None where it cannot be meant as such."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if all(one.isprintable() or one in "\t\r\n" for one in text) else None


def _of_text(text: str, name: str) -> Given:
    """The packet that *text* says in hex, or as an expression. Raises Misread."""
    bare = COMMENT.sub("", text)
    if not bare.strip():
        raise UsageError(f"{name} is empty", "say a packet, such as Ether()/IP()/UDP() or 45 00 00 1c")
    try:
        return Given("", packet({"scapy" if NOT_HEX.search(bare) else "hex": text}, Scope()))
    except SuiteError as error:
        raise Misread(_mistake(text, name, error)) from None


def _mistake(text: str, name: str, error: SuiteError) -> Mistake:
    """*error* with the line of *text* that it is in."""
    start, width = error.span or (0, 1)
    before = text[:start].split("\n")
    place = Place(name, len(before), len(before[-1]) + 1, width)
    line = text.split("\n")[place.line - 1]
    return Mistake(error.what, error.hint, Excerpt(place, ((place.line, line),)))
