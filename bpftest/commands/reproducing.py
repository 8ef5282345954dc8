"""`bpftest run --reproduce`: the cases as commands of bpftool, and their files. Nothing runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bpftest.artifacts import ROOT, folders, make_own, slug
from bpftest.commands.exits import EMPTY, FAILED, INVALID, PASSED, message, show_empty, show_invalid
from bpftest.elf import SIZE_MAX
from bpftest.errors import BpftestError, HostError, ObjectError, ProgramError
from bpftest.kernel.files import write_file
from bpftest.reading import read_regular
from bpftest.reporters.printable import inert, shell_word, visible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from bpftest.plan import Job, Plan
    from bpftest.reproduction import Where

FOLDER = os.path.join(ROOT, "reproduce")
BPFFS = "/sys/fs/bpf"
HEAD = f"""\
# What bpftool does of these cases, as root: it loads, sets maps and globals, runs, and takes away what it has pinned
# in {BPFFS}. What bpftest does beside that is said where it matters. bpftest runs cases in a network namespace with
# nothing but lo in it: where a program can tell, say `unshare --net bpftool prog run`.
"""


def run(options: Namespace) -> int:
    """Prints the commands of the cases that are meant, and writes the files that they read. Gives the exit code."""
    from bpftest.collect import collect, plans

    collection = collect(options)
    made, unplannable = plans(collection.chosen)
    invalid = (*collection.invalid, *unplannable)
    if invalid:
        show_invalid(invalid)
        return INVALID
    if not collection.cases:
        show_empty(options, len(collection.chosen), sum(len(one.suite.cases) for one in collection.chosen))
        return EMPTY
    sys.stdout.write(HEAD)
    code = PASSED
    for plan, one in zip(made, collection.chosen, strict=True):
        names = _Names(plan)
        for job in (job for job in plan.jobs if job.case.name in one.names):
            code = _show(job, names) or code
    return code


class _Names:
    """The names of the files of one suite."""

    def __init__(self, plan: Plan) -> None:
        self.path = plan.suite.path
        self.folder = os.path.join(FOLDER, *folders(self.path))
        self.contents: dict[str, bytes] = {}  # of objects, by their paths
        self.written: set[str] = set()  # objects
        self._objects: dict[str, str] = {}  # their names here, by their paths

    def where(self, job: Job) -> Where:
        """Where things of *job* are. An object that holds constants of its case is with it, others are shared."""
        from bpftest.reproduction import Where

        assert job.loading is not None
        folder = os.path.join(self.folder, slug(job.case.name))
        of_object = folder if job.loading.constants else self.folder
        pins = f"{BPFFS}/bpftest-{slug(job.case.name).replace('.', '_')}"  # bpffs takes no dots
        return Where(folder, os.path.join(of_object, self._object(job)), pins)

    def _object(self, job: Job) -> str:
        """The name of the object: that of its source, with a number where another has that name."""
        assert job.loading is not None
        path, program = job.loading.path, job.case.program
        if path not in self._objects:
            name = slug(os.path.basename(program.source.file if program.source else path).partition(".")[0]) or "object"
            taken = set(self._objects.values())
            numbered = (f"{name}-{number}.o" for number in range(2, len(taken) + 3))
            self._objects[path] = next(one for one in (f"{name}.o", *numbered) if one not in taken)
        return self._objects[path]


def _show(job: Job, names: _Names) -> int:
    """Prints what reproduces *job*, or why nothing does. Gives the exit code."""
    print(f"\n# {inert(shell_word(f'{names.path}::{job.case.name}'))}")
    try:
        for line in _script(job, names):
            print(inert(visible(line)))
    except BpftestError as error:
        print("# there are no commands for it: see stderr", flush=True)
        print(message(error), file=sys.stderr)
        return FAILED
    return PASSED


def _script(job: Job, names: _Names) -> Iterator[str]:
    from bpftest.reproduction import script

    if job.problem is not None or job.loading is None:
        raise job.problem or ProgramError("nothing to load")
    path = job.loading.path
    if path not in names.contents:
        names.contents[path] = _content(path)
    made = script(job, names.where(job), names.contents[path])
    for file, content in made.files:
        if file not in names.written:
            _write(file, content)
        if file.endswith(".o"):
            names.written.add(file)
    for lines in made.lines:
        yield from lines.split("\n")


def _content(path: str) -> bytes:
    try:
        return read_regular(path, SIZE_MAX)
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}") from None


def _write(path: str, content: bytes) -> None:
    try:
        make_own(os.path.dirname(path))
        write_file(path, content)
    except OSError as error:
        raise HostError(f"{error.filename or path} cannot be written: {error.strerror}") from None
