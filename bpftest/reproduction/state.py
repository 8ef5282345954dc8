"""`bpftool map update`: maps and global variables before a step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from bpftest.elf import data_section
from bpftest.kernel.door import Bulk, Delete, Write
from bpftest.maps import declared
from bpftest.reproduction.lines import command, remark
from bpftest.reproduction.parts import Script, Where
from bpftest.reproduction.runs import path

if TYPE_CHECKING:
    from bpftest.kernel.door import Handle, Setup
    from bpftest.plan import Job, JobStep

LINES_MAX = 20  # more commands go into a file for `bpftool batch`
ENTRIES_MAX = 10_000  # of a map: bpftool takes them one by one, some thousands a second
BATCH_WORDS = 4_000  # of a line that `bpftool batch` takes, about
Line = str | tuple[str, ...]  # a remark, or the words behind `bpftool`

NAME_SIZE, SUFFIX_SIZE = 16, 7  # BPF_OBJ_NAME_LEN; what libbpf leaves for ".rodata" at least


def state(job: Job, number: int, where: Where, content: bytes) -> Script:
    """What is put into maps and globals before the step with *number*, from 0. *content*: of the object."""
    step = job.steps[number]
    if step.takes or step.ask is None:
        wanted = " and ".join(key for key in ("maps", "globals") if getattr(step.step, key) is not None)
        return Script((remark(f"not done: {wanted} before this step"),) if wanted else ())
    setup = step.ask(()).request.setup
    lines = [*_globals(setup, where, content, first=number == 0), *_entries(setup, where, step)]
    commands = [one for one in lines if isinstance(one, tuple)]
    if len(commands) <= LINES_MAX or any(len(one) > BATCH_WORDS for one in commands):
        return Script(tuple(one if isinstance(one, str) else command("bpftool", *one) for one in lines))
    batch = path(where, step, "maps").removesuffix(".bin") + ".batch"
    remarks = tuple(one for one in lines if isinstance(one, str))
    text = "".join(f"{' '.join(map(quote, one))}\n" for one in commands)
    return Script((*remarks, command("bpftool", "batch", "file", batch)), ((batch, text.encode()),))


def pin(map_name: str, object_path: str) -> str:
    """The file that libbpf pins a map as: internal_map_name and sanitize_pin_path, tools/lib/bpf/libbpf.c."""
    if not map_name.startswith("."):
        return map_name.replace(".", "_")
    room = NAME_SIZE - max(SUFFIX_SIZE, len(map_name)) - 1
    prefix = "" if "." in map_name[1:] else os.path.basename(object_path).partition(".")[0][: max(room, 0)]
    name = "".join(one if one.isalnum() or one in "_." else "_" for one in f"{prefix}{map_name}"[: NAME_SIZE - 1])
    return name.replace(".", "_")


def _globals(setup: Setup, where: Where, content: bytes, *, first: bool) -> Iterator[Line]:
    """Sections of globals, each of which is written as a whole: before the first step it holds what the object says."""
    for name in dict.fromkeys(patch.section for patch in setup.patches):
        if not first:
            yield remark(f"not done: globals of {name} before this step; bpftool writes them as a whole, or not at all")
            continue
        data = data_section(content, name)
        for patch in setup.patches:
            if patch.section == name:
                data[patch.offset : patch.offset + len(patch.content)] = patch.content
        yield (*_update(name, where), "key", *_hex(bytes(4)), "value", *_hex(bytes(data)))


def _entries(setup: Setup, where: Where, step: JobStep) -> Iterator[Line]:
    for change in setup.writes:
        why = _obstacle(change)
        if why:
            yield remark(f"not done: an entry of the map {change.map}: {why}")
        elif isinstance(change, Delete):
            yield ("map", "delete", *_update(change.map, where)[2:], "key", *_hex(change.key))
        elif isinstance(change, Bulk):
            yield from _many(change, where, declared(step.context.types(), change.map).value_size)
        else:
            assert isinstance(change.value, bytes)
            yield (*_update(change.map, where), *_key(change.key), *_value(change.handle, change.value, where))


def _update(name: str, where: Where) -> tuple[str, ...]:
    return "map", "update", "pinned", f"{where.maps}/{pin(name, where.object)}"


def _obstacle(change: Write | Bulk | Delete) -> str:
    """Why bpftool cannot make this change; "" if it can."""
    if isinstance(change, Bulk):
        return ""
    if change.key_handle is not None:
        return f"its key names the {change.key_handle.kind} {change.key_handle.name}"
    if isinstance(change, Delete):
        return ""
    if change.inner is not None:
        return "its value is a map: bpftool map create, and give it as 'value pinned FILE'"
    if change.handle is not None and (change.handle.kind != "program" or change.handle.offset):
        return f"its value names the {change.handle.kind} {change.handle.name}"
    if not isinstance(change.value, bytes):
        return "it has a value for each CPU, and bpftool takes one for all"
    return ""


def _many(change: Bulk, where: Where, value_size: int) -> Iterator[Line]:
    """*value_size*: bytes of a value, of one CPU."""
    if change.entries > ENTRIES_MAX:
        yield remark(f"not done: {change.entries:,} entries of the map {change.map}, which are too many for bpftool")
        return
    key_size = len(change.keys) // change.entries
    same = len(change.values) == value_size  # for all keys
    for number in range(change.entries):
        key = change.keys[number * key_size : (number + 1) * key_size]
        value = change.values if same else change.values[number * value_size : (number + 1) * value_size]
        yield (*_update(change.map, where), *_key(key), "value", *_hex(value))


def _key(key: bytes) -> tuple[str, ...]:
    return ("key", *_hex(key)) if key else ()


def _value(handle: Handle | None, value: bytes, where: Where) -> tuple[str, ...]:
    return ("value", "pinned", where.program(handle.name)) if handle else ("value", *_hex(value))


def _hex(data: bytes) -> tuple[str, ...]:
    return "hex", *data.hex(" ").split()
