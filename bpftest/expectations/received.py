"""`sockets`: what the sockets of a case have received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.bounds import count
from bpftest.expectations.context import excerpt, reply_of
from bpftest.expectations.record_forms import in_hex, text_record, wanted_record
from bpftest.maps import Declared
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.expectations.context import Check, Context
    from bpftest.expectations.record_forms import Wanted
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written

    Part = Callable[[tuple[bytes, ...]], Iterator[Mismatch]]

UNPADDED = Declared("", "ringbuf", None, 0, None, 0)  # what a payload is like: a record that is as long as it was sent


def sockets(want: Written, context: Context) -> Check:
    """The payloads that each socket has received: how many, and what they are."""
    for name in want:
        if name not in context.sockets:
            hint = suggestion(name, context.sockets) if context.sockets else "declare it under 'sockets' of the case"
            raise SuiteError(f"no socket '{name}' in this case", hint, want[name].key_place())
    parts = {name: list(_parts(want[name], context)) for name in want}

    def check(observation: Observation) -> Finding:
        received = dict(reply_of(observation).received)
        broken = {
            name: [mismatch for part in its for mismatch in part(received.get(name, ()))] for name, its in parts.items()
        }
        held = ", ".join(f"{name} {len(received.get(name, ())):,}" for name in parts if not broken[name])
        where = next((name for name in broken if broken[name]), None)
        if where is None:
            return Finding("sockets", held)
        mismatches = tuple(mismatch for its in broken.values() for mismatch in its)
        return Finding("sockets", held, mismatches, excerpt=excerpt(want[where]))

    return check


def _parts(want: Written, context: Context) -> Iterator[Part]:
    path = f"sockets.{want.key}"
    if "received" in want:
        yield _payloads(want["received"], path, context)
    if "count" in want:
        yield _count(want["count"], path)


def _count(want: Written, path: str) -> Part:
    wanted = count(want)

    def part(payloads: tuple[bytes, ...]) -> Iterator[Mismatch]:
        if not wanted.hold(len(payloads)):
            yield Mismatch(f"{path} count", wanted.text(), f"{len(payloads):,}")

    return part


def _payloads(want: Written, path: str, context: Context) -> Part:
    """These payloads in this order, and no others."""
    wanted = [_payload(want[index], f"{path} #{index + 1}", context) for index in range(len(want.value))]

    def part(payloads: tuple[bytes, ...]) -> Iterator[Mismatch]:
        if len(payloads) != len(wanted):
            yield Mismatch(f"{path} received", f"{len(wanted):,}", f"{len(payloads):,}")
        for number, (one, payload) in enumerate(zip(wanted, payloads), 1):  # noqa: B905 - as many as there are of both
            yield from one.differ(payload, f"{path} #{number}")
        if len(payloads) < len(wanted):
            nothing = "nothing more" if payloads else "nothing"
            yield Mismatch(f"{path} #{len(payloads) + 1}", wanted[len(payloads)].text, nothing)
        elif len(payloads) > len(wanted):
            yield Mismatch(f"{path} #{len(wanted) + 1}", "nothing more", in_hex(payloads[len(wanted)]))

    return part


def _payload(here: Written, path: str, context: Context) -> Wanted:
    if isinstance(here.value, str):
        return text_record(here.value)
    return wanted_record(here, path, UNPADDED, context)
