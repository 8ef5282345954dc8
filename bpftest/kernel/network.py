"""The network namespace of a case: its interfaces, routes and neighbours, as long as the case lasts.

Each case has a new one, so that it finds no neighbour, no route and no frame of the one before it; to make one takes
2 ms. Nothing in it outlives this process.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bpftest.errors import RunError
from bpftest.kernel import interfaces, namespace, privileges

if TYPE_CHECKING:
    from typing import Any

    from bpftest.kernel.cgroup import Cgroup
    from bpftest.kernel.door import Interface, Network, Route

ETH_P_ALL = 0x0003  # linux/if_ether.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SOL_PACKET = 263  # linux/socket.h
PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 8, 23  # linux/if_packet.h
# A frame of a live run takes a page and some more (xdp_build_skb_from_frame), and 4,096 of them are read at a time.
BUFFER = 128 * 1024 * 1024  # bytes
SYSCTL = "/proc/sys/net"
IFA_F_TENTATIVE = 0x40  # linux/if_addr.h
PATIENCE = 1.0  # seconds, for IPv6 addresses to be in use
NEVER = 2**31 - 1  # milliseconds
# What the kernel sends by itself where IPv6 is on: no link-local address, no duplicate address detection, no router
# solicitation; what is left is one MLD report for each address, sent at once and not again (net/ipv6/mcast.c).
QUIET_IPV6 = (
    ("addr_gen_mode", 1),  # IN6_ADDR_GEN_MODE_NONE
    ("accept_dad", 0),
    ("dad_transmits", 0),
    ("accept_ra", 0),
    ("router_solicitations", 0),
    ("force_mld_version", 1),
    ("mldv1_unsolicited_report_interval", NEVER),
)


class Namespace:
    """A network namespace with what a Network says; this process is in it until it is closed."""

    def __init__(self, network: Network) -> None:
        """Raises HostError, RunError, and leaves nothing then."""
        self.network = network
        self.interfaces = {one.name: one for one in network.interfaces}
        self.taps: dict[str, int] = {}  # a descriptor of each tap, to read what left through it, by name
        self.outside: dict[str, socket.socket] = {}  # at the other end of each veth, by the name of this one
        self.cgroup: Cgroup | None = None  # that programs of type cgroup_skb are attached to
        self._stacks: dict[tuple[str, int], socket.socket] = {}
        self._rtnetlink: Rtnetlink | None = None
        self._outside: int | None = None  # a descriptor of the namespace where the other ends of veths are
        self._opened = ExitStack()
        with self._opened:
            self._fill()
            self._opened = self._opened.pop_all()

    def close(self) -> None:
        """Leaves it: this process is where it was before, and the kernel takes the namespace away."""
        self._opened.close()

    def mac(self, name: str) -> bytes:
        """The address of the interface *name*."""
        return interfaces.mac(self.interfaces[name])

    def stack(self, name: str, ethertype: int = ETH_P_ALL) -> socket.socket:
        """A packet socket that gets what the interface *name* passes to the network stack.

        Of every EtherType, it is a look at frames before tc gets them; of a single one, at those that tc has left.
        """
        if (name, ethertype) not in self._stacks:
            self._stacks[name, ethertype] = self._opened.enter_context(_packet_socket(name, ethertype))
        return self._stacks[name, ethertype]

    def in_cgroup(self) -> Cgroup:
        """A block, in which sockets are opened that programs of type cgroup_skb shall see. Raises HostError."""
        from bpftest.kernel.cgroup import Cgroup  # only where there are such programs

        self.cgroup = Cgroup()
        self._opened.callback(self.cgroup.close)
        return self.cgroup

    def rtnetlink(self) -> Rtnetlink:
        """rtnetlink of this namespace."""
        if self._rtnetlink is None:
            self._rtnetlink = self._opened.enter_context(Rtnetlink())
        return self._rtnetlink

    def set_route(self, route: Route, command: str = "replace", **more: object) -> None:
        """Puts a route in the place of the one that leads there. *more*: as pyroute2 takes it. Raises RunError."""
        where: dict[str, object] = {"gateway": route.via} if route.via else {}
        if route.interface:
            where["oif"] = self.interfaces[route.interface].ifindex
        self.rtnetlink().ask("route", command, dst=route.to, **where, **more)

    def send(self, name: str, frame: bytes) -> None:
        """Puts a frame in at the interface *name*, as if it came from the wire. Raises RunError."""
        try:
            if name in self.taps:
                os.write(self.taps[name], frame)
            else:
                self.outside[name].send(frame)
        except OSError as error:
            raise RunError(f"no frame can be put in at interface '{name}': {error.strerror}") from None

    def _fill(self) -> None:
        network = self.network
        descriptor = namespace.made()
        self._opened.callback(os.close, descriptor)
        self._opened.enter_context(namespace.inside(descriptor))
        _configure(network)
        interfaces.bring_up("lo")
        ask = self.rtnetlink().ask
        for one in network.interfaces:
            self._make(one)
        for one in network.interfaces:
            for address, prefix in one.addresses:
                ask("addr", "add", index=one.ifindex, address=address, prefixlen=prefix)
        for route in network.routes:
            self.set_route(route, "add")
        for neighbour in network.neighbours:
            index = self.interfaces[neighbour.interface].ifindex
            ask("neigh", "add", dst=neighbour.ip, lladdr=neighbour.mac, ifindex=index, state="permanent")
        _wait_for_addresses({one.name for one in network.interfaces if one.up})

    def _make(self, one: Interface) -> None:
        if one.kind == "tap":
            self.taps[one.name] = interfaces.tap(one)
            self._opened.callback(os.close, self.taps[one.name])
        else:
            self._make_veth(one)
        interfaces.set_up(one)
        interfaces.leave_frames_alone(one.name)
        if one.up:
            interfaces.bring_up(one.name)
        if self._outside is not None and one.kind != "tap":
            with namespace.inside(self._outside):
                interfaces.bring_up(one.name)  # again: it has a carrier only now, and drops frames until it knows

    def _make_veth(self, one: Interface) -> None:
        """The other end is in a namespace where nothing answers to what arrives there."""
        if self._outside is None:
            self._outside = namespace.made()
            self._opened.callback(os.close, self._outside)
            with namespace.inside(self._outside):
                _turn_ipv6_off()
        self.rtnetlink().ask(
            "link", "add", ifname=one.name, kind="veth", index=one.ifindex, peer=_peer(one, self._outside)
        )
        with namespace.inside(self._outside):
            # A veth takes frames that XDP sends only where its other end has NAPI, which GRO gives it (veth_xdp_xmit
            # in drivers/net/veth.c); that frames are not merged there is seen to by _peer.
            interfaces.ethtool(one.name, interfaces.ETHTOOL_SGRO, 1)
            interfaces.bring_up(one.name)
            self.outside[one.name] = self._opened.enter_context(_packet_socket(one.name))


class Rtnetlink:
    """rtnetlink, by pyroute2: its import takes half a second, so that only who asks for something pays it."""

    def __init__(self) -> None:
        self._socket: Any = None

    def __enter__(self) -> Rtnetlink:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def ask(self, wanted: str, command: str, /, **what: object) -> None:
        """Asks for a "link", an "addr", a "route", a "neigh" or a "tc", as pyroute2 has it. Raises RunError.

        *command*: "add", "replace", "del" and so on.
        """
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError

        if self._socket is None:
            self._socket = IPRoute()
        try:
            getattr(self._socket, wanted)(command, **what)
        except NetlinkError as error:
            said = ", ".join(f"{name} {value}" for name, value in what.items() if isinstance(value, (str, int)))
            raise RunError(f"the kernel takes no {KINDS[wanted]} ({said}): {os.strerror(error.code)}") from None


KINDS = {"link": "interface", "addr": "address", "route": "route", "neigh": "neighbour", "tc": "tc"}


def _peer(one: Interface, outside: int) -> dict[str, object]:
    """The other end of a veth, as pyroute2 takes it. Frames are merged up to a size of 1 byte: not at all."""
    return {"ifname": one.name, "net_ns_fd": outside, "mtu": one.mtu, "gro_max_size": 1}


def _packet_socket(name: str, ethertype: int = ETH_P_ALL) -> socket.socket:
    """A packet socket that gets what arrives at an interface of the namespace that this process is in.

    Raises HostError.
    """
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except PermissionError:
        raise privileges.needed(f"a packet socket, which looks at '{name}',", "CAP_NET_RAW") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER // 2)  # the kernel doubles it
        made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        made.bind((name, ethertype))
        made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # ENETDOWN, where it is down: nothing comes then
    except BaseException:
        made.close()
        raise
    return made


def _configure(network: Network) -> None:
    """The settings of a new namespace that do not depend on the machine's."""
    # Of IPv4 a new namespace has what the machine's first has (net.core.devconf_inherit_init_net).
    forwards = bool(network.routes or network.neighbours)
    for whose in ("all", "default"):
        _set(f"ipv4/conf/{whose}/rp_filter", 0)
        # A router tells hosts by ICMP of a better way, some of the time, and asks for their addresses first.
        _set(f"ipv4/conf/{whose}/send_redirects", 0)
    _set("ipv4/ip_forward", int(forwards))
    if not _speaks_ipv6(network):
        _turn_ipv6_off()
        return
    for name, value in QUIET_IPV6:
        _set(f"ipv6/conf/default/{name}", value)
    _set("ipv6/conf/all/forwarding", int(forwards))


def _wait_for_addresses(names: set[str]) -> None:
    """Waits until the interfaces have their IPv6 addresses, and have sent what they send by themselves.

    A worker of the kernel sees to it, at once: addrconf_dad_work, net/ipv6/addrconf.c.
    """
    ends = time.monotonic() + PATIENCE
    while names & _tentative() and time.monotonic() < ends:
        os.sched_yield()


def _tentative() -> set[str]:
    """The interfaces that have an address which is not theirs yet; without IPv6 there are none."""
    try:
        with open("/proc/thread-self/net/if_inet6", encoding="utf-8", errors="surrogateescape") as table:
            fields = [line.split() for line in table]
    except FileNotFoundError:
        return set()
    return {name for *_, flags, name in fields if int(flags, 16) & IFA_F_TENTATIVE}


def _turn_ipv6_off() -> None:
    """Interfaces that are made from now on have no IPv6, and send nothing of it."""
    if os.path.exists(f"{SYSCTL}/ipv6"):
        _set("ipv6/conf/default/disable_ipv6", 1)


def _set(name: str, value: int) -> None:
    """Sets a sysctl of net. Raises RunError."""
    try:
        with open(f"{SYSCTL}/{name}", "w", encoding="ascii") as setting:
            setting.write(str(value))
    except OSError as error:
        raise RunError(f"net/{name} cannot be set to {value}: {error.strerror}") from None


def _speaks_ipv6(network: Network) -> bool:
    """Whether there is an IPv6 address in it."""
    texts = [address for one in network.interfaces for address, _ in one.addresses]
    texts += [text for route in network.routes for text in (route.to, route.via)]
    return any(":" in text for text in (*texts, *(one.ip for one in network.neighbours)))
