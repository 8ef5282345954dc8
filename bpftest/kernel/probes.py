"""What this kernel can do, found out by trying: tiny programs, loaded and run. Each answer is found once a process.

Distributions backport, so no version is asked for an answer.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from bpftest.kernel import libbpf, streams, syscalls
from bpftest.kernel.door import Reply, Request
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

ENOTSUPP = 524  # include/linux/errno.h
BTF_KIND_STRUCT, BTF_KIND_FUNC = 4, 12  # linux/btf.h
XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
BPF_LINK_CREATE, BPF_TCX_INGRESS = 28, 46  # enum bpf_cmd, enum bpf_attach_type
ETHERNET_FRAME = bytes(12) + b"\x90\x00" + bytes(50)  # an EtherType without an IP header behind it
IPV4_PACKET = bytes.fromhex("4500001400000000401100007f0000017f000001")


def _returning(number: int) -> bytes:
    """The program r0 = *number*; exit."""
    return struct.pack("=BBhiBBhi", 0xB7, 0, 0, number, 0x95, 0, 0, 0)


class Probe(NamedTuple):
    """How a program type is tried."""

    request: Request = Request(ETHERNET_FRAME)
    attach_type: int = 0  # enum bpf_attach_type; for struct_ops, the index of the function
    flags: int = 0  # of BPF_PROG_LOAD
    target: tuple[str, int] | None = None  # (name, BTF kind) in the kernel's types that the program is for


# Types by number; what is not here is tried with a frame and nothing else.
PROBES: dict[int, Probe] = {
    17: Probe(Request(repeat=0)),  # raw_tracepoint
    26: Probe(Request(repeat=0), attach_type=24, target=("bpf_fentry_test1", BTF_KIND_FUNC)),  # tracing, fentry
    27: Probe(Request(ctx_in=bytes(8), repeat=0), target=("bpf_dummy_ops", BTF_KIND_STRUCT)),  # struct_ops
    30: Probe(Request(ctx_in=struct.pack("=QII56x", 0, 2, 6)), attach_type=36),  # sk_lookup: AF_INET, IPPROTO_TCP
    31: Probe(Request(repeat=0), flags=1 << 4),  # syscall, sleepable
    32: Probe(Request(IPV4_PACKET), attach_type=45),  # netfilter
}


@functools.cache
def type_lack(number: int) -> str:
    """Why this kernel test-runs no programs of the type, in words; "" if it does."""
    probe = PROBES.get(number, Probe())
    target = 0
    if probe.target is not None:
        target = kernel_type(*probe.target)
        if not target:
            return f"this kernel has no {probe.target[0]}"
    program_fd, failed = _load(number, _returning(0), probe.attach_type, probe.flags, target)
    if failed:
        name = errno.errorcode.get(failed, str(failed))
        return f"this kernel refuses to load programs of this type: {name} ({os.strerror(failed)})"
    try:
        reply = exchange().run(program_fd, probe.request)
    finally:
        os.close(program_fd)
    if reply.errno == ENOTSUPP:
        return "this kernel has no test run for this type (ENOTSUPP, 524)"
    if reply.errno:
        return (
            f"this kernel refuses the simplest test run of this type: {errno.errorcode.get(reply.errno, reply.errno)}"
        )
    return ""


def _load(number: int, code: bytes, attach_type: int = 0, flags: int = 0, target: int = 0) -> tuple[int, int]:
    """(fd, 0) of a program, or (-1, errno)."""
    options = libbpf.ProgLoadOpts(
        sz=ctypes.sizeof(libbpf.ProgLoadOpts),
        expected_attach_type=attach_type,
        prog_flags=flags,
        attach_btf_id=target,
    )
    program_fd = libbpf.library().bpf_prog_load(
        number, b"bpftest_probe", b"GPL", code, len(code) // 8, ctypes.byref(options)
    )
    return (-1, libbpf.last_errno()) if program_fd < 0 else (program_fd, 0)


@functools.cache
def kernel_type(name: str, kind: int) -> int:
    """The BTF id of something in the running kernel's own types, or in those of a module; 0 if there is none."""
    library = libbpf.library()
    kernel = library.btf__load_vmlinux_btf()
    if not kernel:
        return 0
    found: int = library.btf__find_by_name_kind(kernel, name.encode(), kind)
    if found <= 0:
        found = max((_module_type(module, kernel, name, kind) for module in _modules()), default=0)
    library.btf__free(kernel)
    return max(found, 0)


def _modules() -> list[str]:
    """The modules that are loaded and have types."""
    try:
        return sorted(name for name in os.listdir("/sys/kernel/btf") if name != "vmlinux")
    except OSError:
        return []


def _module_type(module: str, kernel: int, name: str, kind: int) -> int:
    library = libbpf.library()
    btf = library.btf__load_module_btf(module.encode(), kernel)
    if not btf:
        return 0
    found: int = library.btf__find_by_name_kind(btf, name.encode(), kind)
    library.btf__free(btf)
    return found


def _try(number: int, request: Request, returns: int = 0) -> Reply:
    """The reply to *request* of a program that returns *returns*."""
    program_fd, failed = _load(number, _returning(returns))
    if failed:
        return Reply(errno=failed)
    try:
        return exchange().run(program_fd, request)
    finally:
        os.close(program_fd)


def _xdp_md(data_end: int) -> bytes:
    return struct.pack("=6I", 0, data_end, 0, 0, 0, 0)


def _xdp_ctx() -> bool:
    return _try(XDP, Request(ETHERNET_FRAME, _xdp_md(len(ETHERNET_FRAME)), 24)).errno == 0


def _xdp_multi_buffer() -> bool:
    data = bytes(2 * os.sysconf("SC_PAGESIZE"))
    return _try(XDP, Request(data, _xdp_md(len(data)), 24)).errno == 0


def _xdp_partial_linear() -> bool:
    return _try(XDP, Request(ETHERNET_FRAME, _xdp_md(len(ETHERNET_FRAME) - 16), 24)).errno == 0


def _checksum_complete() -> bool:
    return _try(SCHED_CLS, Request(ETHERNET_FRAME, flags=4)).errno == 0  # BPF_F_TEST_SKB_CHECKSUM_COMPLETE


def _live_frames() -> bool:
    # Kernels that do not know BPF_F_TEST_XDP_LIVE_FRAMES ignore it, and tell what the program returned: XDP_DROP.
    reply = _try(XDP, Request(ETHERNET_FRAME, flags=2), returns=1)
    return reply.errno == 0 and reply.retval == 0


def _tcx() -> bool:
    # An interface is looked for where the kernel knows BPF_TCX_INGRESS; there is none of this number.
    program_fd, failed = _load(SCHED_CLS, _returning(0))
    if failed:
        return False
    try:
        syscalls.bpf(BPF_LINK_CREATE, struct.pack("=4I16x", program_fd, 0x7FFFFFFF, BPF_TCX_INGRESS, 0))
    except OSError as error:
        return error.errno == errno.ENODEV
    finally:
        os.close(program_fd)
    return True


class Feature(NamedTuple):
    """Something that some kernels can and others cannot."""

    text: str  # what it is
    since: str  # the release of Linux that brought it
    there: Callable[[], bool]


# The names that `requires: {features: [..]}` knows.
FEATURES: dict[str, Feature] = {
    "xdp_ctx": Feature("XDP runs take a struct xdp_md", "5.14", _xdp_ctx),
    "xdp_multi_buffer": Feature("XDP runs take packets longer than a page", "5.18", _xdp_multi_buffer),
    "xdp_partial_linear": Feature("xdp_md.data_end may leave the rest to fragments", "6.18", _xdp_partial_linear),
    "checksum_complete": Feature("skb runs take BPF_F_TEST_SKB_CHECKSUM_COMPLETE", "6.11", _checksum_complete),
    "live_frames": Feature("XDP runs take BPF_F_TEST_XDP_LIVE_FRAMES", "5.18", _live_frames),
    "tcx_link": Feature("sched_cls programs are attached by links: tcx_ingress, tcx_egress", "6.6", _tcx),
    "bpf_streams": Feature("programs have a stdout and a stderr", "6.17", streams.there),
}
KFUNC = "kfunc:"  # before the name of a kernel function, which is then the feature


@functools.cache
def has(feature: str) -> bool:
    """Whether this kernel has *feature*: one of FEATURES, or kfunc:NAME."""
    if feature.startswith(KFUNC):
        return kernel_type(feature[len(KFUNC) :], BTF_KIND_FUNC) != 0
    return FEATURES[feature].there()
