"""Cases that run many times, with a kernel that is a function from Request to Reply."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from bpftest.elf import ElfProgram
from bpftest.errors import SuiteError
from bpftest.events import Outcome
from bpftest.kernel.door import Reply, Request
from bpftest.packets.sources import Scope, packet
from bpftest.plan import Object, plan
from bpftest.plan.axis import Axis
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.golden import GOLDEN, assert_golden
from tests.suite.mistakes import report
from tests.test_runner import FakeKernel, passes, verdict

UDP = "packet: Ether()/IP()/UDP(dport=9)"
MISTAKES = sorted(path.stem for path in (GOLDEN / "sweeps").glob("*.yaml"))


def built(text: str) -> bytes:
    return packet(text, Scope()).data


def sent(case: str) -> list[bytes | None]:
    """The packets of a case that passes, in the order of its runs."""
    kernel = FakeKernel()
    assert verdict(kernel, case).outcome is Outcome.PASSED
    return [request.data_in for request in kernel.requests]


def drops(*lengths: int) -> FakeKernel:
    """A kernel whose program drops the packets of these lengths."""
    return FakeKernel(lambda request: passes(request)._replace(retval=1 + (len(request.data_in or b"") not in lengths)))


def ports(request: Request) -> Reply:
    """A program that returns the destination port."""
    return passes(request)._replace(retval=int.from_bytes((request.data_in or b"")[36:38], "big"))


# --- what is run ------------------------------------------------------------------------------------------------------


def test_a_truncation_runs_the_packet_as_it_is_and_every_prefix_that_a_kernel_takes() -> None:
    whole = built("Ether()/IP()/UDP(dport=9)")
    assert sent(f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}") == [
        whole,
        *(whole[:length] for length in range(14, 42)),
    ]


def test_a_truncation_keeps_to_its_bounds() -> None:
    whole = built("Ether()/IP()/UDP(dport=9)")
    found = sent(f"{UDP}, sweep: {{truncate: {{min: 20, max: 22}}}}, expect: {{retval: 2}}")
    assert found == [whole, whole[:20], whole[:21], whole[:22]]
    assert sent(f"{UDP}, sweep: {{truncate: {{min: 41, max: 99}}}}, expect: {{retval: 2}}") == [whole, whole[:41]]


def test_each_field_gets_each_of_its_values_and_the_others_stay() -> None:
    fields = "{IP.ihl: [4, 15], UDP.dport: 7..8, IP.src: 10.0.0.1}"
    assert sent(f"{UDP}, sweep: {{fields: {fields}}}, expect: {{retval: 2}}") == [
        built("Ether()/IP()/UDP(dport=9)"),
        built("Ether()/IP(ihl=4)/UDP(dport=9)"),
        built("Ether()/IP(ihl=15)/UDP(dport=9)"),
        built("Ether()/IP()/UDP(dport=7)"),
        built("Ether()/IP()/UDP(dport=8)"),
        built("Ether()/IP(src='10.0.0.1')/UDP(dport=9)"),
    ]


def test_ranges_of_a_row_are_run_in_all_combinations_the_last_counting_fastest() -> None:
    case = "rows: [{port: 7..8, ttl: 1..2}], packet: 'Ether()/IP(ttl=$ttl)/UDP(dport=$port)', expect: {retval: 2}"
    assert sent(case) == [
        built(f"Ether()/IP(ttl={ttl})/UDP(dport={port})") for port, ttl in ((7, 1), (7, 2), (8, 1), (8, 2))
    ]


def test_many_values_are_made_by_a_template_and_are_what_scapy_makes() -> None:
    found = sent("rows: [{port: 10..3000}], packet: Ether()/IP()/UDP(dport=$port), expect: {retval: 2}")
    assert len(found) == 2991
    for at in (0, 1, 413, 777, 1499, 2989, 2990):
        assert found[at] == built(f"Ether()/IP()/UDP(dport={10 + at})")


def test_the_ctx_goes_through_a_range_too() -> None:
    kernel = FakeKernel()
    tc = Object("suites/fw.bpf.o", (ElfProgram("main", "tc"),))
    case = "rows: [{mark: 5..2000}], packet: Ether()/IP()/UDP(), ctx: {mark: $mark}, expect: {retval: 2}"
    assert verdict(kernel, case, found=tc).outcome is Outcome.PASSED
    marks = [int.from_bytes((request.ctx_in or b"")[8:12], "little") for request in kernel.requests]
    assert marks == list(range(5, 2001))


def test_a_range_in_what_is_expected_is_planned_for_each_of_its_values() -> None:
    case = "rows: [{port: 7..9}], packet: Ether()/IP()/UDP(dport=$port), expect: {retval: $port}"
    assert verdict(FakeKernel(ports), case).outcome is Outcome.PASSED
    off = FakeKernel(lambda request: ports(request)._replace(retval=7))
    assert verdict(off, case).message == "in 'port = 8': retval 8 != 7"


# --- how it is judged ---------------------------------------------------------------------------------------------


def test_the_first_run_that_is_not_as_expected_stands_for_the_case() -> None:
    found = verdict(drops(20, 21, 22, 30), f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}")
    cut = built("Ether()/IP()/UDP(dport=9)")[:20]

    assert found.message == "in 'truncated to 20 bytes': retval XDP_PASS (2) != XDP_DROP (1)"
    assert [(one.name, one.data, one.step) for one in found.packets] == [
        ("input", cut.hex(), "truncated to 20 bytes"),
        ("actual", cut.hex(), "truncated to 20 bytes"),
    ]
    assert found.notes[:2] == (
        "3 more runs are not as expected: truncated to 21..22, 30 bytes",
        f'this run alone: a case without the sweep and with packet: {{hex: "{cut.hex()}"}}',
    )
    assert dict(found.properties)["runs"] == "29"
    assert dict(found.properties)["returned"] == "XDP_PASS (2): 25, XDP_DROP (1): 4"


def test_the_note_on_how_to_repeat_a_run_is_right() -> None:
    case = f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}"
    note = verdict(drops(20), case).notes[0]
    source = note.rpartition("with ")[2]
    assert verdict(drops(20), f"{source}, expect: {{retval: 2}}").message == "retval XDP_PASS (2) != XDP_DROP (1)"


def test_the_packet_as_it_is_needs_no_name() -> None:
    found = verdict(drops(42), f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}")
    assert found.message == "retval XDP_PASS (2) != XDP_DROP (1)"


@pytest.mark.parametrize("expected", ["retval: 2", "retval: 2, output: {length: {max: 42}}", "retval: [0, 2]"])
def test_runs_are_judged_alike_however_they_are_looked_at(expected: str) -> None:
    found = verdict(drops(30, 41), f"{UDP}, sweep: {{truncate: true}}, expect: {{{expected}}}")
    assert found.message.startswith("in 'truncated to 30 bytes': retval ")
    assert found.notes[0] == "1 more run is not as expected: truncated to 41 bytes"


@pytest.mark.parametrize(
    ("left", "expected", "message"),
    [
        (b"\1", "output: {length: {max: 42}}", "in 'port = 77': output: length 0 to 42 != 43"),
        (b"\1", "never: 0, output: {length: 42}", "in 'port = 77': output: length 42 != 43"),
        (b"\1", "output: {unchanged: true}", "in 'port = 77': output: "),
        (b"", "output: {unchanged: true}", "in 'port = 77': output: "),
    ],
)
def test_one_packet_of_many_that_leaves_otherwise_is_found(left: bytes, expected: str, message: str) -> None:
    def changes(request: Request) -> Reply:
        reply, packet = passes(request), request.data_in or b""
        return reply._replace(data_out=packet[:41] + b"!" + left) if ports(request).retval == 77 else reply

    case = f"rows: [{{port: 1..1100}}], packet: Ether()/IP()/UDP(dport=$port), expect: {{{expected}}}"
    found = verdict(FakeKernel(changes), case)
    assert found.message.startswith(message)
    assert found.notes == ("this run alone: a row with port: 77 in the place of the range",)


def test_a_ranges_failures_are_counted_as_ranges() -> None:
    kernel = FakeKernel(lambda request: ports(request)._replace(retval=1 + (ports(request).retval in (80, 443))))
    case = "rows: [{port: 1..3000}], packet: Ether()/IP()/UDP(dport=$port), expect: {retval: 2}"
    assert verdict(kernel, case).notes == (
        "2,997 more runs are not as expected: port = 2..79, 81..442, 444..3000",
        "this run alone: a row with port: 1 in the place of the range",
    )


def test_what_this_kernel_does_not_take_is_left_out_where_a_rule_says_why() -> None:
    def tc(request: Request) -> Reply:
        return Reply(errno.EINVAL) if len(request.data_in or b"") < 34 else passes(request)

    found = verdict(
        FakeKernel(tc),
        f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}",
        found=Object("suites/fw.bpf.o", (ElfProgram("main", "tc"),)),
    )
    assert found.outcome is Outcome.PASSED
    assert [note.partition(": the ")[0] for note in found.notes] == [
        "left out, as no kernel takes it: truncated to 0..13 bytes",
        "left out, as this kernel does not take it (EINVAL): truncated to 14..33 bytes",
    ]
    assert dict(found.properties)["runs"] == "9"


def test_a_refusal_that_no_rule_explains_is_an_error_of_the_case() -> None:
    def late(request: Request) -> Reply:
        return Reply(errno.EINVAL) if len(request.data_in or b"") == 37 else passes(request)

    found = verdict(FakeKernel(late), f"{UDP}, sweep: {{truncate: true}}, expect: {{retval: 2}}")
    assert found.outcome is Outcome.ERROR
    assert found.message.startswith("the kernel refuses the run of 'truncated to 37 bytes' (EINVAL)")


def test_a_row_leaves_nothing_out() -> None:
    kernel = FakeKernel(lambda request: Reply(errno.EINVAL) if ports(request).retval == 5 else passes(request))
    found = verdict(kernel, "rows: [{port: 1..9}], packet: Ether()/IP()/UDP(dport=$port), expect: {retval: 2}")
    assert found.message.startswith("the kernel refuses the run of 'port = 5' (EINVAL)")


def test_a_sweep_that_takes_longer_than_its_case_says_how_far_it_came() -> None:
    case = f"{UDP}, timeout: 1ns, sweep: {{truncate: true}}, expect: {{retval: 2}}"
    found = verdict(FakeKernel(), case)
    assert (found.outcome, found.kind) == (Outcome.ERROR, "bpftest.CaseTimeout")
    assert found.message == "interrupted after 1e-09 s and 0 of 29 runs"


def test_an_xfail_holds_for_the_sweep() -> None:
    found = verdict(drops(20), f"{UDP}, xfail: known, sweep: {{truncate: true}}, expect: {{retval: 2}}")
    assert (found.outcome, found.message) == (Outcome.XFAILED, "known")


# --- words ----------------------------------------------------------------------------------------------------------


def unasked(*_: object) -> Any:
    raise AssertionError("nothing is built to tell what a run is called")


def axis(*before: str, values: tuple[Any, ...], after: str = "") -> Axis:
    return Axis(before, after, values, unasked, unasked, unasked)


@pytest.mark.parametrize(
    ("made", "spans", "text"),
    [
        (axis("IP.ihl = ", values=(range(16),)), [(0, 3), (5, 5)], "IP.ihl = 0..3, 5"),
        (axis("IP.ihl = ", values=([0, "a", 15],)), [(0, 1)], "IP.ihl = 0, a"),
        (axis("cut to ", values=(range(14, 60),), after=" bytes"), [(0, 6)], "cut to 14..20 bytes"),
        (
            axis("a = ", "b = ", values=(range(3), range(5, 7))),
            [(1, 1), (3, 5)],
            "a = 0, b = 6; a = 1, b = 6 to a = 2, b = 6",
        ),
        (
            axis("a = ", values=(range(99),)),
            [(one, one) for one in range(0, 20, 2)],
            "a = 0, 2, 4, 6, 8, 10, 12, 14, ...",
        ),
        (axis(values=()), [(0, 0)], "the packet as it is"),
    ],
)
def test_runs_are_told_as_people_would(made: Axis, spans: list[tuple[int, int]], text: str) -> None:
    assert made.said(spans) == text


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_sweep_is_told_with_its_place_and_what_to_write(name: str) -> None:
    text = (GOLDEN / "sweeps" / f"{name}.yaml").read_bytes()
    found = document(f"{name}.yaml", text)
    faults: tuple[SuiteError, ...] = ()
    try:
        plan(
            suite(found),
            {("fw.bpf.o", ()): Object("fw.bpf.o", (ElfProgram("main", "xdp"), ElfProgram("lookup", "sk_lookup")))},
        )
    except InvalidSuiteFile as invalid:
        faults = invalid.faults
    assert_golden(f"sweeps/{name}.txt", report(faults, found.lines))
