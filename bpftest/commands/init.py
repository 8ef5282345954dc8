"""`bpftest init`: a first suite for an object that has none, or for its source."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from bpftest.commands.apart import apart
from bpftest.commands.exits import PASSED
from bpftest.drafts.cases import Case, case_of, ran
from bpftest.drafts.frames import ROWS_MIN, frame_cases, table_of
from bpftest.drafts.state import State, state_of
from bpftest.drafts.text import Head, text_of
from bpftest.errors import CompileError, HostError, ObjectError, ProgramError, SuiteError, UsageError
from bpftest.reporters.printable import shell_word
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from bpftest.btf import Btf
    from bpftest.commands.trying import Compose
    from bpftest.drafts.cases import Block
    from bpftest.drafts.text import Text
    from bpftest.elf import ElfProgram
    from bpftest.plan import Object, Objects

PRINTED = "suite.yaml"  # what a suite that is printed is called, in messages about it
SCHEMA = os.path.join("schemas", "suite.schema.json")  # in the folder of the suite, or in one above it
FOLDERS_ABOVE = 4
ARGUMENTS = "where clang needs arguments, build the object with them, and give that"
FRAMES_MAX = 1000  # of a capture that are tried one by one


class Subject(NamedTuple):
    """What the suite is for."""

    file: str  # as the user named it
    path: str  # of the suite
    key: str  # what the suite says it by: "object" or "source"
    name: str  # of *file*, relative to the suite
    found: Object
    objects: Objects  # the same, as a plan looks for it
    btf: Btf | None  # its types


def arguments(parser: ArgumentParser) -> None:
    """For what, and where it goes."""
    parser.add_argument(
        "file", metavar="OBJECT|SOURCE", help="a compiled BPF object, or a C source: a file that ends in .c"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the suite to FILE; otherwise it is printed")
    parser.add_argument("--force", action="store_true", help="replace FILE, if it is there")
    parser.add_argument("--program", metavar="NAME", help="cases for this program of the object alone")
    parser.add_argument("--from-pcap", metavar="CAPTURE", help="a case for each frame of a capture")
    parser.add_argument(
        "--record", action="store_true", help="run each case, and expect what its program does today; needs root"
    )


def run(options: Namespace) -> int:
    """Writes or prints the suite."""
    if options.output:
        _refuse_target(options.output, replaces=options.force)
    subject = _subject(options.file, options.output or PRINTED)
    content = apart(lambda: _draft(subject, options), subject.file)
    if not options.output:
        sys.stdout.buffer.write(content)
        return PASSED
    _write(options.output, content)
    name = shell_word(options.output)
    print(f"note: wrote {name}; read it, then: sudo bpftest run {name}", file=sys.stderr)
    return PASSED


def _draft(subject: Subject, options: Namespace) -> bytes:
    """The suite. Raises ObjectError, with the name of the file, where its types are damaged, or nothing can be run."""
    try:
        blocks = _blocks(subject, options)
        return _content(subject, blocks, options, able=_able(options))
    except ObjectError as error:
        raise ObjectError(f"{subject.file}: {error.what}", error.hint) from None


# --- what the suite is for ----------------------------------------------------------------------------------------


def _subject(file: str, path: str) -> Subject:
    """What *file* holds, for a suite at *path*. Raises ObjectError, CompileError, HostError, UsageError."""
    from bpftest.elf import read_object
    from bpftest.plan import Object

    folder = os.path.dirname(path)
    name = _relative(file, folder)
    key, object_path = "object", file
    if file.endswith(".c"):
        key, object_path = "source", _compiled(file)
    found = Object(object_path, *read_object(object_path))
    if not found.programs:
        raise ObjectError(f"{file} holds no BPF program", 'give the function a SEC("xdp") or the like')
    sought = os.path.join(folder, name), (("source",) if key == "source" else ())
    return Subject(file, path, key, name, found, {sought: found}, _types(file, found.btf))


def _compiled(file: str) -> str:
    from bpftest.kernel.compile import compiled

    try:
        return compiled(file)
    except CompileError as error:
        error.hint = ARGUMENTS if os.path.exists(file) else "correct the path"
        raise


def _relative(file: str, folder: str) -> str:
    """*file* from *folder* on, behind all links: what leads up from a folder leads up from where it really is."""
    above, name = os.path.split(file)
    relative = os.path.relpath(os.path.join(os.path.realpath(above), name), os.path.realpath(folder))
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the name of {file!a} is not UTF-8, and suites are", "give it another name") from None
    return relative


def _types(file: str, data: bytes) -> Btf | None:
    """The types of the object; None, and a word about it, where it has none."""
    if not data:
        print(f"note: {file} has no types (BTF), so nothing is said of its maps and globals: clang -g", file=sys.stderr)
        return None
    from bpftest.btf import Btf

    try:
        return Btf(data)
    except ObjectError as error:
        raise ObjectError(f"{file}: {error.what}", error.hint) from None


def _able(options: Namespace) -> bool:
    """Whether the cases can be tried on this machine; then this process is ready for it. Raises HostError."""
    from bpftest.executors import local
    from bpftest.kernel import privileges

    missing = privileges.missing()
    if missing and options.record:
        hint = "run it with sudo, or leave out --record"
        raise HostError(f"to record what programs do needs {' and '.join(missing)}", hint)
    if missing:
        print("note: nothing was run, which takes root: `bpftest run` shows what the kernel refuses", file=sys.stderr)
        return False
    local.prepare()
    return True


# --- cases --------------------------------------------------------------------------------------------------------


def _blocks(subject: Subject, options: Namespace) -> list[Block]:
    """A case for each program that is meant, or for each frame of the capture."""
    programs = _programs(subject, options.program)
    blocks = [case_of(program, subject.btf) for program in programs]
    return _frames(subject, blocks, options) if options.from_pcap else blocks


def _programs(subject: Subject, name: str | None) -> tuple[ElfProgram, ...]:
    programs = subject.found.programs
    chosen = tuple(program for program in programs if name in (None, program.name))
    if not chosen:
        known = [program.name for program in programs]
        raise UsageError(f"no program '{name}' in {subject.file}", suggestion(name or "", known))
    return chosen


def _frames(subject: Subject, blocks: list[Block], options: Namespace) -> list[Block]:
    """A case for each frame of the capture. Raises UsageError where nothing says for which program."""
    from bpftest.packets.captures import count_frames

    case = _taker(blocks, subject.file)
    folder = os.path.dirname(subject.path)
    capture = _relative(options.from_pcap, folder)
    try:
        count = count_frames("", options.from_pcap)
    except SuiteError as error:
        hint = error.hint if os.path.exists(options.from_pcap) else "correct the path"
        raise UsageError(error.what, hint) from None
    if count <= FRAMES_MAX:
        return frame_cases(folder, capture, case)
    if options.record:
        hint = f"cut it: tcpdump -r {options.from_pcap} -w first.pcap -c {FRAMES_MAX}; or leave out --record"
        raise UsageError(f"{options.from_pcap} has {count:,} frames, and at most {FRAMES_MAX:,} are recorded", hint)
    return [table_of(capture, case)]


def _taker(blocks: list[Block], file: str) -> Case:
    """The case of the one program that takes packets. Raises UsageError where there is none, or there are several."""
    takers = [block for block in blocks if isinstance(block, Case) and any(key == "packet" for key, _ in block.given)]
    if len(takers) == 1:
        return takers[0]
    if not takers:
        raise UsageError(f"no program of {file} that is meant can be run with a packet", "leave out --from-pcap")
    names = ", ".join(case.program for case in takers)
    raise UsageError(f"{len(takers)} programs of {file} take packets", f"say which: --program, one of: {names}")


# --- text ---------------------------------------------------------------------------------------------------------


def _content(subject: Subject, blocks: list[Block], options: Namespace, *, able: bool) -> bytes:
    """The suite, tried on this machine where that is possible."""
    from bpftest.commands.trying import planned

    head = _head(subject, options)

    def compose(parts: Sequence[Block]) -> Text:
        return text_of(head, parts)

    left, _ = planned(subject.path, blocks, compose, subject.objects)
    if able and not _has_table(left):
        left = _tried(subject, left, compose, options)
    if options.from_pcap:
        left = _as_table(subject, left, options.from_pcap)
    return compose(left).content.encode()


def _has_table(blocks: list[Block]) -> bool:
    return any(block.is_table for block in blocks if isinstance(block, Case))


def _as_table(subject: Subject, blocks: list[Block], capture: str) -> list[Block]:
    """*blocks*, or one case for many frames that all have one like the others."""
    cases = [block for block in blocks if isinstance(block, Case) and block.expects == ran(block.program)]
    if len(cases) < max(ROWS_MIN, len(blocks)):
        return blocks
    return [table_of(_relative(capture, os.path.dirname(subject.path)), cases[0])]


def _tried(subject: Subject, blocks: list[Block], compose: Compose, options: Namespace) -> list[Block]:
    """*blocks* as this machine's kernel takes them; if that is wanted, they expect what it gives."""
    from bpftest.commands import trying
    from bpftest.executors.local import RunningKernel

    kernel = RunningKernel()

    def results(parts: list[Block], cpu: int) -> tuple[list[Block], list[trying.Tried]]:
        left, plan = trying.planned(subject.path, parts, compose, subject.objects)
        with trying.on_cpu(cpu):
            return left, list(trying.tried(plan, kernel))

    _, first = results(trying.asking(blocks) if options.record else blocks, 0)
    refused = next((one for one in first if one.load_errno), None)
    if refused is not None and options.from_pcap:
        raise ProgramError(refused.finished.message, "`bpftest run` shows more of it")
    known = trying.seen(blocks, first)
    found = trying.recorded(known, first) if options.record else known
    if found == blocks and all(one.passed for one in first):
        return found
    left, second = results(found, -1)
    return trying.steady(left, known, second)


def _head(subject: Subject, options: Namespace) -> Head:
    state = state_of(subject.btf, subject.found.variables, subject.found.programs) if subject.btf else State()
    about = ("The first cases, by `bpftest init`. They pass as they are: say in each what is right, and write more.",)
    if options.record:
        release = kernel_release()
        about = (
            f"Recorded on Linux {release}: what the programs do today, right or wrong. Read it before you commit it.",
        )
    return Head(about, subject.key, subject.name, state, _schema(os.path.dirname(subject.path)))


def kernel_release() -> str:
    """The release of the running kernel, without what a distribution has added: 6.18."""
    return ".".join(os.uname().release.split(".")[:2])


def _schema(folder: str) -> str:
    """Where the schema of suites is, from *folder* on; "" if it is neither there nor in a folder above."""
    for above in ("", *(os.path.join(*[os.pardir] * count) for count in range(1, FOLDERS_ABOVE))):
        if os.path.isfile(os.path.join(os.path.realpath(folder), above, SCHEMA)):
            return os.path.join(above, SCHEMA)
    return ""


# --- the file -----------------------------------------------------------------------------------------------------


def _refuse_target(path: str, *, replaces: bool) -> None:
    """Raises UsageError or HostError where the suite cannot be written to *path*; before any work is done."""
    from bpftest.kernel.files import refuse_link

    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}", f"make it: mkdir -p {folder}")
    if os.path.isdir(path):
        raise UsageError(f"{path} is a folder", f"name a file in it: {os.path.join(path, PRINTED)}")
    try:
        if os.path.islink(path) or not os.path.isabs(path):
            refuse_link(path)
    except OSError as error:
        raise HostError(f"{error.filename} cannot be written: {error.strerror}") from None
    if os.path.lexists(path) and not replaces:
        raise UsageError(f"{path} is there already", "--force replaces it; or write to another file")


def _write(path: str, content: bytes) -> None:
    from bpftest.kernel.files import write_file

    try:
        write_file(path, content)
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}") from None
