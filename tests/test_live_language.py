"""What suites say of interfaces and live frames: what the kernel is asked for, and checks of what may have come."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from bpftest.elf import ElfProgram, read_object
from bpftest.events import CaseFinished, HexRow
from bpftest.expectations import EXPECTATIONS
from bpftest.expectations.frames import TOLD_MAX
from bpftest.kernel.door import (
    Caught,
    Interface,
    Live,
    LoadReport,
    Neighbour,
    Network,
    Observation,
    Reply,
    Request,
    Route,
    Setup,
    Write,
)
from bpftest.packets.sources import Scope, packet
from bpftest.plan import Job, Object, plan
from bpftest.progtypes.xdp import live_max
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.expecting import Broken, check, context, ran, refused, written
from tests.golden import assert_golden
from tests.suite.mistakes import report
from tests.test_runner import FakeKernel

OBJECT = Object("fw.bpf.o", (ElfProgram("main", "xdp"), ElfProgram("egress", "tc")))
TWO = "interfaces: [left, right]"
PACKET = "packet: {zeros: 60}"
LIVE = f"{TWO}, live: {{ingress: left}}, {PACKET}"
NONE_LEFT = "expect: {frames: {left: {count: 0}}}"


def text_of(*cases: str) -> str:
    """A suite of *cases*, each in one line, the first in line 5."""
    lines = ["version: 1", "object: fw.bpf.o", "program: main", "cases:"]
    return "\n".join([*lines, *(f"  - {{name: case {number}, {case}}}" for number, case in enumerate(cases))])


def job(case: str, found: Object = OBJECT) -> Job:
    return plan(suite(document("fw.yaml", text_of(case))), {("fw.bpf.o", ()): found}).jobs[0]


def request(case: str) -> Request:
    (step,) = job(case).steps
    assert step.ask is not None
    return step.ask(()).request


def mistakes(case: str) -> str:
    """All that is wrong with *case*, as people see it."""
    read = document("fw.yaml", text_of(case))
    try:
        plan(suite(read), {("fw.bpf.o", ()): OBJECT})
    except InvalidSuiteFile as invalid:
        return report(invalid.faults, read.lines)
    return "taken\n"


# --- interfaces, routes, neighbours -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "network"),
    [
        (TWO, Network((Interface("left", 2), Interface("right", 3)))),
        (
            "interfaces: {left: {}, right: {up: false}}",
            Network((Interface("left", 2), Interface("right", 3, up=False))),
        ),
        (
            'interfaces: {wan: {kind: veth, mac: "02:00:00:00:00:AA", mtu: 9000, ip: [10.3.0.1/24, "2001:db8::1/64"]}}',
            Network(
                (
                    Interface(
                        "wan", 2, "veth", "02:00:00:00:00:aa", 9000, (("10.3.0.1", 24), ("2001:db8::1", 64)), up=True
                    ),
                )
            ),
        ),
        ("interfaces: {wan: {ip: 10.3.0.1/31}}", Network((Interface("wan", 2, addresses=(("10.3.0.1", 31),)),))),
        (
            (
                "interfaces: {wan: {ip: 10.3.0.1/24}}, routes: [{to: 192.0.2.0/24, via: 10.3.0.10}, "
                "{to: 198.51.100.7, interface: wan}, {to: default, via: 198.51.100.7}, {to: 0.0.0.0/0, interface: wan}"
                '], neighbours: [{ip: 10.3.0.10, mac: "02:00:00:00:00:10", interface: wan}]'
            ),
            Network(
                (Interface("wan", 2, addresses=(("10.3.0.1", 24),)),),
                (
                    Route("192.0.2.0/24", "10.3.0.10"),
                    Route("198.51.100.7/32", "", "wan"),
                    Route("default", "198.51.100.7"),
                    Route("0.0.0.0/0", "", "wan"),
                ),
                (Neighbour("10.3.0.10", "02:00:00:00:00:10", "wan"),),
            ),
        ),
        (
            (
                'interfaces: {wan: {ip: "2001:db8::1/64"}}, '
                'routes: [{to: "::/0", via: "fe80::1", interface: wan}, {to: "2001:db8:1::/48", via: "2001:db8::9"}]'
            ),
            Network(
                (Interface("wan", 2, addresses=(("2001:db8::1", 64),)),),
                (Route("::/0", "fe80::1", "wan"), Route("2001:db8:1::/48", "2001:db8::9")),
            ),
        ),
    ],
)
def test_a_network_is_made_of_what_the_case_says(said: str, network: Network) -> None:
    assert job(f"{said}, {PACKET}, expect: {{retval: 1}}").network == network


def test_a_case_says_nothing_of_a_network_and_runs_in_that_of_bpftest() -> None:
    assert job(f"{PACKET}, expect: {{retval: 1}}").network == Network()


def test_a_session_gets_the_network_of_each_case() -> None:
    read = suite(
        document("fw.yaml", text_of(f"{TWO}, {PACKET}, expect: {{retval: 2}}", f"{PACKET}, expect: {{retval: 2}}"))
    )
    kernel = FakeKernel()
    made = plan(read, {("fw.bpf.o", ()): OBJECT})

    list(run_suite(made, frozenset(["case 0", "case 1"]), kernel))

    assert kernel.networks == [Network((Interface("left", 2), Interface("right", 3))), Network()]


def test_steps_share_the_network_of_their_case() -> None:
    steps = "steps: [{expect: {retval: 2}}, {live: {ingress: right}, expect: {frames: {left: {count: 0}}}}]"
    found = job(f"{TWO}, {PACKET}, {steps}")

    first, second = [step.ask([]).request for step in found.steps if step.ask]
    assert (first.live, second.live) == (None, Live("right"))


def test_the_defaults_say_a_network_for_cases_that_say_none_themselves() -> None:
    defaults = "defaults: {interfaces: [one], routes: [{to: 10.0.0.0/8, interface: one}], live: {ingress: one}}"
    expect = f"{PACKET}, expect: {{frames: {{stack: {{count: 1}}}}}}"
    other = "interfaces: [two], routes: [{to: 10.1.0.0/16, interface: two}], live: {ingress: two}"
    text = text_of(expect, f"{other}, {expect}").replace("cases:", f"{defaults}\ncases:")

    jobs = plan(suite(document("fw.yaml", text)), {("fw.bpf.o", ()): OBJECT}).jobs

    assert [job.network for job in jobs] == [
        Network((Interface("one", 2),), (Route("10.0.0.0/8", "", "one"),)),
        Network((Interface("two", 2),), (Route("10.1.0.0/16", "", "two"),)),
    ]
    assert [job.steps[0].context.live for job in jobs] == [Live("one"), Live("two")]


def test_a_case_with_live_frames_is_skipped_where_the_kernel_has_none() -> None:
    kernel = FakeKernel()
    kernel.missing = "live_frames is not there"
    cases = (f"{LIVE}, {NONE_LEFT}", f"{PACKET}, expect: {{retval: 2}}")
    made = plan(suite(document("fw.yaml", text_of(*cases))), {("fw.bpf.o", ()): OBJECT})

    events = [
        event for event in run_suite(made, frozenset(["case 0", "case 1"]), kernel) if isinstance(event, CaseFinished)
    ]

    assert [(event.outcome.value, event.message) for event in events] == [
        ("SKIP", "live_frames is not there"),
        ("PASS", ""),
    ]


INTERFACES = [
    "interfaces: [a/b]",
    "interfaces: [a b]",
    'interfaces: ["eth:0"]',
    'interfaces: ["eth%d"]',
    "interfaces: [lo]",
    "interfaces: [all]",
    "interfaces: [default]",
    "interfaces: [stack]",
    "interfaces: [abcdefghijklmnop]",
    "interfaces: [left, abcdefghijklmnö]",
    "interfaces: {abcdefghijk: {kind: veth}}",
    "interfaces: {left: {kind: bridge}}",
    "interfaces: {left: {mtu: 67}}",
    "interfaces: {left: {mtu: 65522}}",
    'interfaces: {left: {mtu: 1279, ip: "2001:db8::1/64"}}',
    "interfaces: {left: {mac: 02-00-00-00-00-01}}",
    'interfaces: {left: {mac: "03:00:00:00:00:01"}}',
    'interfaces: {left: {mac: "00:00:00:00:00:00"}}',
    "interfaces: {left: {ip: 10.0.0.1}}",
    "interfaces: {left: {ip: [10.0.0.1/33]}}",
    "interfaces: {left: {ip: [10.0.0.1/24, 10.0.0/24]}}",
    "interfaces: {left: {ip: [10.0.0.1/24, 10.0.0.1/16]}}",
    "interfaces: {left: {addr: 10.0.0.1/24}}",
    "interfaces: {left: }",
    "interfaces: [left, left]",
    "interfaces: []",
    # Several at once
    'interfaces: {lo: {}, left: {ip: x/8}, right: {mac: "1"}}',
]
WAN = "interfaces: {wan: {ip: [10.3.0.1/24]}, off: {ip: [10.4.0.1/24], up: false}}"
ROUTES = [
    "routes: [{to: 10.0.0.0/8, via: 10.3.0.1}]",
    f"{WAN}, routes: [{{via: 10.3.0.9}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24}}]",
    f"{WAN}, routes: [{{to: 192.0.2.1/24, via: 10.3.0.9}}]",
    f"{WAN}, routes: [{{to: 192.0.2.x, via: 10.3.0.9}}]",
    f"{WAN}, routes: [{{to: default, interface: wan}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24, via: 10.3.0.9/24}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24, via: 10.9.0.9}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24, via: 10.4.0.9}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24, via: 10.3.0.9, interface: wna}}]",
    f"{WAN}, routes: [{{to: 192.0.2.0/24, interface: off}}]",
    f'{WAN}, routes: [{{to: "2001:db8::/32", via: 10.3.0.9}}]',
    f"{WAN}, neighbours: [{{ip: 10.3.0.9, mac: x, interface: wan}}]",
    f'{WAN}, neighbours: [{{ip: 10.3.0.9/24, mac: "02:00:00:00:00:01", interface: wan}}]',
    f'{WAN}, neighbours: [{{ip: 10.3.0.9, mac: "02:00:00:00:00:01", interface: lan}}]',
    f"{WAN}, neighbours: [{{ip: 10.3.0.9}}]",
    'neighbours: [{ip: 10.3.0.9, mac: "02:00:00:00:00:01", interface: wan}]',
]


SOCKETS = [
    "interfaces: [left], sockets: {fast: {type: xdp}}",
    "interfaces: [left], sockets: {fast: {type: xdp, interface: lift}}",
    "interfaces: [left], sockets: {fast: {type: xdp, interface: left, port: 53}}",
    "interfaces: [left], sockets: {web: {type: udp, address: 10.0.0.1, port: 53, queue: 1}}",
    "sockets: {fast: {type: xdp, interface: left}}",
]


def test_what_cannot_be_in_a_network_is_refused_at_its_place() -> None:
    wrong = [*INTERFACES, *ROUTES, *SOCKETS]
    told = [f"--- {one}\n{mistakes(f'{one}, {PACKET}, expect: {{retval: 1}}')}" for one in wrong]

    assert not [one for one in told if one.endswith("taken\n")]
    assert_golden("live/networks.txt", "\n".join(told))


# --- names of interfaces elsewhere --------------------------------------------------------------------------------


def test_a_ctx_names_the_interface_that_a_packet_came_in_through() -> None:
    asked = request(f"{TWO}, {PACKET}, ctx: {{ingress_ifindex: right}}, expect: {{retval: 1}}")

    assert asked.ctx_in == struct.pack("=6I", 0, 60, 0, 3, 0, 0)


def test_a_devmap_names_the_interface_that_it_leads_to(build: Callable[..., str]) -> None:
    path = build("every_map")
    case = f"{TWO}, {PACKET}, maps: {{devmap: [{{key: 1, value: {{ifindex: right}}}}]}}, expect: {{retval: 1}}"
    found = job(case.replace("}]}, expect", "}]}, program: pass, type: xdp, expect"), Object(path, *read_object(path)))

    (step,) = found.steps
    assert step.ask is not None
    (write,) = step.ask(()).request.setup.writes
    assert write == Write("devmap", b"\1\0\0\0", b"\3\0\0\0\0\0\0\0")


# --- live ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ("{ingress: left}", Live("left")),
        ("{ingress: right, batch_size: 256, pristine: true}", Live("right", 256, pristine=True)),
    ],
)
def test_live_frames_come_in_through_an_interface(live: str, wanted: Live) -> None:
    asked = request(f"{TWO}, live: {live}, repeat: 1000000, {PACKET}, expect: {{frames: {{right: {{count: 1}}}}}}")

    ctx = struct.pack("=6I", 0, 60, 0, 2 if wanted.ingress == "left" else 3, 0, 0)
    setup = Setup(frames=("right",))
    assert asked == Request(bytes(60), ctx, 0, repeat=1_000_000, flags=2, timeout_s=10, setup=setup, live=wanted)


def test_live_frames_have_metadata_and_a_receive_queue_like_others() -> None:
    packet = 'packet: {zeros: 60, metadata: "01020304"}'
    asked = request(f"{TWO}, live: {{ingress: left}}, {packet}, ctx: {{rx_queue_index: 0}}, {NONE_LEFT}")

    assert asked.data_in == b"\1\2\3\4" + bytes(60)
    assert asked.ctx_in == struct.pack("=6I", 4, 64, 0, 2, 0, 0)


def test_what_is_caught_is_what_the_case_expects() -> None:
    sockets = "sockets: {dns: {type: udp, address: 127.0.0.1, port: 53}}"
    expect = "expect: {frames: {stack: {count: 1}, left: {count: 0}}, sockets: {dns: {count: 1}}}"

    assert request(f"{LIVE}, {sockets}, {expect}").setup == Setup(frames=("stack", "left"), received=("dns",))


LIVES = [
    f"live: {{ingress: left}}, {PACKET}, expect: {{globals: {{x: 1}}}}",
    f"{TWO}, live: {{}}, {PACKET}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: lfet}}, {PACKET}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: left, batch_size: 0}}, {PACKET}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: left, batch_size: 257}}, {PACKET}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: left, hook: tcx_ingress}}, {PACKET}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: left, interface: right}}, {PACKET}, {NONE_LEFT}",
    f"{LIVE}, expect: {{retval: XDP_TX, output: {{unchanged: true}}, ctx: {{data: 0}}, duration: {{max: 1s}}}}",
    f"{LIVE}, expect: {{socket: none}}",
    f"{LIVE}, benchmark: {{samples: 3}}, {NONE_LEFT}",
    f"{TWO}, live: {{ingress: left}}, packet: {{zeros: {live_max() + 1}}}, {NONE_LEFT}",
    f"{LIVE}, ctx: {{data_end: 30}}, {NONE_LEFT}",
    f"{LIVE}, ctx: {{ingress_ifindex: right}}, {NONE_LEFT}",
    f"{LIVE}, steps: [{{name: one, {NONE_LEFT}}}, {{packet: {{from: one}}, {NONE_LEFT}}}]",
    f"{LIVE}, steps: [{{name: one, {NONE_LEFT}}}, {{ctx: {{from: one}}, {NONE_LEFT}}}]",
    f"{LIVE}, sockets: {{web: {{type: tcp, address: 10.0.0.1, port: 8}}}}, expect: {{sockets: {{web: {{count: 1}}}}}}",
]


def test_what_live_frames_cannot_be_is_refused_at_its_place() -> None:
    told = [f"--- {one}\n{mistakes(one)}" for one in LIVES]

    assert not [one for one in told if one.endswith("taken\n")]
    assert_golden("live/refused.txt", "\n".join(told))


@pytest.mark.parametrize(
    ("case", "errno"),
    [
        (f"{TWO}, live: {{ingress: left, batch_size: 257}}, {PACKET}", "E2BIG"),
        (f"{TWO}, live: {{ingress: left}}, packet: {{zeros: {live_max() + 1}}}", "EINVAL"),
        (f"{LIVE}, ctx: {{data_end: 30}}", "EINVAL"),
    ],
)
def test_a_case_that_expects_the_refusal_of_live_frames_is_let_through(case: str, errno: str) -> None:
    assert request(f"{case}, expect: {{errno: {errno}}}").live is not None


def test_the_longest_live_frame_is_let_through() -> None:
    asked = request(f"{TWO}, live: {{ingress: left}}, packet: {{zeros: {live_max()}}}, {NONE_LEFT}")

    assert len(asked.data_in or b"") == live_max()


# --- frames -------------------------------------------------------------------------------------------------------


def udp(ttl: int, number: int = 0) -> bytes:
    text = f'Ether()/IP(src="10.0.0.1", dst="10.0.0.2", ttl={ttl})/UDP(sport=1, dport=53, chksum=0)/Raw("{number:05}")'
    return packet(text, Scope()).data


SENT, LESS = udp(64), udp(63)
XDP = context("xdp", interfaces={"lo": 1, "left": 2, "right": 3}, live=Live("left"), sockets=("dns", "log"))
TTL = "{fields: {IP.ttl: 63}}"


def caught(*right: tuple[bytes, int], left: tuple[tuple[bytes, int], ...] = ()) -> Observation:
    return ran(frames=(Caught("right", right), Caught("left", left), Caught("stack", ())))._replace(packet=SENT)


@pytest.mark.parametrize(
    ("text", "came", "held", "broken"),
    [
        # How many
        ("{right: {count: 1000}, left: {count: 0}}", [(LESS, 1000)], "right 1,000, left 0", []),
        (
            "{right: {count: 1000}, left: {count: 0}}",
            [(LESS, 999)],
            "left 0",
            [("frames.right count", "1,000", "999")],
        ),
        ("{right: {count: {min: 2}}}", [(LESS, 2)], "right 2", []),
        ("{right: {count: {min: 2, max: 3}}}", [(LESS, 4)], "", [("frames.right count", "2 to 3", "4")]),
        ("{right: {count: {max: 3}}}", [(LESS, 3)], "right 3", []),
        ("{stack: {count: 1}}", [(LESS, 3)], "", [("frames.stack count", "1", "0")]),
        # Every one
        (f"{{right: {{output: {TTL}}}}}", [(LESS, 3), (udp(63, 1), 1)], "right 4", []),
        (f"{{right: {{all: {TTL}}}}}", [(LESS, 3)], "right 3", []),
        (f"{{right: {{output: {TTL}}}}}", [], "", [("frames.right output", "a frame like this", "no frame")]),
        (
            f"{{right: {{output: {TTL}}}}}",
            [(LESS, 2), (SENT, 1), (LESS, 1)],
            "",
            [("frames.right #3 IP.ttl", "63", "64", 22, False)],
        ),
        (
            f"{{right: {{output: {TTL}}}}}",
            [(LESS, 2), (SENT, 1), (udp(62), 1000)],
            "",
            [
                ("frames.right #3 IP.ttl", "63", "64", 22, False),
                ("frames.right output", "all 1,003 frames like this", "1,001 that differ"),
            ],
        ),
        ("{right: {output: {unchanged: true, length: 47}}}", [(SENT, 1)], "right 1", []),
        ("{right: {output: {checksums: valid}}}", [(SENT, 1)], "right 1", []),
        # One of them
        (f"{{right: {{first: {TTL}}}}}", [(LESS, 1), (SENT, 1)], "right 2", []),
        (
            f"{{right: {{first: {TTL}}}}}",
            [(SENT, 1), (LESS, 1)],
            "",
            [("frames.right #1 IP.ttl", "63", "64", 22, False)],
        ),
        (f"{{right: {{first: {TTL}}}}}", [], "", [("frames.right first", "a frame like this", "no frame")]),
        (f"{{right: {{any: {TTL}}}}}", [(SENT, 5), (LESS, 1)], "right 6", []),
        (
            "{right: {any: {fields: {IP.ttl: 63, IP.dst: 10.0.0.2, IP.src: 10.0.0.1}}}}",
            [(b"\xff" * 14, 5), (SENT, 1)],
            "",
            [
                ("frames.right any", "a frame like this", "none of 6"),
                ("frames.right #6 IP.ttl", "63", "64", 22, False),
            ],
        ),
        (f"{{right: {{any: {TTL}}}}}", [], "", [("frames.right any", "a frame like this", "no frame")]),
        # In order
        (f"{{right: [{TTL}, {{unchanged: true}}, {TTL}]}}", [(LESS, 1), (SENT, 1), (LESS, 1)], "right 3", []),
        (f"{{right: [{TTL}, {TTL}]}}", [(LESS, 2)], "right 2", []),
        (
            f"{{right: {{exactly: [{TTL}, {{unchanged: true}}]}}}}",
            [(LESS, 2)],
            "",
            [
                ("frames.right #2 IP.ttl", "64", "63", 22, False),
                ("frames.right #2 IP.chksum", "0x66c9", "0x67c9", 24, True),
            ],
        ),
        (f"{{right: [{TTL}, {TTL}]}}", [(LESS, 1)], "", [("frames.right count", "2", "1")]),
        (f"{{right: [{TTL}]}}", [(LESS, 7)], "", [("frames.right count", "1", "7")]),
    ],
)
def test_frames_are_counted_and_compared_where_they_are_caught(
    text: str, came: list[tuple[bytes, int]], held: str, broken: Broken
) -> None:
    assert check(f"frames: {text}", XDP, caught(*came)) == (held, broken)


def test_metadata_that_was_given_is_not_expected_of_a_frame() -> None:
    known = XDP._replace(scope=Scope(packets={"sent": {"hex": SENT.hex(), "metadata": "01020304"}}))

    assert check("frames: {right: {output: sent}}", known, caught((SENT, 1))) == ("right 1", [])


def test_equal_frames_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpftest.packets import checksums

    looked_at: list[bytes] = []
    valid = checksums.checksums

    def noted(data: bytes, link: str) -> tuple[checksums.Checksum, ...]:
        looked_at.append(data)
        return valid(data, link)

    monkeypatch.setattr(checksums, "checksums", noted)

    came = caught((SENT, 500_000), (LESS, 1), (SENT, 499_999))
    assert check("frames: {right: {output: {checksums: valid}}}", XDP, came) == ("right 1,000,000", [])
    assert looked_at == [SENT, LESS]


def test_after_a_thousand_different_frames_that_are_wrong_the_others_are_not_looked_at() -> None:
    came = caught(*((udp(64, number), 1) for number in range(TOLD_MAX + 100)))

    assert check("frames: {right: {output: {length: 9}}}", XDP, came) == (
        "",
        [
            ("frames.right #1 length", "9", "47"),
            ("frames.right output", "all 1,100 frames like this", "1,000 or more that differ"),
        ],
    )


def test_the_bytes_that_differ_are_those_of_the_first_frame_that_does_and_its_interface_is_marked() -> None:
    want = written("frames: {left: {count: 0}, right: {output: {hex: ffff, prefix: true}}}")

    found = EXPECTATIONS["frames"](want, XDP)(caught((b"\xff\xfe" * 8, 2)))

    assert found.rows == (HexRow(0, "ff ff", "ff fe", "   ^^"),)
    assert found.excerpt is not None
    assert (found.excerpt.place.line, found.excerpt.place.column) == (2, 30)


FRAMES = [
    "frames: {rigth: {count: 1}}",
    "frames: {lo: {count: 1}}",
    "frames: {right: {count: {min: 3, max: 2}}}",
    "frames: {right: {count: {min: 0}}}",
    "frames: {right: {output: {flow_keys: {nhoff: 14}}}}",
    'frames: {right: {first: {zeros: 60, metadata: "00000000"}}}',
    "frames: {right: {any: Ehter()/IP()}}",
    "frames: {right: [{fields: {IP.tll: 3}}]}",
    "frames: {right: {output: {prefix: true}}}",
    "sockets: {web: {count: 1}}",
    "sockets: {dns: {count: {min: 0}}}",
    "sockets: {dns: {received: [{fields: {x: 1}}]}}",
    "rate: {min: 2kpps, max: 1kpps}",
]


def test_what_cannot_be_expected_of_frames_is_refused_at_its_place() -> None:
    told = [f"{text}\n{refused(text, XDP)}" for text in FRAMES]
    told += [f"without live: {text}\n{refused(text, XDP._replace(live=None))}" for text in (FRAMES[0], FRAMES[-1])]
    told.append(f"another type: {FRAMES[0]}\n{refused(FRAMES[0], context('sched_cls'))}")
    told.append(f"no sockets: {FRAMES[9]}\n{refused(FRAMES[9], XDP._replace(sockets=()))}")

    assert_golden("live/expected.txt", "\n".join(told))


def test_a_program_that_sends_itself_needs_no_live_for_frames_to_be_caught() -> None:
    cls = context("sched_cls", interfaces={"lo": 1, "right": 2})

    assert check("frames: {right: {output: {unchanged: true}}}", cls, caught((SENT, 2))) == ("right 2", [])


# --- sockets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "payloads", "held", "broken"),
    [
        ("{dns: {received: [hello, {hex: 68 65}, {be16: 80}]}}", [b"hello", b"he", b"\0P"], "dns 3", []),
        ("{dns: {count: 2}, log: {count: 0}}", [b"a", b"b"], "dns 2, log 0", []),
        ("{dns: {count: {min: 3}}, log: {count: 0}}", [b"a"], "log 0", [("sockets.dns count", "at least 3", "1")]),
        ("{dns: {received: [hello]}}", [b"hallo"], "", [("sockets.dns #1", '"hello"', '"hallo"')]),
        (
            "{dns: {received: [hello, {u32: 7}]}}",
            [b"hello"],
            "",
            [("sockets.dns received", "2", "1"), ("sockets.dns #2", "7", "nothing more")],
        ),
        (
            "{dns: {received: [hello]}}",
            [],
            "",
            [("sockets.dns received", "1", "0"), ("sockets.dns #1", '"hello"', "nothing")],
        ),
        (
            "{dns: {received: []}}",
            [b"hello"],
            "",
            [("sockets.dns received", "0", "1"), ("sockets.dns #1", "nothing more", "68 65 6c 6c 6f")],
        ),
    ],
)
def test_sockets_receive_payloads_in_order(text: str, payloads: list[bytes], held: str, broken: Broken) -> None:
    assert check(f"sockets: {text}", XDP, ran(received=(("dns", tuple(payloads)),))) == (held, broken)


# --- rate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "duration_ns", "held", "broken"),
    [
        ("{min: 500kpps}", 1000, "1,000,000 pps", []),
        ("{min: 1Mpps, max: 1Mpps}", 1000, "1,000,000 pps", []),
        ("{max: 999999pps}", 1000, "", [("rate", "at most 999,999 pps", "1,000,000 pps")]),
        ("{min: 1.5Mpps}", 1000, "", [("rate", "at least 1,500,000 pps", "1,000,000 pps")]),
        ("{min: 2Mpps, max: 3Mpps}", 333, "", [("rate", "from 2,000,000 to 3,000,000 pps", "3,003,003 pps")]),
    ],
)
def test_a_rate_is_told_in_packets_a_second(text: str, duration_ns: int, held: str, broken: Broken) -> None:
    assert check(f"rate: {text}", XDP, ran(duration_ns=duration_ns)) == (held, broken)


# --- what reports tell --------------------------------------------------------------------------------------------


def finished(case: str, **reply: object) -> CaseFinished:
    kernel = FakeKernel(lambda _: Reply(**reply), LoadReport())  # type: ignore[arg-type]
    made = plan(suite(document("fw.yaml", text_of(case))), {("fw.bpf.o", ()): OBJECT})
    _, event, _ = run_suite(made, frozenset(["case 0"]), kernel)
    assert isinstance(event, CaseFinished)
    return event


ALL = f"{TWO}, live: {{ingress: left}}, repeat: 100, packet: {{hex: {SENT.hex()}}}"
PRISTINE = ALL.replace("ingress: left", "ingress: left, pristine: true")
RECYCLED = (
    "from frame 65 on it may get the page of a dropped one again as it had left it; "
    "'live: {pristine: true}' gives it new ones"
)


def test_a_report_has_packets_a_second_in_place_of_a_retval() -> None:
    event = finished(f"{ALL}, expect: {{rate: {{min: 1pps}}}}", duration_ns=500)

    assert dict(event.properties) == {
        "program": "main",
        "type": "xdp",
        "packets_per_second": "2000000",
        "duration_ns": "500",
    }


def test_a_failure_is_told_with_the_causes_of_missing_frames() -> None:
    causes = ("xdp_redirect_err to right err=-95: the target cannot transmit XDP frames (100 times)",)
    event = finished(f"{PRISTINE}, expect: {{frames: {{right: {{count: 100}}}}}}", causes=causes)

    assert (event.kind, event.message) == ("bpftest.FramesMismatch", "frames.right count 100 != 0")
    assert event.notes == causes


def test_causes_are_not_told_of_what_is_as_expected() -> None:
    event = finished(f"{ALL}, expect: {{frames: {{right: {{count: 0}}}}}}", causes=("kfree_skb",))

    assert (event.outcome.value, event.notes) == ("PASS", ())


@pytest.mark.parametrize(
    ("case", "came", "notes"),
    [
        # It writes, and not all that it got has left
        (
            f"{ALL}, expect: {{frames: {{right: {{count: 30}}}}}}",
            30,
            (f"the program writes to the packet: {RECYCLED}",),
        ),
        (f"{ALL}, expect: {{frames: {{right: {{count: 100}}}}}}", 100, ()),
        (f"{ALL.replace('repeat: 100', 'repeat: 64')}, expect: {{frames: {{right: {{count: 30}}}}}}", 30, ()),
        (
            f"{PRISTINE}, expect: {{frames: {{right: {{count: 30}}}}}}",
            30,
            (),
        ),
        # Whether it writes is not seen where nothing has left
        (f"{ALL}, expect: {{frames: {{right: {{count: 0}}}}}}", 0, ()),
        (
            f"{ALL}, expect: {{frames: {{right: {{count: 1}}}}}}",
            0,
            (f"if the program writes to the packet: {RECYCLED}",),
        ),
    ],
)
def test_pages_that_come_back_as_the_program_left_them_are_told(case: str, came: int, notes: tuple[str, ...]) -> None:
    runs = ((LESS, came),) if came else ()

    assert finished(case, frames=(Caught("right", runs),)).notes == notes
