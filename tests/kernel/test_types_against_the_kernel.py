"""A program of every type, run by bpftest from its suite on, and by the system call alone: both say the same.

The other side of the comparison uses nothing of bpftest: its programs are written as instructions, and what it gives to
bpf(2) is laid out here, after union bpf_attr in linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass

import pytest

from bpftest.elf import read_object
from bpftest.errnos import errno_name
from bpftest.kernel import probes
from bpftest.kernel.door import Observation
from bpftest.plan import Job, Object, plan
from bpftest.progtypes import PROG_TYPES
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from tests.kernel.conftest import Build, Open

pytestmark = pytest.mark.kernel

BPF_PROG_LOAD, BPF_PROG_RUN = 5, 10
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}[platform.machine()]
ENOTSUPP = 524
STRUCT, FUNC = 4, 12  # kinds of BTF

FRAME = bytes.fromhex("020000000002 020000000001 9000") + bytes(range(46))
IP = bytes.fromhex("4500001c 00010000 40117cce 7f000001 7f000001 00350035 00080172")
IN_FRAME = bytes(12) + b"\x08\x00" + IP

# --- instructions: struct bpf_insn --------------------------------------------------------------------------------


def instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | target, offset, number)


def returns(number: int) -> bytes:
    return instruction(0xB7, number=number) + EXIT


def loaded(code: int, target: int, source: int, offset: int) -> bytes:
    """target = *(source + offset)"""
    return instruction(code, target, source, offset)


def raised(width: str, pointer: int, offset: int, by: int, into: int | None = None) -> bytes:
    """*(pointer + into) = *(pointer + offset) + by, by way of r3"""
    load, store = {"u16": (0x69, 0x6B), "u32": (0x61, 0x63)}[width]
    return (
        instruction(load, 3, pointer, offset)
        + instruction(0x07, 3, number=by)
        + instruction(store, pointer, 3, offset if into is None else into)
    )


EXIT = instruction(0x95)
U32, U64 = 0x61, 0x79  # loads
R0, R1, R2 = 0, 1, 2
TO_MARK = raised("u32", R1, 8, 1) + returns(1)
ADJUST_HEAD = 44  # enum bpf_func_id


def sk_buff(**members: int) -> bytes:
    return b"".join(
        struct.pack("=I", members.get({8: "mark", 48: "cb"}.get(offset, ""), 0)) for offset in range(0, 192, 4)
    )


# --- trials -------------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """A case of a suite, and what the system call is given instead."""

    name: str  # of the type
    case: str  # the case, but for its name
    code: bytes
    data_in: bytes = b""
    ctx_in: bytes = b""
    ctx_size_out: int = 0
    attach_type: int = 0
    flags: int = 0  # of BPF_PROG_LOAD
    run_flags: int = 0
    repeat: int = 1
    target: tuple[str, int] | None = None  # what of the kernel's types the program is for
    state: int | None = None  # of struct_ops: what the first argument points at

    def __str__(self) -> str:
        return f"{self.name}: {self.case}"


def of_skb(name: str, packet: bytes, data_in: bytes) -> Trial:
    case = f"packet: {{hex: {packet.hex()}}}, ctx: {{mark: 41}}, expect: {{retval: 1, ctx: {{mark: 42}}}}"
    return Trial(name, case, TO_MARK, data_in, sk_buff(mark=41), 192)


XDP_MD = struct.pack("=6I", 0, len(FRAME), 0, 0, 0, 0)
SK_LOOKUP = struct.pack(
    "=Q II 4s 16x H 2x 4s 16x II", 0, 2, 6, bytes((10, 0, 0, 1)), 0x5000, bytes((10, 0, 0, 2)), 80, 0
)
TRIALS = [
    Trial(
        "xdp",
        f"packet: {{hex: {FRAME.hex()}}}, expect: {{retval: XDP_TX, output: {{length: {len(FRAME) - 4}}}}}",
        instruction(0xB7, R2, number=4) + instruction(0x85, number=ADJUST_HEAD) + returns(3),
        FRAME,
        XDP_MD,
        24,
    ),
    of_skb("sched_cls", FRAME, FRAME),
    of_skb("sched_act", FRAME, FRAME),
    of_skb("cgroup_skb", FRAME, FRAME),
    *(of_skb(name, IP, IN_FRAME) for name in ("cgroup_skb", "lwt_in", "lwt_out", "lwt_xmit")),
    Trial(
        "lwt_in",
        f"packet: {{hex: {IP.hex()}}}, ctx: {{mark: 1}}, repeat: 5, flags: [checksum_complete], "
        "expect: {ctx: {mark: 6}}",
        TO_MARK,
        IN_FRAME,
        sk_buff(mark=1),
        192,
        run_flags=4,
        repeat=5,
    ),
    Trial("lwt_seg6local", f"packet: {{hex: {IP.hex()}}}, expect: {{retval: 1}}", returns(1), IN_FRAME),
    Trial(
        "socket_filter",
        f"packet: {{hex: {IP.hex()}}}, ctx: {{cb: [6]}}, expect: {{retval: {len(IP)}, ctx: {{cb: [7]}}}}",
        raised("u32", R1, 48, 1) + loaded(U32, R0, R1, 0) + EXIT,
        IN_FRAME,
        sk_buff(cb=6),
        192,
    ),
    Trial(
        "flow_dissector",
        f"packet: {{hex: {IN_FRAME.hex()}}}, ctx: {{flags: 2}}, "
        "expect: {retval: BPF_FLOW_DISSECTOR_CONTINUE, output: {flow_keys: {thoff: 34, flags: 2}}}",
        loaded(U64, R2, R1, 144) + raised("u16", R2, 2, 20) + returns(129),
        IN_FRAME,
        bytes(48) + struct.pack("=I4x", 2),
    ),
    Trial(
        "sk_lookup",
        "ctx: {family: AF_INET, protocol: IPPROTO_TCP, remote_ip4: 10.0.0.1, remote_port: 80, local_ip4: 10.0.0.2, "
        "local_port: 80}, expect: {retval: SK_PASS, socket: none}",
        loaded(U32, R2, R1, 60) + instruction(0xB7, number=1) + instruction(0x15, R2, offset=1, number=80) + returns(0),
        b"",
        SK_LOOKUP,
        72,
        attach_type=36,
    ),
    Trial(
        "netfilter",
        f"packet: {{hex: {IP.hex()}}}, expect: {{retval: NF_ACCEPT}}",
        returns(1),
        IP,
        attach_type=45,
    ),
    Trial(
        "netfilter",
        f"packet: {{hex: {IP.hex()}}}, ctx: {{hook: NF_INET_LOCAL_IN}}, expect: {{retval: NF_ACCEPT}}",
        returns(1),
        IN_FRAME,
        b"\x01\x02",
        attach_type=45,
    ),
    Trial(
        "raw_tracepoint",
        "ctx: {args: [1, -2]}, expect: {retval: -2}",
        loaded(U64, R0, R1, 8) + EXIT,
        b"",
        struct.pack("=qq", 1, -2),
        repeat=0,
    ),
    Trial(
        "syscall",
        "ctx: {struct: request, fields: {question: 41}}, expect: {retval: -7, ctx: {answer: 42}}",
        raised("u32", R1, 0, 1, into=4) + returns(-7),
        b"",
        struct.pack("=II", 41, 0),
        flags=16,
        repeat=0,
    ),
    Trial(
        "struct_ops",
        "ctx: {state: 41}, expect: {retval: 5, ctx: {state: 42}}",
        loaded(U64, R2, R1, 0) + instruction(0x55, R2, offset=2) + returns(0) + raised("u32", R2, 0, 1) + returns(5),
        target=("bpf_dummy_ops", STRUCT),
        state=41,
        repeat=0,
    ),
    Trial(
        "struct_ops",
        "ctx: {args: []}, expect: {retval: 0}",
        loaded(U64, R0, R1, 0) + EXIT,
        ctx_in=bytes(8),
        target=("bpf_dummy_ops", STRUCT),
        repeat=0,
    ),
    Trial(
        "tracing",
        "expect: {retval: 0, globals: {calls: 1}}",
        returns(0),
        attach_type=24,
        target=("bpf_fentry_test1", FUNC),
        repeat=0,
    ),
]


def test_every_type_is_tried() -> None:
    assert {trial.name for trial in TRIALS} == PROG_TYPES.keys()


# --- bpf(2) -------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What the kernel said."""

    errno: int
    retval: int = 0
    data_out: bytes = b""
    ctx_out: bytes = b""


def bpf(command: int, attributes: ctypes.Array[ctypes.c_char]) -> tuple[int, int]:
    """(result, errno) of the system call."""
    result = ctypes.CDLL(None, use_errno=True).syscall(BPF_SYSCALL, command, attributes, len(attributes))
    return result, ctypes.get_errno() if result < 0 else 0


def kernel_type(name: str, kind: int) -> int:
    """The id of something in the kernel's types."""
    libbpf = ctypes.CDLL("libbpf.so.1")
    libbpf.btf__load_vmlinux_btf.restype = ctypes.c_void_p
    libbpf.btf__free.argtypes = [ctypes.c_void_p]
    libbpf.btf__find_by_name_kind.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    btf = libbpf.btf__load_vmlinux_btf()
    found = libbpf.btf__find_by_name_kind(btf, name.encode(), kind)
    libbpf.btf__free(btf)
    return found


def load(trial: Trial) -> tuple[int, int]:
    """(file descriptor, errno) of the program."""
    code, licence = ctypes.create_string_buffer(trial.code), ctypes.create_string_buffer(b"GPL")
    target = kernel_type(*trial.target) if trial.target else 0
    layout = "=IIQQIIQII16sIIIIQIIQII16x"
    attributes = struct.pack(
        layout,
        *(PROG_TYPES[trial.name].number, len(trial.code) // 8, ctypes.addressof(code), ctypes.addressof(licence)),
        *(0, 0, 0, 0, trial.flags, b"by_hand", 0, trial.attach_type),
        *(0, 0, 0, 0, 0, 0, 0, target),
    )
    return bpf(BPF_PROG_LOAD, ctypes.create_string_buffer(attributes, len(attributes)))


def run(program: int, trial: Trial) -> Answer:
    """What BPF_PROG_RUN says."""
    state = ctypes.c_int(trial.state or 0)
    ctx = trial.ctx_in if trial.state is None else struct.pack("=Q", ctypes.addressof(state))
    data_in, data_out = ctypes.create_string_buffer(trial.data_in, len(trial.data_in) or 1), (ctypes.c_char * 65536)()
    ctx_in, ctx_out = ctypes.create_string_buffer(ctx, len(ctx) or 1), (ctypes.c_char * 4096)()
    layout = "=IIIIQQIIIIQQIII4x"
    attributes = struct.pack(
        layout,
        *(program, 0, len(trial.data_in), len(data_out) if trial.data_in else 0),
        ctypes.addressof(data_in) if trial.data_in else 0,
        ctypes.addressof(data_out) if trial.data_in else 0,
        *(trial.repeat, 0, len(ctx), trial.ctx_size_out),
        ctypes.addressof(ctx_in) if ctx else 0,
        ctypes.addressof(ctx_out) if trial.ctx_size_out else 0,
        *(trial.run_flags, 0, 0),
    )
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    _, failed = bpf(BPF_PROG_RUN, buffer)
    if failed:
        return Answer(failed)
    said = struct.unpack(layout, buffer.raw)
    answer = Answer(0, ctypes.c_int32(said[1]).value, data_out.raw[: said[3]], ctx_out.raw[: said[9]])
    if trial.name == "syscall":
        answer.ctx_out = ctx_in.raw
    if trial.state is not None:
        answer.ctx_out = bytes(state)
    return answer


# --- both ---------------------------------------------------------------------------------------------------------


def job_of(trial: Trial, path: str) -> Job:
    """The trial's case, planned."""
    text = f"version: 1\nobject: {path}\ncases: [{{name: x, program: {trial.name}_program, {trial.case}}}]\n"
    found = suite(document("suite.yaml", text))
    return plan(found, {(path, ()): Object(path, *read_object(path))}).jobs[0]


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_a_program_runs_as_the_system_call_runs_it(build: Build, opened: Open, trial: Trial) -> None:
    job = job_of(trial, build("types", *(["-DSTRUCT_OPS"] if trial.name == "struct_ops" else [])))
    session = opened(*job.loading[:3], **dict(zip(job.loading._fields[3:], job.loading[3:], strict=True)))
    lack = probes.type_lack(PROG_TYPES[trial.name].number)

    program, refused = load(trial)
    if refused:
        assert session.report.errno == refused
        assert errno_name(refused) in lack
        return
    said = run(program, trial)
    os.close(program)

    (step,) = job.steps
    assert step.ask is not None
    asked = step.ask(())
    reply = session.run(asked.request)
    assert Answer(reply.errno, reply.retval, reply.data_out, reply.ctx_out) == said
    assert ("ENOTSUPP" in lack, lack != "") == (said.errno == ENOTSUPP, said.errno != 0)
    assert said.errno in (0, ENOTSUPP)
    if not said.errno:
        seen = Observation(session.report, reply, asked.packet)
        assert [check(seen).mismatches for check in step.checks] == [()] * len(step.checks)
