"""`ctx`: fields of the context after the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, reply_of
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.progtypes import CtxField
    from bpftest.suite.model import Written


def ctx(want: Written, context: Context) -> Check:
    """The named fields of the context after the run; no others are compared."""
    known = context.prog_type.ctx
    wanted: list[tuple[str, CtxField, Any]] = []
    for key in want:
        if key not in known.returned:
            text = f"the kernel gives back no '{key}' for {context.prog_type.name}"
            raise SuiteError(text, suggestion(key, known.returned), want[key].key_place())
        wanted.append((key, known.members[key], want[key].value))

    def check(observation: Observation) -> Finding:
        data = reply_of(observation).ctx_out
        mismatches = []
        for key, member, value in wanted:
            actual = ctx_value(data, member)
            same = actual[: len(value)] == tuple(value) if isinstance(actual, tuple) else actual == value
            if not same:
                mismatches.append(Mismatch(f"ctx.{key}", _number_text(value), _number_text(actual)))
        if mismatches:
            return Finding("ctx", "", tuple(mismatches), excerpt=excerpt(want))
        return Finding("ctx", ", ".join(f"{key} {_number_text(value)}" for key, _, value in wanted))

    return check


def ctx_value(data: bytes, member: CtxField) -> int | tuple[int, ...]:
    """A member of the context in *data*, which is in the machine's byte order."""
    numbers = tuple(
        int.from_bytes(data[at : at + member.size], sys.byteorder)
        for at in range(member.offset, member.offset + member.size * member.elements, member.size)
    )
    return numbers if member.elements > 1 else numbers[0]


def _number_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(str(number) for number in value) + "]"
    return f"{value} ({value:#x})" if isinstance(value, int) and value > 9 else str(value)
