"""A case as bpftool runs it: the files that it reads, and the commands, as lines for a shell.

What bpftool does not do is said in comments, where a reader of the commands will see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.elf import data_section, programs, with_data
from bpftest.reproduction.lines import command, remark, summary
from bpftest.reproduction.loads import load
from bpftest.reproduction.parts import Script, Where
from bpftest.reproduction.remarks import of_case
from bpftest.reproduction.runs import run
from bpftest.reproduction.state import state

if TYPE_CHECKING:
    from bpftest.plan import Job

__all__ = ["Script", "Where", "script"]


def script(job: Job, where: Where, content: bytes) -> Script:
    """What does with bpftool what *job*, which has no problem, does with bpftest. *content*: of its object.

    Raises ObjectError.
    """
    assert job.loading is not None
    sections = {one.name: one.section for one in programs(content)}
    where = where._replace(several=len(sections) > 1)
    made = [run(job, number, where) for number in range(len(job.steps)) if job.steps[number].ask]
    states = [state(job, number, where, content) for number in range(len(made))]
    maps = any(one.lines for one in states) or any(f"{where.maps}/" in line for one in made for line in one.lines)
    lines = [*summary(job), *of_case(job, sections, content), *load(job, where, sections, maps=maps)]
    files = [(where.object, _with_constants(job, content))]
    for before, one in zip(states, made, strict=True):
        lines += [*one.title, *before.lines, *one.lines]
        files += [*before.files, *one.files]
    if not made:
        lines.append(remark("that is all: the case is about loading the program"))
    lines.append(command("rm", "-r", where.pins, *((where.maps,) if maps else ())))
    return Script(tuple(lines), tuple(files))


def _with_constants(job: Job, content: bytes) -> bytes:
    """The object with the constants of the case, which bpftool cannot set."""
    assert job.loading is not None
    for name in {patch.section for patch in job.loading.constants}:
        data = data_section(content, name)
        for patch in job.loading.constants:
            if patch.section == name:
                data[patch.offset : patch.offset + len(patch.content)] = patch.content
        content = with_data(content, name, bytes(data))
    return content
