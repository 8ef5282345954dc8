"""Suites in worker processes, with a kernel that is a function: what dies, hangs or waits costs nothing but itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from bpftest.errors import BpftestError, HostError, Place, UsageError
from bpftest.events import CaseFinished, Event, Excerpt, InvalidSuite, Mistake, Outcome, SuiteFinished, SuiteStarted
from bpftest.executors import local, pool, worker, workers
from bpftest.executors.worker import Overview, Planned
from bpftest.executors.workers import Workers
from bpftest.kernel.door import Reply, Request
from bpftest.packets import asking
from bpftest.plan import plan
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from tests.test_runner import OBJECT, FakeKernel

PASS, FAIL, KILL, CRASH, STOP, EXIT, BUG, COUNT, WAIT = range(9)  # what the first byte of a packet makes the kernel do
HEAD = 64  # bytes before the name of a folder in which to count
ENDS = {KILL: signal.SIGKILL, CRASH: signal.SIGSEGV, STOP: signal.SIGSTOP}


def answer(request: Request) -> Reply:
    """What the first byte of the packet says."""
    data = request.data_in or b""
    what, path = data[0], data[HEAD:].decode()
    if what in ENDS:
        end(ENDS[what])
    elif what == EXIT:
        os._exit(3)
    elif what == BUG:
        raise KeyError("a bug")
    elif what in (COUNT, WAIT):
        Path(path, str(time.monotonic_ns())).write_text(f"{os.getpid()}\n")
        until = time.monotonic() + 60
        while what == WAIT and len(os.listdir(path)) < 2 and time.monotonic() < until:
            pass
    return Reply(retval=1 if what == FAIL else 2, data_out=data, ctx_out=request.ctx_in or b"")


def end(number: signal.Signals) -> None:
    """This process gets that signal, of which pytest's faulthandler need not tell."""
    if number is signal.SIGSEGV:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "prepare", lambda: None)
    monkeypatch.setattr(local, "RunningKernel", lambda: FakeKernel(answer))


def planned(path: str, whats: list[int], more: str = "", where: str = "") -> Planned:
    """A suite with a case for each of *whats*, which are called 'case 0' and so on."""
    cases = [
        f"  - {{name: case {number}, packet: {{hex: '{(bytes([what]).ljust(HEAD, bytes(1)) + where.encode()).hex()}'}}"
        f", expect: {{retval: 2}}{more}}}"
        for number, what in enumerate(whats)
    ]
    lines = ["version: 1", "object: fw.bpf.o", "program: main", "cases:", *cases]
    made = plan(suite(document(path, "\n".join(lines))), {(OBJECT.path, ()): OBJECT})
    return Planned(made, frozenset(job.case.name for job in made.jobs))


def ran(*suites: list[int], jobs: int = 1, more: str = "", where: str = "") -> list[Event]:
    """The events of suites 0.yaml, 1.yaml .. with these cases."""
    paths = [f"suites/{number}.yaml" for number in range(len(suites))]
    with Workers(lambda number: planned(paths[number], suites[number], more, where), paths, jobs) as made:
        found = [one for one in made.plan() if isinstance(one, Overview)]
        made.prepare()
        return list(made.run(enumerate(found)))


def verdicts(events: list[Event]) -> list[tuple[str, str]]:
    """(id, outcome and message) of each case."""
    return [
        (event.id.removeprefix("suites/"), f"{event.outcome.value} {event.message}".strip())
        for event in events
        if isinstance(event, CaseFinished)
    ]


@pytest.fixture(autouse=True)
def no_other_children() -> None:
    asking.close()  # other tests may have left the process that builds packets


def children() -> set[int]:
    """Processes that this one has forked and that live, or are not buried."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_the_events_are_those_of_one_suite_after_the_other_however_many_run_at_a_time(jobs: int) -> None:
    events = ran([PASS, FAIL], [PASS] * 200, [FAIL], jobs=jobs)

    assert [type(event) for event in events] == [
        *(SuiteStarted, CaseFinished, CaseFinished, SuiteFinished),
        *(SuiteStarted, *[CaseFinished] * 200, SuiteFinished),
        *(SuiteStarted, CaseFinished, SuiteFinished),
    ]
    assert verdicts(events) == [
        ("0.yaml::case 0", "PASS"),
        ("0.yaml::case 1", "FAIL retval XDP_PASS (2) != XDP_DROP (1)"),
        *((f"1.yaml::case {number}", "PASS") for number in range(200)),
        ("2.yaml::case 0", "FAIL retval XDP_PASS (2) != XDP_DROP (1)"),
    ]
    assert children() == set()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (KILL, "its process was ended by SIGKILL"),
        (CRASH, "its process was ended by SIGSEGV"),
        (EXIT, "its process ended with exit code 3"),
    ],
)
def test_a_worker_that_dies_costs_the_case_that_ran(what: int, told: str) -> None:
    events = ran([PASS, what, FAIL, what], [PASS])

    assert verdicts(events) == [
        ("0.yaml::case 0", "PASS"),
        ("0.yaml::case 1", f"ERROR {told}"),
        ("0.yaml::case 2", "FAIL retval XDP_PASS (2) != XDP_DROP (1)"),
        ("0.yaml::case 3", f"ERROR {told}"),
        ("1.yaml::case 0", "PASS"),
    ]
    assert [type(event) for event in events].count(SuiteStarted) == 2
    assert {event.kind for event in events if isinstance(event, CaseFinished) and event.outcome is Outcome.ERROR} == {
        "bpftest.WorkerCrash"
    }
    assert children() == set()


def test_a_worker_that_hangs_is_killed_when_its_case_should_long_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GRACE_S", 0.1)
    monkeypatch.setattr(pool, "LOOK_S", 0.05)

    events = ran([PASS, STOP, PASS], more=", timeout: 100ms")

    assert verdicts(events) == [
        ("0.yaml::case 0", "PASS"),
        ("0.yaml::case 1", "ERROR it did not end, and did not answer: its process was killed"),
        ("0.yaml::case 2", "PASS"),
    ]


def test_a_suite_that_kills_one_worker_after_the_other_is_given_up() -> None:
    events = verdicts(ran([*[KILL] * 12, PASS], [PASS]))

    assert [told for _, told in events] == [
        *["ERROR its process was ended by SIGKILL"] * workers.CRASHES_MAX,
        *["ERROR not run: 10 cases before it crashed"] * 3,
        "PASS",
    ]


def test_a_bug_in_a_worker_is_a_bug_of_the_run_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in a worker:.*in answer.*KeyError: 'a bug'"):
        ran([PASS, BUG])
    assert children() == set()


def test_suites_run_beside_each_other(tmp_path: Path) -> None:
    events = ran([WAIT], [WAIT], jobs=2, where=str(tmp_path))  # each waits for the other

    assert [told for _, told in verdicts(events)] == ["PASS", "PASS"]
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 2


def test_a_suite_that_measures_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overview = worker._overview
    monkeypatch.setattr(
        worker, "_overview", lambda made: overview(made)._replace(measures=made.plan.suite.path == "suites/1.yaml")
    )

    events = ran([COUNT] * 50, [COUNT] * 50, [COUNT] * 50, jobs=3, where=str(tmp_path))

    order = [path.read_text() for path in sorted(tmp_path.iterdir(), key=lambda path: int(path.name))]
    assert [told for _, told in verdicts(events)] == ["PASS"] * 150
    assert len(set(order[:50])) == 1


@pytest.mark.parametrize(
    ("case", "measures"),
    [
        ("expect: {retval: 2}", False),
        ("repeat: 100, expect: {duration: {max: 1ms}}", True),
        ("repeat: 100, benchmark: {samples: 3}, expect: {retval: 2}", True),
    ],
)
def test_a_suite_measures_that_looks_at_time(case: str, measures: bool) -> None:
    text = f"version: 1\nobject: fw.bpf.o\nprogram: main\ncases:\n  - {{name: one, packet: {{zeros: 64}}, {case}}}\n"
    made = plan(suite(document("suites/0.yaml", text)), {(OBJECT.path, ()): OBJECT})

    assert worker._overview(Planned(made, frozenset())).measures is measures


def test_what_ends_the_run_while_suites_are_read_is_raised_here() -> None:
    def planning(number: int) -> Planned:
        raise UsageError(f"no case in {number}", "a hint")

    with Workers(planning, ["a", "b"], 2) as made, pytest.raises(UsageError, match="no case in 0") as raised:
        made.plan()
    assert raised.value.hint == "a hint"
    assert children() == set()


def test_a_suite_whose_reading_kills_the_process_is_invalid_and_the_others_are_read() -> None:
    def planning(number: int) -> Planned:
        if number == 1:
            end(signal.SIGSEGV)
        return planned(f"suites/{number}.yaml", [PASS])

    with Workers(planning, ["0.yaml", "1.yaml", "2.yaml"], 2) as made:
        first, second, third = made.plan()

    assert (isinstance(first, Overview), isinstance(third, Overview)) == (True, True)
    assert isinstance(second, InvalidSuite)
    assert second.mistakes[0].what == "this suite cannot be read: its process was ended by SIGSEGV"


def test_a_machine_that_cannot_run_anything_is_told_of_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare() -> None:
        raise HostError("no BPF here", "elsewhere")

    monkeypatch.setattr(local, "prepare", prepare)
    with Workers(lambda number: planned(f"suites/{number}.yaml", [PASS, FAIL]), ["0.yaml", "1.yaml"], 2) as made:
        found = [one for one in made.plan() if isinstance(one, Overview)]
        with pytest.raises(HostError, match="no BPF here") as raised:
            made.prepare()
        events = list(made.run(enumerate(found), raised.value))

    assert [told for _, told in verdicts(events)] == ["ERROR no BPF here"] * 4


def test_a_plan_that_is_not_kept_is_made_again_and_must_still_be_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "HELD_MAX", 0)
    calls: list[int] = []

    def planning(number: int) -> Planned | InvalidSuite:
        calls.append(number)
        path = f"suites/{number}.yaml"
        if calls == [0, 1, 2, 1, 2]:
            return InvalidSuite(path, (Mistake("gone", "", Excerpt(Place(path, 1, 1))),))
        return planned(path, [PASS])

    with Workers(planning, ["0", "1", "2"], 1) as made:
        found = [one for one in made.plan() if isinstance(one, Overview)]
        made.prepare()
        running = made.run(enumerate(found))
        events = [next(running) for _ in range(6)]
        with pytest.raises(BpftestError, match=r"suites/2\.yaml has changed since the run began"):
            list(running)

    assert verdicts(events) == [("0.yaml::case 0", "PASS"), ("1.yaml::case 0", "PASS")]


def test_what_is_cut_off_tells_what_ran_in_the_order_of_the_suites() -> None:
    paths = ["suites/0.yaml", "suites/1.yaml"]
    with Workers(lambda number: planned(paths[number], [PASS, PASS, STOP][number:]), paths, 2) as made:
        found = [one for one in made.plan() if isinstance(one, Overview)]
        made.prepare()
        events = []
        running = made.run(enumerate(found))
        while len(events) < 2:
            events.append(next(running))
        running.close()
        events += made.stop()

    told = verdicts(events)
    assert told == sorted(told)
    assert ("0.yaml::case 0", "PASS") in told
    assert children() == set()
