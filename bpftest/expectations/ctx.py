"""`ctx` and `socket`: what the context says after the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, reply_of
from bpftest.packets.sources import SourceError, hex_bytes
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.progtypes import CtxField
    from bpftest.suite.model import Written

INTERFACES = {"ifindex", "ingress_ifindex"}  # members that take an interface's name


def ctx(want: Written, context: Context) -> Check:
    """The named fields of the context after the run; no others are compared."""
    prog_type = context.prog_type
    if "ctx" not in prog_type.gives_back:
        hint = f"what comes back: {', '.join(prog_type.gives_back)}"
        raise SuiteError(f"the kernel gives back no ctx for {prog_type.name}", hint, want.key_place())
    return KINDS[prog_type.ctx_kind](want, context)


def _struct(want: Written, context: Context) -> Check:
    struct = context.prog_type.ctx
    assert struct is not None
    for key in want:
        if key not in struct.returned:
            text = f"the kernel gives back no '{key}' for {context.prog_type.name}"
            raise SuiteError(text, suggestion(key, struct.returned), want[key].key_place())
    members = {key: struct.members[key] for key in want}
    for key in members.keys() & INTERFACES:
        members[key] = members[key]._replace(names=context.interfaces)
    check = members_check(want, members, "ctx")
    return lambda observation: check(reply_of(observation).ctx_out)


def members_check(
    want: Written, members: dict[str, CtxField], key: str, prefix: str = "ctx."
) -> Callable[[bytes], Finding]:
    """The *members* of a struct, of which the check is given the bytes, are as *want* says."""
    wanted = {}
    for name, member in members.items():
        try:
            encoded = member.encoded(want[name].value)
        except SuiteError as error:
            raise error.at(want[name].place()) from None
        wanted[name] = member._replace(offset=0).decoded(encoded)

    def check(data: bytes) -> Finding:
        mismatches = []
        for name, member in members.items():
            actual, expected = member.decoded(data), wanted[name]
            if isinstance(actual, tuple):  # of an array, the elements that are named
                count = len(want[name].value) if isinstance(want[name].value, list) else 1
                actual, expected = actual[:count], tuple(expected)[:count]  # type: ignore[arg-type]
            if actual != expected:
                mismatches.append(Mismatch(f"{prefix}{name}", member.text(expected), member.text(actual)))
        if mismatches:
            return Finding(key, "", tuple(mismatches), excerpt=excerpt(want))
        return Finding(key, ", ".join(f"{name} {member.text(wanted[name])}" for name, member in members.items()))

    return check


def _state(want: Written, _context: Context) -> Check:
    """The state of bpf_dummy_ops, which is written back."""
    _only(want, "state")
    wanted = want["state"].value

    def check(observation: Observation) -> Finding:
        data = reply_of(observation).ctx_out
        actual = int.from_bytes(data, sys.byteorder, signed=True)
        if actual == wanted and data:
            return Finding("ctx", f"state {actual}")
        mismatch = Mismatch("ctx.state", str(wanted), str(actual) if data else "no state was given")
        return Finding("ctx", mismatches=(mismatch,), excerpt=excerpt(want))

    return check


def _btf(want: Written, context: Context) -> Check:
    """The ctx of a syscall program, which is written back: the named fields, or all of it in hex."""
    from bpftest.values import Difference, differences

    types, struct = context.types, context.struct
    if "hex" in want or not struct:
        _only(want, "hex", "; fields by name need 'ctx: {struct: NAME, fields: ..}' in the case")
        expected = _hex(want["hex"])

        def differ(data: bytes) -> tuple[Difference, ...]:
            return () if data == expected else (Difference("ctx", expected.hex(" "), data.hex(" ")),)

    else:
        name = types().spelled(struct).removeprefix("struct ")
        try:
            differences(types(), struct, want.value, bytes(types().sizeof(struct)), name)
        except SuiteError as error:
            raise error.at(want.place()) from None

        def differ(data: bytes) -> tuple[Difference, ...]:
            return differences(types(), struct, want.value, data, name)

    def check(observation: Observation) -> Finding:
        found = differ(reply_of(observation).ctx_out)
        if not found:
            return Finding("ctx", "as written")
        mismatches = tuple(Mismatch(one.path, one.expected, one.actual) for one in found)
        return Finding("ctx", mismatches=mismatches, excerpt=excerpt(want))

    return check


def _hex(here: Written) -> bytes:
    try:
        return hex_bytes(here.value, "hex")
    except SourceError as error:
        raise error.at(here.part(error.span)) from None


def _only(want: Written, known: str, more: str = "") -> None:
    for key in want:
        if key != known:
            raise SuiteError(f"this ctx has no '{key}'", f"it has: {known}{more}", want[key].key_place())


KINDS: dict[str, Callable[[Written, Context], Check]] = {"struct": _struct, "state": _state, "btf": _btf}


def socket(want: Written, context: Context) -> Check:
    """The program selected this socket of the case, or none; found out by its cookie."""
    if "socket" not in context.prog_type.extras:
        raise SuiteError(f"{context.prog_type.name} selects no socket", "only sk_lookup does", want.key_place())
    name = want.value
    if name != "none" and name not in context.sockets:
        hint = suggestion(name, ("none", *context.sockets))
        raise SuiteError(f"no socket '{name}' in this case", hint, want.place())

    def check(observation: Observation) -> Finding:
        reply = reply_of(observation)
        cookie = int.from_bytes(reply.ctx_out[:8], sys.byteorder)
        names = {number: known for known, number in reply.cookies} | {0: "none"}
        actual = names.get(cookie, f"a socket that is not of this case (cookie {cookie})")
        if actual == name:
            return Finding("socket", name)
        return Finding("socket", mismatches=(Mismatch("socket", name, actual),), excerpt=excerpt(want))

    return check
