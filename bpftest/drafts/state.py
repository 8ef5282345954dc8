"""The maps and global variables of an object, as lines that an author takes into use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.drafts.fields import field_lines, indented, listed
from bpftest.drafts.scalars import flow, key
from bpftest.errors import ObjectError, SuiteError
from bpftest.map_values.closed import closed
from bpftest.maps import DEVICES, KEYLESS, PER_CPU, declared, map_types, variable
from bpftest.values.slots import Slot
from bpftest.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.btf import Btf
    from bpftest.elf import ElfProgram, ElfVariable
    from bpftest.maps import Declared

MAPS = 64  # maps, and as many variables, that are shown
STRUCTS = 16  # of a key, a value or a variable, in each other
HEX_MAX = 64  # bytes of a key or a value without types
SIZE_MAX = 1 << 20  # bytes of a variable; one with more is no line for people
PREFIXES = {8: "10.0.0.0/8", 20: "2001:db8::/32"}  # by bytes of the key of an LPM trie
SOCKET = {"web": {"type": "tcp", "address": "127.0.0.1", "port": 8080}}
SOCKETS = ("sockmap", "sockhash", "sk_storage")


class State(NamedTuple):
    """Lines of YAML."""

    maps: tuple[str, ...] = ()  # of what stands under `maps`
    variables: tuple[str, ...] = ()  # of what stands under `globals`
    sockets: tuple[str, ...] = ()  # that entries of the maps name
    closed: tuple[str, ...] = ()  # a line for each map that has no entries to write, and for all else to be said


def state_of(btf: Btf, variables: tuple[ElfVariable, ...], programs: tuple[ElfProgram, ...]) -> State:
    """What the object declares. *programs*: its own, one at least. Raises ObjectError where its types are damaged.

    A map or a variable that cannot be is left out: no suite needs it.
    """
    maps: list[str] = []
    unwritten: list[str] = []
    needs_socket = False
    program = _last_of_most(programs)
    for name in list(map_types(btf))[:MAPS]:
        try:
            found = declared(btf, name)
        except SuiteError as error:
            unwritten.append(shown(error.what))
            continue
        refusal = closed(found)
        if refusal is not None:
            unwritten.append(_closed_text(found, refusal))
            continue
        maps += _map_lines(btf, found, program)
        needs_socket = needs_socket or found.type in SOCKETS
    sockets = (f"sockets: {flow(SOCKET)}",) if needs_socket else ()
    return State(tuple(maps), tuple(_variables(btf, variables)), sockets, tuple(unwritten))


def _last_of_most(programs: tuple[ElfProgram, ...]) -> str:
    """A program to put into a prog array, whose programs are all of one type: one of the kind that is there most."""
    sections = [program.section for program in programs]
    most = max(sections, key=sections.count)
    return [program.name for program in programs if program.section == most][-1]


def _closed_text(found: Declared, refusal: SuiteError) -> str:
    kind = f"{shown(found.name)}: {found.type or 'a map of a type that bpftest does not know'}"
    size = f" of {found.max_entries:,} bytes" if found.type == "ringbuf" and found.max_entries else ""
    return f"{kind}{size}; {refusal.hint}" if refusal.hint else f"{kind}{size}"


# --- maps ---------------------------------------------------------------------------------------------------------


def _map_lines(btf: Btf, found: Declared, program: str) -> list[str]:
    """`name: [an entry]`, with the type of the map as a comment."""
    entries = f" of {found.max_entries:,}" if found.max_entries else ""
    percpu = "; on every CPU, or {percpu: [..]}" if found.type in PER_CPU else ""
    entry = list(_entry(btf, found, program))
    title = f"{key(found.name)}:  # {found.type}{entries}{percpu}"
    return [title, *indented(listed(entry))] if entry else [f"{key(found.name)}: []  # {found.type}{entries}"]


def _entry(btf: Btf, found: Declared, program: str) -> Iterator[str]:
    """The lines of a first entry, not yet an element of the list."""
    if found.type in KEYLESS:
        yield from _item(btf, found)
        return
    keys, values = _key(btf, found), list(_value(btf, found, program))
    if len(keys) == len(values) == 1 and not any(line.startswith("#") for line in (*keys, *values)):
        (one, _, one_type), (other, _, other_type) = (line.partition("  # ") for line in (*keys, *values))
        types = " → ".join(filter(None, (one_type, other_type)))
        yield f"{{{one}, {other}}}" + (f"  # {types}" if types else "")
        return
    yield from (line.removesuffix("  # ") for line in (*keys, *values))


def _item(btf: Btf, found: Declared) -> Iterator[str]:
    """A value of a map that has no keys."""
    lines = _typed(btf, "value:", found.value, found.value_size)
    yield from lines if not lines[0].startswith("#") else ()


def _key(btf: Btf, found: Declared) -> list[str]:
    if found.type == "sk_storage":
        return ["key: {socket: web}  # "]
    if found.type == "lpm_trie" and found.key_size in PREFIXES:
        return [f"key: {flow(PREFIXES[found.key_size])}  # {_spelled(btf, found.key)}"]
    return _typed(btf, "key:", found.key, found.key_size)


def _value(btf: Btf, found: Declared, program: str) -> Iterable[str]:
    if found.type == "prog_array":
        return [f"value: {flow({'program': program})}  # "]
    if found.type in ("sockmap", "sockhash"):
        return ["value: {socket: web}  # "]
    if found.type in DEVICES:
        return [f"value: {flow({DEVICES[found.type]: 192 if found.type == 'cpumap' else 'lo'})}  # "]
    if found.type in ("array_of_maps", "hash_of_maps"):
        return _inner_map(btf, found)
    return _typed(btf, "value:", found.value, found.value_size)


def _inner_map(btf: Btf, found: Declared) -> list[str]:
    """The value of a map of maps: a new map with an entry, or one of the object by its name."""
    inner = list(_entry(btf, found.inner, "")) if found.inner is not None and _is_plain(found.inner) else []
    by_name = "or {map: NAME}, one of the object's"
    return [f"value:  # {by_name}", *indented(listed(inner))] if inner else [f"value: []  # {by_name}"]


def _is_plain(found: Declared) -> bool:
    return closed(found) is None and found.type not in (*DEVICES, *SOCKETS, "prog_array")


def _typed(btf: Btf, label: str, type_id: int | None, size: int) -> list[str]:
    """*label* with zeros of the type; without one as a number, or in hex."""
    if type_id is not None:
        return field_lines(Slot(btf, type_id, ""), label, None, iter(range(STRUCTS)))
    if size in (1, 2, 4, 8):
        return [f"{label} 0  # {size} bytes"]
    return [f"{label} {flow({'hex': bytes(min(size, HEX_MAX)).hex(' ')})}  # {size} bytes"]


def _spelled(btf: Btf, type_id: int | None) -> str:
    return shown(btf.spelled(type_id)) if type_id is not None else ""


# --- global variables ---------------------------------------------------------------------------------------------


def _variables(btf: Btf, symbols: tuple[ElfVariable, ...]) -> Iterator[str]:
    """`name: value` of each variable, as the object has it: to take the line into use changes nothing yet."""
    known = {one.name: one for one in btf.variables() if one.section.startswith((".data", ".bss", ".rodata"))}
    names = dict.fromkeys(one.name for one in symbols if one.name in known and not _is_of_printing(one.name))
    for name in list(names)[:MAPS]:
        try:
            slot = Slot(btf, known[name].type, name)
            content = variable(btf, symbols, name).initial if slot.size <= SIZE_MAX else None
        except (SuiteError, ObjectError):
            continue
        first, *rest = field_lines(slot, f"{key(name)}:", content, iter(range(STRUCTS)))
        constant = ", a constant" if known[name].section.startswith(".rodata") else ""
        yield f"{first}{constant}"
        yield from rest


def _is_of_printing(name: str) -> bool:
    """Whether bpf_printk() has made the variable: its format."""
    return name.rpartition(".")[2].startswith("____fmt")
