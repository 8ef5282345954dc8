"""Which program of which object: names are looked up, the type is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import BpftestError, SuiteError
from bpftest.kernel.door import Also, Loading
from bpftest.progtypes import PROG_TYPES, ProgType, of_section, untestable_section
from bpftest.progtypes.calls import CALLED
from bpftest.progtypes.sections import SECTIONS
from bpftest.suite.model import Program
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.elf import ElfProgram, ElfVariable
    from bpftest.errors import Place

# BPF_F_* of BPF_PROG_LOAD, linux/bpf.h
LOAD_FLAGS = {
    "strict_alignment": 1 << 0,
    "any_alignment": 1 << 1,
    "test_rnd_hi32": 1 << 2,
    "test_state_freq": 1 << 3,
    "sleepable": 1 << 4,
    "xdp_has_frags": 1 << 5,
    "test_reg_invariants": 1 << 7,
}


class Object(NamedTuple):
    """What is known of the object of a program before it is opened."""

    path: str
    programs: tuple[ElfProgram, ...]
    btf: bytes = b""  # its types, as .BTF has them
    variables: tuple[ElfVariable, ...] = ()
    prints: bool = False  # its programs call bpf_trace_printk or bpf_trace_vprintk
    streams: bool = False  # its programs call bpf_stream_vprintk
    held: tuple[str, ...] = ()  # programs that its prog arrays hold from the start


ObjectKey = tuple[str, tuple[str, ...]]
Objects = Mapping[ObjectKey, "Object | BpftestError"]  # what each object is, or why there is none


def object_key(program: Program) -> ObjectKey:
    """What tells the object of *program* from others: its path, or its source with the arguments for clang."""
    if program.source is not None:
        return program.source.file, ("source", *program.source.cflags)
    return program.object or "", ()


class Target(NamedTuple):
    """The program that a case runs: its type if that is known, and how it is loaded or why it cannot be."""

    prog_type: ProgType | None = None
    loading: Loading | None = None
    problem: BpftestError | None = None
    found: Object = Object("", ())
    attach_type: str = ""  # as the suite or the section says it
    section: str = ""  # of the program


def target(program: Program, found: Object | BpftestError) -> Target:
    """The type of *program* and how it is loaded. Raises SuiteError, with its place."""
    if isinstance(found, BpftestError):
        return Target(PROG_TYPES[program.type] if program.type else None, None, found)
    elf_program = _elf_program(program, found)
    section_type, section_attach = of_section(elf_program.section)
    name = program.type or section_type
    if name is None:
        _refuse_untestable(program, elf_program)
        known = ", ".join(PROG_TYPES)
        raise SuiteError(
            f"the section \"{elf_program.section}\" of '{elf_program.name}' tells no program type that bpftest runs",
            f"say 'type:', one of: {known}",
            _place(program, "type", "program", "object", "source"),
        )
    prog_type = PROG_TYPES[name]
    if prog_type.attached and section_type != name:
        _refuse_untestable(program, elf_program)
        raise SuiteError(
            f"the section \"{elf_program.section}\" of '{elf_program.name}' does not say what it is to be attached to",
            'SEC("fentry/bpf_fentry_test1") or the like: BPF_PROG_RUN calls these functions, and no program',
            _place(program, "type"),
        )
    loading = Loading(
        found.path,
        elf_program.name,
        prog_type.number,
        _attach_type(program, prog_type, elf_program.section),
        sum(LOAD_FLAGS[flag] for flag in program.load.flags) | prog_type.load_flags,
        program.load.log_level,
        _also(program, found, elf_program.name, prog_type),
        prog_type.attached,
        prints=found.prints,
        streams=found.streams,
    )
    attach_type = program.attach_type or (section_attach if section_type == name else None) or ""
    return Target(prog_type, loading, None, found, attach_type, elf_program.section)


def refuse_uncalled(target: Target) -> None:
    """Raises SuiteError where the run would call other functions than the one that the program is attached to.

    It would succeed, and say nothing of a program that never ran.
    """
    called = CALLED.get(target.attach_type, "")
    function = target.section.rpartition("/")[2]
    if called and not function.startswith(called):
        raise SuiteError(
            f"the run does not call '{function}', to which the program is attached, but {called}*",
            "attach it to one of these, or expect 'loads: true'",
        )


def _refuse_untestable(program: Program, elf_program: ElfProgram) -> None:
    """Raises SuiteError for a section whose programs no kernel test-runs."""
    untestable = untestable_section(elf_program.section)
    if untestable:
        name, instead = untestable
        text = f'no kernel has a test run for {name} programs (SEC("{elf_program.section}"))'
        raise SuiteError(text, instead, _place(program, "program", "object", "source"))


def _elf_program(program: Program, found: Object) -> ElfProgram:
    names = [one.name for one in found.programs]
    if program.name is None:
        if len(names) == 1:
            return found.programs[0]
        text = f"the object holds {len(names)} programs" if names else "the object holds no program"
        hint = f"say 'program:', one of: {', '.join(names)}" if names else 'give the function a SEC("xdp") or the like'
        raise SuiteError(text, hint, _place(program, "object", "source"))
    for one in found.programs:
        if one.name == program.name:
            return one
    raise SuiteError(
        f"no program '{program.name}' in the object", suggestion(program.name, names), _place(program, "program")
    )


def _attach_type(program: Program, prog_type: ProgType, section: str) -> int | None:
    """The attach type that libbpf is to be told; None: it knows that of the section."""
    if program.attach_type is not None:
        if program.attach_type in prog_type.attach_types:
            return prog_type.attach_types[program.attach_type]
        known = prog_type.attach_types
        hint = suggestion(program.attach_type, known) if known else f"{prog_type.name} has none: leave it out"
        raise SuiteError(
            f"'{program.attach_type}' is no attach type of {prog_type.name}", hint, _place(program, "attach_type")
        )
    section_type, section_attach = of_section(section)
    if section_type == prog_type.name and section_attach and section not in SECTIONS:
        return prog_type.attach_types[section_attach]  # SEC("cgroup_skb/egress/x"), which libbpf does not know
    # A section of another type has set an attach type that this one does not know.
    return prog_type.attach_type or (0 if section_type not in (None, prog_type.name) else None)


def _also(program: Program, found: Object, name: str, prog_type: ProgType) -> tuple[Also, ...]:
    """The programs that are loaded beside the program *name* in every case of it."""
    asked = _asked(program, found, prog_type)
    rest = [one for one in found.held if one != name and one not in program.load.also]
    return asked + tuple(called(one, found, prog_type) for one in rest)


def _asked(program: Program, found: Object, prog_type: ProgType) -> tuple[Also, ...]:
    names = [one.name for one in found.programs]
    for name in program.load.also:
        if name not in names:
            raise SuiteError(f"no program '{name}' in the object", suggestion(name, names), _place(program, "load"))
        section = next(one.section for one in found.programs if one.name == name)
        if (untestable_section(section) or ("",))[0] == "ext":
            text = f"'{name}' replaces a function of a program that is in the kernel already, and is not loaded with it"
            raise SuiteError(text, "test the function in a program that calls it", _place(program, "load"))
    return tuple(companion(name, found, prog_type) for name in program.load.also)


def companion(name: str, found: Object, prog_type: ProgType) -> Also:
    """How the program *name* of the object is loaded beside one of *prog_type*.

    Where its section tells no type, it has the same: a tail call never leads to another type.
    """
    section = next(one.section for one in found.programs if one.name == name)
    if untestable_section(section):
        return Also(name)  # libbpf knows what it is
    section_type, _ = of_section(section)
    own = PROG_TYPES[section_type] if section_type else prog_type
    return Also(name, own.number, _attach_type(Program(), own, section), own.load_flags, own.attached)


def called(name: str, found: Object, prog_type: ProgType) -> Also:
    """The same for a program that a map holds: it runs where it is called from there, and nowhere else."""
    return companion(name, found, prog_type)._replace(attached=False)


def object_place(program: Program) -> Place | None:
    """Where the suite names the object."""
    return _place(program, "source", "object")


def _place(program: Program, *keys: str) -> Place | None:
    """Where the first of *keys* that the suite gives is said."""
    places = program.places or {}
    return next((places[key].place() for key in keys if key in places), None)
