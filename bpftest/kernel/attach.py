"""Where a program is attached in the namespace of a case, so that packets reach it on their own way.

BPF_PROG_RUN has BPF_F_TEST_XDP_LIVE_FRAMES for xdp alone. Programs of other types get a packet that really goes through
if they are attached where the kernel calls them: at an interface, at a route, at a cgroup, in netfilter.
"""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import RunError
from bpftest.kernel import probes, syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bpftest.kernel.door import Live, Route
    from bpftest.kernel.network import Namespace

BPF_LINK_CREATE = 28  # enum bpf_cmd
# enum bpf_attach_type
BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS, BPF_NETFILTER, BPF_TCX_INGRESS, BPF_TCX_EGRESS = 0, 1, 45, 46, 47
TC_H_MIN_INGRESS, TC_H_MIN_EGRESS = 0xFFFFFFF2, 0xFFFFFFF3  # linux/pkt_sched.h, below TC_H_CLSACT
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD  # linux/if_ether.h
ETHERTYPE = slice(12, 14)  # of a frame
NFPROTO = {ETH_P_IP: 2, ETH_P_IPV6: 10}  # linux/netfilter.h
NAME = "bpftest"  # rtnetlink wants one for a program, and shows it


class Point(NamedTuple):
    """What is attached, and where."""

    program_fd: int
    live: Live
    namespace: Namespace
    frame: bytes  # that is put in

    @property
    def ifindex(self) -> int:
        """The ifindex of the interface that it is attached to."""
        return self.namespace.interfaces[self.live.interface or self.live.ingress].ifindex

    @property
    def route(self) -> Route:
        """The route that it is attached to."""
        return next(one for one in self.namespace.network.routes if one.to == self.live.route)


def attached(program_fd: int, live: Live, namespace: Namespace, frame: bytes) -> AbstractContextManager[None]:
    """As long as the block lasts, the kernel calls the program at Live.hook for packets of *namespace*.

    *frame*: the one that is put in; netfilter calls programs for IPv4 or for IPv6. Raises RunError.
    """
    return HOOKS[live.hook](Point(program_fd, live, namespace, frame))


@contextmanager
def _linked(point: Point, target: int, attach_type: int, of_hook: bytes = b"") -> Iterator[None]:
    """A BPF link, which is gone when its descriptor is closed. *of_hook*: what union bpf_attr.link_create ends with."""
    attributes = struct.pack("=4I", point.program_fd, target, attach_type, 0) + of_hook.ljust(16, b"\0")
    try:
        descriptor = syscalls.bpf(BPF_LINK_CREATE, attributes)
    except OSError as error:
        raise RunError(f"the program cannot be attached at {point.live.hook}: {error.strerror}") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _tcx(attach_type: int) -> Callable[[Point], AbstractContextManager[None]]:
    def attach(point: Point) -> AbstractContextManager[None]:
        if not probes.has("tcx_link"):
            what = f"there is no {point.live.hook} in this kernel: Linux has tcx from 6.6 on"
            raise RunError(what, "leave 'hook' out, or say clsact_ingress or clsact_egress")
        return _linked(point, point.ifindex, attach_type)

    return attach


def _clsact(parent: int) -> Callable[[Point], AbstractContextManager[None]]:
    @contextmanager
    def attach(point: Point) -> Iterator[None]:
        rtnetlink = point.namespace.rtnetlink()
        rtnetlink.ask("tc", "add", kind="clsact", index=point.ifindex)
        try:
            rtnetlink.ask(
                "tc",
                "add-filter",
                kind="bpf",
                index=point.ifindex,
                fd=point.program_fd,
                name=NAME,
                parent=parent,
                direct_action=True,
                protocol=ETH_P_ALL,
            )
            yield
        finally:
            rtnetlink.ask("tc", "del", kind="clsact", index=point.ifindex)

    return attach


def _tc(tcx: int, clsact: int) -> Callable[[Point], AbstractContextManager[None]]:
    """tcx where the kernel has it, else clsact."""

    def attach(point: Point) -> AbstractContextManager[None]:
        either = _tcx(tcx) if probes.has("tcx_link") else _clsact(clsact)
        return either(point)

    return attach


def _routed(encap: Callable[[dict[str, object]], dict[str, object]]) -> Callable[[Point], AbstractContextManager[None]]:
    """At a route of the case, which has the program as its encapsulation as long as the block lasts."""

    @contextmanager
    def attach(point: Point) -> Iterator[None]:
        route, namespace = point.route, point.namespace
        namespace.set_route(route, encap=encap({"fd": point.program_fd, "name": NAME}))
        try:
            yield
        finally:
            namespace.set_route(route)

    return attach


def _cgroup(attach_type: int) -> Callable[[Point], AbstractContextManager[None]]:
    def attach(point: Point) -> AbstractContextManager[None]:
        assert point.namespace.cgroup is not None
        return point.namespace.cgroup.attached(point.program_fd, attach_type)

    return attach


def _netfilter(hooknum: int) -> Callable[[Point], AbstractContextManager[None]]:
    def attach(point: Point) -> AbstractContextManager[None]:
        family = NFPROTO.get(int.from_bytes(point.frame[ETHERTYPE], "big"), 0)
        if not family:
            raise RunError("the packet is neither IPv4 nor IPv6: no netfilter program gets it")
        priority = flags = 0
        return _linked(point, 0, BPF_NETFILTER, struct.pack("=IIiI", family, hooknum, priority, flags))

    return attach


# By Live.hook.
HOOKS: dict[str, Callable[[Point], AbstractContextManager[None]]] = {
    "ingress": _tc(BPF_TCX_INGRESS, TC_H_MIN_INGRESS),
    "egress": _tc(BPF_TCX_EGRESS, TC_H_MIN_EGRESS),
    "tcx_ingress": _tcx(BPF_TCX_INGRESS),
    "tcx_egress": _tcx(BPF_TCX_EGRESS),
    "clsact_ingress": _clsact(TC_H_MIN_INGRESS),
    "clsact_egress": _clsact(TC_H_MIN_EGRESS),
    "lwt_in": _routed(lambda program: {"type": "bpf", "in": program}),
    "lwt_out": _routed(lambda program: {"type": "bpf", "out": program}),
    "lwt_xmit": _routed(lambda program: {"type": "bpf", "xmit": program}),
    "lwt_seg6local": _routed(lambda program: {"type": "seg6local", "action": "End.BPF", "bpf": program}),
    "cgroup_inet_ingress": _cgroup(BPF_CGROUP_INET_INGRESS),
    "cgroup_inet_egress": _cgroup(BPF_CGROUP_INET_EGRESS),
    # enum nf_inet_hooks, linux/netfilter.h
    "NF_INET_PRE_ROUTING": _netfilter(0),
    "NF_INET_LOCAL_IN": _netfilter(1),
    "NF_INET_FORWARD": _netfilter(2),
    "NF_INET_LOCAL_OUT": _netfilter(3),
    "NF_INET_POST_ROUTING": _netfilter(4),
}
# A packet socket gets frames before these, and has to wait for what they leave.
BEFORE_THE_STACK = ("ingress", "tcx_ingress", "clsact_ingress")
