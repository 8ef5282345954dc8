"""`ctx:` → the bytes that the kernel gets as context, in the way of each kind of program type."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations.ctx import INTERFACES
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.expectations import Context
    from bpftest.progtypes import Ctx, ProgType
    from bpftest.suite.model import Step, Written

ARG = 8  # bytes of an argument
FROM = "from"  # the step whose ctx is taken; what else is said goes before it
# What `ctx` says for the kinds of context that are no struct of the kernel's.
KEYS = {"args": ("args",), "state": ("state", "args", FROM), "btf": ("struct", "fields", "hex", FROM)}


class Given(NamedTuple):
    """A context as the suite gives it."""

    members: Mapping[str, Any] = {}  # of a struct, by name, constants as numbers
    data: bytes | None = None  # ctx_in; None: there is none, or it is made of the members
    state: bytes | None = None  # what the first argument points at
    struct: int = 0  # BTF id of the ctx's type, where the suite names it


def given_ctx(step: Step, context: Context) -> Given:
    """The context of *step*. Raises SuiteError, at its place."""
    prog_type = context.prog_type
    if step.ctx is None:
        if prog_type.ctx is not None and prog_type.ctx.required and "errno" not in step.expect:
            known = ", ".join(prog_type.ctx.settable)
            hint = f"of {prog_type.ctx.struct} it takes: {known}"
            raise SuiteError(f"{prog_type.name} needs a ctx", hint, step.name_place())
        return Given()
    if not prog_type.ctx_kind:
        raise prog_type.refusal("ctx").at(step.ctx.key_place())
    return KINDS[prog_type.ctx_kind](step.ctx, step, context)


def _struct(ctx: Written, step: Step, context: Context) -> Given:
    prog_type, struct = context.prog_type, context.prog_type.ctx
    assert struct is not None
    values = {}
    for key in ctx:
        if key == FROM:
            continue
        here = ctx[key]
        if key not in struct.settable and "errno" not in step.expect:
            hint = f"of {struct.struct} it takes: {', '.join(struct.settable)}"
            raise SuiteError(f"the kernel takes no '{key}' for {prog_type.name}", hint, here.key_place())
        if key not in struct.members:
            raise SuiteError(f"{struct.struct} has no '{key}'", suggestion(key, struct.members), here.key_place())
        values[key] = _member(struct, key, here, context.interfaces)
    return Given(values)


def _member(struct: Ctx, key: str, here: Written, interfaces: Mapping[str, int]) -> Any:
    """The value of a member with constants as numbers. Raises SuiteError, at its place."""
    value, member = here.value, struct.members[key]
    if isinstance(value, str) and key in INTERFACES:
        return _index(value, here, interfaces)
    if isinstance(value, list) and member.elements == 1:
        raise SuiteError(f"{key} is one number, not a list", place=here.place())
    try:
        member.encoded(value)
        return member.number(value) if isinstance(value, str) and member.names else value
    except SuiteError as error:
        raise error.at(here.place()) from None


def _index(name: str, here: Written, interfaces: Mapping[str, int]) -> int:
    if name not in interfaces:
        hint = suggestion(name, interfaces) if len(interfaces) > 1 else "there is lo; say others under 'interfaces'"
        raise SuiteError(f"no interface '{name}' in bpftest's network namespace", hint, here.place())
    return interfaces[name]


def _args(ctx: Written, _step: Step, context: Context) -> Given:
    _refuse_others(ctx, context.prog_type)
    return Given(data=_arguments(ctx["args"]) or None)


def _state(ctx: Written, _step: Step, context: Context) -> Given:
    """The arguments of a struct_ops function; the first is a pointer to the state, or NULL where none is given."""
    _refuse_others(ctx, context.prog_type)
    arguments = _arguments(ctx["args"]) if "args" in ctx else b""
    state = None
    if "state" in ctx:
        number = ctx["state"].value
        if not isinstance(number, int) or not -(2**31) <= number < 2**31:
            raise SuiteError("the state is the int of struct bpf_dummy_ops_state", "a number", ctx["state"].place())
        state = number.to_bytes(4, sys.byteorder, signed=True)
    return Given(data=bytes(ARG) + arguments, state=state)


def _arguments(args: Written) -> bytes:
    """64 bits for each argument, negative ones as two's complement."""
    data = b""
    for index, value in enumerate(args.value):
        if not isinstance(value, int) or not -(2**63) <= value < 2**64:
            raise SuiteError(
                f"{value!r} does not fit 64 bits", "a number; pointers cannot be given", args[index].place()
            )
        data += (value & 2**64 - 1).to_bytes(ARG, sys.byteorder)
    return data


def _btf(ctx: Written, _step: Step, context: Context) -> Given:
    """The bytes of a struct of the object, or any bytes in hex."""
    from bpftest.packets.sources import SourceError, hex_bytes
    from bpftest.values import encode, struct_id

    types = context.types
    _refuse_others(ctx, context.prog_type)
    if "hex" in ctx:
        if len(ctx.value) > 1:
            raise SuiteError("'hex' stands for the whole ctx", "leave out the rest, or 'hex'", ctx["hex"].key_place())
        try:
            return Given(data=hex_bytes(ctx["hex"].value, "hex"))
        except SourceError as error:
            raise error.at(ctx["hex"].part(error.span)) from None
    if FROM in ctx:
        if len(ctx.value) > 1:
            raise SuiteError("'from' stands for the whole ctx", "leave out the rest, or 'from'", ctx[FROM].key_place())
        return Given()
    if "struct" not in ctx:
        raise SuiteError(
            "'fields' needs the name of a struct", "struct: NAME, beside fields", ctx["fields"].key_place()
        )
    try:
        struct = struct_id(types(), ctx["struct"].value, path="struct")
    except SuiteError as error:
        raise error.at(ctx["struct"].place()) from None
    said = ctx.value.get("fields", {})
    try:
        data = encode(types(), struct, said, path=ctx["struct"].value)
    except SuiteError as error:
        raise error.at((ctx["fields"] if said else ctx).place()) from None
    return Given(data=data, struct=struct)


def _refuse_others(ctx: Written, prog_type: ProgType) -> None:
    known = KEYS[prog_type.ctx_kind]
    for key in ctx:
        if key not in known:
            hint = f"it has: {', '.join(known)}"
            raise SuiteError(f"the ctx of {prog_type.name} has no '{key}'", hint, ctx[key].key_place())


KINDS: dict[str, Callable[[Written, Step, Context], Given]] = {
    "struct": _struct,
    "args": _args,
    "state": _state,
    "btf": _btf,
}
