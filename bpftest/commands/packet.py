"""`bpftest packet`: a packet in another form. Nothing is sent, nothing is evaluated, no privileges are needed."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from bpftest.commands.exits import INVALID, PASSED, show_invalid
from bpftest.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.collect import Collection
    from bpftest.commands.packet_sources import Given

DESCRIPTION = """
PACKET is one of:
  Ether()/IP()/UDP()     a Scapy expression, as suites have them; it is parsed, and never evaluated
  45 00 00 1c            hex, with blanks, colons and # comments
  FILE.pcap[:INDEX]      the frames of a capture (pcap, pcapng, also gzipped), or one of them, from 1
  FILE                   hex or an expression in a file, else its bytes are the packet
  -                      any of these on stdin
  SUITE::CASE            the packet of a case; of a whole suite those of all its cases
"""
ENDINGS = {".pcap": "pcap", ".cap": "pcap", ".yaml": "yaml", ".yml": "yaml", ".hex": "hex"}  # of FILE → form
UNWRITTEN = (".pcapng", ".gz")


def arguments(parser: ArgumentParser) -> None:
    """Which packet, in which form, and where to."""
    parser.epilog = DESCRIPTION
    parser.add_argument("packet", metavar="PACKET", help="see below")
    parser.add_argument(
        "--to",
        choices=tuple(FORMS),
        help="view: fields and bytes, for people (default); scapy: an expression that builds the same bytes; "
        "hex: a line a packet; pcap: a capture; yaml: for a suite",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, whose ending says the form without --to")
    parser.add_argument(
        "--link", choices=("ethernet", "ip"), help="what the packet begins with, where bpftest takes it for another"
    )


def run(options: Namespace) -> int:
    """Prints or writes the packets. Gives the exit code."""
    from bpftest.commands.packet_sources import Misread

    form = _form(options)
    try:
        if (collection := _cases(options.packet)) is not None and collection.invalid:
            show_invalid(collection.invalid)
            return INVALID
        _write(FORMS[form](_given(options, collection)), options.output)
    except Misread as error:
        from bpftest.events import InvalidSuite

        show_invalid([InvalidSuite(options.packet, (error.mistake,))])
        return error.exit_code
    return PASSED


def _form(options: Namespace) -> str:
    """The form that is wanted. Raises UsageError where it cannot be written there."""
    ending = os.path.splitext(options.output)[1].lower() if options.output else ""
    if ending in UNWRITTEN and options.to in (None, "pcap"):
        raise UsageError(f"bpftest writes no {ending} files", "it writes .pcap")
    form: str = options.to or ENDINGS.get(ending, "view")
    if form == "pcap" and not options.output and sys.stdout.isatty():
        raise UsageError("a capture is nothing for a terminal", "-o FILE.pcap, or | tcpdump -r -")
    return form


def _cases(argument: str) -> Collection | None:
    """The cases that *argument* names; None where it names none."""
    from argparse import Namespace

    from bpftest.commands.packet_sources import is_suite

    if argument == "-" or not is_suite(argument):
        return None
    from bpftest.collect import collect

    return collect(Namespace(paths=[argument], keyword=None, tag=None))


def _given(options: Namespace, collection: Collection | None) -> Iterator[Given]:
    """The packets, as `--link` reads them. Raises UsageError where there are none."""
    from bpftest.commands.packet_sources import given, of_cases

    found = given(options.packet) if collection is None else of_cases(collection)
    number = 0
    for number, one in enumerate(found, 1):  # noqa: B007 - how many there were
        yield one._replace(packet=one.packet._replace(link=options.link)) if options.link else one
    if not number:
        raise UsageError(f"there is no packet in {options.packet}")


def _write(parts: Iterable[bytes], path: str | None) -> None:
    if path is not None:
        from bpftest.reporters.files import replacing

        with replacing(path) as out:
            out.writelines(parts)
        return
    for part in parts:
        sys.stdout.buffer.write(part)


def _lines(lines: Iterable[str]) -> Iterator[bytes]:
    """Text that neither a terminal nor a CI system takes for a command."""
    from bpftest.reporters.printable import inert, visible

    for line in lines:
        yield f"{inert(visible(line))}\n".encode()


def _view(found: Iterable[Given]) -> Iterator[bytes]:
    from bpftest.packets.asking import view

    for number, one in enumerate(found):
        packet = one.packet
        titles = [""] if number else []
        titles += [f"# {one.name}"] if one.name else []
        titles += [f"metadata: {packet.metadata.hex(' ')}"] if packet.metadata else []
        yield from _lines([*titles, *view(packet, one.scope)])


def _hex(found: Iterable[Given]) -> Iterator[bytes]:
    for one in found:
        _note_metadata(one)
        yield from _lines([one.packet.data.hex()])


def _scapy(found: Iterable[Given]) -> Iterator[bytes]:
    for one in found:
        _note_metadata(one)
        yield from _lines([_expression(one)])


def _expression(one: Given) -> str:
    """An expression that builds the same bytes; a note tells where they stand in it as such."""
    from bpftest.errors import SuiteError
    from bpftest.packets.asking import written

    try:
        text, unread = written(one.packet, one.scope)
    except SuiteError as error:
        raise UsageError(error.what, "--to hex writes it") from None
    if unread:
        _note(one, f"{unread}, and what follows it, is written as bytes: no fields of Scapy's build the same")
    return text


def _pcap(found: Iterable[Given]) -> Iterator[bytes]:
    from bpftest.artifacts import pcap
    from bpftest.packets.framing import link_of

    frames, links = [], set()
    for one in found:
        _note_metadata(one)
        frames.append(one.packet.data)
        links.add(one.packet.link or link_of(one.packet.data) or "ethernet")
    if len(links) > 1:
        what = "some of the packets begin with Ethernet, others with IP, and a capture has one link type"
        raise UsageError(what, "name one of them")
    yield pcap(frames, links.pop())


def _yaml(found: Iterable[Given]) -> Iterator[bytes]:
    import yaml

    sources = [(one.name, _source(one)) for one in found]
    if len(sources) == 1:
        content: dict[str, object] = {"packet": sources[0][1]}
    else:
        content = {"packets": {_word(name, number): source for number, (name, source) in enumerate(sources, 1)}}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=float("inf"))
    yield text.encode()


def _source(one: Given) -> object:
    """The packet as `packet:` of a suite says it."""
    text = _expression(one).replace("$", "$$")
    data = {"hex": one.packet.data.hex()} if text.startswith("Raw(bytes.fromhex(") else {"scapy": text}
    if one.packet.metadata:
        return {**data, "metadata": one.packet.metadata.hex()}
    return data.get("scapy", data)


def _word(name: str, number: int) -> str:
    """A name for `packets:`, another one for each *number*."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return word if word == f"frame_{number}" else f"packet_{number}_{word}".rstrip("_")


def _note_metadata(one: Given) -> None:
    if one.packet.metadata:
        _note(one, f"without its metadata, {one.packet.metadata.hex(' ')}: only view and yaml have a place for it")


def _note(one: Given, what: str) -> None:
    from bpftest.reporters.printable import inert, visible

    print(inert(visible(f"note: {one.name}: {what}" if one.name else f"note: {what}")), file=sys.stderr)


FORMS: dict[str, Callable[[Iterable[Given]], Iterator[bytes]]] = {
    "view": _view,
    "scapy": _scapy,
    "hex": _hex,
    "pcap": _pcap,
    "yaml": _yaml,
}
