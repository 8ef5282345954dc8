"""Several runs in one case: what each sees of the ones before it, and what the next case does not."""

from __future__ import annotations

import textwrap

import pytest

from bpftest.elf import read_object
from bpftest.events import CaseFinished, Outcome
from bpftest.executors.local import RunningKernel
from bpftest.kernel.compile import compiled
from bpftest.plan import Object, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite

pytestmark = pytest.mark.kernel

SOURCE = "tests/programs/steps.bpf.c"
PACKET = "packet: \"Ether(dst='00:00:00:00:00:05')/IP(src='10.0.0.5')/UDP()\""


def finished(*cases: str, defaults: str = PACKET) -> list[CaseFinished]:
    """What becomes of *cases*, in YAML, each with all but its name and what the defaults say."""
    path = compiled(SOURCE, ())
    text = f"version: 1\nobject: {path}\nprogram: limiter\ndefaults: {{{defaults}}}\ncases:\n"
    for number, case in enumerate(cases):
        text += f"  - name: case {number}\n" + textwrap.indent(textwrap.dedent(case).strip("\n"), "    ") + "\n"
    made = plan(suite(document("suite.yaml", text)), {(path, ()): Object(path, *read_object(path))})
    names = frozenset(job.case.name for job in made.jobs)
    return [event for event in run_suite(made, names, RunningKernel()) if isinstance(event, CaseFinished)]


def verdicts(*cases: str, defaults: str = PACKET) -> list[str]:
    return [f"{case.outcome.value} {case.message}".strip() for case in finished(*cases, defaults=defaults)]


LIMIT = """
    globals: {max_burst: 2}
    steps:
      - expect: {retval: XDP_PASS, globals: {total: 1}}
      - expect: {retval: XDP_PASS, globals: {total: 2}, maps: {seen: [{key: 1, value: 2}]}}
      - expect: {retval: XDP_DROP, globals: {total: 3}, maps: {seen: [{key: 1, value: 3}]}}
"""


def test_a_step_sees_what_the_one_before_it_left_and_a_case_does_not() -> None:
    assert verdicts(LIMIT, LIMIT, "expect: {retval: XDP_PASS, globals: {total: 1}}", LIMIT) == ["PASS"] * 4


def test_maps_and_globals_can_be_changed_between_steps() -> None:
    case = """
        maps: {seen: [{key: 1, value: 50}]}
        globals: {total: 7}
        steps:
          - expect: {retval: XDP_PASS, globals: {total: 8}, maps: {seen: [{key: 1, value: 51}]}}
          - maps: {seen: [{key: 1, value: 200}]}
            globals: {total: 0}
            expect: {retval: XDP_DROP, globals: {total: 1}, maps: {seen: [{key: 1, value: 201}]}}
    """
    assert verdicts(case) == ["PASS"]


def test_a_case_can_be_without_the_entries_that_the_defaults_put_in() -> None:
    defaults = f"{PACKET}, maps: {{seen: [{{key: 1, value: 50}}]}}"
    expected = "expect: {{maps: {{seen: [{{key: 1, value: {}}}]}}}}"

    assert verdicts(expected.format(51), defaults=defaults) == ["PASS"]
    for maps in ("maps: {seen: []}\n", "maps: {}\n"):
        assert verdicts(maps + expected.format(1), defaults=defaults) == ["PASS"]


def test_a_step_takes_the_packet_and_the_ctx_that_another_program_of_the_object_left() -> None:
    case = """
        steps:
          - {name: in, expect: {retval: XDP_PASS, output: {hex: "01", prefix: true}}}
          - {name: again, packet: {from: in}, expect: {output: {hex: "02", prefix: true}}}
          - {name: out, program: egress, packet: {from: again}, expect: {output: {unchanged: true}, ctx: {mark: 3}}}
          - name: further out
            program: egress
            packet: {from: out}
            ctx: {from: out, priority: 4}
            expect: {output: {hex: "02", prefix: true}, ctx: {mark: 6, priority: 4}}
          - {program: at_ip, packet: {from: out}, expect: {retval: 1, globals: {total: 5}, output: {unchanged: true}}}
    """
    assert verdicts(case) == ["PASS"]


def test_a_struct_that_a_syscall_program_wrote_to_goes_into_the_next_run() -> None:
    case = """
        program: ask
        steps:
          - {name: in, ctx: {struct: request, fields: {value: 5}}, expect: {ctx: {value: 15, runs: 1}}}
          - {ctx: {from: in}, expect: {retval: 0, ctx: {value: 25, runs: 2}}}
    """
    assert verdicts(case, defaults="program: ask") == ["PASS"]


def test_each_step_that_differs_is_told_by_its_name() -> None:
    (case,) = finished(
        """
        steps:
          - {name: in, expect: {retval: XDP_DROP}}
          - {expect: {retval: XDP_PASS}}
          - {expect: {globals: {total: 4}}}
        """
    )

    found = [(finding.step, finding.mismatches[0][:3]) for finding in case.findings if finding.mismatches]
    assert found == [("in", ("retval", "XDP_DROP (1)", "XDP_PASS (2)")), ("step 3", ("total", "4", "3"))]
    assert case.message == "in 'in': retval XDP_DROP (1) != XDP_PASS (2) (and 1 more)"


def test_a_step_may_expect_that_the_kernel_refuses_it() -> None:
    case = """
        steps:
          - {program: egress, packet: {zeros: 13}, expect: {errno: EINVAL}}
          - {expect: {retval: XDP_PASS, globals: {total: 1}}}
    """
    assert verdicts(case) == ["PASS"]


def test_a_step_that_the_kernel_refuses_ends_the_case() -> None:
    (case,) = finished(
        """
        steps:
          - {expect: {retval: XDP_DROP}}
          - {name: odd, ctx: {ingress_ifindex: 1, rx_queue_index: 7}, expect: {retval: XDP_PASS}}
          - {expect: {retval: XDP_PASS}}
        """
    )

    assert (case.outcome, case.findings) == (Outcome.ERROR, ())
    assert case.message == "the kernel refuses the run of 'odd' (EINVAL): the interface has no receive queue 7"


MISTAKES = {
    "{packet: {from: nowhere}, expect: {retval: 1}}": "no step 'nowhere' before this one",
    "{packet: {from: itself}, name: itself, expect: {retval: 1}}": "no step 'itself' before this one",
    "{packet: {from: first, pad_to: 99}, expect: {retval: 1}}": "'from' stands for the whole packet",
    "{globals: {max_burst: 3}, expect: {retval: 1}}": "constants are set before the program is loaded, for all steps",
    "{expect: {loads: true}}": "'loads' is for a case without steps",
    "{program: egress, ctx: {from: first}, expect: {retval: 0}}": (
        "step 'first' is xdp, and its ctx cannot be that of sched_cls"
    ),
    "{program: nothing, expect: {retval: 0}}": "no program 'nothing' in the object",
}


@pytest.mark.parametrize("step", MISTAKES)
def test_what_a_step_cannot_take_is_told_before_anything_runs(step: str) -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        verdicts(f"steps: [{{name: first, expect: {{retval: 1}}}}, {step}]")

    assert [fault.what for fault in raised.value.faults] == [MISTAKES[step]]
