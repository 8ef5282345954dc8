"""What the kernel gave back, as expectations."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bpftest.drafts.fields import indented, wrapped
from bpftest.drafts.scalars import flow
from bpftest.progtypes.flow_dissector import FLOW_KEYS
from bpftest.progtypes.skb import SK_BUFF
from bpftest.progtypes.xdp import XDP_MD
from bpftest.values import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.btf import Btf
    from bpftest.expectations import Context
    from bpftest.kernel.door import Observation, Reply, Request
    from bpftest.progtypes import Ctx, ProgType

WRITABLE = ("mark", "priority", "cb", "tstamp")  # of what comes back of struct __sk_buff: what programs may write
ROW = 32  # bytes in hex in a line
OF_FAMILY = {0x0800: "ipv4", 0x86DD: "ipv6"}  # the addresses in struct bpf_flow_keys, by its addr_proto


def asked(prog_type: ProgType) -> tuple[str, ...]:
    """Expectations with which a run asks the kernel for all that it gives back; whether they hold is of no interest."""
    lines = ["retval: 0"]
    if prog_type.ctx is SK_BUFF:
        lines.append("ctx: {mark: 0}")
    if "socket" in prog_type.extras:
        lines.append("socket: none")
    return tuple(lines)


def expectations(context: Context, observation: Observation, request: Request) -> tuple[str, ...]:
    """The lines below `expect` for what a run has given: its return value, and what else it has changed."""
    prog_type, reply = context.prog_type, observation.reply
    assert reply is not None
    return (
        _retval(prog_type, reply.retval),
        *_output(context, observation),
        *(line for changed in _ctx(context, reply, request) if changed for line in wrapped(f"ctx: {flow(changed)}")),
        *(("socket: none",) if "socket" in prog_type.extras and not any(reply.ctx_out[:8]) else ()),
    )


def _retval(prog_type: ProgType, number: int) -> str:
    name = next((name for name, code in prog_type.codes if code == number), "")
    word = prog_type.words.get(number, "")
    return f"retval: {name or number}" + (f"  # {word}" if word and not name else "")


def _output(context: Context, observation: Observation) -> Iterator[str]:
    if context.prog_type.gives == "flow_keys" and observation.reply is not None:
        yield "output:"
        yield from indented(wrapped(f"flow_keys: {flow(_flow_keys(observation.reply.data_out))}"))
    elif context.prog_type.gives == "packet":
        data = context.output(observation)
        if data != observation.packet:
            yield from _hex(data, context.link)


def _hex(data: bytes, link: str) -> Iterator[str]:
    """The whole packet, a line for each header."""
    from bpftest.packets.dissection import headers, stack

    if not data:
        yield "output: {length: 0}"
        return
    yield "output:"
    yield "  hex: |"
    at = 0
    for header in stack(headers(data, link)):
        yield from _rows(data[at : header.end], f"  # {header.name}")
        at = max(at, header.end)
    yield from _rows(data[at:], "")


def _rows(data: bytes, comment: str) -> Iterator[str]:
    rows = [data[at : at + ROW].hex(" ") for at in range(0, len(data), ROW)]
    yield from (f"    {row}{comment if index == 0 else ''}" for index, row in enumerate(rows))


def _flow_keys(data: bytes) -> dict[str, Any]:
    """What the dissector has found; the addresses of the family that it says."""
    values = {name: member.decoded(data) for name, member in FLOW_KEYS.members.items()}
    others = [prefix for family, prefix in OF_FAMILY.items() if values["addr_proto"] != family]
    kept = {name: value for name, value in values.items() if not name.startswith(tuple(others))}
    return {name: _named(FLOW_KEYS, name, value) for name, value in kept.items() if value}


def _named(ctx: Ctx, name: str, value: Any) -> Any:
    """*value* by the name of its constant, if it has one."""
    return next((constant for constant, number in ctx.members[name].names.items() if number == value), value)


def _ctx(context: Context, reply: Reply, request: Request) -> Iterator[dict[str, Any]]:
    """What a run has changed of its context."""
    prog_type = context.prog_type
    if prog_type.ctx is SK_BUFF and len(reply.ctx_out) >= SK_BUFF.size:
        before = request.ctx_in or bytes(SK_BUFF.size)
        yield {name: value for name, value in _members(SK_BUFF, reply.ctx_out) if value != _member(name, before)}
    elif prog_type.ctx is XDP_MD:
        length = context.metadata_length(reply)
        yield {"data": length} if length else {}
    elif prog_type.ctx_kind == "state" and reply.ctx_out and reply.ctx_out != request.state:
        yield {"state": int.from_bytes(reply.ctx_out, sys.byteorder, signed=True)}
    elif prog_type.ctx_kind == "btf" and context.struct and request.ctx_in:
        yield _changed_fields(context.types(), context.struct, request.ctx_in, reply.ctx_out)


def _members(ctx: Ctx, data: bytes) -> Iterator[tuple[str, Any]]:
    return ((name, ctx.members[name].decoded(data)) for name in WRITABLE)


def _member(name: str, data: bytes) -> Any:
    return SK_BUFF.members[name].decoded(data)


def _changed_fields(btf: Btf, struct: int, before: bytes, after: bytes) -> dict[str, Any]:
    was, now = decode(btf, struct, before), decode(btf, struct, after)
    if not isinstance(was, dict) or not isinstance(now, dict) or was.keys() != now.keys():
        return {}  # unions of which nothing says which member is meant
    return {name: value for name, value in now.items() if value != was[name]}
