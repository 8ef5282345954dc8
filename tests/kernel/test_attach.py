"""Programs of other types than xdp, attached where the kernel calls them: what they see, and where packets come out."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from bpftest.errors import RunError
from bpftest.kernel import cgroup, probes
from bpftest.kernel.attach import HOOKS
from bpftest.kernel.cgroup import raw_socket
from bpftest.kernel.compile import compiled
from bpftest.kernel.contents import read
from bpftest.kernel.door import (
    Also,
    Interface,
    Live,
    Loading,
    Neighbour,
    Network,
    Read,
    Reply,
    Request,
    Route,
    Setup,
    Socket,
)
from bpftest.kernel.session import Session
from tests.kernel.frames import MACS, counts, frames, udp

pytestmark = [pytest.mark.kernel, pytest.mark.alone]

SCHED_CLS, CGROUP_SKB, LWT_IN, LWT_OUT, LWT_XMIT, LWT_SEG6LOCAL, NETFILTER = 3, 8, 10, 11, 12, 19, 32
ATTACH_TYPES = {NETFILTER: 45}  # that libbpf does not know by the section
NEXT_HOP, FAR_HOP = bytes.fromhex("020000000077"), bytes.fromhex("020000000037")
# left: where packets come in; right: where they are routed to; third: where programs send them.
ROUTER = Network(
    (
        Interface("left", 2, addresses=(("10.1.0.1", 24), ("fd01::1", 64))),
        Interface("right", 3, addresses=(("10.2.0.1", 24), ("fd02::1", 64))),
        Interface("third", 4, addresses=(("10.3.0.1", 24),)),
    ),
    (Route("10.9.0.0/16", "10.2.0.7"), Route("fd00::1/128", interface="right")),
    (
        Neighbour("10.2.0.7", NEXT_HOP.hex(":"), "right"),
        Neighbour("10.9.0.1", NEXT_HOP.hex(":"), "right"),
        Neighbour("fd02::7", NEXT_HOP.hex(":"), "right"),
        Neighbour("10.3.0.7", FAR_HOP.hex(":"), "third"),
        Neighbour("10.1.0.9", MACS["right"].hex(":"), "left"),
    ),
)
EVERYWHERE = ("left", "right", "third", "stack")
ROUTED = udp("10.9.0.1", 9, source="10.1.0.9")
TO_ITSELF = udp("10.1.0.1", 9, source="10.1.0.9")
FROM_ITSELF = udp("10.9.0.1", 9, source="10.2.0.1", number=1)  # the kernel gives a number to what has none
SYN = (
    MACS["left"]
    + MACS["right"]
    + bytes.fromhex("0800 4500002800010000400666c40a0100090a010001 03e8000900000001000000005002200077e50000")
)
SERVER = Socket("server", "udp", "10.1.0.1", 9)


def forwarded(frame: bytes, mac: bytes = NEXT_HOP, out: str = "right") -> bytes:
    """*frame* with IPv4 as a router sends it on."""
    header = bytearray(frame[14:34])
    header[8] -= 1  # TTL
    header[10:12] = bytes(2)
    total = sum(struct.unpack(">10H", header))
    header[10:12] = struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
    return mac + bytes([2, 0, 0, 0, 0, 3 if out == "right" else 4]) + frame[12:14] + header + frame[34:]


def ipv6(next_header: int, to: str, content: bytes, hop_limit: int = 64) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, "fd01::9") + socket.inet_pton(socket.AF_INET6, to)
    return struct.pack(">IHBB", 6 << 28, len(content), next_header, hop_limit) + addresses + content


def segments(left: int, to: str, tag: int = 0, hop_limit: int = 64) -> bytes:
    """UDP in IPv6 with a segment routing header: by fd00::1 to fd02::7."""
    header = struct.pack(">BBBBBBH", 17, 4, 4, left, 1, 0, tag)
    header += b"".join(socket.inet_pton(socket.AF_INET6, one) for one in ("fd02::7", "fd00::1"))
    return ipv6(43, to, header + struct.pack(">HHHH", 1, 9, 8, 0), hop_limit)


TO_LEFT, TO_NEXT_HOP = (mac + MACS["right"] + b"\x86\xdd" for mac in (MACS["left"], NEXT_HOP))
SEGMENTS = TO_LEFT + segments(1, "fd00::1")


class Seen(NamedTuple):
    """struct seen of attach.bpf.c."""

    runs: int
    len: int = 0
    linear: int = 0
    ifindex: int = 0
    ingress_ifindex: int = 0
    protocol: int = 0
    pkt_type: int = 0
    family: int = 0
    local_ip4: int = 0
    local_port: int = 0
    first: bytes = bytes(16)


@contextmanager
def case(
    program: str, prog_type: int, network: Network = ROUTER, sockets: tuple[Socket, ...] = ()
) -> Iterator[Session]:
    """A case of one program of attach.bpf.c."""
    path = compiled("tests/programs/attach.bpf.c")
    session = Session(Loading(path, program, prog_type, ATTACH_TYPES.get(prog_type)))
    assert not session.report.errno, session.report
    try:
        session.begin(sockets, network)
        yield session
    finally:
        session.close()


def request(frame: bytes, live: Live, repeat: int = 1, **setup: object) -> Request:
    wanted = Setup(**{"frames": EVERYWHERE, "reads": (Read(".bss"),), **setup})  # type: ignore[arg-type]
    return Request(frame, repeat=repeat, live=live, setup=wanted)


def seen(reply: Reply) -> Seen:
    assert reply.contents[0].entries[0][1] is not None
    return Seen(*struct.unpack("=10I16s", reply.contents[0].entries[0][1][:56]))


@pytest.fixture(scope="module", autouse=True)
def tracing() -> None:
    """The instance of tracefs stays open until the end of the process: no test leaves it behind."""
    with case("tc_ok", SCHED_CLS) as session:
        session.run(request(ROUTED, Live("left", hook="ingress")))


# --- where packets come out -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    prog_type: int
    program: str
    hook: str
    to: dict[str, bytes]  # what comes out, by interface
    frame: bytes = ROUTED
    interface: str = ""
    route: str = ""
    ingress: str = "left"
    runs: int = 3  # of three packets
    sockets: tuple[Socket, ...] = field(default=())
    received: tuple[bytes, ...] = ()

    @property
    def live(self) -> Live:
        return Live(self.ingress, hook=self.hook, interface=self.interface, route=self.route)


def tc(program: str, to: dict[str, bytes], hook: str = "ingress", interface: str = "") -> Way:
    return Way(SCHED_CLS, program, hook, to, interface=interface, runs=3 if program in LOOKING else 0)


LOOKING = ("tc_ok", "tc_unspec", "tc_shot", "tc_redirect", "tc_redirect_ingress", "tc_redirect_neigh")
PASSED = {"stack": ROUTED, "right": forwarded(ROUTED)}
WRITTEN = ROUTED[:11] + b"\xab" + ROUTED[12:]
TO_NEIGHBOUR = NEXT_HOP + MACS["right"] + ROUTED[12:]
AT_INGRESS = [
    tc(program, to, hook)
    for hook in ("ingress", "tcx_ingress", "clsact_ingress")
    for program, to in {
        "tc_ok": PASSED,
        "tc_unspec": PASSED,
        "tc_shot": {},
        "tc_redirect": {"third": ROUTED},
        "tc_redirect_ingress": {},
        "tc_redirect_neigh": {"right": TO_NEIGHBOUR},
        "tc_clone": {**PASSED, "third": ROUTED},
        "tc_write": {"stack": WRITTEN, "right": forwarded(ROUTED)},
    }.items()
]
SENT_WRITTEN = forwarded(ROUTED)[:11] + b"\xab" + forwarded(ROUTED)[12:]
SENT_TAGGED = forwarded(ROUTED)[:12] + b"\x81\x00\x00\x07" + forwarded(ROUTED)[12:]
AT_EGRESS = [
    tc(program, {"stack": ROUTED, **to}, hook, "right")
    for hook in ("egress", "tcx_egress", "clsact_egress")
    for program, to in {
        "tc_ok": {"right": forwarded(ROUTED)},
        "tc_shot": {},
        "tc_redirect": {"third": forwarded(ROUTED)},
        "tc_write": {"right": SENT_WRITTEN},
        "tc_vlan": {"right": SENT_TAGGED},
    }.items()
]
OUTER = bytes.fromhex("4500 0035 0000 0000 0904 0000 0a020001 0a030007")


def lwt(prog_type: int, program: str, to: dict[str, bytes], ingress: str = "left", runs: int = 3) -> Way:
    hook = {LWT_IN: "lwt_in", LWT_OUT: "lwt_out", LWT_XMIT: "lwt_xmit"}[prog_type]
    stack, frame = ({"stack": ROUTED}, ROUTED) if ingress else ({}, FROM_ITSELF)
    return Way(prog_type, program, hook, {**stack, **to}, frame, route="10.9.0.0/16", ingress=ingress, runs=runs)


AT_ROUTES = [
    lwt(LWT_IN, "in_ok", {"right": forwarded(ROUTED)}),
    lwt(LWT_IN, "in_drop", {}),
    lwt(LWT_OUT, "out_ok", {"right": forwarded(ROUTED)}),
    lwt(LWT_OUT, "out_drop", {}),
    lwt(LWT_OUT, "out_drop", {}, ingress=""),
    lwt(LWT_XMIT, "xmit_ok", {"right": forwarded(ROUTED)}),
    lwt(LWT_XMIT, "xmit_drop", {}),
    lwt(LWT_XMIT, "xmit_drop", {}, ingress=""),
    lwt(
        LWT_XMIT,
        "xmit_redirect",
        {"third": FAR_HOP + bytes.fromhex("0200000000040800") + forwarded(ROUTED)[14:]},
        runs=0,
    ),
]
AT_SEGMENTS = [
    # That it has come to the next segment is written to the packet that packet sockets have too: advance_nextseg.
    Way(
        LWT_SEG6LOCAL,
        program,
        "lwt_seg6local",
        {"stack": TO_LEFT + segments(0, "fd02::7"), **to},
        SEGMENTS,
        route="fd00::1/128",
        runs=runs,
    )
    for program, runs, to in (
        ("seg6_ok", 3, {"right": TO_NEXT_HOP + segments(0, "fd02::7", 0, 63)}),
        ("seg6_drop", 3, {}),
        ("seg6_tag", 0, {"right": TO_NEXT_HOP + segments(0, "fd02::7", 0x1234, 63)}),
    )
]
NETFILTERED = [
    Way(NETFILTER, program, f"NF_INET_{hook}", {"stack": ROUTED, **(to if program == "nf_accept" else {})}, runs=3)
    for hook in ("PRE_ROUTING", "FORWARD", "POST_ROUTING")
    for program, to in (("nf_accept", {"right": forwarded(ROUTED)}), ("nf_drop", {}))
]
HELLO = (b"hello",) * 3
LOCAL = [
    Way(prog_type, program, hook, {"stack": TO_ITSELF}, TO_ITSELF, sockets=(SERVER,), received=received)
    for prog_type, hook, allowing, dropping in (
        (NETFILTER, "NF_INET_LOCAL_IN", "nf_accept", "nf_drop"),
        (CGROUP_SKB, "cgroup_inet_ingress", "ingress_allow", "ingress_drop"),
    )
    for program, received in ((allowing, HELLO), (dropping, ()))
]
SENT = NEXT_HOP + MACS["right"] + FROM_ITSELF[12:]
SENDING = [
    Way(prog_type, program, hook, to, FROM_ITSELF, ingress="")
    for prog_type, hook, allowing, dropping in (
        (NETFILTER, "NF_INET_LOCAL_OUT", "nf_accept", "nf_drop"),
        (CGROUP_SKB, "cgroup_inet_egress", "egress_allow", "egress_drop"),
    )
    for program, to in ((allowing, {"right": SENT}), (dropping, {}))
]
WAYS = [*AT_INGRESS, *AT_EGRESS, *AT_ROUTES, *AT_SEGMENTS, *NETFILTERED, *LOCAL, *SENDING]


def test_every_hook_has_a_way() -> None:
    assert {way.hook for way in WAYS} == set(HOOKS)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.program}-{way.hook}{'' if way.ingress else '-sent'}")
def test_packets_come_out_where_the_program_lets_them(way: Way) -> None:
    names = tuple(one.name for one in way.sockets)
    wanted = EVERYWHERE if way.ingress else EVERYWHERE[:-1]
    with case(way.program, way.prog_type, sockets=way.sockets) as session:
        reply = session.run(request(way.frame, way.live, 3, frames=wanted, received=names))

    assert counts(reply) == dict.fromkeys(way.to, 3)
    for name, frame in way.to.items():
        assert [(one.hex(), many) for one, many in frames(reply, name)] == [(frame.hex(), 3)]
    assert reply.received == tuple((name, way.received) for name in names)
    assert seen(reply).runs == way.runs


@pytest.mark.parametrize("hook", ["ingress", "clsact_ingress", "lwt_xmit", "NF_INET_FORWARD", "cgroup_inet_egress"])
def test_many_packets_go_through_and_none_is_lost(hook: str) -> None:
    way = next(one for one in WAYS if one.hook == hook and one.program in ALLOWING)
    with case(way.program, way.prog_type) as session:
        reply = session.run(request(way.frame, way.live, 20_000, frames=("right",)))

    assert frames(reply, "right") == ((way.to["right"], 20_000),)
    assert seen(reply).runs == 20_000


ALLOWING = ("tc_ok", "in_ok", "out_ok", "xmit_ok", "seg6_ok", "nf_accept", "egress_allow")


# --- what programs see there ----------------------------------------------------------------------------------------

IPV4, IPV6, LENGTH = 0x0800, 0x86DD, len(ROUTED)
HOST, OTHERHOST = 0, 3  # linux/if_packet.h
L3 = LENGTH - 14


@pytest.mark.parametrize(
    ("program", "hook", "ingress", "expected"),
    [
        ("tc_ok", "ingress", "left", Seen(1, LENGTH, LENGTH, 2, 2, IPV4, HOST, first=ROUTED[:16])),
        ("tc_ok", "clsact_ingress", "left", Seen(1, LENGTH, LENGTH, 2, 2, IPV4, HOST, first=ROUTED[:16])),
        ("tc_ok", "egress", "left", Seen(1, LENGTH, LENGTH, 3, 2, IPV4, HOST, first=forwarded(ROUTED)[:16])),
        ("in_ok", "lwt_in", "left", Seen(1, L3, L3, 2, 2, IPV4, HOST, first=ROUTED[14:30])),
        ("out_ok", "lwt_out", "left", Seen(1, L3, L3, 2, 2, IPV4, HOST, first=forwarded(ROUTED)[14:30])),
        ("out_ok", "lwt_out", "", Seen(1, L3, L3, 0, 0, IPV4, HOST, first=FROM_ITSELF[14:30])),
        ("xmit_ok", "lwt_xmit", "left", Seen(1, L3, L3, 3, 2, IPV4, HOST, first=forwarded(ROUTED)[14:30])),
        ("xmit_ok", "lwt_xmit", "", Seen(1, L3, L3, 3, 0, IPV4, HOST, first=FROM_ITSELF[14:30])),
        (
            "seg6_ok",
            "lwt_seg6local",
            "left",
            Seen(1, len(SEGMENTS) - 14, len(SEGMENTS) - 14, 2, 2, IPV6, HOST, first=SEGMENTS[14:30]),
        ),
        (
            "ingress_allow",
            "cgroup_inet_ingress",
            "left",
            Seen(1, L3, L3, 2, 2, IPV4, HOST, socket.AF_INET, 0x0A010001, 9, TO_ITSELF[14:30]),
        ),
        (
            "egress_allow",
            "cgroup_inet_egress",
            "",
            Seen(1, L3, L3, 3, 0, IPV4, HOST, socket.AF_INET, 0, socket.IPPROTO_RAW, FROM_ITSELF[14:30]),
        ),
    ],
)
def test_a_program_sees_what_the_kernel_has_there(program: str, hook: str, ingress: str, expected: Seen) -> None:
    way = next(one for one in WAYS if one.hook == hook and one.program == program)
    frame = way.frame if ingress else FROM_ITSELF
    with case(program, way.prog_type, sockets=way.sockets) as session:
        reply = session.run(request(frame, way.live._replace(ingress=ingress), frames=()))

    assert seen(reply) == expected


@pytest.mark.parametrize(
    ("hook", "routed", "to_itself", "from_itself"),
    [
        ("NF_INET_PRE_ROUTING", 1, 1, 0),
        ("NF_INET_LOCAL_IN", 0, 1, 0),
        ("NF_INET_FORWARD", 1, 0, 0),
        ("NF_INET_LOCAL_OUT", 0, 0, 1),
        ("NF_INET_POST_ROUTING", 1, 0, 1),
    ],
)
def test_a_hook_of_netfilter_is_passed_by_some_packets(
    hook: str, routed: int, to_itself: int, from_itself: int
) -> None:
    packets = ((ROUTED, "left", routed), (TO_ITSELF, "left", to_itself), (FROM_ITSELF, "", from_itself))
    for frame, ingress, runs in packets:
        with case("nf_accept", NETFILTER, sockets=(SERVER,)) as session:
            assert seen(session.run(request(frame, Live(ingress, hook=hook), frames=()))).runs == runs


def test_netfilter_gets_ipv6_where_the_packet_is() -> None:
    frame = TO_LEFT + ipv6(17, "fd02::7", struct.pack(">HHHH", 1, 9, 8, 0))
    with case("nf_accept", NETFILTER) as session:
        reply = session.run(request(frame, Live("left", hook="NF_INET_FORWARD"), 2))

    assert counts(reply) == {"stack": 2, "right": 2}
    assert seen(reply).runs == 2


# --- what is left behind --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way.runs and not way.received], ids=lambda way: f"{way.program}-{way.hook}"
)
def test_a_program_is_called_while_it_runs_and_not_after(way: Way) -> None:
    with case(way.program, way.prog_type, sockets=way.sockets) as session:
        session.run(request(way.frame, way.live, frames=()))
        reply = session.run(request(way.frame, way.live, frames=()))
        assert seen(reply).runs == 2
        again_without(session, way)
        left = read(session._loaded, Read(".bss"), None)

    assert seen(Reply(contents=(left,))).runs == 2


def again_without(session: Session, way: Way) -> None:
    """The packet takes the same way once more."""
    namespace = session._namespace
    assert namespace is not None
    if way.ingress:
        namespace.send(way.ingress, way.frame)
    elif namespace.cgroup is not None:
        namespace.cgroup.sender(socket.AF_INET).sendto(way.frame[14:], ("10.9.0.1", 0))
    else:
        with raw_socket(socket.AF_INET) as sender:
            sender.sendto(way.frame[14:], ("10.9.0.1", 0))


LISTENER = Socket("listener", "tcp", "10.1.0.1", 9)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("program", "answers"), [("egress_allow", 1), ("egress_drop", 0)])
def test_what_a_socket_answers_leaves_its_cgroup(program: str, answers: int) -> None:
    with case(program, CGROUP_SKB, sockets=(LISTENER,)) as session:
        reply = session.run(request(SYN, Live("left", hook="cgroup_inet_egress"), frames=("left",)))

    assert counts(reply) == ({"left": 1} if answers else {})
    assert seen(reply).runs == 1


@pytest.mark.usefixtures("nothing_left")
def test_two_programs_take_turns_at_one_cgroup() -> None:
    sending = Live("", hook="cgroup_inet_egress")
    path = compiled("tests/programs/attach.bpf.c")
    session = Session(Loading(path, "egress_drop", CGROUP_SKB, also=(Also("egress_allow", CGROUP_SKB),)))
    try:
        session.begin((), ROUTER)
        wanted = request(FROM_ITSELF, sending, 2, frames=("right",))
        replies = [session.run(wanted._replace(program=one)) for one in ("egress_drop", "egress_allow", "egress_drop")]
    finally:
        session.close()

    assert [counts(reply) for reply in replies] == [{}, {"right": 2}, {}]


# A process that ends while its program is attached, or while its cgroup is there.
KILLED = """
import os, signal, sys
from tests.kernel.test_attach import CGROUP_SKB, FROM_ITSELF, SERVER, Live, case, request
from bpftest.kernel import inject, sockets

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "run":
    inject._put_in = die
else:
    sockets._opened = die
with case("egress_allow", CGROUP_SKB, sockets=(SERVER,)) as session:
    session.run(request(FROM_ITSELF, Live("", hook="cgroup_inet_egress"), frames=("right",)))
"""


def test_a_process_that_is_killed_leaves_no_cgroup_behind() -> None:
    ended = subprocess.Popen([sys.executable, "-c", KILLED, "run"])

    assert ended.wait(60) == -signal.SIGKILL
    assert f"bpftest-{ended.pid}" not in cgroups()


def test_a_cgroup_that_was_left_in_its_one_moment_is_removed_by_the_next() -> None:
    ended = subprocess.Popen([sys.executable, "-c", KILLED, "sockets"])
    assert ended.wait(60) == -signal.SIGKILL
    assert f"bpftest-{ended.pid}" in cgroups()

    with case("egress_allow", CGROUP_SKB):
        assert f"bpftest-{ended.pid}" not in cgroups()


def cgroups() -> list[str]:
    """Those below that of this process."""
    with cgroup._folder(cgroup._own_cgroup()) as own:
        return os.listdir(own)


@pytest.mark.usefixtures("nothing_left")
def test_this_process_is_where_it_was() -> None:
    before = cgroup._own_cgroup()
    with case("egress_allow", CGROUP_SKB, sockets=(SERVER,)):
        assert cgroup._own_cgroup() == before
    with pytest.raises(RunError, match="already in use"), case("egress_allow", CGROUP_SKB, sockets=(SERVER, SERVER)):
        pass

    assert cgroup._own_cgroup() == before


# --- what does not go -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("way", "said"),
    [
        (
            Way(NETFILTER, "nf_accept", "NF_INET_FORWARD", {}, b"\xff" * 12 + b"\x08\x06" + bytes(46)),
            "the packet is neither IPv4 nor IPv6: no netfilter program gets it",
        ),
        (
            Way(LWT_IN, "in_ok", "lwt_xmit", {}, route="10.9.0.0/16"),
            "the kernel takes no route (dst 10.9.0.0/16, gateway 10.2.0.7): Invalid argument",
        ),
        (
            Way(SCHED_CLS, "tc_ok", "NF_INET_FORWARD", {}),
            "the program cannot be attached at NF_INET_FORWARD: Invalid argument",
        ),
        (
            Way(SCHED_CLS, "tc_ok", "egress", {}, udp("203.0.113.1", 9), "right", ingress=""),
            "the packet to 203.0.113.1 cannot be sent: Network is unreachable",
        ),
        (
            Way(SCHED_CLS, "tc_ok", "egress", {}, ROUTED[:20], "right", ingress=""),
            "the packet is too short: it has no destination to be sent to",
        ),
        (
            Way(SCHED_CLS, "tc_ok", "egress", {}, ROUTED[:34] + bytes(1500), "right", ingress=""),
            "the packet to 10.9.0.1 cannot be sent: Message too long",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_the_kernel_refuses_is_told(way: Way, said: str) -> None:
    with case(way.program, way.prog_type) as session, pytest.raises(RunError) as refused:
        session.run(request(way.frame, way.live, frames=("right",)))

    assert str(refused.value) == said


def test_a_packet_that_is_put_in_where_an_interface_is_down_is_told() -> None:
    network = Network((Interface("left", 2, up=False),))
    with case("tc_ok", SCHED_CLS, network) as session, pytest.raises(RunError) as refused:
        session.run(request(ROUTED, Live("left", hook="ingress"), frames=("left",)))

    assert str(refused.value) == "no frame can be put in at interface 'left': Input/output error"


def test_a_kernel_without_tcx_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "has", lambda feature: feature != "tcx_link")
    with case("tc_ok", SCHED_CLS) as session:
        reply = session.run(request(ROUTED, Live("left", hook="ingress"), frames=("right",)))
        with pytest.raises(RunError) as refused:
            session.run(request(ROUTED, Live("left", hook="tcx_ingress"), frames=("right",)))

    assert counts(reply) == {"right": 1}
    assert (refused.value.what, refused.value.hint) == (
        "there is no tcx_ingress in this kernel: Linux has tcx from 6.6 on",
        "leave 'hook' out, or say clsact_ingress or clsact_egress",
    )


@pytest.mark.usefixtures("nothing_left")
def test_tcx_is_found_where_a_program_can_be_attached_by_it() -> None:
    with case("tc_ok", SCHED_CLS) as session:
        try:
            session.run(request(ROUTED, Live("left", hook="tcx_ingress")))
            there = True
        except RunError:
            there = False

    assert probes.has.__wrapped__("tcx_link") == there


def test_a_run_that_takes_too_long_ends_and_is_told() -> None:
    with case("tc_ok", SCHED_CLS) as session:
        reply = session.run(request(ROUTED, Live("left", hook="ingress"), 10**9)._replace(timeout_s=0.05))

    assert (reply.errno, reply.timed_out) == (errno.EINTR, True)


def test_why_a_packet_did_not_come_out_is_told() -> None:
    with case("tc_shot", SCHED_CLS) as session:
        reply = session.run(request(ROUTED, Live("left", hook="ingress"), frames=("right",)))

    assert reply.causes == ("kfree_skb reason=TC_INGRESS: a program at tc ingress dropped it",)


def test_a_packet_without_an_ethernet_address_goes_to_the_interface() -> None:
    with case("tc_ok", SCHED_CLS) as session:
        reply = session.run(request(bytes(12) + ROUTED[12:], Live("left", hook="ingress"), frames=("right",)))

    assert frames(reply, "right") == ((forwarded(ROUTED), 1),)


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0)))
def test_a_packet_is_put_in_on_the_cpu_that_is_wanted(cpu: int) -> None:
    with case("tc_cpu", SCHED_CLS) as session:
        reply = session.run(request(ROUTED, Live("left", hook="ingress"))._replace(cpu=cpu))

    assert seen(reply).runs == cpu


@pytest.mark.parametrize(
    "frame",
    [
        MACS["left"] + MACS["right"] + b"\x12\x34" + bytes(46),
        MACS["left"] + MACS["right"] + b"\x81\x00\x00\x07\x12\x34" + bytes(46),
        MACS["left"] + MACS["right"] + b"\x00\x2e" + bytes(46),
        MACS["left"] + MACS["right"] + b"\x08\x06" + bytes(46),
    ],
    ids=["a type that nothing handles", "a VLAN", "a length", "ARP"],
)
def test_the_stack_gets_frames_of_any_type_behind_tc(frame: bytes) -> None:
    with case("tc_ok", SCHED_CLS) as session:
        passed = session.run(request(frame, Live("left", hook="ingress"), 2, frames=("stack",)))
    with case("tc_shot", SCHED_CLS) as session:
        dropped = session.run(request(frame, Live("left", hook="ingress"), 2, frames=("stack",)))

    assert counts(passed) == {"stack": 2}
    assert counts(dropped) == {}
