"""`duration`: samples against bounds; and which steps are measured, and how."""

from __future__ import annotations

import errno

import pytest

from bpftest.elf import ElfProgram
from bpftest.errors import RunError
from bpftest.events import CaseFinished, Outcome
from bpftest.kernel.door import Benchmark, LoadReport, Reply, Request
from bpftest.plan import Object, Plan, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.expecting import Broken, check, context, ran, refused
from tests.suite.mistakes import report
from tests.test_runner import FakeKernel

ODD = (212, 201, 260)
EVEN = (24, 30, 25, 26)
TEN = (19, 10, 18, 11, 17, 12, 16, 13, 15, 14)

# --- the check ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "samples", "held", "broken"),
    [
        ("{max: 212ns}", ODD, "median 212 ns", []),
        (
            "{max: 150ns}",
            ODD,
            "",
            [("duration (median of 3)", "at most 150 ns", "212 ns (min 201, max 260)")],
        ),
        ("{min: 0.212us}", ODD, "median 212 ns", []),
        (
            "{min: 213ns}",
            ODD,
            "",
            [("duration (median of 3)", "at least 213 ns", "212 ns (min 201, max 260)")],
        ),
        ("{min: 1ns, max: 25.5ns}", EVEN, "median 25.5 ns", []),
        (
            "{min: 1ns, max: 25.4ns}",
            EVEN,
            "",
            [("duration (median of 4)", "from 1 ns to 25.4 ns", "25.5 ns (min 24, max 30)")],
        ),
        ("{max: 1s, statistic: mean}", EVEN, "mean 26.2 ns", []),
        ("{max: 1s, statistic: min}", EVEN, "min 24 ns", []),
        ("{max: 1s, statistic: max}", EVEN, "max 30 ns", []),
        ("{max: 1s, statistic: p90}", TEN, "p90 18 ns", []),
        ("{max: 1s, statistic: p90}", (*TEN, 20), "p90 19 ns", []),
        ("{max: 1s, statistic: p90}", (7,), "p90 7 ns", []),
        (
            "{max: 1.5ms, statistic: max}",
            (1_500_001,),
            "",
            [("duration (max of 1)", "at most 1,500,000 ns", "1,500,001 ns (min 1,500,001, max 1,500,001)")],
        ),
        ("{max: 1s}", (10**9,), "median 1,000,000,000 ns", []),
    ],
)
def test_a_statistic_of_the_samples_is_within_the_bounds(
    text: str, samples: tuple[int, ...], held: str, broken: Broken
) -> None:
    assert check(f"duration: {text}", context("xdp"), ran(durations_ns=samples)) == (held, broken)


def test_there_is_no_verdict_from_a_reading_of_nothing() -> None:
    with pytest.raises(RunError) as raised:
        check("duration: {max: 1us}", context("xdp"), ran(durations_ns=(1, 0, 1)))

    assert raised.value.what == (
        "the kernel measures 0 ns for a run: it gives the mean in whole nanoseconds, and its clock saw no time pass"
    )
    assert raised.value.hint == "raise 'benchmark.repeat'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{statistic: max}",
            """\
fw.yaml:2:13: the duration has no bound
  |   duration: {statistic: max}
  |             ^^^^^^^^^^^^^^^^
  hint: give it a 'max' or a 'min', such as max: 150ns
""",
        ),
        (
            "{min: 1us, max: 999ns}",
            """\
fw.yaml:2:19: no duration is within these bounds: 'min' is above 'max'
  |   duration: {min: 1us, max: 999ns}
  |                   ^^^
""",
        ),
    ],
)
def test_bounds_that_hold_nothing_are_refused(text: str, said: str) -> None:
    assert refused(f"duration: {text}", context("xdp")) == said


# --- which steps are measured -------------------------------------------------------------------------------------

PROGRAMS = (ElfProgram("main", "xdp"), ElfProgram("watch", "raw_tp/sys_enter"))
OBJECT = Object("suites/fw.bpf.o", PROGRAMS)
PACKET = "packet: {zeros: 64}"


def planned(case: str, defaults: str = "{tags: [fast]}") -> Plan:
    lines = [
        "version: 1",
        "object: fw.bpf.o",
        "program: main",
        f"defaults: {defaults}",
        "cases:",
        f"  - {{name: one, {case}}}",
    ]
    return plan(suite(document("suites/fw.yaml", "\n".join(lines))), {(OBJECT.path, ()): OBJECT})


def benchmarks(case: str, defaults: str = "{tags: [fast]}") -> list[Benchmark | None]:
    """How each step of *case* is measured."""
    steps = planned(case, defaults).jobs[0].steps
    return [step.ask(()).request.benchmark for step in steps if step.ask is not None]


@pytest.mark.parametrize(
    ("case", "found"),
    [
        (f"{PACKET}, expect: {{retval: 2}}", [None]),
        (f"{PACKET}, expect: {{duration: {{max: 1us}}}}", [Benchmark()]),
        (f"{PACKET}, benchmark: {{}}, expect: {{retval: 2}}", [Benchmark(20_000, 9, 1)]),
        (
            f"{PACKET}, benchmark: {{repeat: 1000, samples: 3, warmup: 0}}, expect: {{retval: 2}}",
            [Benchmark(1000, 3, 0)],
        ),
        (f"{PACKET}, benchmark: {{samples: 2}}, expect: {{duration: {{max: 1us}}}}", [Benchmark(samples=2)]),
        (f"{PACKET}, benchmark: {{}}, expect: {{errno: EINVAL}}", [None]),
        (
            f"{PACKET}, benchmark: {{samples: 2}}, steps: [{{expect: {{retval: 2}}}}, {{repeat: 2}}]",
            [None, Benchmark(samples=2)],
        ),
        (
            f"{PACKET}, benchmark: {{samples: 2}}, steps: [{{expect: {{retval: 2}}}}, {{benchmark: {{samples: 3}}}}]",
            [None, Benchmark(samples=3)],
        ),
    ],
)
def test_the_last_run_is_measured_where_the_suite_asks_for_it(case: str, found: list[Benchmark | None]) -> None:
    assert benchmarks(case) == found


def test_what_the_defaults_say_of_a_measurement_holds_for_every_case() -> None:
    assert benchmarks(f"{PACKET}, expect: {{retval: 2}}", "{benchmark: {samples: 7}}") == [Benchmark(samples=7)]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            f"{PACKET}, steps: [{{expect: {{duration: {{max: 1s}}}}}}, {{repeat: 2}}]",
            """\
suites/fw.yaml:6:56: only the last step can be measured: the steps after it would see what thousands of runs have left
  |   - {name: one, packet: {zeros: 64}, steps: [{expect: {duration: {max: 1s}}}, {repeat: 2}]}
  |                                                        ^^^^^^^^
  hint: make a case of it
""",
        ),
        (
            f"{PACKET}, steps: [{{benchmark: {{}}}}, {{expect: {{retval: 2}}}}]",
            """\
suites/fw.yaml:6:47: only the last step can be measured: the steps after it would see what thousands of runs have left
  |   - {name: one, packet: {zeros: 64}, steps: [{benchmark: {}}, {expect: {retval: 2}}]}
  |                                               ^^^^^^^^^
  hint: make a case of it
""",
        ),
        (
            "program: watch, expect: {duration: {max: 1us}}",
            """\
suites/fw.yaml:6:42: raw_tracepoint takes no repeat, and the time of a single run tells nothing
  |   - {name: one, program: watch, expect: {duration: {max: 1us}}}
  |                                          ^^^^^^^^
  hint: leave it out; other types can be measured
""",
        ),
        (
            f"{PACKET}, benchmark: {{repeat: 999}}, expect: {{retval: 2}}",
            """\
suites/fw.yaml:6:58: 'repeat' must be from 1000 to 2147483647, not 999
  |   - {name: one, packet: {zeros: 64}, benchmark: {repeat: 999}, expect: {retval: 2}}
  |                                                          ^^^
""",
        ),
        (
            f"{PACKET}, expect: {{duration: {{max: 150}}}}",
            """\
suites/fw.yaml:6:63: 'max' must be a time with its unit, such as 150ns or 1.5us
  |   - {name: one, packet: {zeros: 64}, expect: {duration: {max: 150}}}
  |                                                               ^^^
""",
        ),
        (
            f"{PACKET}, expect: {{duration: {{}}}}",
            """\
suites/fw.yaml:6:57: the duration has no bound; give it a 'max' or a 'min'
  |   - {name: one, packet: {zeros: 64}, expect: {duration: {}}}
  |                                                         ^^
  hint: known here: max, min, statistic
""",
        ),
    ],
)
def test_a_measurement_that_cannot_be_is_refused_before_anything_runs(case: str, said: str) -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        planned(case)

    lines = document("suites/fw.yaml", "\n" * 5 + f"  - {{name: one, {case}}}\n").lines
    assert report(raised.value.faults, lines) == said


# --- what becomes of a case ---------------------------------------------------------------------------------------


def measures(*samples: int, retval: int = 2, **reply: object) -> FakeKernel:
    def answer(request: Request) -> Reply:
        found = samples if request.benchmark else ()
        return Reply(retval=retval, duration_ns=900, data_out=request.data_in or b"", durations_ns=found, **reply)

    return FakeKernel(answer, LoadReport())


def verdict(kernel: FakeKernel, case: str) -> CaseFinished:
    _, finished, _ = run_suite(planned(case), frozenset({"one"}), kernel)
    assert isinstance(finished, CaseFinished)
    return finished


MEASURED = f"{PACKET}, benchmark: {{repeat: 5000, samples: 4}}, expect: {{retval: 2, duration: {{max: 25ns}}}}"


SAMPLES = "each sample is the mean of 5,000 runs, in ns"


def test_a_case_that_is_too_slow_tells_all_samples() -> None:
    finished = verdict(measures(*EVEN), MEASURED)

    assert (finished.outcome, finished.kind, finished.message, finished.notes) == (
        Outcome.FAILED,
        "bpftest.DurationMismatch",
        "duration (median of 4) at most 25 ns != 25.5 ns (min 24, max 30)",
        (f"{SAMPLES}: 24 30 25 26; whatever else the machine does makes them longer",),
    )


def test_the_figures_are_properties_of_the_case_where_it_passes_too() -> None:
    finished = verdict(measures(24, 25, 25, 30), MEASURED)

    assert finished.outcome is Outcome.PASSED
    assert finished.notes == ()
    assert {name: value for name, value in finished.properties if name.startswith("duration")} == {
        "duration_ns": "25",
        "duration_min_ns": "24",
        "duration_max_ns": "30",
        "duration_samples": "4",
        "duration_repeat": "5000",
    }


def test_a_case_that_is_not_measured_has_the_duration_of_its_run() -> None:
    finished = verdict(measures(), f"{PACKET}, expect: {{retval: 2}}")

    assert dict(finished.properties)["duration_ns"] == "900"


def test_a_reading_of_nothing_is_an_error_of_the_case() -> None:
    finished = verdict(measures(3, 0), MEASURED)

    assert (finished.outcome, finished.kind) == (Outcome.ERROR, "bpftest.RunError")
    assert finished.problem is not None
    assert finished.problem.hint == "raise 'benchmark.repeat'"


def test_a_measurement_that_takes_too_long_says_what_would_make_it_shorter() -> None:
    finished = verdict(measures(errno=errno.EINTR, timed_out=True), MEASURED)

    assert (finished.outcome, finished.kind) == (Outcome.ERROR, "bpftest.CaseTimeout")
    assert finished.problem is not None
    assert finished.problem.hint == (
        "give a longer 'timeout:' or fewer 'samples:' or a smaller 'repeat:' of the benchmark"
    )
