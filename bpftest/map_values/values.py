"""Values of maps ⇄ bytes, and the names that stand for descriptors in them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.map_values.special import refuse_special
from bpftest.maps import DEVICES, PER_CPU
from bpftest.values import alike, encode, without_btf
from bpftest.wording import meant, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bpftest.btf import Btf
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

U32_MAX = 0xFFFFFFFF
# What else to write where the case has nothing of a kind.
NONE_THERE = {"socket": "declare it under 'sockets'", "program": "the object has none", "map": "the object has none"}


class Device(NamedTuple):
    """What an entry of a devmap or cpumap holds; None: it is not said."""

    number: int | None = None  # ifindex or qsize
    program: str | None = None  # that runs there: the C function


def value_bytes(value: Any, type_id: int | None, size: int, types: Callable[[], Btf], path: str) -> bytes:
    """The bytes of *value* by its BTF type, or without one as *size* bytes. Raises SuiteError."""
    if type_id is None:
        return without_btf(value, size, path=path)
    refuse_special(types(), type_id, value, path)
    return encode(types(), type_id, value, path=path)


def text_of(data: bytes, type_id: int | None, types: Callable[[], Btf], like: object = None) -> str:
    """*data* as a suite would write it, in the way of *like*; in hex where nothing tells its type."""
    if type_id is None:
        return str(int.from_bytes(data, sys.byteorder)) if isinstance(like, int) else data.hex(" ")
    try:
        return alike(types(), type_id, data, like)
    except SuiteError:  # *like* is a value of another type
        return alike(types(), type_id, data)


def value_text(data: bytes, declared: Declared, types: Callable[[], Btf], like: object = None) -> str:
    """A value of the map as a suite would write it; of a per-CPU map those of all CPUs."""
    if declared.type not in PER_CPU:
        return text_of(data, declared.value, types, like)
    parts = [text_of(one, declared.value, types, like) for one in cpu_values(data, declared)]
    return "{percpu: [" + ", ".join(parts) + "]}"


def cpu_values(data: bytes, declared: Declared) -> list[bytes]:
    """A value of a per-CPU map in parts, one for each CPU: the kernel pads each to 8 bytes."""
    size = (declared.value_size + 7) // 8 * 8
    return [data[at : at + declared.value_size] for at in range(0, len(data), size)]


def named(here: Written, form: str, known: Collection[str], what: str) -> str:
    """The NAME of {form: NAME}, one of *known*. *what*: why it has to be one. Raises SuiteError, at its place."""
    if form not in here or len(here.value) != 1:
        raise SuiteError(what, f"write {{{form}: NAME}}", here.place())
    name = here[form].value
    if not isinstance(name, str) or name not in known:
        hint = suggestion(str(name), known) if known else NONE_THERE[form]
        raise SuiteError(f"no {form} '{name}'", hint, here[form].place())
    return name


def item_of(here: Written, declared: Declared, types: Callable[[], Btf]) -> Written:
    """The value that an entry of a queue, a stack or a bloom filter says: itself, or X of {value: X}.

    A struct's own fields go before these keys. Raises SuiteError, at its place, for an entry that has a key.
    """
    said = here.value
    own = _fields(declared, types) if isinstance(said, dict) else ()
    if isinstance(said, dict) and "key" in said and "key" not in own:
        hint = "write its values alone, such as [1, 2]"
        raise SuiteError(f"'{declared.name}' is of type {declared.type}: it has no keys", hint, here["key"].key_place())
    if isinstance(said, dict) and "value" in said and "value" not in own and said.keys() <= {"value", "absent"}:
        return here["value"]
    return here


def _fields(declared: Declared, types: Callable[[], Btf]) -> Collection[str]:
    """The names of the fields that a value has."""
    from bpftest.btf import Struct

    if declared.value is None or not isinstance(types().resolve(declared.value), Struct):
        return ()
    return types().layout(declared.value).fields


def refuse_keyless(here: Written, declared: Declared) -> None:
    """Raises SuiteError, at its place, for an entry that has no key where one is needed."""
    if "key" in here:
        return
    hint = "write {key: .., value: ..}"
    unknown = [key for key in here if key not in ("value", "absent", "delete")] if isinstance(here.value, dict) else []
    near = meant(unknown[0], ["key"]) if len(unknown) == 1 else ""
    if near:
        raise SuiteError(f"unknown key '{unknown[0]}'", f"did you mean '{near}'?", here[unknown[0]].key_place())
    raise SuiteError(f"'{declared.name}' is of type {declared.type}: its entries have keys", hint, here.place())


def device_of(here: Written, declared: Declared, programs: Collection[str], interfaces: Mapping[str, int]) -> Device:
    """The entry of a devmap or cpumap that *here* says: a number, or {ifindex: .., program: ..}. Raises SuiteError.

    *interfaces*: their indices, by the names that a suite may write instead.
    """
    what = DEVICES[declared.type]
    if not isinstance(here.value, dict):
        return Device(_number(here, what, declared, interfaces))
    for key in here:
        if key not in (what, "program"):
            hint = f"it takes {what} and program"
            raise SuiteError(f"a value of '{declared.name}' has no '{key}'", hint, here[key].key_place())
    number = _number(here[what], what, declared, interfaces) if what in here else None
    if "program" not in here:
        return Device(number)
    if declared.value_size < 8:
        hint = f"give the map values of struct {'bpf_cpumap_val' if what == 'qsize' else 'bpf_devmap_val'}"
        text = f"the values of '{declared.name}' have {declared.value_size} bytes, which are for {what} alone"
        raise SuiteError(text, hint, here["program"].key_place())
    name = here["program"].value
    if name not in programs:
        raise SuiteError(f"no program '{name}'", suggestion(str(name), programs), here["program"].place())
    return Device(number, name)


def _number(here: Written, what: str, declared: Declared, interfaces: Mapping[str, int]) -> int:
    value = here.value
    if what == "ifindex" and isinstance(value, str) and value in interfaces:
        return interfaces[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U32_MAX:
        return value
    if what == "ifindex" and isinstance(value, str):
        hint = "there is only lo, which is interface 1; say others under 'interfaces'"
        if len(interfaces) > 1:
            hint = suggestion(value, interfaces)
        raise SuiteError(f"there is no interface '{value}'", hint, here.place())
    text = f"{declared.name} {what}: {value} is no number from 0 to {U32_MAX}"
    raise SuiteError(text, f"write {{{what}: {192 if what == 'qsize' else 1}}}, or the number alone", here.place())
