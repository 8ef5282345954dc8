"""`sockets:`, `maps:` and `globals:` → what is there before the run, and what is read after it."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError, both, each
from bpftest.expectations import EXPECTATIONS
from bpftest.expectations.context import Looking, Looks
from bpftest.expectations.globals import global_variable
from bpftest.kernel.door import Patch, Setup, Size, Socket, Write
from bpftest.map_values import blamed, refuse_special
from bpftest.maps import declared
from bpftest.plan.entries import MAPS, changes
from bpftest.plan.state import State
from bpftest.values import encode
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.btf import Btf
    from bpftest.expectations import Context
    from bpftest.suite.model import Case, Written

RINGS = ("ringbuf", "user_ringbuf")
PAGE = 4096  # bytes; the kernel refuses what is no multiple of its pages
LOOKING = ("maps", "globals", "runs")  # expectations whose checks want something to be looked at


def said(written: Written | None, variables: Written | None, context: Context) -> State:
    """What a case or a step says of maps and globals. Raises SuiteError."""
    if written is None and variables is None:
        return State()
    writes, patches = both(
        lambda: changes(written, context) if written else (),
        lambda: tuple(each(lambda one: _patch(one, context), variables.parts())) if variables else (),
    )
    frozen = tuple(patch for patch in patches if patch.section.startswith(".rodata"))
    put_in = [one.handle for one in writes if isinstance(one, Write) and one.handle is not None]
    handles = tuple(dict.fromkeys(handle for handle in put_in if handle.kind != "socket"))  # these have cookies
    programs = tuple(dict.fromkeys(handle.name for handle in handles if handle.kind == "program"))
    setup = Setup(tuple(patch for patch in patches if patch not in frozen), writes)
    return State(setup, frozen, programs, named=handles)


def looked_at(expect: Written, context: Context) -> State:
    """What the expectations of a step look at. Raises SuiteError."""
    wanted = [key for key in LOOKING if key in expect]
    checks = dict(each(lambda key: (key, EXPECTATIONS[key](expect[key], context)), wanted))
    looks = reduce(Looks.and_those, (check.looks for check in checks.values() if isinstance(check, Looking)), Looks())
    setup = Setup(
        before=looks.before,
        reads=looks.reads,
        records=looks.records,
        counted="runs" in expect,
        printk="printk" in expect,
        streams="streams" in expect,
        frames=tuple(expect["frames"]) if "frames" in expect else (),
        received=tuple(expect["sockets"]) if "sockets" in expect else (),
    )
    programs = tuple(handle.name for handle in looks.handles if handle.kind == "program")
    return State(setup, (), programs, looks.counted, looks.handles, checks)


def sockets_of(case: Case) -> tuple[Socket, ...]:
    """The sockets of *case*. Raises SuiteError, at its place."""
    return tuple(_socket(case.sockets[name], name, case) for name in case.sockets) if case.sockets else ()


def _interface(here: Written, case: Case) -> str:
    """An interface of the case, by its name. Raises SuiteError, at its place."""
    known = list(case.interfaces.value) if case.interfaces else []
    name: str = here.value
    if name not in known:
        hint = suggestion(name, known) if known else "say 'interfaces: [left]'"
        raise SuiteError(f"no interface '{name}' in this case", hint, here.place())
    return name


def _socket(here: Written, name: str, case: Case) -> Socket:
    from socket import AF_INET, AF_INET6, inet_pton

    kind = here["type"].value
    foreign = ("address", "port") if kind == "xdp" else ("interface", "queue")
    for key in foreign:
        if key in here:
            hint = "it has: interface, queue" if kind == "xdp" else "it has: address, port"
            raise SuiteError(f"a socket of type {kind} has no '{key}'", hint, here[key].key_place())
    if kind == "xdp":
        return Socket(name, kind, interface=_interface(here["interface"], case), queue=here.value.get("queue", 0))
    address = here["address"].value
    try:
        inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except (OSError, ValueError):
        hint = "such as 127.0.0.1 or ::1"
        raise SuiteError(f"'{address}' is no IPv4 or IPv6 address", hint, here["address"].place()) from None
    return Socket(name, kind, address, here["port"].value)


def _patch(here: Written, context: Context) -> Patch:
    variable = global_variable(here, context)
    if variable.section == ".kconfig":
        text = f"'{variable.name}' holds what the kernel was configured with: it cannot be set"
        hint = "a 'const volatile' variable can; or say 'requires: {config: [..]}'"
        raise SuiteError(text, hint, here.key_place())
    try:
        refuse_special(context.types(), variable.type, here.value, variable.name)
        content = encode(context.types(), variable.type, here.value, path=variable.name, base=variable.initial)
    except SuiteError as error:
        raise blamed(here, error, variable.name) from None
    return Patch(variable.section, variable.offset, content)


def sizes_of(here: Written, types: Callable[[], Btf]) -> tuple[Size, ...]:
    """What `load.maps` says of the sizes of maps. Raises SuiteError, at its place."""
    return tuple(_size(here[name], types) for name in here)


def _size(here: Written, types: Callable[[], Btf]) -> Size:
    name = str(here.key)
    try:
        its = declared(types(), name)
    except SuiteError as error:
        raise error.at(here.key_place()) from None
    size = here["max_entries"].value if "max_entries" in here else None
    if size is not None and its.type in RINGS and (size < PAGE or size & (size - 1)):
        text = f"a ring buffer of {size} bytes cannot be made"
        raise SuiteError(text, f"its size is a power of two, and {PAGE} at least", here["max_entries"].place())
    if "inner" in here and its.type not in MAPS:
        text = f"'{name}' is of type {its.type}: its values are no maps"
        raise SuiteError(text, "leave 'inner' out", here["inner"].key_place())
    return Size(name, size, here["inner"]["max_entries"].value if "inner" in here else None)
