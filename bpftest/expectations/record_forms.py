"""One record of a ring buffer or a perf event array, in the forms that a suite may give it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.events import Mismatch
from bpftest.expectations.output import sourced
from bpftest.packets.patterns import Pattern, pattern
from bpftest.packets.sources import Scope, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

    Differ = Callable[[bytes, str], Iterator[Mismatch]]  # of a record, and its name in the report: "events[2]"

# Forms of a record beside those of numbers and addresses, and what may stand beside each.
COMPANIONS: dict[str, tuple[str, ...]] = {"struct": ("fields", "packet"), "hex": ("prefix",), "text": ()}
BYTES_MAX = 32  # of a record that is shown in hex


class Wanted(NamedTuple):
    """A record that is expected."""

    text: str  # what it is to be
    differ: Differ
    struct: int = 0  # BTF id; 0: the suite names none
    size: int = 0  # of the struct, in bytes
    fields: object = None  # of the struct, as the suite has them


def wanted_record(here: Written, path: str, declared: Declared, context: Context) -> Wanted:
    """What *here* says of a record of *declared*; *path*: what reports call it. Raises SuiteError, at its place."""
    from bpftest.values.forms import ADDRESSES, NUMBERS  # only for suites that name records

    forms = {**COMPANIONS, **dict.fromkeys((*NUMBERS, *ADDRESSES), ())}
    form = next((key for key in here if key in forms), None)
    if form is None:
        hint = "write {struct: NAME, fields: {..}}, {hex: ..}, {text: ..} or {u32: ..}"
        raise SuiteError(f"{path}: this says neither the record's struct nor its bytes", hint, here.place())
    other = next((key for key in here if key != form and key not in forms[form]), None)
    if other is not None:
        raise SuiteError(f"{path}: '{form}' and '{other}' do not go together", "", here[other].key_place())
    match form:
        case "struct":
            return _struct(here, path, declared, context)
        case "hex":
            return _hex(here, declared)
        case "text":
            return text_record(here["text"].value)
    return _number(here, path, declared)


def _struct(here: Written, path: str, declared: Declared, context: Context) -> Wanted:
    """The record begins with a struct whose fields are these; what is behind it counts where `packet` says so."""
    from bpftest.values import differences, plainly

    btf, struct = context.types(), _struct_id(here, path, context)
    size = btf.sizeof(struct)
    fields = here["fields"].value if "fields" in here else {}
    _refuse_misfits(here, struct, path, context)
    packet = _packet(here["packet"], context) if "packet" in here else None

    def differ(record: bytes, path: str) -> Iterator[Mismatch]:
        if len(record) < size:
            yield Mismatch(f"{path} length", f"{size} or more", str(len(record)))
            return
        found = differences(btf, struct, fields, record[:size], path)
        yield from (Mismatch(one.path, one.expected, one.actual) for one in found)
        if packet is not None:
            behind = unpadded(record, size + len(packet.value), declared)[size:]
            yield from _packet_mismatches(packet, behind, f"{path}.packet", context.scope)

    return Wanted(f"{btf.spelled(struct)} {plainly(fields)}", differ, struct, size, fields)


def _struct_id(here: Written, path: str, context: Context) -> int:
    from bpftest.values import struct_id

    try:
        return struct_id(context.types(), here["struct"].value, path=path)
    except SuiteError as error:
        if not error.hint.startswith("did you mean"):
            # clang leaves types out of the BTF that are used in functions only.
            error.hint = (
                f"if it is in the source: declare `const struct {here['struct'].value} *unused;` there, for clang"
            )
        raise error.at(here["struct"].place()) from None


def _refuse_misfits(here: Written, struct: int, path: str, context: Context) -> None:
    """Raises SuiteError, at its place, for a field that there is not, or that cannot have its value."""
    from bpftest.values import differences

    btf = context.types()
    for name in here["fields"] if "fields" in here else ():  # noqa: SIM401 - Written has no get
        field = here["fields"][name]
        try:
            differences(btf, struct, {name: field.value}, bytes(btf.sizeof(struct)), path)
        except SuiteError as error:
            raise error.at(field.place() if name in btf.layout(struct).fields else field.key_place()) from None


def _packet(here: Written, context: Context) -> Pattern:
    try:
        return pattern(here.value, context.scope)
    except SourceError as error:
        raise sourced(error, here) from None


def _packet_mismatches(expected: Pattern, actual: bytes, path: str, scope: Scope) -> Iterator[Mismatch]:
    if expected.matches(actual):
        return
    from bpftest.packets.asking import differences  # only where something differs

    compared = expected.compared(actual)
    its = expected.link, expected.mask, expected.chain
    found = differences(expected.value, compared, *its, scope) if compared else ()
    yield from (Mismatch(f"{path}.{one.name}", one.expected, one.actual, one.offset, one.derived) for one in found)
    if len(compared) != len(expected.value):
        yield Mismatch(f"{path} length", str(len(expected.value)), str(len(compared)), derived=bool(found))


def _hex(here: Written, declared: Declared) -> Wanted:
    """The record is these bytes, or begins with them."""
    try:
        expected = pattern(here.value, Scope())
    except SourceError as error:
        raise sourced(error, here) from None

    def differ(record: bytes, path: str) -> Iterator[Mismatch]:
        data = unpadded(record, len(expected.value), declared)
        if not expected.matches(data):
            from bpftest.packets.hexrows import rows  # only where something differs

            found = rows(expected.value, expected.compared(data), expected.mask).rows
            for row in found:
                what = f"{path} from byte {row.offset}" if row.offset or len(found) > 1 else path
                yield Mismatch(what, row.expected or "nothing", row.actual or "nothing")

    return Wanted(" ".join(here["hex"].value.split()), differ)


def text_record(wanted: str) -> Wanted:
    """The record is this text; NULs may follow."""
    from bpftest.values.forms import clean_text
    from bpftest.values.written import quoted

    def differ(record: bytes, path: str) -> Iterator[Mismatch]:
        if record.rstrip(b"\0") != wanted.encode("utf-8", "surrogatepass"):
            actual = clean_text(record)
            yield Mismatch(path, quoted(wanted), quoted(actual) if actual is not None else in_hex(record))

    return Wanted(quoted(wanted), differ)


def _number(here: Written, path: str, declared: Declared) -> Wanted:
    """The record is a number or an address, and nothing else."""
    from bpftest.values.forms import ADDRESSES, NUMBERS, form_bytes, form_text

    ((form, _),) = here.value.items()
    size = NUMBERS[form] // 8 if form in NUMBERS else ADDRESSES[form]
    try:
        expected = form_bytes(here.value, size, sys.byteorder, path, "a record")
    except SuiteError as error:
        raise error.at(here[form].place()) from None
    text = form_text(form, expected, sys.byteorder)

    def differ(record: bytes, path: str) -> Iterator[Mismatch]:
        data = unpadded(record, size, declared)
        if data != expected:
            yield Mismatch(path, text, form_text(form, data, sys.byteorder) if len(data) == size else in_hex(data))

    return Wanted(text, differ)


def unpadded(record: bytes, size: int, declared: Declared) -> bytes:
    """*record* as the program sent it, if that was *size* bytes; *record*, if it was not.

    The kernel makes a record of a perf event array longer, until it ends at 8 bytes with its length of 4 bytes
    (perf_prepare_sample, kernel/events/core.c); nothing tells how many bytes there were.
    """
    padding = -(4 + size) % 8 if declared.type == "perf_event_array" else 0
    return record[:size] if len(record) == size + padding else record


def in_hex(record: bytes) -> str:
    """The first bytes of *record*, and how many it has where that is not all."""
    more = f" .. ({len(record)} bytes)" if len(record) > BYTES_MAX else ""
    return f"{record[:BYTES_MAX].hex(' ')}{more}" or "nothing"
