"""The network namespace of a case: what is in it, and that nothing of it reaches others or stays."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bpftest.errors import HostError, RunError
from bpftest.kernel import interfaces, namespace, network
from bpftest.kernel.capture import Capture
from bpftest.kernel.door import Interface, Neighbour, Network, Read, Request, Route, Setup, Socket
from bpftest.kernel.interfaces import Sent
from bpftest.kernel.network import Namespace
from tests.kernel.children import in_child
from tests.kernel.frames import BOTH, FRAME, LEFT, RIGHT, case, request, udp
from tests.processes import environment

pytestmark = [pytest.mark.kernel, pytest.mark.alone, pytest.mark.usefixtures("host_untouched")]

ADDRESSED = Network(
    (LEFT._replace(addresses=(("10.0.0.1", 24),)), RIGHT._replace(addresses=(("10.1.0.1", 24),))),
    (Route("10.2.0.0/16", via="10.1.0.9"), Route("10.3.0.0/16", interface="left"), Route("default", via="10.0.0.9")),
    (Neighbour("10.1.0.9", "02:00:00:00:00:99", "right"),),
)
IPV6 = Network(
    (LEFT._replace(addresses=(("2001:db8::1", 64),)), RIGHT._replace(kind="veth", addresses=(("2001:db8:1::1", 64),))),
    (Route("2001:db8:2::/48", via="2001:db8:1::9"),),
    (Neighbour("2001:db8:1::9", "02:00:00:00:00:99", "right"),),
)


def links() -> str:
    return subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def host_untouched() -> Iterator[None]:
    """This process is in the namespace where it was, and that has the interfaces that it had."""
    before = os.readlink("/proc/self/ns/net"), links()
    yield
    assert (os.readlink("/proc/self/ns/net"), links()) == before


def shown(*words: str) -> list[str]:
    """What `ip` shows in the namespace of this process, without what differs from kernel to kernel."""
    lines = subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.strip() for line in lines]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", ["tap", "veth"])
def test_interfaces_are_as_the_case_wants_them(kind: str) -> None:
    wanted = (
        LEFT._replace(kind=kind),
        Interface("right", 7, kind, "02:aa:bb:cc:dd:ee", 9000),
        Interface("off", 3, kind, up=False),
    )
    with closing(Namespace(Network(wanted))):
        names = socket.if_nameindex()
        lines = shown("-o", "link")

    assert sorted(names) == [(1, "lo"), (2, "left"), (3, "off"), (7, "right")]
    found = {line.split(":")[1].split("@")[0].strip(): line for line in lines}
    for name, mac, mtu, up in [
        ("left", "02:00:00:00:00:02", 1500, True),
        ("right", "02:aa:bb:cc:dd:ee", 9000, True),
        ("off", "02:00:00:00:00:03", 1500, False),
    ]:
        assert f" mtu {mtu} " in found[name]
        assert f"link/ether {mac} " in found[name]
        assert (",UP" in found[name]) is up
    assert "LOOPBACK,UP" in found["lo"]


@pytest.mark.usefixtures("nothing_left")
def test_addresses_routes_and_neighbours_are_there() -> None:
    with closing(Namespace(ADDRESSED)):
        found = [*shown("-4", "-br", "address"), *shown("route"), *shown("neigh")]

    assert [" ".join(line.split()) for line in found] == [
        "lo UNKNOWN 127.0.0.1/8",
        "left UNKNOWN 10.0.0.1/24",
        "right UNKNOWN 10.1.0.1/24",
        "default via 10.0.0.9 dev left proto static",
        "10.0.0.0/24 dev left proto kernel scope link src 10.0.0.1",
        "10.1.0.0/24 dev right proto kernel scope link src 10.1.0.1",
        "10.2.0.0/16 via 10.1.0.9 dev right proto static",
        "10.3.0.0/16 dev left proto static",
        "10.1.0.9 dev right lladdr 02:00:00:00:00:99 PERMANENT",
    ]


@pytest.mark.parametrize(
    "wanted", [BOTH, ADDRESSED, IPV6, Network(IPV6.interfaces)], ids=["none", "IPv4", "IPv6", "no router"]
)
def test_the_kernel_sends_nothing_by_itself(wanted: Network) -> None:
    with closing(Namespace(wanted)) as made:
        capture = Capture(Setup(frames=("left", "right")), "left", made, None)
        ends = time.monotonic() + 3  # router solicitations and MLD reports come within the first second
        while time.monotonic() < ends:
            capture.settle()
            time.sleep(0.05)
        assert [caught.frames for caught in capture.frames()] == [(), ()]


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (Network((LEFT, LEFT)), "interface 'left' cannot be made: Device or resource busy"),
        (Network((LEFT._replace(name="a/b"),)), "interface 'a/b' cannot be made: Invalid argument"),
        (
            Network((LEFT._replace(mac="01:00:00:00:00:01"),)),
            "interface 'left' (MAC 01:00:00:00:00:01, MTU 1500): Cannot assign requested address",
        ),
        (
            Network((LEFT._replace(mtu=70_000),)),
            "interface 'left' (MAC 02:00:00:00:00:02, MTU 70000): Invalid argument",
        ),
        (
            Network((LEFT,), (Route("10.0.0.0/8", via="10.9.9.9"),)),
            "the kernel takes no route (dst 10.0.0.0/8, gateway 10.9.9.9): Network is unreachable",
        ),
        (
            BOTH._replace(interfaces=(LEFT._replace(addresses=(("10.0.0.1", 24), ("10.0.0.1", 24))),)),
            "the kernel takes no address (index 2, address 10.0.0.1, prefixlen 24): File exists",
        ),
    ],
)
@pytest.mark.usefixtures("nothing_left")
def test_what_the_kernel_does_not_take_is_told_and_the_namespace_is_left(wanted: Network, what: str) -> None:
    with pytest.raises(RunError) as raised:
        Namespace(wanted)

    assert raised.value.what == what


def test_without_taps_it_says_what_to_do() -> None:
    def unmade() -> tuple[str, str]:
        namespace.enter()
        libc_unshare_mounts()
        try:
            Namespace(BOTH)
        except HostError as error:
            return error.what, error.hint
        return "made", ""

    assert in_child(unmade) == (
        "an interface is a tap, and there are none here: /dev/net/tun: No such file or directory",
        "modprobe tun; in a container: --device /dev/net/tun",
    )


def libc_unshare_mounts() -> None:
    """/dev/net is empty, for this process alone."""
    from bpftest.kernel import libbpf

    assert libbpf.unshare(0x20000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/dev/net"], check=True)


# --- cases --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_a_case_finds_nothing_of_the_one_before_it() -> None:
    with case("pass", ADDRESSED) as session:
        first = os.readlink("/proc/self/ns/net")
        session.run(request(udp("10.1.0.77", 7), live=None, frames=()))
        session.end()
        session.begin((), ADDRESSED)
        neighbours = shown("neigh")
        second = os.readlink("/proc/self/ns/net")
        session.end()

    assert first != second
    assert len(neighbours) == 1


@pytest.mark.usefixtures("nothing_left")
def test_a_socket_that_cannot_be_opened_leaves_the_namespace() -> None:
    twice = (Socket("a", "udp", "10.0.0.1", 7), Socket("b", "udp", "10.0.0.1", 7))
    with case("pass") as session:
        session.end()
        before = os.readlink("/proc/self/ns/net")
        with pytest.raises(RunError):
            session.begin(twice, ADDRESSED)
        assert os.readlink("/proc/self/ns/net") == before


def test_an_ordinary_run_has_the_interfaces_of_the_case_as_ingress() -> None:
    ctx = struct.pack("=6I", 0, len(FRAME), 0, 3, 0, 0)
    with case("routed", ADDRESSED) as session:
        reply = session.run(Request(FRAME, ctx, 24, setup=Setup(reads=(Read(".bss"),))))
        unknown = session.run(Request(FRAME, struct.pack("=6I", 0, len(FRAME), 0, 9, 0, 0)))

    assert (reply.errno, unknown.errno) == (0, 19)  # ENODEV


@pytest.mark.parametrize(
    ("wanted", "code", "mac"),
    [
        (ADDRESSED, 0, "020000000099"),  # BPF_FIB_LKUP_RET_SUCCESS
        (ADDRESSED._replace(neighbours=(Neighbour("10.1.0.8", "02:00:00:00:00:98", "right"),)), 7, ""),  # NO_NEIGH
        (BOTH._replace(neighbours=(Neighbour("10.1.0.8", "02:00:00:00:00:98", "right"),)), 4, ""),  # NOT_FWDED
    ],
)
def test_bpf_fib_lookup_sees_routes_and_neighbours(wanted: Network, code: int, mac: str) -> None:
    ctx = struct.pack("=6I", 0, len(FRAME), 0, 2, 0, 0)
    with case("routed", wanted) as session:
        reply = session.run(Request(FRAME, ctx, 24, setup=Setup(reads=(Read(".bss"),))))

    content = dict(reply.contents[0].entries)[bytes(4)] or b""
    assert reply.retval == code
    assert (bytes.fromhex("020000000003") + bytes.fromhex(mac) in content) is bool(mac)


def test_a_frame_can_be_put_in_from_outside() -> None:
    for kind in ("tap", "veth"):
        left = LEFT._replace(kind=kind, addresses=(("10.0.0.1", 24),))
        with closing(Namespace(Network((left,)))) as made, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("10.0.0.1", 7))
            one.settimeout(10)
            made.send("left", udp("10.0.0.1", 7))
            assert one.recv(100) == b"hello"


# --- what is left -------------------------------------------------------------------------------------------------

RUNNING = """
import os
from bpftest.kernel import namespace
from tests.kernel.frames import case, request
from tests.kernel.test_network import IPV6
namespace.enter()
with case("tx", IPV6) as session:
    session.run(request(repeat=100))
    print(os.readlink("/proc/self/ns/net"), flush=True)
    session.run(request(repeat=2**31 - 1))
"""


def test_a_process_that_is_killed_leaves_no_namespace() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNNING], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        own = process.stdout.readline().strip()
        assert os.readlink(f"/proc/{process.pid}/ns/net") == own
        process.send_signal(signal.SIGKILL)

    assert own not in in_use()


def in_use() -> set[str]:
    """The network namespaces that processes are in."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):  # it has ended
            found.add(os.readlink(path))
    return found


def test_what_is_sent_is_told_for_each_interface() -> None:
    with closing(Namespace(BOTH)) as made:
        with network._packet_socket("left") as sender:
            sender.send(FRAME)
        assert os.read(made.taps["left"], 2000) == FRAME
        after = interfaces.sent()

    assert after == {"lo": Sent(0, 0), "left": Sent(1, 0), "right": Sent(0, 0)}
