"""What suites say of programs that are attached: where, and how the packet gets there."""

from __future__ import annotations

import pytest

from bpftest.elf import ElfProgram
from bpftest.kernel.attach import HOOKS as KERNEL_HOOKS
from bpftest.kernel.door import Live, Request
from bpftest.plan import Object, plan
from bpftest.progtypes import PROG_TYPES
from bpftest.progtypes.hooks import HOOKS, hooks_of
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.golden import assert_golden
from tests.suite.mistakes import report

SECTIONS = {
    "classify": "tc",
    "tcx": "tcx/egress",
    "act": "action",
    "arrive": "lwt_in",
    "leave": "lwt_out",
    "carry": "lwt_xmit",
    "endpoint": "lwt_seg6local",
    "enter": "cgroup_skb/ingress",
    "exit": "cgroup_skb/egress",
    "either": "cgroup/skb",
    "filter": "netfilter",
    "capture": "socket",
}
OBJECT = Object("all.bpf.o", tuple(ElfProgram(name, section) for name, section in SECTIONS.items()))
TWO = "interfaces: {left: {ip: 10.1.0.1/24}, right: {ip: 10.2.0.1/24}}"
ROUTE = "routes: [{to: 10.9.0.0/16, via: 10.2.0.7}]"
ROUTES = "routes: [{to: 10.9.0.0/16, via: 10.2.0.7}, {to: 10.8.0.1, interface: right}]"
PACKET = 'packet: {hex: "020000000002 020000000099 0800 4500001400000000400000000a0100090a090001"}'
IP_PACKET = 'packet: {hex: "4500001400000000400000000a0100090a090001"}'
NONE_LEFT = "expect: {frames: {right: {count: 0}}}"


def text_of(case: str) -> str:
    """A suite of one case, in line 4."""
    return "\n".join(["version: 1", "object: all.bpf.o", "cases:", f"  - {{name: case, {case}}}"])


def request(case: str) -> Request:
    made = plan(suite(document("all.yaml", text_of(case))), {("all.bpf.o", ()): OBJECT})
    (step,) = made.jobs[0].steps
    assert step.ask is not None
    return step.ask(()).request


def mistakes(case: str) -> str:
    """All that is wrong with *case*, as people see it."""
    read = document("all.yaml", text_of(case))
    try:
        plan(suite(read), {("all.bpf.o", ()): OBJECT})
    except InvalidSuiteFile as invalid:
        return report(invalid.faults, read.lines)
    return "taken\n"


def test_the_language_has_the_hooks_that_the_kernels_room_attaches_to() -> None:
    assert HOOKS.keys() == KERNEL_HOOKS.keys()


def test_hooks_are_of_types_that_there_are() -> None:
    assert {hook.prog_type for hook in HOOKS.values()} < PROG_TYPES.keys()


@pytest.mark.parametrize("hook", KERNEL_HOOKS)
def test_every_hook_is_one_of_a_type(hook: str) -> None:
    assert hook in hooks_of(HOOKS[hook].prog_type)


@pytest.mark.parametrize(
    ("case", "live"),
    [
        ("program: classify, live: {ingress: left}", Live("left", hook="ingress")),
        (
            "program: classify, live: {ingress: left, interface: right}",
            Live("left", hook="ingress", interface="right"),
        ),
        (
            "program: classify, live: {ingress: left, hook: clsact_egress, interface: right}",
            Live("left", hook="clsact_egress", interface="right"),
        ),
        ("program: classify, live: {hook: egress, interface: right}", Live("", hook="egress", interface="right")),
        (
            "program: classify, attach_type: tcx_ingress, live: {ingress: left}",
            Live("left", hook="tcx_ingress"),
        ),
        ("program: tcx, live: {ingress: left, interface: right}", Live("left", hook="tcx_egress", interface="right")),
        (f"program: arrive, {ROUTE}, live: {{ingress: left}}", Live("left", hook="lwt_in", route="10.9.0.0/16")),
        (f"program: leave, {ROUTE}, live: {{}}", Live("", hook="lwt_out", route="10.9.0.0/16")),
        (
            f"program: carry, {ROUTES}, live: {{ingress: left, hook: lwt_xmit, route: 10.8.0.1}}",
            Live("left", hook="lwt_xmit", route="10.8.0.1/32"),
        ),
        ("program: enter, live: {ingress: left}", Live("left", hook="cgroup_inet_ingress")),
        ("program: exit, live: {}", Live("", hook="cgroup_inet_egress")),
        ("program: exit, live: {ingress: left}", Live("left", hook="cgroup_inet_egress")),
        ("program: either, live: {hook: cgroup_inet_egress}", Live("", hook="cgroup_inet_egress")),
        (
            "program: filter, live: {ingress: left, hook: NF_INET_FORWARD}",
            Live("left", hook="NF_INET_FORWARD"),
        ),
        ("program: filter, live: {hook: NF_INET_LOCAL_OUT}", Live("", hook="NF_INET_LOCAL_OUT")),
        (
            "program: filter, live: {}, ctx: {hook: NF_INET_POST_ROUTING, pf: NFPROTO_IPV4}",
            Live("", hook="NF_INET_POST_ROUTING"),
        ),
        ("program: filter, live: {ingress: left}, ctx: {hook: 1}", Live("left", hook="NF_INET_LOCAL_IN")),
        (
            "program: filter, live: {ingress: left, hook: NF_INET_FORWARD}, ctx: {hook: 1}",
            Live("left", hook="NF_INET_FORWARD"),
        ),
    ],
)
@pytest.mark.parametrize("packet", [PACKET, IP_PACKET], ids=["ethernet", "ip"])
def test_a_program_is_attached_where_the_suite_or_its_section_says(case: str, live: Live, packet: str) -> None:
    if packet == IP_PACKET and live.ingress and live.hook not in BEHIND_IP:
        packet = PACKET  # a program that sees frames gets what the suite says
    asked = request(f"{TWO}, {packet}, {case}, repeat: 3, {NONE_LEFT}")

    assert (asked.live, asked.repeat, asked.flags) == (live, 3, 0)
    assert asked.data_in is not None
    assert (len(asked.data_in), asked.data_in[12:]) == (
        34,
        bytes.fromhex("0800 4500001400000000400000000a0100090a090001"),
    )


BEHIND_IP = [name for name, hook in HOOKS.items() if hook.at != "interface"]

REFUSED = [
    f"program: act, live: {{ingress: left}}, {PACKET}, {NONE_LEFT}",
    f"program: capture, live: {{ingress: left}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, hook: lwt_in}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, hook: ingres}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{hook: ingress}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, hook: egress}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: middle}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, interface: rigth}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, route: 10.9.0.0/16}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, batch_size: 8}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left, pristine: true}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left}}, packet: {{zeros: 13}}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left}}, ctx: {{mark: 1}}, {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left}}, flags: [checksum_complete], {PACKET}, {NONE_LEFT}",
    f"program: classify, live: {{ingress: left}}, {PACKET}, expect: {{rate: {{min: 1pps}}}}",
    f"program: classify, live: {{ingress: left}}, {PACKET}, expect: {{errno: EINVAL}}",
    f"program: classify, live: {{ingress: left}}, {PACKET}, expect: {{retval: 0}}",
    f"program: classify, live: {{hook: egress, interface: right}}, packet: {{zeros: 60}}, {NONE_LEFT}",
    f"program: exit, live: {{}}, {PACKET}, expect: {{frames: {{stack: {{count: 0}}}}}}",
    f"program: arrive, {ROUTE}, live: {{}}, {PACKET}, {NONE_LEFT}",
    f"program: arrive, live: {{ingress: left}}, {PACKET}, {NONE_LEFT}",
    f"program: arrive, {ROUTES}, live: {{ingress: left}}, {PACKET}, {NONE_LEFT}",
    f"program: arrive, {ROUTES}, live: {{ingress: left, route: 10.7.0.0/16}}, {PACKET}, {NONE_LEFT}",
    f"program: arrive, {ROUTE}, live: {{ingress: left, interface: right}}, {PACKET}, {NONE_LEFT}",
    f"program: arrive, {ROUTE}, live: {{ingress: left, hook: lwt_out}}, {PACKET}, {NONE_LEFT}",
    f"program: enter, live: {{ingress: left, hook: cgroup_inet_egress}}, {PACKET}, {NONE_LEFT}",
    f"program: filter, live: {{ingress: left}}, {PACKET}, {NONE_LEFT}",
    f"program: filter, live: {{ingress: left, hook: NF_INET_LOCAL_IN}}, ctx: {{pf: 10}}, {PACKET}, {NONE_LEFT}",
]


def test_what_cannot_be_attached_is_refused_at_its_place() -> None:
    told = [f"--- {one}\n{mistakes(f'{TWO}, {one}')}" for one in REFUSED]

    assert not [one for one in told if one.endswith("taken\n")]
    assert_golden("live/attached.txt", "\n".join(told))
