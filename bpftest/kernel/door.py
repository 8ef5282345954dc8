"""What passes the kernel's door: bytes and numbers only, frozen, so that a fake kernel is a few lines."""

from __future__ import annotations

from typing import NamedTuple


class Patch(NamedTuple):
    """Bytes of a section of global variables."""

    section: str  # ".bss", ".data.config"
    offset: int  # bytes from the start of the section
    content: bytes


class Loading(NamedTuple):
    """One program of an object and how it is loaded."""

    path: str  # of the ELF object
    program: str  # the C function
    prog_type: int  # BPF_PROG_TYPE_*
    attach_type: int | None = None  # BPF_* of enum bpf_attach_type; None: what the section says
    flags: int = 0  # BPF_F_* of BPF_PROG_LOAD
    log_level: int = 0  # of the verifier, as BPF_PROG_LOAD has it; statistics are always asked for
    also: tuple[str, ...] = ()  # other programs that are loaded with it
    attached: bool = False  # it is attached to what its section names
    constants: tuple[Patch, ...] = ()  # .rodata, which is frozen when it is loaded
    plain: bool = False  # its maps and globals hold nothing but bytes: they can be reset instead of loaded again


class LoadReport(NamedTuple):
    """What the kernel said when the program was loaded; a refusal is an answer too."""

    errno: int = 0  # 0: accepted
    log: str = ""  # the verifier's; statistics alone unless a log level was asked for or it refused
    libbpf: str = ""  # warnings of libbpf
    verified_insns: int = 0  # instructions the verifier walked
    jited_bytes: int = 0  # machine code
    xlated_bytes: int = 0  # BPF instructions, 8 bytes each


class Socket(NamedTuple):
    """A socket that is there while the program runs, in the network namespace of the process."""

    name: str
    kind: str  # "tcp": it listens; "udp": it is bound
    address: str  # IPv4 or IPv6
    port: int


class Write(NamedTuple):
    """An entry that is put into a map before the run."""

    map: str  # its name in the object
    key: bytes
    value: bytes | tuple[bytes, ...] = b""  # of a per-CPU map: one for all CPUs, or one for each of the first
    socket: str = ""  # the name of the socket that is the value
    program: str = ""  # the name of the program of the object that is the value


class Read(NamedTuple):
    """What of a map is wanted after the run."""

    map: str  # its name in the object; ".bss" and so on for global variables
    keys: tuple[bytes, ...] | None = None  # None: every entry


class Contents(NamedTuple):
    """What a map held after the run."""

    map: str
    entries: tuple[tuple[bytes, bytes | None], ...]  # (key, value of all CPUs one after the other); None: no entry


class Setup(NamedTuple):
    """What is there before the run, and what of it is looked at afterwards."""

    sockets: tuple[Socket, ...] = ()
    writes: tuple[Write, ...] = ()
    patches: tuple[Patch, ...] = ()  # of sections that programs write to
    reads: tuple[Read, ...] = ()


class Request(NamedTuple):
    """One BPF_PROG_RUN, in the terms of struct bpf_test_run_opts."""

    data_in: bytes | None = None
    ctx_in: bytes | None = None
    ctx_size_out: int = 0  # 0: the context is not asked for
    ctx_spare: bool = False  # xdp: the suite says nothing of the context, so a kernel without xdp_ctx can do without
    repeat: int = 1
    flags: int = 0
    cpu: int | None = None  # the CPU to run on; None: whichever
    timeout_s: float = 10.0
    run_on_cpu: int = 0  # raw_tracepoint with BPF_F_TEST_RUN_ON_CPU: the CPU that is interrupted
    writes_ctx: bool = False  # syscall: what the program leaves in ctx_in is the reply's ctx_out
    state: bytes | None = (
        None  # struct_ops: what the first argument points at; the reply's ctx_out is what is left there
    )
    setup: Setup = Setup()


class Reply(NamedTuple):
    """What the kernel gave back for a Request. Nothing but errno means anything when errno is not 0."""

    errno: int = 0
    retval: int = 0  # as the program returned it: signed, 32 bits
    duration_ns: int = 0  # mean of a run over Request.repeat runs
    data_out: bytes = b""
    ctx_out: bytes = b""
    cookies: tuple[tuple[str, int], ...] = ()  # (name, SO_COOKIE) of each socket of the request
    contents: tuple[Contents, ...] = ()  # what Setup.reads wanted
    timed_out: bool = False  # interrupted after timeout_s; errno is EINTR


class Observation(NamedTuple):
    """All that a case's checks may look at."""

    load: LoadReport
    reply: Reply | None = None  # None: nothing was run
