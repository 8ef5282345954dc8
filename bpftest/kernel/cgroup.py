"""The cgroup that programs of type cgroup_skb are attached to: bpftest's own, with nothing in it but a case's sockets.

It is gone before the case begins. What a cgroup has of BPF stays as long as a socket that was opened in it (commit
4bfc0bb2c60e, "bpf: decouple the lifetime of cgroup_bpf from cgroup itself", 5.3), and a program that is attached by a
link can be put in the place of another. So nothing is left behind, however this process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

from bpftest.errors import HostError, RunError
from bpftest.kernel import libbpf, privileges, syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator

BPF_PROG_TYPE_CGROUP_SKB = 8  # enum bpf_prog_type
BPF_LINK_CREATE, BPF_LINK_UPDATE = 28, 29  # enum bpf_cmd
BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS = 0, 1  # enum bpf_attach_type
ALLOW = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 1, 0x95, 0, 0, 0)  # r0 = 1; exit
PREFIX = "bpftest-"  # of names of cgroups: then the PID of the process whose it is


class Cgroup:
    """What a cgroup calls for the sockets that are opened in the block `with cgroup:`."""

    def __init__(self) -> None:
        self._opened = contextlib.ExitStack()
        self._links: dict[int, int] = {}  # a descriptor of each, by attach type
        self._allowing: dict[int, int] = {}  # a descriptor of the program that is there when no other is
        self._raw: dict[int, socket.socket] = {}

    def __enter__(self) -> None:
        """Moves this process into the new cgroup. Raises HostError."""
        self._block = contextlib.ExitStack()
        with self._block:
            try:
                self._block.enter_context(self._made())
            except OSError as error:
                what = f"a cgroup_skb program needs a cgroup of its own, and none can be made here: {error.strerror}"
                other: Exception = HostError(what, "run bpftest as root, where the cgroup file system is writable")
                if error.errno in {errno.EACCES, errno.EPERM}:
                    other = privileges.explained(
                        "to make the cgroup of a cgroup_skb program", "CAP_DAC_OVERRIDE", other
                    )
                raise other from None
            for family in (socket.AF_INET, socket.AF_INET6):
                with contextlib.suppress(OSError):  # this kernel has no IPv6
                    self._raw[family] = self._opened.enter_context(raw_socket(family))
            self._block = self._block.pop_all()

    def __exit__(self, *_: object) -> None:
        """Moves it back; the cgroup goes away."""
        self._block.close()

    def sender(self, family: int) -> socket.socket:
        """A raw socket of the cgroup: it sends whole IP packets. Raises RunError."""
        if family not in self._raw:
            raise RunError("this kernel has no IPv6")
        return self._raw[family]

    @contextlib.contextmanager
    def attached(self, program_fd: int, attach_type: int) -> Iterator[None]:
        """As long as the block lasts, the program is called for the sockets of the cgroup. Raises RunError."""
        self._put(attach_type, program_fd)
        try:
            yield
        finally:
            self._put(attach_type, self._allowing[attach_type])

    def close(self) -> None:
        """Closes what belongs to it; the kernel takes it away with the last of its sockets."""
        self._opened.close()

    def _put(self, attach_type: int, program_fd: int) -> None:
        try:
            syscalls.bpf(BPF_LINK_UPDATE, struct.pack("=4I", self._links[attach_type], program_fd, 0, 0))
        except OSError as error:
            raise RunError(f"the program cannot be attached to a cgroup: {error.strerror}") from None

    @contextlib.contextmanager
    def _made(self) -> Iterator[None]:
        """A cgroup below the one that this process is in, and this process in it. Raises OSError."""
        name = f"{PREFIX}{os.getpid()}"
        with libbpf.uninterrupted(), _folder(_own_cgroup()) as parent:
            _remove_stale(parent)
            os.mkdir(name, dir_fd=parent)
            try:
                with _folder(name, parent) as made:
                    for attach_type in (BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS):
                        self._link(made, attach_type)
                    _move(made)
                    try:
                        yield
                    finally:
                        _move(parent)
            finally:
                os.rmdir(name, dir_fd=parent)

    def _link(self, cgroup: int, attach_type: int) -> None:
        program = _allowing(attach_type)
        self._opened.callback(os.close, program)
        self._allowing[attach_type] = program
        link = syscalls.bpf(BPF_LINK_CREATE, struct.pack("=4I", program, cgroup, attach_type, 0))
        self._opened.callback(os.close, link)
        self._links[attach_type] = link


def raw_socket(family: int) -> socket.socket:
    """A socket that sends IP packets as they are, headers and all: raw(7), ipv6(7). Raises HostError, OSError."""
    try:
        return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        raise privileges.needed("a raw socket, which sends the packet,", "CAP_NET_RAW") from None


def _allowing(attach_type: int) -> int:
    """A descriptor of a program that lets everything pass. Raises OSError."""
    options = libbpf.ProgLoadOpts(sz=ctypes.sizeof(libbpf.ProgLoadOpts), expected_attach_type=attach_type)
    program: int = libbpf.library().bpf_prog_load(
        BPF_PROG_TYPE_CGROUP_SKB, b"bpftest_allow", b"GPL", ALLOW, len(ALLOW) // 8, ctypes.byref(options)
    )
    if program < 0:
        failed = libbpf.last_errno()
        raise OSError(failed, os.strerror(failed))
    return program


@contextlib.contextmanager
def _folder(path: str, parent: int | None = None) -> Iterator[int]:
    """A descriptor of a cgroup: one of this process's cgroup namespace, or of *parent*. Raises OSError.

    It is reached by a mount of its own, so it does not matter where the machine has mounted cgroups.
    """
    root = syscalls.detached_mount("cgroup2") if parent is None else parent
    try:
        found = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    finally:
        if parent is None:
            os.close(root)
    try:
        yield found
    finally:
        os.close(found)


def _own_cgroup() -> str:
    """The path of this process's cgroup, below the root of its cgroup namespace: cgroups(7)."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as cgroups:
        for line in cgroups:
            if line.startswith("0::"):
                return "." + line[len("0::") :].rstrip("\n")
    raise OSError(0, "this process is in no cgroup of version 2")


def _move(cgroup: int) -> None:
    """Moves this process into a cgroup. Raises OSError."""
    processes = os.open("cgroup.procs", os.O_WRONLY, dir_fd=cgroup)
    try:
        os.write(processes, b"0")
    finally:
        os.close(processes)


def _remove_stale(parent: int) -> None:
    """Removes cgroups of processes that were killed in the moment in which theirs was there."""
    for name in os.listdir(parent):
        if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name[len(PREFIX) :]}"):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent)
