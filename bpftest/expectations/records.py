"""`records`, `count` and `lost` under `maps`: what came out of a ring buffer or a perf event array."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError, each
from bpftest.events import Mismatch
from bpftest.expectations.context import reply_of
from bpftest.expectations.record_forms import Wanted, in_hex, unpadded, wanted_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.expectations.context import Context
    from bpftest.kernel.door import Observation, Records
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

KEYS = ("records", "count", "lost")

LINES_MAX = 8  # records that are missing, or that nobody expects, in one report


def events(here: Written, declared: Declared, context: Context) -> Callable[[Observation], Iterator[Mismatch]]:
    """What is not as expected of the records of *declared*, a map of one of maps.RECORDS.

    *here*: `{records: [..]}`, `{count: N}`, `{lost: N}`, or several of these. Lost records are a mismatch where
    `lost` does not say so. Raises SuiteError, at its place.
    """
    _refuse_other_keys(here, declared)
    wanted = _wanted(here["records"], declared, context) if "records" in here else None
    count = here["count"].value if "count" in here else None
    lost = here["lost"].value if "lost" in here else 0

    def compare(observation: Observation) -> Iterator[Mismatch]:
        sent = next(one for one in reply_of(observation).records if one.map == declared.name)
        if wanted is not None:
            yield from _compared(wanted, sent, declared, context)
        if count is not None and len(sent.records) != count:
            yield Mismatch(f"{declared.name} count", str(count), f"{len(sent.records)}{_fullness(sent)}")
        if sent.lost != lost:
            yield Mismatch(f"{declared.name} lost", str(lost), str(sent.lost))

    return compare


def _refuse_other_keys(here: Written, declared: Declared) -> None:
    if not isinstance(here.value, dict) or not set(here.value) <= set(KEYS):
        what = f"'{declared.name}' is a map of type {declared.type}, which has records and no entries"
        raise SuiteError(what, "write {records: [..]}, or {count: N}", here.place())
    if "lost" in here and declared.type == "ringbuf":
        hint = "the program knows: bpf_ringbuf_reserve gives it NULL, bpf_ringbuf_output -EAGAIN"
        raise SuiteError("the kernel does not count what a ring buffer has no room for", hint, here["lost"].key_place())


def _wanted(here: Written, declared: Declared, context: Context) -> list[Wanted]:
    return each(lambda one: wanted_record(one, f"{declared.name}[{one.key}]", declared, context), here.parts())


def _compared(wanted: list[Wanted], sent: Records, declared: Declared, context: Context) -> Iterator[Mismatch]:
    """Each record beside the one that is expected in its place.

    Where one is missing or too many, those behind it are not blamed: what is as expected from either end on is set
    aside first.
    """
    records = sent.records
    first, same = _as_expected(wanted, records)
    last, last_wanted = len(records) - same, len(wanted) - same
    for index in range(first, min(last, last_wanted)):
        yield from wanted[index].differ(records[index], f"{declared.name}[{index}]")
    missing = range(last, last_wanted)
    for index in missing[:LINES_MAX]:
        yield Mismatch(f"{declared.name}[{index}]", wanted[index].text, f"no record{_fullness(sent)}")
    surplus = range(last_wanted, last)
    for index in surplus[:LINES_MAX]:
        shown = _decoded(records[index], wanted, declared, context)
        yield Mismatch(f"{declared.name}[{index}]", "no record", shown)
    if max(len(missing), len(surplus)) > LINES_MAX:
        yield Mismatch(f"{declared.name} count", str(len(wanted)), str(len(records)))


def _as_expected(wanted: list[Wanted], records: tuple[bytes, ...]) -> tuple[int, int]:
    """How many records from the first on are as expected; and how many of the others from the last on."""
    shorter = min(len(wanted), len(records))
    first = 0
    while first < shorter and _fits(wanted[first], records[first]):
        first += 1
    last = 0
    while last < shorter - first and _fits(wanted[-1 - last], records[-1 - last]):
        last += 1
    return first, last


def _fits(wanted: Wanted, record: bytes) -> bool:
    return next(wanted.differ(record, ""), None) is None


def _decoded(record: bytes, wanted: list[Wanted], declared: Declared, context: Context) -> str:
    """A record that nobody expects, as the first struct of the suite that has its size, or else is shorter."""
    from bpftest.values import alike

    structs = [one for one in wanted if one.struct]
    exact = (one for one in structs if len(unpadded(record, one.size, declared)) == one.size)
    shorter = (one for one in structs if len(record) > one.size)
    like = next(chain(exact, shorter), None)
    if like is None:
        return in_hex(record)
    types, behind = context.types(), len(unpadded(record, like.size, declared)) - like.size
    text = f"{types.spelled(like.struct)} {alike(types, like.struct, record[: like.size], like.fields)}"
    return f"{text} and {behind} bytes behind it" if behind else text


def _fullness(sent: Records) -> str:
    return "; the ring buffer is full" if sent.full else ""
