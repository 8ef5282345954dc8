"""The value of a field, as a user writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.packets.shapes import NUMBERS, PORTS, unwrapped

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

    from bpftest.packets.dissection import Field

BYTES_SHOWN = 16


def shown(layer: Layer, field: Field, around: int = 0) -> str:
    """The value of *field* of *layer*: 63, 0x67ce, IPv6 (0x86dd), SA, 10.0.0.1, b'hello', [('MSS', 1460)].

    Of long bytes a part is shown, with the one at *around* in it.
    """
    value, kind = field.value, _kind(layer, field.kind)
    if isinstance(value, bytes):
        return bytes_shown(value, around)
    if isinstance(value, int):
        number = _number(value, kind, field.end - field.start)
        name = _name(layer, kind, value)
        return f"{name} ({number})" if name else number
    if type(value).__name__ == "FlagValue":
        return _flags(value)
    return str(value)


def bytes_shown(data: bytes, around: int = 0) -> str:
    """b'hello' where it is printable, else hex; a part of it with the byte at *around* if it is long."""
    if len(data) <= 2 * BYTES_SHOWN and data and all(32 <= byte < 127 for byte in data):
        return repr(data)
    if len(data) <= BYTES_SHOWN:
        return data.hex() or "b''"
    start = min(max(0, around - BYTES_SHOWN // 2), len(data) - BYTES_SHOWN)
    part = data[start : start + BYTES_SHOWN].hex()
    end = "..." if start + BYTES_SHOWN < len(data) else ""
    return f"{'...' if start else ''}{part}{end} ({len(data)} bytes)"


def _kind(layer: Layer, kind: Any) -> Any:
    """Scapy's field class that reads the value."""
    inner = unwrapped(kind)
    return inner._find_fld_pkt(layer) if hasattr(inner, "flds") else inner


def _number(value: int, kind: Any, bits: int) -> str:
    """Decimal, or hex where Scapy shows hex (checksums, EtherTypes, labels)."""
    is_hex = type(kind).__name__.startswith(("X", "OUI"))
    return f"0x{value:0{(bits + 3) // 4}x}" if is_hex else str(value)


def _name(layer: Layer, kind: Any, value: int) -> str:
    """What *value* is called, "" if it has no name; never by the tables of the machine."""
    full_name = f"{type(layer).__name__}.{kind.name}"
    if NUMBERS.get(full_name) is PORTS:
        return ""  # 53 says as much as domain
    if full_name in NUMBERS:
        return next((name for name, number in NUMBERS[full_name].items() if number == value), "")
    names = getattr(kind, "i2s", None) or {}
    if hasattr(kind, "i2s_multi"):
        names = kind.i2s_multi.get(kind.depends_on(layer), {})
    name = names.get(value, "")
    return name if isinstance(name, str) else ""


def _flags(value: Any) -> str:
    """SA, DF+MF; 0 if none is set, hex if one has no name."""
    text = str(value)
    if "?" in text:
        return hex(int(value))
    return text or "0"
