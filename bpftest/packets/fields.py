"""Two packets, compared field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bpftest.packets import layers
from bpftest.packets.difference import FieldDifference
from bpftest.packets.dissection import Field, Header, dissected, headers, path, reading, split, stack
from bpftest.packets.shapes import is_conditional, shape
from bpftest.packets.shown import bytes_shown, shown

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer


def differences(
    expected: bytes,
    actual: bytes,
    link: str = "",
    mask: bytes | None = None,
    chain: Sequence[type[Layer]] = (),
) -> tuple[FieldDifference, ...]:
    """What differs between the packets, field by field; derived fields last. Empty if nothing that counts does.

    *link*: first header of both, as in sources.Packet. *mask*: as in patterns.Pattern. *chain*: as in
    dissection.dissected. Offsets are those of the expected packet. Never raises, whatever the bytes are.
    """
    expected = _filled(expected, actual, mask)
    if expected == actual:
        return ()
    sides = headers(expected, link, chain), headers(actual, link, chain)
    found = [*_layers(*sides), *_fields(*sides, expected, actual)]
    if not found:
        return first_byte(expected, actual)
    return _derived_last(found, expected, actual, link, chain)


def _filled(expected: bytes, actual: bytes, mask: bytes | None) -> bytes:
    """*expected* with the bits of *actual* where they do not count."""
    if mask is None:
        return expected
    return bytes(
        want & bits | got & ~bits & 255
        for want, got, bits in zip(expected, actual.ljust(len(expected), b"\0"), mask, strict=False)
    )


def _layers(expected: Sequence[Header], actual: Sequence[Header]) -> Iterator[FieldDifference]:
    """That the packets have other headers; headers inside others, such as IP options, one by one."""
    if path(expected) != path(actual):
        want, got = stack(expected), stack(actual)
        same = 0
        while same < min(len(want), len(got)) and want[same].name == got[same].name:
            same += 1
        offset = want[same].start if same < len(want) else (want[-1].end if want else 0)
        yield FieldDifference("layers", offset, path(expected), path(actual))
    names = [{one.name for one in side} for side in (expected, actual)]
    for one in expected:
        if one.is_inner and one.name not in names[1]:
            yield FieldDifference(one.name, one.start, "present", "absent")
    for one in actual:
        if one.is_inner and one.name not in names[0]:
            yield FieldDifference(one.name, one.start, "absent", "present")


def _fields(expected: Sequence[Header], actual: Sequence[Header], want: bytes, got: bytes) -> Iterator[FieldDifference]:
    """The fields that differ in the headers that both packets have."""
    others = {one.name: one for one in actual}
    for header in expected:
        other = others.get(header.name)
        if other is None:
            continue
        if header.fields and other.fields:
            yield from _in_header(header, other, want, got)
        elif want[header.start : header.end] != got[other.start : other.end]:
            yield _whole(header, other, want, got)


def _in_header(header: Header, other: Header, want: bytes, got: bytes) -> Iterator[FieldDifference]:
    """The fields that differ in one header; not those that are there or not because another differs."""
    mine, theirs = ({field.name: field for field in one.fields} for one in (header, other))
    found = [
        _difference(header, mine[name], other, theirs[name])
        for name in mine
        if name in theirs and _bits(want, mine[name]) != _bits(got, theirs[name])
    ]
    computed = shape(type(header.layer)).computed
    changed = any(one.name.rpartition(".")[2] not in computed for one in found)
    absent = [
        (one, field)
        for one, others in ((header, theirs), (other, mine))
        for field in one.fields
        if field.name not in others and not (changed and is_conditional(field.kind))
    ]
    for one, field in absent:
        expected, actual = (shown(one.layer, field), "absent") if one is header else ("absent", shown(one.layer, field))
        found.append(FieldDifference(f"{header.name}.{field.name}", field.start // 8, expected, actual))
    return iter(found)


def _whole(header: Header, other: Header, want: bytes, got: bytes) -> FieldDifference:
    """How two headers differ whose fields cannot be placed."""
    sides = want[header.start : header.end], got[other.start : other.end]
    at = _first_difference(*sides)
    return FieldDifference(header.name, header.start + at, bytes_shown(sides[0], at), bytes_shown(sides[1], at))


def _first_difference(left: bytes, right: bytes) -> int:
    """The index of the first byte that is not in both."""
    shorter = min(len(left), len(right))
    return next((at for at in range(shorter) if left[at] != right[at]), shorter)


def bits(data: bytes, field: Field) -> int:
    """The bits of *field* in *data*."""
    first, last = field.start // 8, -(-field.end // 8)
    number = int.from_bytes(data[first:last], "big") >> (8 * last - field.end)
    return number & ((1 << (field.end - field.start)) - 1)


def _bits(data: bytes, field: Field) -> tuple[int, int]:
    """(number of bits, the bits) of *field* in *data*."""
    return field.end - field.start, bits(data, field)


def _difference(header: Header, field: Field, other: Header, their: Field) -> FieldDifference:
    """How *field* of *header* and *their* field of the *other* differ."""
    values = field.value, their.value
    at = _first_difference(*values) if all(isinstance(one, bytes) for one in values) else 0
    texts = shown(header.layer, field, at), shown(other.layer, their, at)
    return FieldDifference(f"{header.name}.{field.name}", field.start // 8 + at, *texts)


def first_byte(expected: bytes, actual: bytes, mask: bytes | None = None) -> tuple[FieldDifference, ...]:
    """The first byte that differs, where no field tells it. *mask*: as `differences` has it."""
    expected = _filled(expected, actual, mask)
    if expected == actual:
        return ()
    at = _first_difference(expected, actual)
    want, got = (bytes_shown(side[at:]) if side[at:] else "no more bytes" for side in (expected, actual))
    return (FieldDifference(f"byte {at}", at, want, got),)


def _derived_last(
    found: Sequence[FieldDifference], expected: bytes, actual: bytes, link: str, chain: Sequence[type[Layer]]
) -> tuple[FieldDifference, ...]:
    """The differences, those that only follow from others marked and at the end."""
    follows = [one for one in found if all(_is_computed(one.name, side, link, chain) for side in (expected, actual))]
    return (*(one for one in found if one not in follows), *(one._replace(derived=True) for one in follows))


def _is_computed(name: str, data: bytes, link: str, chain: Sequence[type[Layer]]) -> bool:
    """Whether the field *name* of the packet is what Scapy would compute: a right checksum or length."""
    return with_computed(name, data, link, chain) == data


def with_computed(name: str, data: bytes, link: str, chain: Sequence[type[Layer]]) -> bytes | None:
    """The packet with what Scapy computes in its field *name*; None where Scapy computes none."""
    header, _, field = name.partition(".")
    word, nth = split(header)
    if word not in layers.LAYERS or field not in shape(layers.layer(word)).computed:
        return None
    with reading():
        packet = dissected(data, link, chain)
        layer = packet.getlayer(layers.layer(word), nth)
        if layer is None or not isinstance(layer.fields.get(field), int):
            return None
        layer.delfieldval(field)
        try:
            return bytes(packet)
        except Exception:  # noqa: BLE001  # what was read cannot always be built
            return None
