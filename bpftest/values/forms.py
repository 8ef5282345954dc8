"""What can be written without knowing a type: the explicit one-key forms, and values where there is no BTF."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Mapping

from bpftest.errors import SuiteError
from bpftest.values.addresses import ADDRESS_NAMES, address_bytes, address_text
from bpftest.values.bits import ByteOrder, bounds, signed
from bpftest.values.written import brief, either, quoted

NUMBERS = {f"{prefix}{bits}": bits for prefix in ("u", "s") for bits in (8, 16, 32, 64)}
NUMBERS |= {f"be{bits}": bits for bits in (16, 32, 64)}
ADDRESSES = {"ip4": 4, "mac": 6, "ip6": 16}  # bytes
FORMS = {*NUMBERS, *ADDRESSES, "text", "hex"}

NUMBER_SIZES = {1, 2, 4, 8}  # bytes

# Forms that stand for a whole value of a map, and of which map.
MAP_FORMS = {
    "percpu": "a per-CPU map",
    "sum": "a per-CPU map",
    "program": "a prog array",
    "map": "a map of maps",
    "ifindex": "a devmap",
    "socket": "a sockmap",
}


def form_of(value: object, fields: Container[str] = ()) -> str:
    """The form that *value* is written in, "" if it is in none. A struct's own *fields* go before forms."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return ""
    (key,) = value
    return key if (key in FORMS or key in MAP_FORMS) and key not in fields else ""


def form_bytes(value: Mapping[str, object], size: int, order: ByteOrder, path: str, type_name: str) -> bytes:
    """The *size* bytes that *value* says, which is in one of the forms.

    *order*: of numbers that are not big-endian by their form. *type_name*: what takes the bytes, for errors.
    Raises SuiteError.
    """
    ((form, content),) = value.items()
    if form in MAP_FORMS:
        raise SuiteError(f"{path}: {{{form}: ...}} is a value of {MAP_FORMS[form]}, not of {type_name}")
    if form == "text":
        return text_bytes(content, size, path, type_name)
    if form in NUMBERS:
        data = _number(form, content, order, path)
    elif form in ADDRESSES:
        data = _address(form, content, path)
    else:
        data = _hex(content, path)
    if len(data) != size:
        raise SuiteError(f"{path}: {{{form}: ...}} gives {byte_count(len(data))}, {type_name} has {size}")
    return data


def form_text(form: str, data: bytes, order: ByteOrder) -> str:
    """How *data*, of a size that *form* can give, reads in that form; in hex where it does not."""
    if form in NUMBERS:
        number = int.from_bytes(data, _order(form, order))
        return str(signed(number, NUMBERS[form]) if form.startswith("s") else number)
    if form in ADDRESSES:
        return address_text(data)
    text = clean_text(data) if form == "text" else None
    return data.hex(" ") if text is None else quoted(text)


def text_bytes(content: object, size: int, path: str, type_name: str) -> bytes:
    """*content* in UTF-8, with NULs up to *size* bytes; C's last NUL may be missing. Raises SuiteError."""
    if not isinstance(content, str):
        raise SuiteError(f"{path}: {brief(content)} is not text", "put it in quotes")
    data = content.encode("utf-8", "surrogatepass")
    if len(data) > size:
        raise SuiteError(f"{path}: {brief(content)} is {byte_count(len(data))} long, {type_name} has {size}")
    return data.ljust(size, b"\0")


def clean_text(data: bytes) -> str | None:
    """The text that `text_bytes` makes *data* from, if it is one that prints."""
    try:
        text = data.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def without_btf(value: object, size: int, *, path: str = "value") -> bytes:
    """The *size* bytes of a *value* whose type nothing tells: a form, an address, or a number.

    A number has 1, 2, 4 or 8 bytes in this machine's order, and may be negative. Raises SuiteError.
    """
    type_name = f"a value of {byte_count(size)} without BTF"
    if isinstance(value, Mapping) and form_of(value):
        return form_bytes(value, size, sys.byteorder, path, type_name)
    if isinstance(value, int) and size in NUMBER_SIZES:
        low, high = bounds(8 * size, is_signed=True)[0], bounds(8 * size, is_signed=False)[1]
        if not low <= value <= high:
            raise out_of_range(value, path, type_name, f"{low} to {high}")
        return _twos_complement(value, size, sys.byteorder)
    data = address_bytes(value) if isinstance(value, str) else None
    if data is not None and len(data) == size:
        return data
    options = ["a number"] if size in NUMBER_SIZES else []
    options += [ADDRESS_NAMES[size]] if size in ADDRESS_NAMES else []
    hint = f"write {either([*options, '{text: ...}', '{hex: ...}'])}; or give the map BTF types, with clang -g"
    raise SuiteError(f"{path}: {brief(value)} does not fit {type_name}", hint)


def out_of_range(value: int, path: str, type_name: str, span: str) -> SuiteError:
    """The error for a number that *type_name* is too small for; *span*: what it can hold."""
    return SuiteError(f"{path}: {brief(value)} does not fit {type_name} ({span})")


def byte_count(size: int) -> str:
    """*size* with its unit."""
    return "1 byte" if size == 1 else f"{size} bytes"


def _number(form: str, content: object, order: ByteOrder, path: str) -> bytes:
    bits = NUMBERS[form]
    low, high = bounds(bits, is_signed=form.startswith("s"))
    if not isinstance(content, int):
        raise SuiteError(f"{path}: {brief(content)} does not fit {form}", "write a number")
    if not low <= content <= high:
        raise out_of_range(content, path, form, f"{low} to {high}")
    return _twos_complement(content, bits // 8, _order(form, order))


def _twos_complement(number: int, size: int, order: ByteOrder) -> bytes:
    return (number & ((1 << 8 * size) - 1)).to_bytes(size, order)


def _order(form: str, order: ByteOrder) -> ByteOrder:
    return "big" if form.startswith("be") else order


def _address(form: str, content: object, path: str) -> bytes:
    data = address_bytes(content) if isinstance(content, str) else None
    if data is None or len(data) != ADDRESSES[form]:
        raise SuiteError(f"{path}: {brief(content)} is not {ADDRESS_NAMES[ADDRESSES[form]]}")
    return data


def _hex(content: object, path: str) -> bytes:
    """Spaces, colons and # comments are fine, as in a packet."""
    if not isinstance(content, str):
        raise SuiteError(f"{path}: {brief(content)} is not text", "put the hex digits in quotes")
    try:
        return bytes.fromhex(re.sub("#.*", "", content).replace(":", " "))
    except ValueError:
        raise SuiteError(f"{path}: {brief(content)} is not hex") from None
