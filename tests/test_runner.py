"""What becomes of a case, with a kernel that is a function from Request to Reply."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bpftest import runner
from bpftest.elf import ElfProgram
from bpftest.errnos import ENOTSUPP
from bpftest.errors import BpftestError, CaseTimeout, CompileError, HostError, ObjectError, Place
from bpftest.events import (
    CaseFinished,
    Event,
    Excerpt,
    Finding,
    Mismatch,
    Outcome,
    Problem,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.kernel.door import Loading, LoadReport, Network, Reply, Request, Socket
from bpftest.kernel.sweep import Sweep
from bpftest.plan import Object, Plan, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.model import Requires
from bpftest.suite.parse import suite

PATH = "suites/fw.yaml"
OBJECT = Object("suites/fw.bpf.o", (ElfProgram("main", "xdp"), ElfProgram("other", "xdp"), ElfProgram("egress", "tc")))
LOADED = LoadReport(log="processed 2 insns", verified_insns=273, jited_bytes=752, xlated_bytes=400)
LOG = "0: (61) r1 = *(u32 *)(r1 +0)\nR1 offset is outside of the packet\nprocessed 2 insns (limit 1000000)\n"
REFUSED = LoadReport(errno.EACCES, LOG)
UNKNOWN_TYPE = LoadReport(errno.EINVAL, libbpf="libbpf: prog 'main': BPF program load failed: Invalid argument")


def passes(request: Request) -> Reply:
    """A program that returns 2 and leaves the packet alone."""
    return Reply(retval=2, duration_ns=17, data_out=request.data_in or b"", ctx_out=request.ctx_in or b"")


class FakeKernel:
    """Answers each Request with *answer*, and keeps count."""

    def __init__(self, answer: Callable[[Request], Reply] = passes, report: LoadReport = LOADED) -> None:
        self.answer, self.report = answer, report
        self.missing = self.type_missing = ""
        self.broken: BpftestError | None = None
        self.opened: list[Loading] = []
        self.patience: list[float] = []  # seconds, of each that was opened
        self.closed: list[Loading] = []
        self.requests: list[Request] = []
        self.cases: list[tuple[Socket, ...]] = []  # the sockets of each case that has begun
        self.networks: list[Network] = []
        self.ended = 0

    def open(self, loading: Loading, timeout_s: float) -> FakeSession:
        self.opened.append(loading)
        self.patience.append(timeout_s)
        if self.broken:
            raise self.broken
        return FakeSession(self, loading)

    def lacks(self, requires: Requires) -> str:
        return self.missing if any(requires) else ""

    def type_lack(self, _prog_type: int) -> str:
        return self.type_missing


class FakeSession:
    def __init__(self, kernel: FakeKernel, loading: Loading) -> None:
        self.report, self._kernel, self._loading = kernel.report, kernel, loading

    def report_of(self, _program: str) -> LoadReport:
        return self.report

    def begin(self, sockets: tuple[Socket, ...], network: Network) -> None:
        self._kernel.cases.append(sockets)
        self._kernel.networks.append(network)

    def run(self, request: Request) -> Reply:
        self._kernel.requests.append(request)
        return self._kernel.answer(request)

    def sweep(self, request: Request, *, alike: bool) -> Sweep:  # noqa: ARG002 - a fake has no quicker way
        return Sweep(request, self.run, None)

    def end(self) -> None:
        self._kernel.ended += 1

    def close(self) -> None:
        self._kernel.closed.append(self._loading)


def planned(*cases: str, found: Object | BpftestError = OBJECT) -> Plan:
    """The plan of a suite with *cases*, each in one line, the first in line 5."""
    lines = ["version: 1", "object: fw.bpf.o", "program: main", "cases:", *(f"  - {{{case}}}" for case in cases)]
    return plan(suite(document(PATH, "\n".join(lines))), {(OBJECT.path, ()): found})


def run(kernel: FakeKernel, made: Plan, *names: str) -> list[Event]:
    return list(run_suite(made, frozenset(names or [job.case.name for job in made.jobs]), kernel))


def verdict(kernel: FakeKernel, case: str, found: Object | BpftestError = OBJECT) -> CaseFinished:
    """What becomes of a suite's only case."""
    _, finished, _ = run(kernel, planned(f"name: one, {case}", found=found))
    assert isinstance(finished, CaseFinished)
    return finished


def excerpt(case: str, part: str) -> Excerpt:
    """The line of a suite's only case, with the first *part* of it marked."""
    line = f"  - {{name: one, {case}}}"
    return Excerpt(Place(PATH, 5, line.index(part) + 1, len(part)), ((5, line),))


def replies(**reply: object) -> Callable[[Request], Reply]:
    return lambda _request: Reply(**reply)  # type: ignore[arg-type]


# --- outcomes -----------------------------------------------------------------------------------------------------

PACKET = "packet: {zeros: 64}"
RUNS = f"{PACKET}, expect: {{retval: XDP_PASS}}"
FLAGS = f"type: sched_cls, program: egress, flags: [checksum_complete], {PACKET}"
WRONG_SUM = "wrong: the packet was changed without bpf_csum_* or a helper that keeps skb->csum up to date"


@pytest.mark.parametrize(
    ("case", "kernel", "outcome", "kind", "message"),
    [
        (RUNS, FakeKernel(), "PASS", "", ""),
        (
            RUNS,
            FakeKernel(replies(retval=1)),
            "FAIL",
            "bpftest.RetvalMismatch",
            "retval XDP_PASS (2) != XDP_DROP (1)",
        ),
        (
            f"{PACKET}, expect: {{retval: 1, output: {{length: 60}}}}",
            FakeKernel(),
            "FAIL",
            "bpftest.RetvalMismatch",
            "retval XDP_DROP (1) != XDP_PASS (2) (and 1 more)",
        ),
        (
            f"{PACKET}, expect: {{output: {{length: 60}}}}",
            FakeKernel(),
            "FAIL",
            "bpftest.OutputMismatch",
            "output: length 60 != 64",
        ),
        # What the run says
        (f"{PACKET}, expect: {{errno: EINVAL}}", FakeKernel(replies(errno=errno.EINVAL)), "PASS", "", ""),
        (
            f"{PACKET}, expect: {{errno: EINVAL}}",
            FakeKernel(),
            "FAIL",
            "bpftest.ErrnoMismatch",
            "errno EINVAL (22): Invalid argument != none: the run went through",
        ),
        (
            f"{PACKET}, expect: {{errno: EINVAL}}",
            FakeKernel(replies(errno=errno.ENOMEM)),
            "FAIL",
            "bpftest.ErrnoMismatch",
            "errno EINVAL (22): Invalid argument != ENOMEM (12): Cannot allocate memory",
        ),
        (
            f"timeout: 2s, repeat: 1000000, {RUNS}",
            FakeKernel(replies(errno=errno.EINTR, timed_out=True)),
            "ERROR",
            "bpftest.CaseTimeout",
            "interrupted after 2 s",
        ),
        # What the load says
        (
            RUNS,
            FakeKernel(report=REFUSED),
            "ERROR",
            "bpftest.LoadError",
            "the verifier refuses 'main': R1 offset is outside of the packet (EACCES)",
        ),
        (
            RUNS,
            FakeKernel(report=UNKNOWN_TYPE),
            "ERROR",
            "bpftest.LoadError",
            "'main' cannot be loaded (EINVAL): prog 'main': BPF program load failed: Invalid argument",
        ),
        (
            f"{PACKET}, expect: {{errno: EACCES}}",
            FakeKernel(report=REFUSED),
            "ERROR",
            "bpftest.LoadError",
            "the verifier refuses 'main': R1 offset is outside of the packet (EACCES)",
        ),
        ("expect: {loads: true}", FakeKernel(), "PASS", "", ""),
        (
            "expect: {loads: true}",
            FakeKernel(report=REFUSED),
            "FAIL",
            "bpftest.LoadsMismatch",
            "loads true != EACCES (13): Permission denied: R1 offset is outside of the packet",
        ),
        ("expect: {load_error: {errno: EACCES, log: [outside]}}", FakeKernel(report=REFUSED), "PASS", "", ""),
        (
            "expect: {load_error: true}",
            FakeKernel(),
            "FAIL",
            "bpftest.LoadErrorMismatch",
            "load_error a refusal != none: the program loads",
        ),
        # A refusal that is a verdict
        (
            f"{FLAGS}, expect: {{retval: TC_ACT_OK}}",
            FakeKernel(replies(errno=errno.EBADMSG)),
            "FAIL",
            "bpftest.FlagsMismatch",
            f"flags: checksum_complete skb->csum right != {WRONG_SUM}",
        ),
        (f"{FLAGS}, expect: {{retval: TC_ACT_OK}}", FakeKernel(replies(retval=0)), "PASS", "", ""),
        (f"{FLAGS}, expect: {{errno: EBADMSG}}", FakeKernel(replies(errno=errno.EBADMSG)), "PASS", "", ""),
        # Marked
        (f"skip: not today, {RUNS}", FakeKernel(replies(retval=1)), "SKIP", "", "not today"),
        (f"xfail: a known bug, {RUNS}", FakeKernel(replies(retval=1)), "XFAIL", "", "a known bug"),
        (
            f"xfail: a known bug, {RUNS}",
            FakeKernel(),
            "FAIL",
            "bpftest.UnexpectedPass",
            "passes, although its xfail says: a known bug",
        ),
        (
            f"xfail: a known bug, {RUNS}",
            FakeKernel(report=REFUSED),
            "ERROR",
            "bpftest.LoadError",
            "the verifier refuses 'main': R1 offset is outside of the packet (EACCES)",
        ),
    ],
)
def test_what_the_kernel_says_makes_the_outcome(
    case: str, kernel: FakeKernel, outcome: str, kind: str, message: str
) -> None:
    finished = verdict(kernel, case)

    assert (finished.outcome.value, finished.kind, finished.message) == (outcome, kind, message)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (errno.EINVAL, "EINVAL"),
        (errno.ENODEV, "ENODEV"),
        (ENOTSUPP, "ENOTSUPP"),
        (4000, "4000"),
    ],
)
def test_an_errno_that_nobody_expects_is_an_error_that_says_how_to_expect_it(number: int, name: str) -> None:
    finished = verdict(FakeKernel(replies(errno=number)), RUNS)

    assert (finished.outcome, finished.kind) == (Outcome.ERROR, "bpftest.RunError")
    assert finished.message.startswith(f"the kernel refuses the run ({name}): ")
    assert finished.problem
    assert finished.problem.hint == f"to test the refusal, expect 'errno: {name}'"


def test_a_refusal_by_the_verifier_comes_with_its_whole_log() -> None:
    problem = verdict(FakeKernel(report=REFUSED), RUNS).problem

    message = "the verifier refuses 'main': R1 offset is outside of the packet (EACCES)"
    facts = (("instruction", "0: (61) r1 = *(u32 *)(r1 +0)"),)
    assert problem == Problem("bpftest.LoadError", message, "", LOG, None, facts)


def test_a_run_that_takes_too_long_is_shown_where_the_suite_says_how_long_it_may_take() -> None:
    kernel = FakeKernel(replies(errno=errno.EINTR, timed_out=True))

    case = f"timeout: 2s, repeat: 1000000, {RUNS}"
    problem = verdict(kernel, case).problem

    hint = "give a longer 'timeout:' or a 'repeat:' of less than 1,000,000"
    assert problem == Problem("bpftest.CaseTimeout", "interrupted after 2 s", hint, excerpt=excerpt(case, "2s"))


def test_a_step_has_the_time_that_those_before_it_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: clock[0], perf_counter=lambda: 0.0))

    def answer(_request: Request) -> Reply:
        clock[0] += 0.75
        return Reply(retval=2)

    kernel = FakeKernel(answer)
    one = "{expect: {retval: 2}}"
    verdict(kernel, f"timeout: 2s, {PACKET}, steps: [{one}, {one}, {one}]")

    assert [request.timeout_s for request in kernel.requests] == [2.0, 1.25, 0.5]


def test_a_case_that_another_signal_interrupts_begins_again() -> None:
    answers = [Reply(errno=errno.EINTR), Reply(retval=2), Reply(errno=errno.EINTR), Reply(retval=2), Reply(retval=2)]
    kernel = FakeKernel(lambda _: answers.pop(0))

    finished = verdict(kernel, f"{PACKET}, steps: [{{expect: {{retval: 2}}}}, {{expect: {{retval: 2}}}}]")

    assert (finished.outcome, len(kernel.cases), kernel.ended, answers) == (Outcome.PASSED, 3, 3, [])


def test_every_expectation_that_does_not_hold_is_told_beside_those_that_do() -> None:
    case = f"{PACKET}, expect: {{retval: XDP_DROP, output: {{length: 64}}, ctx: {{rx_queue_index: 7}}}}"

    finished = verdict(FakeKernel(), case)

    assert finished.findings == (
        Finding(
            "retval",
            mismatches=(Mismatch("retval", "XDP_DROP (1)", "XDP_PASS (2)"),),
            excerpt=excerpt(case, "retval"),
        ),
        Finding("output", "length 64"),
        Finding(
            "ctx",
            mismatches=(Mismatch("ctx.rx_queue_index", "7", "0"),),
            excerpt=excerpt(case, "ctx"),
        ),
    )
    assert finished.message == "retval XDP_DROP (1) != XDP_PASS (2) (and 1 more)"


# --- cases that cannot run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (ObjectError("suites/fw.bpf.o: No such file or directory", "build it", Place(PATH, 2, 9, 8)), ""),
        (CompileError("fw.bpf.c: clang refuses it", "", Place(PATH, 2, 9, 8), "fw.bpf.c:1:1: error: what?"), "what?"),
        (HostError("`source:` needs clang, and there is none", "apt-get install clang", Place(PATH, 2, 9, 8)), ""),
    ],
)
def test_a_problem_with_the_object_is_an_error_of_its_cases_where_the_suite_names_it(
    problem: BpftestError, text: str
) -> None:
    kernel = FakeKernel()

    finished = verdict(kernel, RUNS, found=problem)

    kind = f"bpftest.{type(problem).__name__}"
    assert (finished.outcome, finished.kind, finished.message) == (Outcome.ERROR, kind, problem.what)
    assert finished.problem
    assert (finished.problem.hint, finished.problem.text.endswith(text)) == (problem.hint, True)
    assert finished.problem.excerpt == Excerpt(Place(PATH, 2, 9, 8), ((2, "object: fw.bpf.o"),))
    assert kernel.opened == []


def test_an_object_that_cannot_be_opened_is_tried_once_and_an_error_of_every_case() -> None:
    kernel = FakeKernel()
    kernel.broken = ObjectError("fw.bpf.o: the object is damaged: libbpf ends with SIGSEGV on it", "build it again")

    _, *cases, _ = run(kernel, planned(f"name: one, {RUNS}", f"name: two, {RUNS}"))

    assert [(case.outcome, case.message) for case in cases] == [(Outcome.ERROR, kernel.broken.what)] * 2
    assert len(kernel.opened) == 1


def test_a_program_that_was_not_loaded_in_time_is_tried_again_by_cases_that_have_more() -> None:
    kernel = FakeKernel()
    kernel.broken = CaseTimeout("the verifier has not finished with 'main' after 1 s")
    times = ("1s", "1s", "500ms", "2s", "2s")

    _, *cases, _ = run(
        kernel, planned(*(f"name: case {number}, timeout: {time}, {RUNS}" for number, time in enumerate(times)))
    )

    assert [case.kind for case in cases] == ["bpftest.CaseTimeout"] * 5
    assert kernel.patience == [1.0, 2.0]


def test_what_a_case_requires_and_the_kernel_lacks_is_why_it_is_skipped() -> None:
    kernel = FakeKernel()
    kernel.missing = "needs kernel >=99, this is 6.18"

    _, needy, other, _ = run(
        kernel, planned(f'name: needy, requires: {{kernel: ">=99"}}, {RUNS}', f"name: other, {RUNS}")
    )

    assert (needy.outcome, needy.message, needy.seconds) == (Outcome.SKIPPED, kernel.missing, 0.0)
    assert other.outcome is Outcome.PASSED


def test_a_feature_that_the_kernel_ought_to_have_is_an_error() -> None:
    kernel = FakeKernel()
    fault = HostError("this kernel lacks xdp_ctx, which Linux has had since 5.14", "bpftest doctor says what it finds")

    def lacks(_requires: Requires) -> str:
        raise fault

    kernel.lacks = lacks  # type: ignore[method-assign]
    finished = verdict(kernel, f"requires: {{features: [xdp_ctx]}}, {RUNS}")

    assert (finished.outcome, finished.kind, finished.message) == (Outcome.ERROR, "bpftest.HostError", fault.what)


LACK = "this kernel has no test run for this type (ENOTSUPP, 524)"


@pytest.mark.parametrize(
    ("case", "kernel", "lack", "outcome"),
    [
        (RUNS, FakeKernel(replies(errno=ENOTSUPP)), LACK, "SKIP"),
        (RUNS, FakeKernel(replies(errno=ENOTSUPP)), "", "ERROR"),  # another program of the type runs
        (RUNS, FakeKernel(report=UNKNOWN_TYPE), LACK, "SKIP"),
        (RUNS, FakeKernel(report=UNKNOWN_TYPE), "", "ERROR"),
        ("expect: {loads: true}", FakeKernel(report=UNKNOWN_TYPE), LACK, "SKIP"),
        (RUNS, FakeKernel(report=REFUSED), LACK, "ERROR"),  # the verifier knows the type
        (RUNS, FakeKernel(replies(errno=errno.EINVAL)), LACK, "ERROR"),
        ("expect: {load_error: {errno: EINVAL}}", FakeKernel(report=UNKNOWN_TYPE), LACK, "PASS"),
        (f"{PACKET}, expect: {{errno: ENOTSUPP}}", FakeKernel(replies(errno=ENOTSUPP)), LACK, "PASS"),
        (RUNS, FakeKernel(), LACK, "PASS"),  # it runs, whatever the probe says
    ],
)
def test_a_type_that_a_probe_shows_to_be_missing_is_skipped_unless_its_refusal_is_the_test(
    case: str, kernel: FakeKernel, lack: str, outcome: str
) -> None:
    kernel.type_missing = lack

    finished = verdict(kernel, case)

    assert finished.outcome.value == outcome
    assert outcome != "SKIP" or finished.message == f"xdp: {lack}"


# --- sessions -----------------------------------------------------------------------------------------------------

MANY = (
    f"name: first, {RUNS}",
    f"name: other program, program: other, {RUNS}",
    f"name: same again, {RUNS}",
    f"name: other flags, load: {{flags: [any_alignment]}}, {RUNS}",
    "name: loads, expect: {loads: true}",
)


def test_what_is_loaded_alike_is_loaded_once_and_closed_at_the_end() -> None:
    kernel = FakeKernel()

    run(kernel, planned(*MANY))

    assert [(one.program, one.flags) for one in kernel.opened] == [("main", 0), ("other", 0), ("main", 2)]
    assert Counter(kernel.closed) == Counter(kernel.opened)
    assert len(kernel.requests) == 4, "to load is all that `loads` wants"


def interrupted(_request: Request) -> Reply:
    raise KeyboardInterrupt("SIGINT")


def breaks(_request: Request) -> Reply:
    raise ZeroDivisionError


@pytest.mark.parametrize(("answer", "raised"), [(interrupted, KeyboardInterrupt), (breaks, ZeroDivisionError)])
def test_what_ends_the_run_closes_what_is_open_and_is_not_held_back(
    answer: Callable[[Request], Reply], raised: type[BaseException]
) -> None:
    kernel = FakeKernel(answer)

    with pytest.raises(raised):
        run(kernel, planned(*MANY))

    assert kernel.closed == kernel.opened
    assert len(kernel.opened) == 1


def test_a_run_that_nobody_wants_to_the_end_closes_what_is_open() -> None:
    kernel = FakeKernel()
    events = run_suite(planned(*MANY), frozenset({"first", "other program"}), kernel)
    for _ in range(2):
        next(events)

    events.close()

    assert kernel.closed == kernel.opened
    assert len(kernel.opened) == 1


# --- events -------------------------------------------------------------------------------------------------------


def test_only_the_chosen_cases_run_in_the_order_of_the_suite() -> None:
    started, first, again, finished = run(FakeKernel(), planned(*MANY), "same again", "first")

    assert isinstance(started, SuiteStarted)
    assert started._replace(timestamp="") == SuiteStarted(PATH, "", 2, "")
    assert [(case.id, case.place.line) for case in (first, again)] == [
        (f"{PATH}::first", 5),
        (f"{PATH}::same again", 7),
    ]
    assert isinstance(finished, SuiteFinished)
    assert finished.path == PATH
    assert 0 < first.seconds < finished.seconds


@pytest.mark.parametrize(
    ("case", "kernel", "properties"),
    [
        (
            f"tags: [smoke, fast], {RUNS}",
            FakeKernel(),
            {
                "program": "main",
                "type": "xdp",
                "tags": "smoke fast",
                "retval": "XDP_PASS (2)",
                "duration_ns": "17",
                "verified_insns": "273",
                "jited_bytes": "752",
            },
        ),
        (
            "expect: {loads: true}",
            FakeKernel(),
            {"program": "main", "type": "xdp", "verified_insns": "273", "jited_bytes": "752"},
        ),
        (
            f"{PACKET}, expect: {{errno: EINVAL}}",
            FakeKernel(replies(errno=errno.EINVAL), LoadReport()),
            {"program": "main", "type": "xdp"},
        ),
        (RUNS, FakeKernel(report=REFUSED), {"program": "main", "type": "xdp"}),
        (f"skip: not today, {RUNS}", FakeKernel(), {"program": "main", "type": "xdp"}),
    ],
)
def test_what_is_known_of_a_run_is_in_its_properties(case: str, kernel: FakeKernel, properties: dict[str, str]) -> None:
    assert dict(verdict(kernel, case).properties) == properties


def writes(request: Request) -> Reply:
    return passes(request)._replace(data_out=b"\1" + (request.data_in or b"")[1:])


NOTE = "the program ran 3 times over the same packet and writes to it: each run saw what the one before had left"


@pytest.mark.parametrize(
    ("repeat", "answer", "notes"),
    [(3, writes, (NOTE,)), (3, passes, ()), (1, writes, ()), (3, replies(errno=errno.EINVAL), ())],
)
def test_a_program_that_writes_to_its_packet_while_it_is_repeated_gets_a_note(
    repeat: int, answer: Callable[[Request], Reply], notes: tuple[str, ...]
) -> None:
    assert verdict(FakeKernel(answer), f"repeat: {repeat}, {RUNS}").notes == notes


def test_an_errno_other_than_the_expected_one_is_explained() -> None:
    case = "packet: {zeros: 13}, expect: {errno: ENOMEM}"

    finished = verdict(FakeKernel(replies(errno=errno.EINVAL)), case)

    assert finished.outcome is Outcome.FAILED
    (note,) = finished.notes
    assert note.startswith("EINVAL: the packet has 13 bytes")
