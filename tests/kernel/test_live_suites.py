"""Suites with live frames, on the running kernel: what they expect, what reports tell, and what the kernel refuses."""

from __future__ import annotations

import pytest

from bpftest.elf import read_object
from bpftest.events import CaseFinished
from bpftest.executors.local import RunningKernel
from bpftest.kernel.compile import compiled
from bpftest.plan import Object, plan
from bpftest.progtypes.xdp import live_max
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import suite

pytestmark = pytest.mark.kernel

SOURCE = "tests/programs/live.bpf.c"
BOTH = "{left: {}, right: {}}"


def finished(program: str, said: str, interfaces: str = BOTH, live: str = "{ingress: left}") -> CaseFinished:
    """What becomes of a case that *said* is said of in one line of YAML; its packet is 60 zeros."""
    path = compiled(SOURCE, ())
    case = f"name: one, program: {program}, interfaces: {interfaces}, live: {live}, timeout: 100s, {said}"
    text = f"version: 1\nobject: {path}\ndefaults: {{packet: {{zeros: 60}}}}\ncases:\n  - {{{case}}}\n"
    made = plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))})
    _, event, _ = run_suite(made, frozenset(["one"]), RunningKernel())
    assert isinstance(event, CaseFinished)
    return event


def verdict(program: str, said: str, interfaces: str = BOTH, live: str = "{ingress: left}") -> tuple[str, str]:
    event = finished(program, said, interfaces, live)
    return event.outcome.value, event.message


@pytest.mark.parametrize(
    ("program", "where", "live"),
    [
        ("tx", "left", "{ingress: left}"),
        ("redirect", "right", "{ingress: left, batch_size: 256}"),
    ],
)
def test_of_a_million_frames_none_is_lost_and_all_are_compared(program: str, where: str, live: str) -> None:
    expect = f"{{frames: {{{where}: {{count: 1000000, output: {{unchanged: true}}}}, stack: {{count: 0}}}}}}"

    event = finished(program, f"repeat: 1000000, expect: {expect}", live=live)

    assert (event.outcome.value, event.message, event.notes) == ("PASS", "", ())
    figures = dict(event.properties)
    assert figures["packets_per_second"] == str(round(1_000_000_000 / int(figures["duration_ns"])))


def test_frames_are_expected_in_the_order_in_which_the_program_stamps_them() -> None:
    stamped = ", ".join(f'{{hex: "0{number}000000", prefix: true}}' for number in range(4))

    assert verdict("stamp", f"repeat: 4, expect: {{frames: {{left: [{stamped}]}}}}") == ("PASS", "")


@pytest.mark.parametrize(
    ("maps", "program"),
    [
        ("{ports: [{key: 0, value: {ifindex: right, program: marked}}]}", "to_port"),
        ("{hashed: [{key: 7, value: {ifindex: right, program: marked}}]}", "to_hashed"),
    ],
)
def test_a_devmap_names_an_interface_and_a_program_that_sees_it(maps: str, program: str) -> None:
    marked = '{hex: "00 00 00 00 00 03", prefix: true}'

    assert verdict(program, f"maps: {maps}, expect: {{frames: {{right: {{output: {marked}}}}}}}") == ("PASS", "")


def test_a_program_of_a_cpumap_has_run_when_maps_and_globals_are_looked_at() -> None:
    maps = "maps: {cpus: [{key: 0, value: {qsize: 192, program: counted}}]}"
    expect = "expect: {globals: {seen: 10}, frames: {stack: {count: 10}}}"

    assert verdict("to_cpu", f"{maps}, repeat: 10, {expect}") == ("PASS", "")


def test_an_ordinary_run_catches_what_the_program_sends_itself() -> None:
    path = compiled(SOURCE, ())
    case = "name: one, program: cloned, interfaces: [left, right], repeat: 3"
    expect = "expect: {retval: TC_ACT_OK, frames: {right: {count: 3, output: {unchanged: true}}, left: {count: 0}}}"
    text = f"version: 1\nobject: {path}\ncases:\n  - {{{case}, packet: {{zeros: 60}}, {expect}}}\n"
    made = plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))})

    _, event, _ = run_suite(made, frozenset(["one"]), RunningKernel())

    assert isinstance(event, CaseFinished)
    assert (event.outcome.value, event.message) == ("PASS", "")


@pytest.mark.parametrize(
    ("said", "live"),
    [
        (f"packet: {{zeros: {live_max() + 1}}}, expect: {{errno: EINVAL}}", "{ingress: left}"),
        ("ctx: {data_end: 40}, expect: {errno: EINVAL}", "{ingress: left}"),
        ("expect: {errno: E2BIG}", "{ingress: left, batch_size: 257}"),
        (f"packet: {{zeros: {live_max()}}}, expect: {{frames: {{left: {{count: 1}}}}}}", "{ingress: left}"),
        (
            f'packet: {{zeros: {live_max()}, metadata: "01020304"}}, expect: {{frames: {{left: {{count: 1}}}}}}',
            "{ingress: left}",
        ),
    ],
)
def test_the_kernel_has_the_limits_that_suites_are_held_to(said: str, live: str) -> None:
    assert verdict("tx", said, "{left: {mtu: 9000}}", live) == ("PASS", "")


@pytest.mark.parametrize(
    ("program", "interfaces", "said", "cause"),
    [
        ("redirect", "{left: {}, right: {up: false}}", "", "xdp_redirect_err to right err=-100: the interface is down"),
        (
            "redirect",
            BOTH,
            "globals: {target: 77}, ",
            "xdp_redirect_err to ifindex 77 err=-22: there is no such interface",
        ),
        (
            "redirect",
            BOTH,
            "globals: {target: 1}, ",
            "xdp_redirect_err to lo err=-95: the target cannot transmit XDP frames",
        ),
        (
            "redirect",
            "{left: {}, right: {mtu: 68}}",
            "packet: {zeros: 100}, ",
            "xdp_redirect_err to right err=-90: the frame",
        ),
        (
            "pass",
            "{left: {ip: 10.0.0.1/24}, right: {}}",
            'packet: \'Ether(dst="02:00:00:00:00:77")/IP(dst="10.0.0.1")/UDP(dport=7)\', ',
            "kfree_skb reason=OTHERHOST: the destination MAC is not the interface's",
        ),
    ],
)
def test_a_report_names_the_cause_of_missing_frames(program: str, interfaces: str, said: str, cause: str) -> None:
    event = finished(program, f"{said}repeat: 5, expect: {{frames: {{right: {{count: 5}}}}}}", interfaces)

    assert (event.kind, event.message) == ("bpftest.FramesMismatch", "frames.right count 5 != 0")
    assert [note for note in event.notes if note.startswith(cause)] == list(event.notes)
    assert event.notes[0].endswith(", 5 times")


def test_a_page_that_a_program_has_written_to_comes_back_to_it_unless_it_is_to_be_pristine() -> None:
    dropped = "repeat: 200, expect: {globals: {last_first: 1}}"
    note = (
        "if the program writes to the packet: from frame 65 on it may get the page of a dropped one again as it had "
        "left it; 'live: {pristine: true}' gives it new ones"
    )

    event = finished("recycled", dropped)

    assert (event.outcome.value, event.notes) == ("FAIL", (note,))
    assert verdict("recycled", dropped, live="{ingress: left, pristine: true}") == ("PASS", "")
