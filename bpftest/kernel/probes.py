"""What this kernel can do, found out by trying: tiny programs, loaded and run.

Distributions backport, so no version is asked.
"""

from __future__ import annotations

import functools
import os
import struct
from typing import TYPE_CHECKING

from bpftest.kernel import libbpf
from bpftest.kernel.door import Reply, Request
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

RETURN_0 = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = 0; exit
XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
ETHERNET_FRAME = bytes(12) + b"\x90\x00" + bytes(50)  # an EtherType without an IP header behind it


@functools.cache
def type_errno(number: int) -> int:
    """0 if this kernel test-runs programs of this type, else the errno of the load or of the run (524: no test run)."""
    return _try(number, Request(ETHERNET_FRAME)).errno


def _try(number: int, request: Request) -> Reply:
    """Loads a program that returns 0, runs it with *request*, and forgets it."""
    code = RETURN_0
    program_fd = libbpf.library().bpf_prog_load(number, b"bpftest_probe", b"GPL", code, len(code) // 8, None)
    if program_fd < 0:
        return Reply(errno=libbpf.last_errno())
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


# The names that `requires: {features: [..]}` knows, each with what it means.
FEATURES: dict[str, tuple[str, Callable[[], bool]]] = {
    "xdp_ctx": ("XDP runs take a struct xdp_md", _xdp_ctx),
    "xdp_multi_buffer": ("XDP runs take packets longer than a page", _xdp_multi_buffer),
    "xdp_partial_linear": ("xdp_md.data_end may leave a part of the packet in fragments", _xdp_partial_linear),
    "checksum_complete": ("skb runs take BPF_F_TEST_SKB_CHECKSUM_COMPLETE", _checksum_complete),
}


@functools.cache
def has(feature: str) -> bool:
    """Whether this kernel has *feature*, one of FEATURES."""
    return FEATURES[feature][1]()
