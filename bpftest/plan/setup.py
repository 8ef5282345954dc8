"""`sockets:`, `maps:` and `globals:` → what is there before the run, and what is read after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest import maps
from bpftest.errors import SuiteError
from bpftest.expectations.state import global_reads, map_reads
from bpftest.kernel.door import Patch, Setup, Socket, Write
from bpftest.map_values import key_bytes, value_bytes
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.expectations import Context
    from bpftest.maps import Declared
    from bpftest.suite.model import Case, Written


class State(NamedTuple):
    """The initial state of a case, as far as the suite says it."""

    setup: Setup = Setup()
    constants: tuple[Patch, ...] = ()  # of .rodata: they are set before the program is loaded
    programs: tuple[str, ...] = ()  # programs that must be loaded too, for prog arrays


def has_state(case: Case) -> bool:
    """Whether *case* says anything of sockets, maps or globals."""
    said = case.sockets or case.maps or case.globals
    return bool(said) or "maps" in case.expect or "globals" in case.expect


def state_of(case: Case, context: Context) -> State:
    """What *case* says of sockets, maps and globals, and what its expectations read. Raises SuiteError."""
    sockets = sockets_of(case)
    writes = _writes(case.maps, context, [socket.name for socket in sockets]) if case.maps else ()
    patches = tuple(_patch(case.globals[name], name, context) for name in case.globals) if case.globals else ()
    reads = (
        *(map_reads(case.expect["maps"], context) if "maps" in case.expect else ()),
        *(global_reads(case.expect["globals"], context) if "globals" in case.expect else ()),
    )
    constant = [patch.section.startswith(".rodata") for patch in patches]
    return State(
        Setup(
            sockets,
            writes,
            tuple(patch for patch, frozen in zip(patches, constant, strict=True) if not frozen),
            reads,
        ),
        tuple(patch for patch, frozen in zip(patches, constant, strict=True) if frozen),
        tuple(dict.fromkeys(write.program for write in writes if write.program)),
    )


def sockets_of(case: Case) -> tuple[Socket, ...]:
    """The sockets of *case*. Raises SuiteError, at its place."""
    return tuple(_socket(case.sockets[name], name) for name in case.sockets) if case.sockets else ()


def _socket(here: Written, name: str) -> Socket:
    from socket import AF_INET, AF_INET6, inet_pton

    address = here["address"].value
    try:
        inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError):
        hint = "such as 127.0.0.1 or ::1"
        raise SuiteError(f"'{address}' is no IPv4 or IPv6 address", hint, here["address"].place()) from None
    return Socket(name, here["type"].value, address, here["port"].value)


def _patch(here: Written, name: str, context: Context) -> Patch:
    from bpftest.values import encode

    try:
        variable = maps.variable(context.types(), context.variables, name)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    try:
        content = encode(context.types(), variable.type, here.value, path=name, base=variable.initial)
    except SuiteError as error:
        raise error.at(here.place()) from None
    return Patch(variable.section, variable.offset, content)


def _writes(here: Written, context: Context, sockets: list[str]) -> tuple[Write, ...]:
    found = []
    for name in here:
        try:
            declared = maps.declared(context.types(), name)
        except SuiteError as error:
            raise error.at(here[name].key_place()) from None
        found += [_write(here[name][index], declared, context, sockets) for index in range(len(here[name].value))]
    return tuple(found)


def _write(entry: Written, declared: Declared, context: Context, sockets: list[str]) -> Write:
    key = key_bytes(entry["key"], declared, context.types)
    value = entry["value"]
    if declared.type in maps.SOCKETS:
        return Write(declared.name, key, socket=_named(value, "socket", sockets, "declare it under 'sockets'"))
    if declared.type == "prog_array":
        return Write(declared.name, key, program=_named(value, "program", context.programs, "it has none"))
    if declared.type not in maps.VALUES:
        known = ", ".join(sorted((*maps.VALUES, *maps.SOCKETS, "prog_array")))
        text = f"'{declared.name}' is a map of type {declared.type or 'unknown to bpftest'}, which is not filled"
        raise SuiteError(text, f"maps of these types are: {known}", entry.place())
    try:
        return Write(declared.name, key, _value(value, declared, context))
    except SuiteError as error:
        raise error.at(value.place()) from None


def _value(here: Written, declared: Declared, context: Context) -> bytes | tuple[bytes, ...]:
    said, path = here.value, f"{declared.name} value"
    if declared.type in maps.PER_CPU and isinstance(said, dict) and list(said) == ["percpu"]:
        return tuple(
            value_bytes(one, declared.value, declared.value_size, context.types, path) for one in said["percpu"]
        )
    return value_bytes(said, declared.value, declared.value_size, context.types, path)


def _named(here: Written, form: str, known: tuple[str, ...] | list[str], otherwise: str) -> str:
    """The NAME of {form: NAME}."""
    if form not in here or len(here.value) != 1:
        raise SuiteError(f"a value of this map is a {form}", f"write {{{form}: NAME}}", here.place())
    name: str = here[form].value
    if name not in known:
        hint = suggestion(name, known) if known else otherwise
        raise SuiteError(f"no {form} '{name}'", hint, here[form].place())
    return name
