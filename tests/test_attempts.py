"""A case that is run again: what several runs of it make together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bpftest.attempts import retried, settled
from bpftest.errors import CompileError
from bpftest.events import CaseFinished, Outcome
from bpftest.kernel.door import Reply, Request
from bpftest.runner import run_suite
from tests.reporters import streams
from tests.test_runner import FakeKernel, planned

PASSED = streams.case("x", 5, seconds=0.25)
FAILED = streams.case("x", 5, Outcome.FAILED, seconds=0.5, kind="bpftest.RetvalMismatch", message="retval 1 != 2")
ERROR = streams.case("x", 5, Outcome.ERROR, seconds=1.0, kind="bpftest.RunError", message="EBUSY")
XFAILED = streams.case("x", 5, Outcome.XFAILED, message="a bug")
SKIPPED = streams.case("x", 5, Outcome.SKIPPED, message="no BTF")


@pytest.mark.parametrize(
    ("runs", "retries", "outcome", "message"),
    [
        ([PASSED], 3, "PASS", ""),
        ([SKIPPED], 3, "SKIP", "no BTF"),
        ([XFAILED], 3, "XFAIL", "a bug"),
        ([FAILED], 0, "FAIL", "retval 1 != 2"),
        ([FAILED, PASSED], 3, "FLAKY", "did not pass in 1 of 2 runs: retval 1 != 2"),
        ([FAILED, ERROR, PASSED], 2, "FLAKY", "did not pass in 2 of 3 runs: EBUSY"),
        ([FAILED, XFAILED], 1, "FLAKY", "did not pass in 1 of 2 runs: retval 1 != 2"),
        ([ERROR, FAILED], 1, "FAIL", "retval 1 != 2"),
        ([FAILED, ERROR], 1, "ERROR", "EBUSY"),
        ([ERROR, SKIPPED], 1, "SKIP", "no BTF"),
    ],
)
def test_a_case_runs_until_it_is_not_bad_or_no_retry_is_left(
    runs: list[CaseFinished], retries: int, outcome: str, message: str
) -> None:
    more: Iterator[CaseFinished] = iter(runs[1:])

    case = retried(runs[0], lambda: next(more), retries)

    assert list(more) == []
    assert (case.outcome.value, case.message, case.earlier) == (outcome, message, tuple(runs[:-1]))
    assert case.seconds == sum(run.seconds for run in runs)


def test_a_case_that_ran_once_is_as_it_was() -> None:
    assert settled([], FAILED) is FAILED


def test_a_case_that_never_passed_says_how_often_it_ran() -> None:
    assert settled([ERROR, ERROR], FAILED).notes == ("it was run 3 times, and passed in none of them",)


# --- by the runner ------------------------------------------------------------------------------------------------

RUNS = "packet: {zeros: 64}, expect: {retval: XDP_PASS}"


def fails_first(times: int) -> FakeKernel:
    """A kernel on which programs return 2 only after so many runs."""
    kernel = FakeKernel()

    def answer(request: Request) -> Reply:
        return Reply(retval=1 if len(kernel.requests) <= times else 2, data_out=request.data_in or b"")

    kernel.answer = answer
    return kernel


def cases(kernel: FakeKernel, retries: int, *lines: str) -> list[CaseFinished]:
    made = planned(*lines)
    names = frozenset(job.case.name for job in made.jobs)
    return [one for one in run_suite(made, names, kernel, retries=retries) if isinstance(one, CaseFinished)]


def test_a_flaky_case_passes_at_last_and_keeps_what_was_seen() -> None:
    kernel = fails_first(2)

    first, second = cases(kernel, 5, f"name: first, {RUNS}", f"name: second, {RUNS}")

    message = "retval XDP_PASS (2) != XDP_DROP (1)"
    assert first.outcome is Outcome.FLAKY
    assert [(run.outcome, run.message) for run in first.earlier] == [(Outcome.FAILED, message)] * 2
    assert first.telling is first.earlier[-1]
    assert (second.outcome, second.earlier, len(kernel.requests)) == (Outcome.PASSED, (), 4)


def test_each_further_run_loads_the_program_anew() -> None:
    kernel = fails_first(2)

    cases(kernel, 2, f"name: first, {RUNS}", f"name: second, {RUNS}")

    assert len(kernel.opened) == len(kernel.closed) == 3


def test_without_retries_a_case_runs_once() -> None:
    (case,) = cases(kernel := fails_first(1), 0, f"name: first, {RUNS}")
    assert (case.outcome, case.earlier, len(kernel.requests)) == (Outcome.FAILED, (), 1)


def test_an_xfail_stays_strict_a_case_that_always_passes_fails() -> None:
    (case,) = cases(FakeKernel(), 2, f"name: first, xfail: a bug, {RUNS}")
    assert (case.outcome, case.kind, len(case.earlier)) == (Outcome.FAILED, "bpftest.UnexpectedPass", 2)


def test_an_xfail_that_fails_is_not_run_again() -> None:
    (case,) = cases(kernel := fails_first(9), 2, f"name: first, xfail: a bug, {RUNS}")
    assert (case.outcome, len(kernel.requests)) == (Outcome.XFAILED, 1)


def test_what_cannot_run_at_all_is_not_tried_again() -> None:
    made = planned(f"name: one, {RUNS}", found=CompileError("no"))
    _, case, _ = run_suite(made, frozenset({"one"}), FakeKernel(), retries=2)
    assert isinstance(case, CaseFinished)
    assert (case.outcome, case.earlier) == (Outcome.ERROR, ())
