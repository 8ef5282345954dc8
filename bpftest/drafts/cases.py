"""A case for each program of an object, that passes whatever the program decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.btf import Btf, Func, FuncProto, Kind, Pointer, Struct
from bpftest.drafts.fields import field_lines, indented, wrapped
from bpftest.drafts.scalars import flow, key, scalar
from bpftest.progtypes import PROG_TYPES, of_section, untestable_section
from bpftest.progtypes.calls import ARGS_MAX, CALLED
from bpftest.progtypes.xdp import IN_MAPS
from bpftest.values.slots import Slot
from bpftest.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.elf import ElfProgram
    from bpftest.progtypes import ProgType

IP_PACKET = 'IP(src="192.0.2.10", dst="198.51.100.1")/TCP(sport=40000, dport=80, flags="S")'
PACKETS = {  # by what the programs of a type see
    "ethernet": ("frame", f"Ether()/{IP_PACKET}"),
    "ip": ("ip4", IP_PACKET),
    "hook": ("ip4", IP_PACKET),
}
LOOKUP = {
    "family": "AF_INET",
    "protocol": "IPPROTO_TCP",
    "local_ip4": "198.51.100.1",
    "local_port": 80,
}
DUMMY_ARGUMENTS = {"test_1": 0, "test_2": 4, "test_sleepable": 0}  # behind the state, by the function of bpf_dummy_ops
STRUCTS = 16  # of a ctx, in each other
WIDTH = 100  # characters of an `expect` in one line


class Case(NamedTuple):
    """A case of the suite, in YAML."""

    name: str
    program: str  # the C function
    prog_type: ProgType
    given: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (key, its value: one line, or those below the key)
    expects: tuple[str, ...] = ()  # lines below `expect`
    above: tuple[str, ...] = ()  # comments
    is_table: bool = False  # its name holds a variable


class Remark(NamedTuple):
    """What stands in the place of a case that there cannot be."""

    lines: tuple[str, ...]


Block = Case | Remark
LOADS = ("loads: true",)


def case_of(program: ElfProgram, btf: Btf | None) -> Block:
    """A case for *program*, or why there is none. Raises ObjectError where the types are damaged."""
    title = f'{shown(program.name)}: SEC("{shown(program.section)}")'
    if not program.name.isprintable() or "\ufffd" in program.name:
        return Remark((title, "Its name cannot be written in a suite."))
    name, attach_type = of_section(program.section)
    if name is None:
        return Remark((title, _why_not(program.section)))
    prog_type = PROG_TYPES[name]
    above = (f'{shown(program.name)}: {name}, SEC("{shown(program.section)}")',)
    reason = _only_loads(program, attach_type or "", btf)
    if reason:
        loaded = f"{program.name} is accepted by the verifier"
        return Case(loaded, program.name, prog_type, (), LOADS, (*above, reason))
    given = _given(program, prog_type, btf)
    return Case(f"{program.name} runs", program.name, prog_type, given, ran(program.name), above)


def ran(program: str) -> tuple[str, ...]:
    """What is so whatever the program decides."""
    return (f"runs: {{{key(program)}: {{min: 1}}}}",)


def hinted(blocks: Iterable[Block]) -> Iterator[Block]:
    """*blocks*; the first case of each program type that expects next to nothing says what it could expect."""
    told: set[str] = set()
    for block in blocks:
        if isinstance(block, Case) and block.expects == ran(block.program) and block.prog_type.name not in told:
            told.add(block.prog_type.name)
            yield block._replace(expects=(*block.expects, *_hints(block.prog_type)))
        else:
            yield block


def _hints(prog_type: ProgType) -> tuple[str, ...]:
    """Expectations as comments, to be taken into use."""
    names: dict[int, str] = {}
    for name, number in prog_type.codes:
        names.setdefault(number, name)
    lines = wrapped(f"retval: {flow(list(names.values()))}  # keep the right one") if names else ["retval: 0"]
    if prog_type.gives == "packet":
        lines.append("output: {unchanged: true}")
    elif prog_type.gives == "flow_keys":
        lines.append("output: {flow_keys: {ip_proto: IPPROTO_TCP, sport: 40000, dport: 80}}")
    return tuple(f"# {line}" for line in lines)


def _why_not(section: str) -> str:
    untestable = untestable_section(section)
    if untestable is None:
        return "Its section tells no program type that bpftest runs; a case can say `type:`."
    name, instead = untestable
    return f"No kernel has a test run for {name} programs: {instead}."


def _only_loads(program: ElfProgram, attach_type: str, btf: Btf | None) -> str:
    """Why a program of a type that can be run is just loaded; "" for one that can be run."""
    if attach_type in IN_MAPS:
        return f"No kernel test-runs XDP programs for a {attach_type.removeprefix('xdp_')}: `live` frames go there."
    function = program.section.rpartition("/")[2]
    called = CALLED.get(attach_type, "")
    if called and not function.startswith(called):
        return f"A test run calls {called}*, and not the function that this one is attached to."
    if of_section(program.section)[0] == "struct_ops" and not _is_dummy(function, btf):
        return "Of all struct_ops, the kernel test-runs bpf_dummy_ops alone."
    return ""


def _is_dummy(function: str, btf: Btf | None) -> bool:
    """Whether a struct_ops program is *function* of bpf_dummy_ops, which the kernel has for this purpose."""
    if btf is None or function not in DUMMY_ARGUMENTS:
        return False
    of_ops = [one.type for one in btf.variables() if one.section.startswith(".struct_ops")]
    return bool(of_ops) and all(btf.spelled(one) == "struct bpf_dummy_ops" for one in of_ops)


# --- what a program is given --------------------------------------------------------------------------------------


def _given(program: ElfProgram, prog_type: ProgType, btf: Btf | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if prog_type.name == "netfilter":
        return _packet(prog_type), ("ctx", (flow({"hook": "NF_INET_LOCAL_IN"}),))
    if prog_type.sees:
        return (_packet(prog_type),)
    if prog_type.name == "sk_lookup":
        return (("ctx", (flow(LOOKUP),)),)
    if prog_type.ctx_kind == "args":
        return (("ctx", (f"{flow({'args': [0] * ARGS_MAX})}  # it may read fewer, and not more",)),)
    if prog_type.ctx_kind == "state":
        count = DUMMY_ARGUMENTS[program.section.rpartition("/")[2]]
        return (("ctx", (flow({"state": 0} | ({"args": [0] * count} if count else {})),)),)
    struct = _struct_of(program.name, btf) if prog_type.ctx_kind == "btf" and btf is not None else None
    return (("ctx", struct),) if struct else ()


def _packet(prog_type: ProgType) -> tuple[str, tuple[str, ...]]:
    return "packet", (PACKETS[prog_type.sees][1],)


def _struct_of(function: str, btf: Btf) -> tuple[str, ...]:
    """The ctx of a program whose argument points to a struct: its fields, all of them 0."""
    found = btf.find(function, [Kind.FUNC])
    held = btf.type(found) if found is not None else None
    proto = btf.type(held.proto) if isinstance(held, Func) else None
    pointer = btf.resolve(proto.params[0][1]) if isinstance(proto, FuncProto) and proto.params else None
    if not isinstance(pointer, Pointer):
        return ()
    struct = btf.resolve(pointer.type)
    if not isinstance(struct, Struct) or not struct.name or not struct.size:
        return ()
    lines = field_lines(Slot(btf, pointer.type, struct.name), "fields:", None, iter(range(STRUCTS)))
    return (f"struct: {scalar(struct.name)}", *lines)


def lines_of(case: Case, one_program: str) -> list[str]:
    """The lines of *case* in a list of cases. *one_program*: the program that the suite names at its top."""
    lines = [f"# {line}" for said in case.above for line in wrapped(said)]
    lines.append(f"- name: {key(case.name) if case.is_table else scalar(case.name)}")
    if case.program != one_program:
        lines.append(f"  program: {scalar(case.program)}")
    for name, value in case.given:
        single = len(value) == 1
        lines += [f"  {name}: {value[0]}"] if single else [f"  {name}:", *indented(indented(value))]
    together = f"  expect: {{{', '.join(case.expects)}}}"
    if len(together) <= WIDTH and not any("#" in line or line.endswith((":", "|")) for line in case.expects):
        return [*lines, together]
    return [*lines, "  expect:", *indented(indented(case.expects))]
