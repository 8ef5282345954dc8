"""What passes the kernel's door: bytes and numbers only, frozen, so that a fake kernel is a few lines."""

from __future__ import annotations

from typing import NamedTuple


class Loading(NamedTuple):
    """One program of an object and how it is loaded."""

    path: str  # of the ELF object
    program: str  # the C function
    prog_type: int  # BPF_PROG_TYPE_*
    attach_type: int | None = None  # BPF_* of enum bpf_attach_type; None: what the section says
    flags: int = 0  # BPF_F_* of BPF_PROG_LOAD
    log_level: int = 0  # of the verifier, as BPF_PROG_LOAD has it; statistics are always asked for
    also: tuple[str, ...] = ()  # other programs that are loaded with it


class LoadReport(NamedTuple):
    """What the kernel said when the program was loaded; a refusal is an answer too."""

    errno: int = 0  # 0: accepted
    log: str = ""  # the verifier's; statistics alone unless a log level was asked for or it refused
    libbpf: str = ""  # warnings of libbpf
    verified_insns: int = 0  # instructions the verifier walked
    jited_bytes: int = 0  # machine code
    xlated_bytes: int = 0  # BPF instructions, 8 bytes each


class Request(NamedTuple):
    """One BPF_PROG_RUN, in the terms of struct bpf_test_run_opts."""

    data_in: bytes | None = None
    ctx_in: bytes | None = None
    ctx_size_out: int = 0  # 0: the context is not asked for
    repeat: int = 1
    flags: int = 0
    cpu: int | None = None  # the CPU to run on; None: whichever
    timeout_s: float = 10.0


class Reply(NamedTuple):
    """What the kernel gave back for a Request. Nothing but errno means anything when errno is not 0."""

    errno: int = 0
    retval: int = 0  # as the program returned it: signed, 32 bits
    duration_ns: int = 0  # mean of a run over Request.repeat runs
    data_out: bytes = b""
    ctx_out: bytes = b""
    timed_out: bool = False  # interrupted after timeout_s; errno is EINTR


class Observation(NamedTuple):
    """All that a case's checks may look at."""

    load: LoadReport
    reply: Reply | None = None  # None: nothing was run
