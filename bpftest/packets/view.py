"""A packet as people read it: its headers and fields, what is not valid in it, and its bytes.

42 bytes: Ether / IP / UDP

Ether        @0   14 bytes
Ether.dst    @0   ff:ff:ff:ff:ff:ff
..
IP.chksum    @24  0x7dce              not valid: 0x7cce is
..
0000  ff ff ff ff ff ff 00 00 00 00 00 00 08 00 45 00  ..............E.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bpftest.packets.checksums import Checksum, checksums
from bpftest.packets.dissection import Field, Header, headers, path
from bpftest.packets.fields import bits, with_computed
from bpftest.packets.hexrows import WIDTH
from bpftest.packets.shapes import shape
from bpftest.packets.shown import bytes_shown, shown

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

COLUMN_MAX = 40  # characters of a value; a remark stands behind longer ones too, but not below the others


class _Row(NamedTuple):
    name: str  # "IP", "IP.ttl", as reports and suites name them
    offset: int  # bytes from the start of the packet
    value: str
    remark: str = ""


def view(data: bytes, link: str = "", chain: Sequence[type[Layer]] = ()) -> Iterator[str]:
    """The lines that show a packet. *link*, *chain*: as dissection.headers takes them. Never raises."""
    found = headers(data, link, chain) if data else ()
    rows = list(_rows(data, link, chain, found))
    if not rows:
        yield from plain_lines(data)
        return
    yield f"{_counted(len(data))}: {path(found)}"
    yield ""
    yield from _table(rows)
    yield ""
    yield from hex_lines(data)


def plain_lines(data: bytes) -> tuple[str, ...]:
    """The lines that show bytes of which nothing is known."""
    return (_counted(len(data)), *(("", *hex_lines(data)) if data else ()))


def hex_lines(data: bytes) -> Iterator[str]:
    """*data* in hex, sixteen bytes a line, with their offset and the text that they may be."""
    for at in range(0, len(data), WIDTH):
        row = data[at : at + WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:04x}  {row.hex(' '):<{3 * WIDTH - 1}}  {text}"


def _table(rows: list[_Row]) -> Iterator[str]:
    name = max(len(row.name) for row in rows)
    offset = max(len(f"@{row.offset}") for row in rows)
    value = max((len(row.value) for row in rows if len(row.value) <= COLUMN_MAX), default=0)
    for row in rows:
        line = f"{row.name:<{name}}  {f'@{row.offset}':<{offset}}  {row.value:<{value}}"
        yield f"{line}  {row.remark}" if row.remark else line.rstrip()


def _rows(data: bytes, link: str, chain: Sequence[type[Layer]], found: Sequence[Header]) -> Iterator[_Row]:
    sums = {one.offset: one for one in checksums(data, link)}
    for header in found:
        yield _Row(header.name, header.start, _counted(header.end - header.start))
        if not header.fields:
            yield _Row(f"{header.name}.*", header.start, bytes_shown(data[header.start : header.end]))
        for field in header.fields:
            remark = _of_sum(header, field, sums) or _of_computed(header, field, data, link, chain)
            yield _Row(f"{header.name}.{field.name}", field.start // 8, shown(header.layer, field), remark)


def _of_sum(header: Header, field: Field, sums: Mapping[int, Checksum]) -> str:
    """What is to be said of a checksum; "" for other fields, and where nobody can tell."""
    if "sum" not in field.name:
        return ""
    known = sums.get(field.start // 8)
    if known is not None:
        return "valid" if known.valid else f"not valid: {known.expected} is"
    return "none" if (type(header.layer).__name__, field.value) == ("UDP", 0) else ""


def _of_computed(header: Header, field: Field, data: bytes, link: str, chain: Sequence[type[Layer]]) -> str:
    """That a length, or another field which follows from the rest, is not what Scapy computes; "" where it is."""
    if header.is_inner or not isinstance(field.value, int) or field.name not in shape(type(header.layer)).computed:
        return ""
    made = with_computed(f"{header.name}.{field.name}", data, link, chain)
    if made is None or made == data or len(made) != len(data):
        return ""
    right = bits(made, field)
    return f"not as computed: {shown(header.layer, field._replace(value=right))}" if right != bits(data, field) else ""


def _counted(size: int) -> str:
    return f"{size} byte" if size == 1 else f"{size} bytes"
