"""Plans → events: each job is loaded, run and judged."""

from __future__ import annotations

import time
from errno import EINTR
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from bpftest.attempts import retried
from bpftest.errnos import ENOTSUPP
from bpftest.errors import CaseTimeout, HostError, ProgramError
from bpftest.events import Event, SuiteFinished, SuiteStarted, timestamp
from bpftest.kernel.door import Loading, LoadReport, Observation, Reply, Request
from bpftest.suite.model import Requires
from bpftest.verdicts import errored, judged, run_refusal, skipped, unloaded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from contextlib import AbstractContextManager

    from bpftest.errors import BpftestError
    from bpftest.events import CaseFinished, Finding
    from bpftest.kernel.door import Network, Socket
    from bpftest.plan import Job, JobStep, Plan
    from bpftest.sweeps import Runs


LIVE_FRAMES = Requires(features=("live_frames",))
_NONE: Mapping[int, BpftestError] = MappingProxyType({})
SLACK_S = 0.01  # that a case may have spent before it gets less than its timeout
SESSIONS_MAX = 32  # programs that a suite keeps loaded; cases that differ in their constants are a load each


class Session(Protocol):
    """A loaded program: kernel.session.Session, or a test's fake of it."""

    report: LoadReport  # of the program that Loading names, or of the one that was refused

    def report_of(self, program: str) -> LoadReport:
        """What the kernel said of one of the programs that are loaded."""

    def begin(self, sockets: tuple[Socket, ...], network: Network) -> None:
        """Begins a case: the object has its initial state, *network* is there and *sockets* are open in it."""

    def run(self, request: Request) -> Reply:
        """One BPF_PROG_RUN, in the state that the one before it in this case has left."""

    def sweep(self, request: Request, *, alike: bool) -> AbstractContextManager[Runs]:
        """Many runs, each in the state in which the case begins. *alike*: they differ in packet and context alone."""

    def end(self) -> None:
        """Ends a case."""

    def close(self) -> None:
        """Gives program and maps back."""


class Kernel(Protocol):
    """What runs the jobs: executors.local.RunningKernel, or a test's fake of it."""

    def open(self, loading: Loading, timeout_s: float) -> Session:
        """Loads a program. Raises ProgramError where the object cannot be opened, or not in time."""

    def lacks(self, requires: Requires) -> str:
        """What of *requires* is not there, in words; "" if all is."""

    def type_lack(self, prog_type: int) -> str:
        """Why the kernel test-runs no programs of this type (enum bpf_prog_type); "" if it does, as a probe tells."""


def run_suite(
    plan: Plan,
    chosen: frozenset[str],
    kernel: Kernel,
    begins: Callable[[int, Job], None] | None = None,
    first: int = 0,
    lost: Mapping[int, BpftestError] = _NONE,
    retries: int = 0,
) -> Generator[Event, None, None]:
    """The events of one suite; only the cases named in *chosen* run.

    *begins*: told the number, from 0, of each job that runs, before it does. For a run that goes on after one that was
    cut off, *first* is the number of the first job, and *lost* holds errors of jobs that are not run, by number.
    *retries*: how often a job is run again that fails or errors.
    """
    started = time.perf_counter()
    path = plan.suite.path
    jobs = [job for job in plan.jobs if job.case.name in chosen]
    yield SuiteStarted(path, plan.suite.title, len(jobs), timestamp())
    sessions = Sessions(kernel)

    def again(number: int, job: Job) -> CaseFinished:
        if begins is not None:
            begins(number, job)
        sessions.forget(job)
        return run_job(path, job, kernel, sessions)

    try:
        for number, job in enumerate(jobs[first:], first):
            if number in lost:
                yield errored(path, job, lost[number], 0.0)
                continue
            if begins is not None:
                begins(number, job)
            case = run_job(path, job, kernel, sessions)
            if retries and job.problem is None:
                case = retried(case, partial(again, number, job), retries)
            yield case
    finally:
        sessions.close()
    yield SuiteFinished(path, time.perf_counter() - started)


def run_job(path: str, job: Job, kernel: Kernel, sessions: Sessions) -> CaseFinished:
    """What becomes of one case of the suite at *path*; its program is loaded in *sessions*."""
    started = time.perf_counter()
    try:
        reason = job.case.skip or kernel.lacks(job.case.requires) or _not_live(job, kernel)
        if reason:
            return skipped(path, job, reason)
        job, observations = _observe(job, sessions)
        reason = _untestable(job, observations, kernel)
        if reason:
            return skipped(path, job, reason)
        if observations[-1].load.errno and job.steps[0].ask is not None:
            return unloaded(path, job, observations[-1].load, time.perf_counter() - started)
        _refuse_errors(job, observations)
        findings = tuple([one for pair in zip(job.steps, observations, strict=True) for one in _findings(*pair)])
    except (ProgramError, HostError) as error:
        return errored(path, job, error, time.perf_counter() - started)
    return judged(path, job, observations, findings, time.perf_counter() - started)


def _not_live(job: Job, kernel: Kernel) -> str:
    """What live frames of this case need and is not there, in words; a kernel that does not know them ignores that."""
    for step in job.steps:
        if step.context.live is not None and not step.context.live.hook:
            return kernel.lacks(LIVE_FRAMES)
    return ""


def _findings(step: JobStep, observation: Observation) -> Iterator[Finding]:
    """What the checks find that *observation* can answer."""
    reply = observation.reply
    refusal = step.refusals.get(reply.errno) if reply else None
    for check in step.checks if refusal is None else (refusal,):
        found = check(observation)
        yield found._replace(step=step.label) if step.label else found


def _observe(job: Job, sessions: Sessions) -> tuple[Job, tuple[Observation, ...]]:
    """*job*, and what the kernel says to each of its steps, up to one that it refuses; of a sweep the run that tells.

    Raises ProgramError where none can run.
    """
    if job.problem is not None or job.loading is None:
        raise job.problem or ProgramError("nothing to load")
    session = sessions.get(job.loading, job.case.timeout_s)
    if job.steps[0].ask is None or session.report.errno:
        return job, (Observation(session.report),)
    deadline = time.monotonic() + job.case.timeout_s
    while True:
        session.begin(job.sockets, job.network)
        try:
            if job.steps[0].sweep is not None:
                return _run_sweep(job, session, deadline)
            observations = _run_steps(job, session, deadline)
        finally:
            session.end()
        last = observations[-1].reply
        # A signal that is not the timeout (a resized terminal, a child's end) must not decide over a case.
        if last is None or last.errno != EINTR or last.timed_out or time.monotonic() > deadline:
            return job, observations


def _run_sweep(job: Job, session: Session, deadline: float) -> tuple[Job, tuple[Observation, ...]]:
    from bpftest.sweeps import swept  # only for suites that sweep

    (step,) = job.steps
    assert step.ask is not None
    assert step.sweep is not None
    request = step.ask(()).request._replace(timeout_s=deadline - time.monotonic())
    with session.sweep(request, alike=step.sweep.alike) as runs:
        return swept(job, runs, session.report_of(step.program), deadline)


def _run_steps(job: Job, session: Session, deadline: float) -> tuple[Observation, ...]:
    observations: list[Observation] = []
    for step in job.steps:
        assert step.ask is not None
        asked = step.ask(observations)
        request, left = asked.request, deadline - time.monotonic()
        if left < request.timeout_s - SLACK_S:
            request = request._replace(timeout_s=left)
        reply = session.run(request)
        observations.append(Observation(session.report_of(step.program), reply, asked.packet))
        if reply.errno and not step.expects_refusal(reply.errno):
            break
    return tuple(observations)


def _untestable(job: Job, observations: tuple[Observation, ...], kernel: Kernel) -> str:
    """Why this kernel cannot say anything to the case, proved by a probe of the type; "" if it can.

    A refusal that the case expects is what it tests; one with words of the verifier is the program's own.
    """
    load, reply, step = observations[-1].load, observations[-1].reply, job.steps[len(observations) - 1]
    if load.errno:
        refused, expected = not load.log, "load_error" in step.step.expect
    else:
        refused, expected = reply is not None and reply.errno == ENOTSUPP, "errno" in step.step.expect
    if not refused or expected or job.loading is None:
        return ""
    prog_type = step.context.prog_type
    lack = kernel.type_lack(prog_type.number)
    return f"{prog_type.name}: {lack}" if lack else ""


def _refuse_errors(job: Job, observations: tuple[Observation, ...]) -> None:
    """Raises ProgramError for a refusal that is no answer to what the case asks."""
    reply, step = observations[-1].reply, job.steps[len(observations) - 1]
    if reply is None:
        return
    if reply.timed_out:
        raise _timeout(job)
    if reply.errno and not step.expects_refusal(reply.errno):
        raise run_refusal(step, observations)


def _timeout(job: Job) -> CaseTimeout:
    case = job.case
    place = case.here["timeout"].place() if "timeout" in case.here else None
    repeat = max(step.repeat for step in case.steps)
    fewer = f" or a 'repeat:' of less than {repeat:,}" if repeat > 1 else ""
    if case.steps[-1].benchmark is not None or case.expects("duration"):
        fewer += " or fewer 'samples:' or a smaller 'repeat:' of the benchmark"
    return CaseTimeout(f"interrupted after {case.timeout_s:g} s", f"give a longer 'timeout:'{fewer}", place)


class Sessions:
    """The programs that are loaded for the jobs of a suite, each loaded once."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._opened: dict[Loading, Session | ProgramError] = {}
        self._waited: dict[Loading, float] = {}  # seconds, for programs that were not loaded by then

    def get(self, loading: Loading, timeout_s: float) -> Session:
        """The session for *loading*; an object that cannot be opened says so to every job that wants it."""
        found = self._opened.get(loading)
        if found is None or timeout_s > self._waited.get(loading, timeout_s):
            try:
                found = self._kernel.open(loading, timeout_s)
            except CaseTimeout as error:
                found, self._waited[loading] = error, timeout_s
            except ProgramError as error:
                found = error
            if len(self._opened) == SESSIONS_MAX:
                self._close(self._opened.pop(next(iter(self._opened))))
            self._opened[loading] = found
        if isinstance(found, ProgramError):
            raise found
        return found

    def forget(self, job: Job) -> None:
        """Closes what is loaded for *job*: it is loaded anew when it is wanted again."""
        found = self._opened.pop(job.loading, None) if job.loading else None
        if found is not None:
            self._close(found)

    def close(self) -> None:
        """Closes all of them."""
        for found in self._opened.values():
            self._close(found)
        self._opened.clear()

    def _close(self, found: Session | ProgramError) -> None:
        if not isinstance(found, ProgramError):
            found.close()
