"""`output`: the packet after the run, as a whole, some of its fields, its length, its checksums.

What can be said of a packet is a form: a function that tells of any packet what of it is not so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.events import Finding, HexRow, Mismatch
from bpftest.expectations.context import excerpt, reply_of
from bpftest.expectations.ctx import members_check
from bpftest.packets import checksums, framing, hexrows
from bpftest.packets.patterns import Pattern, pattern
from bpftest.packets.sources import SourceError
from bpftest.progtypes.flow_dissector import FLOW_KEYS
from bpftest.progtypes.xdp import XDP_MD
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written

    Form = Callable[["Left"], Finding]

# Keys of `output:` that stand for a whole packet, as those of `packet:` do.
PACKET_KEYS = ("scapy", "hex", "base64", "file", "pcap", "zeros", "fill")


class Left(NamedTuple):
    """A packet that a program has left."""

    data: bytes  # with an Ethernet header if Context.link says so, without metadata
    packet: bytes  # that went in
    metadata: bytes | None = b""  # that stands before it; None: whatever it was, it is not left


def output(want: Written, context: Context) -> Check:
    """The packet after the run: as a whole, some of its fields, its length, its checksums."""
    _refuse_foreign(want, context)
    form = output_form(want, context)

    def check(observation: Observation) -> Finding:
        reply = reply_of(observation)
        metadata = reply.data_out[: context.metadata_length(reply)]
        return form(Left(context.output(observation), observation.packet, metadata))

    return check


def output_form(want: Written, context: Context) -> Form:
    """What *want* says of a packet. Raises SuiteError."""
    said = want.value
    if isinstance(said, str) and said in OUTPUT_PARTS and said not in context.scope.names:
        raise SuiteError(f"'{said}' is no packet, but a key of output", f"write output: {{{said}: ..}}")
    if isinstance(said, dict) and "fill" in said and isinstance(said.get("length"), dict):
        raise SuiteError("beside 'fill', 'length' is a number of bytes", "", want["length"].place())
    parts: list[Form] = []
    if isinstance(said, str) or any(key in said for key in PACKET_KEYS):
        parts.append(_packet(want, context))
    if isinstance(said, dict):
        plain_length = "length" in said and "fill" not in said
        named = [key for key in OUTPUT_PARTS if key in said and (key != "length" or plain_length)]
        parts += [OUTPUT_PARTS[key](want[key], context) for key in named]
        if not parts:
            hint = f"give one of: {', '.join((*PACKET_KEYS, *OUTPUT_PARTS))}"
            raise SuiteError("this output says nothing that can be compared", hint)

    def form(left: Left) -> Finding:
        found = [part(left) for part in parts]
        broken = tuple(mismatch for finding in found for mismatch in finding.mismatches)
        held = ", ".join(finding.held for finding in found if finding.held)
        if not broken:
            return Finding("output", held)
        rows = tuple(row for finding in found for row in finding.rows)
        packet = next((finding.packet for finding in found if finding.packet), "")
        return Finding("output", held, broken, rows, excerpt(want), packet=packet)

    return form


def _packet(want: Written, context: Context) -> Form:
    """The packet is this one."""
    expected = _expected(want, context)
    if expected.metadata is not None and context.prog_type.ctx is not XDP_MD:
        where = want["metadata"].key_place() if "metadata" in want else want.place()
        raise SuiteError(f"{context.prog_type.name} has no metadata before its packet", "only xdp does", where)
    return lambda left: _compared(expected, left, context)


def _unchanged(_want: Written, context: Context) -> Form:
    return lambda left: _compared(Pattern(left.packet, link=context.link, chain=context.chain), left, context)


def _expected(want: Written, context: Context) -> Pattern:
    said = want.value
    if isinstance(said, dict):
        others = OUTPUT_PARTS.keys() - ({"length"} if "fill" in said else set())
        said = {key: value for key, value in said.items() if key not in others}
    try:
        return pattern(said, context.scope)
    except SourceError as error:
        raise sourced(error, want) from None


def _compared(expected: Pattern, left: Left, context: Context) -> Finding:
    if context.prog_type.sees == "ip":
        expected = _framed(expected, left.packet, context)
    data = left.data
    metadata = _metadata_mismatch(expected, left.metadata)
    if expected.matches(data) and not metadata:
        return Finding("output", _held_length(len(data)))
    compared = expected.compared(data)
    from bpftest.packets.asking import differences  # only where something differs

    chain = expected.chain or context.chain
    found = differences(expected.value, compared, context.link, expected.mask, chain, context.scope)
    mismatches = tuple(Mismatch(one.name, one.expected, one.actual, one.offset, one.derived) for one in found)
    length = _length_mismatch(len(expected.value), len(compared), derived=bool(mismatches))
    held = "" if length else _held_length(len(data))
    rows = _rows(expected, compared)
    return Finding("output", held, metadata + mismatches + length, rows, packet=expected.value.hex())


def _rows(expected: Pattern, compared: bytes) -> tuple[HexRow, ...]:
    found = hexrows.rows(expected.value, compared, expected.mask).rows
    return tuple(HexRow(row.offset, row.expected, row.actual, row.marks) for row in found)


def _held_length(length: int) -> str:
    return f"length {length}"


def _metadata_mismatch(expected: Pattern, actual: bytes | None) -> tuple[Mismatch, ...]:
    if expected.metadata is None or actual is None or actual == expected.metadata:
        return ()
    return (Mismatch("metadata", expected.metadata.hex(" ") or "none", actual.hex(" ") or "none"),)


def _length_mismatch(expected: int, actual: int, *, derived: bool = False) -> tuple[Mismatch, ...]:
    return () if actual == expected else (Mismatch("length", str(expected), str(actual), derived=derived),)


def _framed(expected: Pattern, packet: bytes, context: Context) -> Pattern:
    """*expected* behind the Ethernet header of the case's packet, if that has one, or without any.

    The kernel does not give it back.
    """
    link = expected.link or _link(expected)
    value, mask = framing.ip_part(expected.value, link), expected.mask
    if mask is not None:
        mask = framing.ip_part(mask, link)
    if context.link == "ethernet":
        value = framing.with_ethernet(value, packet[: framing.ETHERNET_HEADER])
        mask = None if mask is None else b"\xff" * framing.ETHERNET_HEADER + mask
    return expected._replace(value=value, mask=mask)


def _link(expected: Pattern) -> str:
    """What bytes begin with that do not say it; a mere beginning is an IP header where no EtherType says otherwise."""
    if not expected.prefix:
        return framing.link_of(expected.value)
    return "ethernet" if expected.value[12:14] in (framing.IP4_TYPE, framing.IP6_TYPE) else "ip"


def _fields(want: Written, context: Context) -> Form:
    from bpftest.packets.asking import field_checks  # Scapy reads the packet

    try:
        differences = field_checks(want.value, context.scope)
    except SourceError as error:
        raise error.at(want[error.key].key_place() if error.key in want else want.place()) from None

    def form(left: Left) -> Finding:
        found = differences(left.data, context.link, context.chain)
        mismatches = tuple(Mismatch(one.name, one.expected, one.actual, one.offset, one.derived) for one in found)
        return Finding("output", "" if found else _counted(len(want.value), "field"), mismatches)

    return form


def _length(want: Written, _context: Context) -> Form:
    from bpftest.expectations.bounds import count  # few cases look at the length alone

    wanted = count(want)

    def form(left: Left) -> Finding:
        actual = len(left.data)
        if wanted.hold(actual):
            return Finding("output", _held_length(actual))
        expected = str(wanted.least) if wanted.least == wanted.most else wanted.text()
        return Finding("output", "", (Mismatch("length", expected, str(actual)),))

    return form


def _checksums(_want: Written, context: Context) -> Form:
    def form(left: Left) -> Finding:
        found = checksums.checksums(left.data, context.link)
        if not found:  # a check that checks nothing must not pass
            return Finding("output", "", (Mismatch("checksums", "valid", "the packet has none"),))
        bad = tuple(Mismatch(one.name, one.expected, one.actual, one.offset) for one in found if not one.valid)
        return Finding("output", "" if bad else f"{_counted(len(found), 'checksum')} valid", bad)

    return form


def _snapshot(want: Written, context: Context) -> Form:
    """The packet is the one that the suite keeps under this name."""
    snapshots, name = context.scope.snapshots, want.value
    if snapshots is None:
        raise SuiteError("there is no file to keep a snapshot in", "", want.place())
    try:
        snapshots.name(name)
    except SuiteError as error:
        raise SuiteError(str(error), error.hint, want.place()) from None  # it may be a line of the kept file

    def form(left: Left) -> Finding:
        expected = snapshots.expected(name, left.data, lambda: _snapshot_lines(left.data, context))
        if expected is None:
            none = "none; bpftest run --update-snapshots keeps this one"
            return Finding("output", "", (Mismatch(f"snapshot {name}", "a packet that is kept", none),))
        return _compared(Pattern(expected, link=context.link, chain=context.chain), left, context)

    return form


def _snapshot_lines(data: bytes, context: Context) -> tuple[str, ...]:
    from bpftest.packets.asking import snapshot_lines  # only where a packet is to be kept

    return snapshot_lines(data, context.link, context.chain, context.scope)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _refuse_foreign(want: Written, context: Context) -> None:
    """Raises SuiteError where the program type gives nothing back that this could be compared with."""
    prog_type, said = context.prog_type, want.value
    if not prog_type.gives:
        text = f"the kernel gives back no data for {prog_type.name}"
        raise SuiteError(text, f"what comes back: {', '.join(prog_type.gives_back)}", want.key_place())
    keys = isinstance(said, dict) and list(said) == ["flow_keys"]
    if prog_type.gives == "flow_keys" and not keys:
        raise SuiteError(
            "flow_dissector gives back its flow keys, no packet", "output: {flow_keys: {..}}", want.place()
        )
    if prog_type.gives == "packet" and isinstance(said, dict) and "flow_keys" in said:
        raise SuiteError(f"{prog_type.name} has no flow keys", "only flow_dissector has", want["flow_keys"].key_place())


def _flow_keys(want: Written, _context: Context) -> Form:
    """Members of struct bpf_flow_keys, which comes back in place of a packet."""
    known = FLOW_KEYS.members
    for key in want:
        if key not in known:
            raise SuiteError(f"struct bpf_flow_keys has no '{key}'", suggestion(key, known), want[key].key_place())
    members = {key: known[key] for key in want}
    check = members_check(want, members, "output", "flow_keys.")
    return lambda left: check(left.data)


OUTPUT_PARTS: Mapping[str, Callable[[Written, Context], Form]] = {
    "unchanged": _unchanged,
    "fields": _fields,
    "length": _length,
    "checksums": _checksums,
    "flow_keys": _flow_keys,
    "snapshot": _snapshot,
}


def sourced(error: SourceError, want: Written) -> SuiteError:
    """The mistake at its place inside the packet source *want*."""
    from bpftest.packets.parsing import NOT_AN_EXPRESSION  # only for mistakes

    if error.place is not None:
        return error
    where = want[error.key] if error.key and error.key in want else want
    if error.what.startswith(NOT_AN_EXPRESSION) and where.document.cut_comment(where.container, where.key):
        error.hint = "' #' begins a comment, which ends the text: put the text in quotes"
    return error.at(where.part(error.span))
