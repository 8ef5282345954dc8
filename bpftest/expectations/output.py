"""`output`: the packet after the run, as a whole, some of its fields, its length, its checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from bpftest.kernel.door import Observation, Reply
    from bpftest.suite.model import Written

# Keys of `output:` that stand for a whole packet, as those of `packet:` do.
PACKET_KEYS = ("scapy", "hex", "base64", "file", "zeros", "fill")


def output(want: Written, context: Context) -> Check:
    """The packet after the run: as a whole, some of its fields, its length, its checksums."""
    said = want.value
    _refuse_foreign(want, context)
    if isinstance(said, str) and said in OUTPUT_PARTS and said not in context.scope.names:
        raise SuiteError(f"'{said}' is no packet, but a key of output", f"write output: {{{said}: ..}}")
    parts: list[Check] = []
    if isinstance(said, str) or any(key in said for key in PACKET_KEYS):
        parts.append(_packet(want, context))
    if isinstance(said, dict):
        plain_length = "length" in said and "fill" not in said
        named = [key for key in OUTPUT_PARTS if key in said and (key != "length" or plain_length)]
        parts += [OUTPUT_PARTS[key](want[key], context) for key in named]
        if not parts:
            hint = f"give one of: {', '.join((*PACKET_KEYS, *OUTPUT_PARTS))}"
            raise SuiteError("this output says nothing that can be compared", hint)

    def check(observation: Observation) -> Finding:
        found = [part(observation) for part in parts]
        broken = tuple(mismatch for finding in found for mismatch in finding.mismatches)
        held = ", ".join(finding.held for finding in found if finding.held)
        if not broken:
            return Finding("output", held)
        rows = tuple(row for finding in found for row in finding.rows)
        return Finding("output", held, broken, rows, excerpt(want))

    return check


def _packet(want: Written, context: Context) -> Check:
    """The packet is this one."""
    expected = _expected(want, context)
    if expected.metadata is not None and context.prog_type.ctx is not XDP_MD:
        where = want["metadata"].key_place() if "metadata" in want else want.place()
        raise SuiteError(f"{context.prog_type.name} has no metadata before its packet", "only xdp does", where)
    return _same_as(expected, context)


def _unchanged(_want: Written, context: Context) -> Check:
    return _same_as(Pattern(context.packet, link=context.link), context)


def _expected(want: Written, context: Context) -> Pattern:
    said = want.value
    if isinstance(said, dict):
        others = OUTPUT_PARTS.keys() - ({"length"} if "fill" in said else set())
        said = {key: value for key, value in said.items() if key not in others}
    try:
        return pattern(said, context.scope)
    except SourceError as error:
        raise sourced(error, want) from None


def _same_as(expected: Pattern, context: Context) -> Check:
    if context.prog_type.sees == "ip":
        expected = _framed(expected, context)

    def check(observation: Observation) -> Finding:
        reply = reply_of(observation)
        data = context.output(reply)
        metadata = _metadata_mismatch(expected, reply, context)
        if expected.matches(data) and not metadata:
            return Finding("output", _held_length(len(data)))
        compared = expected.compared(data)
        from bpftest.packets import fields  # only where something differs

        found = fields.differences(expected.value, compared, context.link, expected.mask)
        mismatches = tuple(Mismatch(one.name, one.expected, one.actual, one.offset, one.derived) for one in found)
        length = _length_mismatch(len(expected.value), len(compared), derived=bool(mismatches))
        held = "" if length else _held_length(len(data))
        return Finding("output", held, metadata + mismatches + length, _rows(expected, compared))

    return check


def _rows(expected: Pattern, compared: bytes) -> tuple[HexRow, ...]:
    found = hexrows.rows(expected.value, compared, expected.mask).rows
    return tuple(HexRow(row.offset, row.expected, row.actual, row.marks) for row in found)


def _held_length(length: int) -> str:
    return f"length {length}"


def _metadata_mismatch(expected: Pattern, reply: Reply, context: Context) -> tuple[Mismatch, ...]:
    if expected.metadata is None:
        return ()
    actual = reply.data_out[: context.metadata_length(reply)]
    if actual == expected.metadata:
        return ()
    return (Mismatch("metadata", expected.metadata.hex(" ") or "none", actual.hex(" ") or "none"),)


def _length_mismatch(expected: int, actual: int, *, derived: bool = False) -> tuple[Mismatch, ...]:
    return () if actual == expected else (Mismatch("length", str(expected), str(actual), derived=derived),)


def _framed(expected: Pattern, context: Context) -> Pattern:
    """*expected* behind the Ethernet header of the case's packet, if that has one, or without any.

    The kernel does not give it back.
    """
    link = expected.link or _link(expected)
    value, mask = framing.ip_part(expected.value, link), expected.mask
    if mask is not None:
        mask = framing.ip_part(mask, link)
    if context.link == "ethernet":
        value = framing.with_ethernet(value, context.packet[: framing.ETHERNET_HEADER])
        mask = None if mask is None else b"\xff" * framing.ETHERNET_HEADER + mask
    return expected._replace(value=value, mask=mask)


def _link(expected: Pattern) -> str:
    """What bytes begin with that do not say it; a mere beginning is an IP header where no EtherType says otherwise."""
    if not expected.prefix:
        return framing.link_of(expected.value)
    return "ethernet" if expected.value[12:14] in (framing.IP4_TYPE, framing.IP6_TYPE) else "ip"


def _fields(want: Written, context: Context) -> Check:
    from bpftest.packets.named import field_checks  # Scapy reads the packet, so it is imported

    try:
        differences = field_checks(want.value)
    except SourceError as error:
        raise error.at(want[error.key].key_place() if error.key in want else want.place()) from None

    def check(observation: Observation) -> Finding:
        found = differences(context.output(reply_of(observation)), context.link)
        mismatches = tuple(Mismatch(one.name, one.expected, one.actual, one.offset, one.derived) for one in found)
        return Finding("output", "" if found else _counted(len(want.value), "field"), mismatches)

    return check


def _length(want: Written, context: Context) -> Check:
    wanted = want.value

    def check(observation: Observation) -> Finding:
        actual = len(context.output(reply_of(observation)))
        mismatches = _length_mismatch(wanted, actual)
        return Finding("output", "" if mismatches else _held_length(actual), mismatches)

    return check


def _checksums(_want: Written, context: Context) -> Check:
    def check(observation: Observation) -> Finding:
        data = context.output(reply_of(observation))
        found = checksums.checksums(data, context.link)
        if not found:  # a check that checks nothing must not pass
            return Finding("output", "", (Mismatch("checksums", "valid", "the packet has none"),))
        bad = tuple(Mismatch(one.name, one.expected, one.actual, one.offset) for one in found if not one.valid)
        return Finding("output", "" if bad else f"{_counted(len(found), 'checksum')} valid", bad)

    return check


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


def _flow_keys(want: Written, _context: Context) -> Check:
    """Members of struct bpf_flow_keys, in which data_out is."""
    known = FLOW_KEYS.members
    for key in want:
        if key not in known:
            raise SuiteError(f"struct bpf_flow_keys has no '{key}'", suggestion(key, known), want[key].key_place())
    members = {key: known[key] for key in want}
    return members_check(want, members, "output", lambda reply: reply.data_out, "flow_keys.")


OUTPUT_PARTS: Mapping[str, Callable[[Written, Context], Check]] = {
    "unchanged": _unchanged,
    "fields": _fields,
    "length": _length,
    "checksums": _checksums,
    "flow_keys": _flow_keys,
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
