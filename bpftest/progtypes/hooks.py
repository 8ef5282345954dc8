"""Where programs of other types than xdp are attached, so that packets really go through them (`live.hook`)."""

from __future__ import annotations

from typing import NamedTuple


class Hook(NamedTuple):
    """A place where the kernel calls programs."""

    prog_type: str
    at: str  # what a program is attached to there: "interface", "route", "cgroup" or "netfilter"
    arriving: bool  # only packets that come in through an interface get there
    leaving: bool = False  # the interface that a program is attached to is not the one that packets come in through


HOOKS: dict[str, Hook] = {
    "ingress": Hook("sched_cls", "interface", arriving=True),
    "egress": Hook("sched_cls", "interface", arriving=False, leaving=True),
    "tcx_ingress": Hook("sched_cls", "interface", arriving=True),
    "tcx_egress": Hook("sched_cls", "interface", arriving=False, leaving=True),
    "clsact_ingress": Hook("sched_cls", "interface", arriving=True),
    "clsact_egress": Hook("sched_cls", "interface", arriving=False, leaving=True),
    "lwt_in": Hook("lwt_in", "route", arriving=True),
    "lwt_out": Hook("lwt_out", "route", arriving=False),
    "lwt_xmit": Hook("lwt_xmit", "route", arriving=False),
    "lwt_seg6local": Hook("lwt_seg6local", "route", arriving=True),
    "cgroup_inet_ingress": Hook("cgroup_skb", "cgroup", arriving=True),
    "cgroup_inet_egress": Hook("cgroup_skb", "cgroup", arriving=False),
    "NF_INET_PRE_ROUTING": Hook("netfilter", "netfilter", arriving=True),
    "NF_INET_LOCAL_IN": Hook("netfilter", "netfilter", arriving=True),
    "NF_INET_FORWARD": Hook("netfilter", "netfilter", arriving=True),
    "NF_INET_LOCAL_OUT": Hook("netfilter", "netfilter", arriving=False),
    "NF_INET_POST_ROUTING": Hook("netfilter", "netfilter", arriving=False),
}

# What a program sees there, and what surprises: a line each, by program type. Measured on Linux 6.18.
NOTES = {
    "sched_cls": """\
At `ingress` and `egress` it is attached by tcx where the kernel has that (Linux 6.6), else as a filter of clsact. \
`interface` says where; for ingress it can be left out.
Its data starts at the Ethernet header. `ifindex` is the interface that it is attached to, `ingress_ifindex` the one \
that the packet came in through: 0 for what this machine sends. A VLAN tag is not in the packet, but beside it.
At ingress, `frames.stack` is what the program lets pass; a VLAN tag is gone there.
The kernel routes a frame only if its destination is the interface's MAC address.
At egress, a redirect to the interface that the program is attached to calls it again, ten times; then the packet is \
dropped.
""",
    "lwt_in": """\
It sees packets that come in and take the route, before their TTL is decremented. `ifindex` is the interface that they \
came in through.
After `BPF_LWT_REROUTE` the packet is routed as if it had come in through the interface of the route. If it takes the \
same route again, the program is called again; if its source is an address of this machine, the kernel drops it.
""",
    "lwt_out": """\
It sees packets that take the route, after their TTL is decremented, and those that this machine sends. `ifindex` is \
the interface that they came in through: 0 for what this machine sends.
""",
    "lwt_xmit": """\
It sees packets that take the route, after their TTL is decremented, and those that this machine sends. `ifindex` is \
the interface that they leave through. With `BPF_REDIRECT`, the program has put an Ethernet header before the packet.
""",
    "lwt_seg6local": """\
It is the End.BPF of its route, which leads to the address of a segment. So it runs where it cannot be test-run.
The kernel has looked up the segment routing header and gone on to the next segment: the destination is the next \
segment's address, `segments left` is one less, the hop limit is what came. The seg6 helpers work.
For a packet without such a header, or with no segments left, the program is not called: the kernel drops the packet.
`frames.stack` shows the packet as the kernel has gone on with it.
""",
    "cgroup_skb": """\
It is attached to a cgroup of bpftest's own, in which the `sockets` of the case are.
At `cgroup_inet_ingress` it sees what comes in for them; at `cgroup_inet_egress` what they answer, or the packet of \
the case, which a raw socket sends where there is no `ingress`.
`local_ip4`, `local_port` and so on are those of the socket. The raw socket has no address, and its port is \
IPPROTO_RAW (255).
What the program does not allow to leave gives the sender EPERM, which is no error of the case.
""",
    "netfilter": """\
It is attached with priority 0, for IPv4 or for IPv6, as the packet is. `live.hook` says where, or `ctx.hook`.
`frames.stack` is what comes in, before all hooks.
""",
}
SENT = """\
Without `ingress`, a raw socket sends the packet from within the namespace: the kernel gives it an Ethernet header, \
and in IPv4 the checksum of the header, and a source and an id where they are 0.
"""


def hooks_of(prog_type: str) -> tuple[str, ...]:
    """The hooks of a program type; of those for the same, the first is meant where a suite says none."""
    return tuple(name for name, hook in HOOKS.items() if hook.prog_type == prog_type)
