"""The text of a suite, put together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from bpftest.drafts.cases import PACKETS, Case, Remark, hinted, lines_of
from bpftest.drafts.fields import indented, wrapped
from bpftest.drafts.scalars import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bpftest.drafts.cases import Block
    from bpftest.drafts.state import State


class Head(NamedTuple):
    """What a suite says before its cases."""

    about: tuple[str, ...]  # comments
    key: str  # "object" or "source"
    path: str  # of it, relative to the suite
    state: State
    schema: str = ""  # where the schema is, relative to the suite; "": nowhere


class Text(NamedTuple):
    """A suite, and which of its lines are of which block."""

    content: str
    starts: tuple[int, ...]  # the number, from 1, of the first line of each block

    def block_at(self, line: int) -> int | None:
        """The index of the block that *line* is of; None before the first."""
        found = [index for index, start in enumerate(self.starts) if start <= line]
        return found[-1] if found else None


def text_of(head: Head, blocks: Sequence[Block]) -> Text:
    """The suite with these *blocks*, in their order."""
    programs = {block.program for block in blocks if isinstance(block, Case)}
    one_program = programs.pop() if len(programs) == 1 else ""
    packets = _shared(blocks)
    lines = [*_head_lines(head, one_program, packets), "cases:"]
    starts = []
    for index, block in enumerate(hinted(blocks)):
        lines += [""] if index else []
        starts.append(len(lines) + 1)
        lines += indented(_block_lines(block, one_program, packets))
    return Text("\n".join(lines) + "\n", tuple(starts))


def _head_lines(head: Head, one_program: str, packets: dict[str, str]) -> Iterator[str]:
    if head.schema:
        yield f"# yaml-language-server: $schema={head.schema}"
    yield from (f"# {line}" for line in head.about)
    yield "version: 1"
    yield f"{head.key}: {scalar(head.path)}"
    if one_program:
        yield f"program: {scalar(one_program)}"
    yield ""
    if packets:
        yield "packets:"
        yield from (f"  {name}: {packet}" for packet, name in packets.items())
        yield ""
    yield from _state_lines(head.state)


def _state_lines(state: State) -> Iterator[str]:
    """The maps and variables, as comments."""
    below = [*state.sockets]
    for name, lines in (("maps", state.maps), ("globals", state.variables)):
        if any(not line.lstrip().startswith("#") for line in lines):
            below += [f"{name}:", *indented(lines)]
    if below:
        yield "# What the object keeps. Without the # in front of them, these lines hold before each case; a case can"
        yield "# have `maps` and `globals` of its own, and under `expect` says what they hold after its run."
        yield "#"
        yield from (f"# {line}" for line in ("defaults:", *indented(below)))
        yield ""
    if state.closed:
        yield "# Without entries that a suite could write:"
        yield from (f"#   {line}" for line in state.closed)
        yield ""


def _shared(blocks: Iterable[Block]) -> dict[str, str]:
    """The packets that several cases have, and their names."""
    known = {packet: name for name, packet in PACKETS.values()}
    values = [
        value[0] for block in blocks if isinstance(block, Case) for name, value in block.given if name == "packet"
    ]
    return {packet: known[packet] for packet, times in Counter(values).items() if times > 1 and packet in known}


def _block_lines(block: Block, one_program: str, packets: dict[str, str]) -> list[str]:
    if isinstance(block, Remark):
        return [f"# {line}" for said in block.lines for line in wrapped(said)]
    given = tuple((key, (packets.get(value[0], value[0]), *value[1:])) for key, value in block.given)
    return lines_of(block._replace(given=given), one_program)
