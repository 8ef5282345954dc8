"""Frames really go through XDP programs: where they come out, how many, and why some do not."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import pytest

from bpftest.errors import RunError
from bpftest.kernel import namespace
from bpftest.kernel.causes import told
from bpftest.kernel.door import (
    Also,
    Handle,
    Interface,
    Live,
    Neighbour,
    Network,
    Patch,
    Read,
    Request,
    Setup,
    Socket,
    Write,
)
from tests.kernel.children import in_child
from tests.kernel.frames import (
    BOTH,
    BROADCAST,
    FRAME,
    LEFT,
    MACS,
    RIGHT,
    SCHED_CLS,
    case,
    checksum,
    counts,
    frames,
    request,
    udp,
)

pytestmark = [pytest.mark.kernel, pytest.mark.alone]


@pytest.fixture(scope="module", autouse=True)
def tracing() -> None:
    """The instance of tracefs stays open until the end of the process: no test leaves it behind."""
    with case("drop") as session:
        session.run(request())


VETHS = Network((LEFT._replace(kind="veth"), RIGHT._replace(kind="veth")))
THIRD = Interface("third", 4)


def port(index: int, ifindex: int, name: str = "ports", program: str = "") -> Write:
    """An entry of a devmap: struct bpf_devmap_val."""
    handle = Handle("program", program, 4) if program else None
    return Write(name, struct.pack("=I", index), struct.pack("=II", ifindex, 0), handle)


def cpu(queue: int, program: str = "") -> Write:
    """The entry of CPU 0: struct bpf_cpumap_val."""
    return Write("cpus", bytes(4), struct.pack("=II", queue, 0), Handle("program", program, 4) if program else None)


def target(ifindex: int) -> tuple[Patch, ...]:
    return (Patch(".data", 0, struct.pack("=I", ifindex)),)


# --- where frames come out ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    program: str
    to: dict[str, int]  # of 130 frames: three batches
    writes: tuple[Write, ...] = ()
    also: tuple[Also, ...] = ()


WAYS = [
    Way("tx", {"left": 130}),
    Way("redirect", {"right": 130}),
    Way("pass", {"stack": 130}),
    Way("drop", {}),
    Way("aborted", {}),
    Way("to_port", {"right": 130}, (port(0, 3),)),
    Way("to_port", {"left": 130}, (port(0, 2),)),
    Way("to_port", {}),
    Way("to_hashed", {"right": 130}, (port(7, 3, "hashed"),)),
    Way("broadcast", {"right": 130}, (port(0, 2), port(1, 3))),
    Way("broadcast", {}, (port(0, 2),)),
    Way("to_cpu", {"stack": 130}, (cpu(192),)),
    Way("to_cpu", {"stack": 130}, (cpu(192, "counted"),), (Also("counted"),)),
    Way("to_cpu", {"stack": 130}, (cpu(1),)),
]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("network", [BOTH, VETHS], ids=["taps", "veths"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.program)
def test_every_frame_comes_out_where_the_program_sends_it(way: Way, network: Network) -> None:
    with case(way.program, network, also=way.also) as session:
        reply = session.run(request(repeat=130, writes=way.writes))

    assert counts(reply) == way.to
    assert [frames(reply, name) for name in way.to] == [((FRAME, 130),)] * len(way.to)
    assert (reply.retval, reply.data_out, reply.ctx_out) == (0, b"", b"")


def test_a_broadcast_leaves_through_every_interface_but_the_one_that_it_came_in_through() -> None:
    network = Network((LEFT, RIGHT._replace(kind="veth"), THIRD))
    wanted = ("left", "right", "third")
    with case("broadcast", network) as session:
        writes = tuple(port(index, index + 2) for index in range(3))
        replies = [
            session.run(request(repeat=10, live=Live(ingress), frames=wanted, writes=writes)) for ingress in wanted
        ]

    assert [counts(reply) for reply in replies] == [
        {name: 10 for name in wanted if name != ingress} for ingress in wanted
    ]


@pytest.mark.parametrize("ifindex", [2, 3])
def test_the_program_of_a_devmap_entry_sees_where_the_frame_leaves(ifindex: int) -> None:
    with case("to_port", also=(Also("marked"),)) as session:
        reply = session.run(request(repeat=3, writes=(port(0, ifindex, program="marked"),)))

    name = {2: "left", 3: "right"}[ifindex]
    assert frames(reply, name) == ((FRAME[:5] + bytes([ifindex]) + FRAME[6:], 3),)


def test_the_program_of_a_cpumap_entry_runs_before_the_call_is_answered() -> None:
    with case("to_cpu", also=(Also("counted"),)) as session:
        reply = session.run(request(repeat=1000, writes=(cpu(64, "counted"),), reads=(Read(".bss"),)))

    assert struct.unpack_from("=Q", dict(reply.contents[0].entries)[bytes(4)] or b"")[0] == 1000


@pytest.mark.parametrize("network", [BOTH, VETHS], ids=["taps", "veths"])
@pytest.mark.parametrize("batch_size", [1, 64, 256])
def test_frames_are_caught_in_the_order_in_which_they_were_sent(network: Network, batch_size: int) -> None:
    with case("stamp", network) as session:
        reply = session.run(request(repeat=1000, live=Live("left", batch_size)))

    assert frames(reply, "left") == tuple((struct.pack("=I", number) + FRAME[4:], 1) for number in range(1000))


@pytest.mark.parametrize("program", ["tx", "redirect", "pass"])
def test_of_many_frames_none_is_lost(program: str) -> None:
    with case(program) as session:
        reply = session.run(request(repeat=30_000))

    assert sum(counts(reply).values()) == 30_000
    assert reply.duration_ns > 0


@pytest.mark.parametrize("size", [14, 15, 60, 1500, 1514, 3408])
@pytest.mark.parametrize("kind", ["tap", "veth"])
@pytest.mark.parametrize("program", ["tx", "pass"])
def test_frames_of_every_size_arrive_byte_for_byte(program: str, kind: str, size: int) -> None:
    frame = (BROADCAST * 2 + b"\x12\x34" + bytes(range(256)) * 14)[:size]
    with case(program, Network((LEFT._replace(kind=kind, mtu=4000),))) as session:
        reply = session.run(request(frame, frames=("left", "stack")))

    assert [caught.frames for caught in reply.frames if caught.frames] == [((frame, 1),)]


@pytest.mark.parametrize("program", ["tx", "pass"])
@pytest.mark.parametrize("network", [BOTH, VETHS], ids=["taps", "veths"])
def test_vlan_tags_stay_in_frames(program: str, network: Network) -> None:
    frame = BROADCAST * 2 + bytes.fromhex("88a80064 8100a00a 1234") + bytes(40)
    with case(program, network) as session:
        reply = session.run(request(frame))

    assert [caught.frames for caught in reply.frames if caught.frames] == [((frame, 1),)]


@pytest.mark.parametrize("network", [BOTH, VETHS], ids=["taps", "veths"])
def test_segments_that_follow_each_other_are_not_merged(network: Network) -> None:
    """GRO would make one frame of many."""
    addresses = bytes([10, 0, 0, 2, 10, 0, 0, 1])
    ip = bytes.fromhex("450000320000400040060000") + addresses
    ip = ip[:10] + checksum(ip) + ip[12:]
    tcp = struct.pack(">HHIIBBHHH", 80, 1000, 1, 1, 0x50, 0x10, 100, 0, 0) + bytes(10)
    tcp = tcp[:16] + checksum(addresses + struct.pack(">HH", 6, len(tcp)) + tcp) + tcp[18:]
    with case("segments", network) as session:
        reply = session.run(request(MACS["right"] + MACS["left"] + b"\x08\x00" + ip + tcp, repeat=60))

    assert [(len(frame), many) for frame, many in frames(reply, "right")] == [(64, 1)] * 60


def test_metadata_reaches_the_program_and_not_the_stack() -> None:
    ctx = struct.pack("=6I", 4, 4 + len(FRAME), 0, 0, 0, 0)
    asked = request(struct.pack("=I", 0x01020304) + FRAME)
    with case("with_metadata") as session:
        reply = session.run(asked._replace(ctx_in=ctx))

    assert frames(reply, "stack") == ((FRAME, 1),)


def test_the_queue_that_frames_come_in_through_can_be_said() -> None:
    ctx = struct.pack("=6I", 0, len(FRAME), 0, 0, 1, 0)
    with case("tx") as session:
        assert session.run(request()._replace(ctx_in=ctx)).errno == 22, "left has one queue"


@pytest.mark.parametrize(
    ("live", "errno"), [(Live("left", 0), 0), (Live("left", 256), 0), (Live("left", 257), 7)], ids=str
)
def test_the_kernel_limits_the_size_of_a_batch(live: Live, errno: int) -> None:
    with case("tx") as session:
        assert session.run(request(repeat=300, live=live)).errno == errno


@pytest.mark.parametrize(("live", "last"), [(Live("left", 1), 37), (Live("left", 1, pristine=True), 1)])
def test_a_page_of_a_dropped_frame_comes_back_unless_it_is_to_be_pristine(live: Live, last: int) -> None:
    frame = bytes(64)
    with case("recycled") as session:
        reply = session.run(request(frame, repeat=100, live=live, reads=(Read(".bss"),)))

    content = dict(reply.contents[0].entries)[bytes(4)] or b""
    assert last in struct.unpack(f"={len(content) // 4}I", content[: len(content) // 4 * 4])


def test_every_step_has_its_own_frames() -> None:
    with case("tx") as session:
        replies = [session.run(request(repeat=repeat)) for repeat in (5, 1, 3)]
        session.run(request(repeat=7, frames=()))
        after = session.run(request())

    assert [counts(reply) for reply in (*replies, after)] == [{"left": 5}, {"left": 1}, {"left": 3}, {"left": 1}]


def test_only_what_is_wanted_is_in_the_reply() -> None:
    with case("tx") as session:
        replies = [session.run(request(frames=wanted)).frames for wanted in ((), ("right",), ("left", "right"))]

    assert [[caught.interface for caught in reply] for reply in replies] == [[], ["right"], ["left", "right"]]


def test_a_run_that_takes_too_long_is_interrupted() -> None:
    with case("drop") as session:
        reply = session.run(Request(FRAME, repeat=2**31 - 1, live=Live("left"), timeout_s=0.2))
        after = session.run(request(repeat=3))

    assert (reply.errno, reply.timed_out) == (4, True)
    assert counts(after) == {}


# --- the stack and its sockets ------------------------------------------------------------------------------------

ADDRESSED = Network((LEFT._replace(addresses=(("10.0.0.1", 24), ("2001:db8::1", 64))), RIGHT))
ECHO = Socket("echo", "udp", "10.0.0.1", 7)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", ["tap", "veth"])
def test_what_is_passed_reaches_a_socket(kind: str) -> None:
    left = ADDRESSED.interfaces[0]._replace(kind=kind)
    with case("pass", Network((left, RIGHT)), (ECHO, Socket("other", "udp", "10.0.0.1", 8))) as session:
        reply = session.run(request(udp("10.0.0.1", 7), repeat=100, received=("echo", "other")))

    assert reply.received == (("echo", (b"hello",) * 100), ("other", ()))
    assert counts(reply) == {"stack": 100}
    assert reply.causes == ()


def test_a_socket_receives_each_of_many_payloads() -> None:
    with case("pass", ADDRESSED, (ECHO,)) as session:
        reply = session.run(request(udp("10.0.0.1", 7), repeat=20_000, received=("echo",), frames=()))

    assert [len(payloads) for _, payloads in reply.received] == [20_000]


SINK = Socket("sink", "xdp", interface="left")
TO_SINK = (Write("sinks", bytes(4), bytes(4), Handle("socket", "sink", 0)),)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("repeat", [1, 300, 20_000])
@pytest.mark.parametrize("size", [14, 64, 3408])
def test_an_xdp_socket_gets_what_is_redirected_to_it(repeat: int, size: int) -> None:
    frame = (FRAME + bytes(range(256)) * 14)[:size]
    with case("to_socket", sockets=(SINK,)) as session:
        reply = session.run(request(frame, repeat=repeat, received=("sink",), writes=TO_SINK))
        again = session.run(request(frame, received=("sink",)))

    assert reply.received == (("sink", (frame,) * repeat),)
    assert again.received == (("sink", (frame,)),)
    assert counts(reply) == {}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (SINK._replace(interface="none"), "socket 'sink': xdp at queue 0 of 'none': there is no such interface"),
        (SINK._replace(queue=7), "socket 'sink': xdp at queue 7 of 'left': Invalid argument"),
    ],
)
def test_an_xdp_socket_needs_a_queue_of_an_interface(wanted: Socket, what: str) -> None:
    with pytest.raises(RunError) as raised, case("to_socket", sockets=(wanted,)):
        pass

    assert raised.value.what == what


def test_what_the_stack_forwards_is_caught_where_it_leaves() -> None:
    left, right = LEFT._replace(addresses=(("10.0.0.1", 24),)), RIGHT._replace(addresses=(("10.1.0.1", 24),))
    hop = Neighbour("10.1.0.2", "02:00:00:00:00:99", "right")
    with case("pass", Network((left, right), neighbours=(hop,))) as session:
        reply = session.run(request(udp("10.1.0.2", 7), repeat=3))

    ((frame, many),) = frames(reply, "right")
    assert counts(reply) == {"stack": 3, "right": 3}
    assert (frame[:14].hex(" "), frame[22], many) == ("02 00 00 00 00 99 02 00 00 00 00 03 08 00", 63, 3)


# --- why frames are missing ---------------------------------------------------------------------------------------

DOWN = Network((LEFT, RIGHT._replace(up=False)))
OFF = Network((LEFT._replace(up=False), RIGHT))
SHORT = Network((LEFT, RIGHT._replace(mtu=68)))


@pytest.mark.parametrize(
    ("program", "network", "setup", "frame", "causes"),
    [
        ("redirect", DOWN, {}, FRAME, ("xdp_redirect_err to right err=-100: the interface is down",)),
        (
            "tx",
            OFF,
            {},
            FRAME,
            ("interface 'left' is down", "xdp_redirect_err to left err=-100: the interface is down"),
        ),
        (
            "redirect",
            BOTH,
            {"patches": target(99)},
            FRAME,
            ("xdp_redirect_err to ifindex 99 err=-22: there is no such interface, or the map has no such entry",),
        ),
        (
            "redirect",
            BOTH,
            {"patches": target(1)},
            FRAME,
            ("xdp_redirect_err to lo err=-95: the target cannot transmit XDP frames",),
        ),
        (
            "redirect",
            SHORT,
            {},
            bytes(100),
            ("xdp_redirect_err to right err=-90: the frame is longer than the MTU of the interface",),
        ),
        (
            "pass",
            ADDRESSED,
            {},
            udp("10.0.0.1", 7, mac=MACS["right"]),
            ("kfree_skb reason=OTHERHOST: the destination MAC is not the interface's",),
        ),
        (
            "pass",
            ADDRESSED,
            {},
            udp("10.0.0.1", 8),
            ("kfree_skb reason=NO_SOCKET: no socket is bound to its port",),
        ),
        (
            "pass",
            BOTH,
            {"frames": ("right",)},  # a packet socket on the ingress would handle it
            FRAME,
            ("kfree_skb reason=UNHANDLED_PROTO: nothing handles its type of packet",),
        ),
        ("redirect", VETHS, {}, udp("10.0.0.1", 7), ()),  # nobody takes it at the other end
        ("drop", BOTH, {}, FRAME, ()),
    ],
    ids="down ingress-down no-ifindex no-xdp-transmit mtu wrong-mac no-socket unhandled sent dropped".split(),
)
def test_the_kernel_says_why_frames_are_missing(
    program: str, network: Network, setup: dict[str, object], frame: bytes, causes: tuple[str, ...]
) -> None:
    with case(program, network) as session:
        reply = session.run(request(frame, **setup))

    assert reply.causes == causes


def test_causes_come_with_how_often_they_were_seen() -> None:
    with case("pass") as session:
        replies = [session.run(request(repeat=repeat, frames=("left",))).causes for repeat in (3, 1000, 2)]

    cause = "kfree_skb reason=UNHANDLED_PROTO: nothing handles its type of packet"
    assert replies == [(f"{cause}, 3 times",), (f"{cause}, 256 times",), (f"{cause}, 2 times",)]


def test_lines_that_the_buffer_lost_are_counted_as_more() -> None:
    line = "python-7 [000] b...1 1.0: xdp_redirect_err: prog_id=1 action=REDIRECT ifindex=2 to_ifindex=3 err=-100"

    assert told(f"{line}\nCPU:0 [LOST 9 EVENTS]\n{line}\n", {3: "right"}) == (
        "xdp_redirect_err to right err=-100: the interface is down, at least 2 times",
    )


def test_without_tracefs_there_are_no_causes() -> None:
    def unmounted() -> tuple[str, ...]:
        from bpftest.kernel import tracefs

        tracefs._found.clear()
        tracefs._mounted = list
        tracefs.syscalls.detached_mount = refuse
        with case("redirect", DOWN) as session:
            return session.run(request()).causes

    def refuse(_kind: str) -> int:
        raise PermissionError(1, "no")

    assert in_child(unmounted) == ()


# --- no room ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["tx", "pass"])
def test_frames_that_bpftest_has_no_room_for_are_an_error(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bpftest.kernel import live, network

    monkeypatch.setattr(live, "CHUNK", 30_000)
    monkeypatch.setattr(network, "BUFFER", 1 << 20)
    with case(program) as session, pytest.raises(RunError) as raised:
        session.run(request(repeat=30_000))

    assert raised.value.what.endswith("is lost: more came at once than bpftest can hold")


# --- ordinary runs ------------------------------------------------------------------------------------------------


def test_what_an_ordinary_run_sends_is_caught_too() -> None:
    with case("cloned", prog_type=SCHED_CLS) as session:
        reply = session.run(Request(FRAME, repeat=3, setup=Setup(frames=("left", "right"))))

    assert counts(reply) == {"right": 3}


def test_a_long_run_does_not_bring_frames_to_the_program_that_is_kept_attached() -> None:
    def kept() -> tuple[int, int]:
        namespace.enter()
        with case("pass", ADDRESSED, (ECHO,)) as session:
            session.run(request(repeat=10))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"over lo", ("127.0.0.1", 9))
            reply = session.run(request(repeat=10, reads=(Read(".bss"),)))
        return struct.unpack_from("=Q", dict(reply.contents[0].entries)[bytes(4)])[0], sum(counts(reply).values())

    assert in_child(kept) == (20, 10)
