"""Why frames of a live run did not arrive: what the kernel's tracepoints say of them, in words.

The call itself tells nothing: to redirect to an interface that does not exist is a success. The events are taken by an
instance of tracefs of bpftest's own, and only while the task runs that runs the programs, or a thread of a CPUMAP.
Format of their lines: include/trace/events/xdp.h and skb.h.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from bpftest.errors import HostError
from bpftest.kernel import tracefs

if TYPE_CHECKING:
    from bpftest.kernel.door import Live
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.tracefs import Instance

KFREE_SKB = "events/skb/kfree_skb"
DROPPED = "drops > 0"
FILTERS = {  # by the folder of the event: what of it is a cause
    "events/xdp/xdp_redirect_err": "",
    "events/xdp/xdp_devmap_xmit": DROPPED,
    "events/xdp/xdp_cpumap_enqueue": DROPPED,
    "events/xdp/xdp_cpumap_kthread": f"{DROPPED} || xdp_drop > 0",
    KFREE_SKB: "",
}
REDIRECTS = {  # errnos of xdp_do_redirect (net/core/filter.c), dev_map_enqueue and what it calls (kernel/bpf/devmap.c)
    6: "the interface takes no frames: a veth whose other end has no NAPI, or is down",  # ENXIO
    7: "the map has no such entry",  # E2BIG
    22: "there is no such interface, or the map has no such entry",  # EINVAL
    28: "the queue of the CPU is full",  # ENOSPC
    90: "the frame is longer than the MTU of the interface",  # EMSGSIZE
    95: "the target cannot transmit XDP frames",  # EOPNOTSUPP
    100: "the interface is down",  # ENETDOWN
}
REASONS = {  # enum skb_drop_reason (include/net/dropreason-core.h)
    "BPF_CGROUP_EGRESS": "a program at the egress of its cgroup dropped it",
    "FULL_RING": "the interface had no room for more",
    "IP_CSUM": "the checksum of the IPv4 header is wrong",
    "IP_INADDRERRORS": "there is no route to the IPv4 destination, or it is no address of this namespace",
    "IP_INHDR": "the IPv4 header is damaged",
    "IP_INNOROUTES": "there is no route to the destination",
    "IP_INVALID_SOURCE": "the IPv4 source cannot be one",
    "IP_OUTNOROUTES": "there is no route to the destination",
    "IP_RPFILTER": "the IPv4 source is not reached through this interface (rp_filter)",
    "IPV6DISABLED": "IPv6 is off: no interface, route or neighbour of the case has an IPv6 address",
    "NEIGH_FAILED": "nobody answers for the next hop: it is no neighbour",
    "NETFILTER_DROP": "netfilter dropped it",
    "NOT_SPECIFIED": "the kernel gives no reason",
    "NO_SOCKET": "no socket is bound to its port",
    "OTHERHOST": "the destination MAC is not the interface's",
    "PKT_TOO_SMALL": "it is shorter than its headers say",
    "PKT_TOO_BIG": "it is longer than the MTU",
    "SOCKET_FILTER": "a filter of the socket dropped it",
    "SOCKET_RCVBUFF": "the socket had no room for more",
    "TC_EGRESS": "a program at tc egress dropped it",
    "TC_INGRESS": "a program at tc ingress dropped it",
    "TCP_CSUM": "the TCP checksum is wrong",
    "UDP_CSUM": "the UDP checksum is wrong",
    "UNHANDLED_PROTO": "nothing handles its type of packet",
}
TRACED = 256  # frames after which the network stack has told its reasons: a line of kfree_skb takes 20 us to read
_LINE = re.compile(rf"^{tracefs.BEFORE}(?P<event>\w+): (?P<said>.*)$", re.MULTILINE)
_FIELDS = re.compile(r"(\w+)[=:] ?(-?\w+)")


class Causes:
    """The kernel's events from its making on, until it is closed; without tracefs there are none."""

    def __init__(self, namespace: Namespace, live: Live, threads: tuple[int, ...]) -> None:
        """*threads*: tasks of the kernel that have frames in hand, besides the one that runs the programs."""
        self._namespace = namespace
        self._live = live
        self._instance = _watching(threads)
        self._quiet = False

    def enough(self) -> None:
        """From here on the network stack gives no reasons: of many frames it would take longer than to run them."""
        if self._instance is not None and not self._quiet:
            self._instance.write(f"{KFREE_SKB}/enable", "0")
            self._quiet = True

    def told(self) -> tuple[str, ...]:
        """What has happened since, each with how often; to be called once."""
        ingress = self._namespace.interfaces.get(self._live.ingress)
        down = (f"interface '{ingress.name}' is down",) if ingress and not ingress.up else ()
        if self._instance is None:
            return down
        names = {one.ifindex: one.name for one in self._namespace.network.interfaces}
        return down + told(self._instance.text(), names)

    def close(self) -> None:
        """The kernel has nothing more to tell."""
        if self._instance is not None:
            self._instance.write("tracing_on", "0")
            if self._quiet:
                self._instance.write(f"{KFREE_SKB}/enable", "1")


def _watching(threads: tuple[int, ...]) -> Instance | None:
    try:
        instance = tracefs.instance(tuple(FILTERS))
        for event, condition in FILTERS.items():
            if condition:
                instance.write(f"{event}/filter", condition)
        instance.only((instance.task, *threads))
        instance.write("tracing_on", "1")
    except (HostError, OSError):
        return None
    instance.text()
    return instance


def told(text: str, names: dict[int, str]) -> tuple[str, ...]:
    """What *text* of trace_pipe says, the most frequent first. *names*: those of the interfaces, by ifindex."""
    found: Counter[str] = Counter()
    for line in _LINE.finditer(text):
        # What XDP passes to the stack is dropped there in the same call; softirqs have what arrived at the other end of
        # a veth, where it has been caught. The third flag says which it is (print_trace_context: trace_print_lat_fmt).
        if line["event"] == "kfree_skb" and line["flags"][2] in "sShH":
            continue
        fields = dict(_FIELDS.findall(line["said"]))
        many = int(fields.get("drops", 0)) or int(fields.get("xdp_drop", 0)) or 1
        found[_cause(line["event"], fields, names)] += many
    least = "at least " if "EVENTS]" in text else ""  # CPU:0 [LOST 7 EVENTS]
    return tuple(f"{cause}, {least}{many:,} times" if many > 1 else cause for cause, many in found.most_common())


def _cause(event: str, fields: dict[str, str], names: dict[int, str]) -> str:
    if event == "kfree_skb":
        reason = fields.get("reason", "NOT_SPECIFIED")
        return f"kfree_skb reason={reason}: {REASONS.get(reason, 'the network stack dropped it')}"
    failed = int(fields.get("err", 0))
    if event == "xdp_cpumap_enqueue":
        return f"xdp_cpumap_enqueue to CPU {fields.get('to_cpu')}: its queue is full"
    if event == "xdp_cpumap_kthread":
        return f"xdp_cpumap_kthread on CPU {fields.get('cpu')}: the CPUMAP's program, or a lack of memory, dropped it"
    target = int(fields.get("to_ifindex", 0))
    names = {1: "lo", **names}
    where = f" to {names[target]}" if target in names else f" to ifindex {target}" if target else ""
    why = REDIRECTS.get(-failed, "the kernel dropped it") if failed else "the interface had no room for more"
    return f"{event}{where} err={failed}: {why}"
