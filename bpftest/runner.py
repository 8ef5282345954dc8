"""Plans → events: each job is loaded, run and judged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from bpftest.errnos import ENOTSUPP
from bpftest.errors import CaseTimeout, HostError, ProgramError
from bpftest.events import Event, SuiteFinished, SuiteStarted
from bpftest.kernel.door import Loading, LoadReport, Observation, Reply, Request
from bpftest.verdicts import errored, judged, load_refusal, run_refusal, skipped

if TYPE_CHECKING:
    from collections.abc import Generator

    from bpftest.events import CaseFinished
    from bpftest.expectations import Check
    from bpftest.plan import Job, Plan
    from bpftest.suite.model import Requires


SESSIONS_MAX = 32  # programs that a suite keeps loaded; cases that differ in their constants are a load each


class Session(Protocol):
    """A loaded program: kernel.session.Session, or a test's fake of it."""

    report: LoadReport

    def run(self, request: Request) -> Reply:
        """One BPF_PROG_RUN from the object's initial state."""

    def close(self) -> None:
        """Gives program and maps back."""


class Kernel(Protocol):
    """What runs the jobs: executors.local.RunningKernel, or a test's fake of it."""

    def open(self, loading: Loading) -> Session:
        """Loads a program. Raises ProgramError where the object cannot be opened."""

    def lacks(self, requires: Requires) -> str:
        """What of *requires* is not there, in words; "" if all is."""

    def type_lack(self, prog_type: int) -> str:
        """Why the kernel test-runs no programs of this type (enum bpf_prog_type); "" if it does, as a probe tells."""


def run_suite(plan: Plan, chosen: frozenset[str], kernel: Kernel) -> Generator[Event, None, None]:
    """The events of one suite; only the cases named in *chosen* run."""
    started = time.perf_counter()
    path = plan.suite.path
    jobs = [job for job in plan.jobs if job.case.name in chosen]
    yield SuiteStarted(path, plan.suite.title, len(jobs), timestamp())
    sessions = _Sessions(kernel)
    try:
        for job in jobs:
            yield _run_job(path, job, kernel, sessions)
    finally:
        sessions.close()
    yield SuiteFinished(path, time.perf_counter() - started)


def timestamp() -> str:
    """The time now in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _run_job(path: str, job: Job, kernel: Kernel, sessions: _Sessions) -> CaseFinished:
    started = time.perf_counter()
    try:
        reason = job.case.skip or kernel.lacks(job.case.requires)
        if reason:
            return skipped(path, job, reason)
        observation = _observe(job, sessions)
        reason = _untestable(job, observation, kernel)
        if reason:
            return skipped(path, job, reason)
        _refuse_errors(job, observation)
        findings = tuple([check(observation) for check in _checks(job, observation)])
    except (ProgramError, HostError) as error:
        return errored(path, job, error, time.perf_counter() - started)
    return judged(path, job, observation, findings, time.perf_counter() - started)


def _checks(job: Job, observation: Observation) -> tuple[Check, ...]:
    """The checks that *observation* can answer."""
    reply = observation.reply
    refusal = job.refusals.get(reply.errno) if reply else None
    return job.checks if refusal is None else (refusal,)


def _observe(job: Job, sessions: _Sessions) -> Observation:
    """What the kernel says to *job*. Raises ProgramError where the case cannot be run at all."""
    if job.problem is not None or job.loading is None:
        raise job.problem or ProgramError("nothing to load")
    session = sessions.get(job.loading)
    if job.request is None or session.report.errno:
        return Observation(session.report)
    return Observation(session.report, session.run(job.request))


def _untestable(job: Job, observation: Observation, kernel: Kernel) -> str:
    """Why this kernel cannot say anything to the case, proved by a probe of the type; "" if it can.

    A refusal that the case expects is what it tests; one with words of the verifier is the program's own.
    """
    load, reply = observation.load, observation.reply
    if load.errno:
        refused, expected = not load.log, "load_error" in job.case.expect
    else:
        refused, expected = reply is not None and reply.errno == ENOTSUPP, "errno" in job.case.expect
    if not refused or expected or job.loading is None:
        return ""
    lack = kernel.type_lack(job.loading.prog_type)
    return f"{job.prog_type.name}: {lack}" if lack and job.prog_type else ""


def _refuse_errors(job: Job, observation: Observation) -> None:
    """Raises ProgramError for a refusal that is no answer to what the case asks."""
    load, reply = observation.load, observation.reply
    if job.request is None:
        return
    if load.errno:
        raise load_refusal(job, load)
    if reply is None:
        return
    if reply.timed_out:
        raise _timeout(job)
    if reply.errno and "errno" not in job.case.expect and reply.errno not in job.refusals:
        raise run_refusal(job, reply)


def _timeout(job: Job) -> CaseTimeout:
    case = job.case
    place = case.here["timeout"].place() if "timeout" in case.here else None
    fewer = f" or a 'repeat:' of less than {case.repeat:,}" if case.repeat > 1 else ""
    return CaseTimeout(f"interrupted after {case.timeout_s:g} s", f"give a longer 'timeout:'{fewer}", place)


class _Sessions:
    """The programs that are loaded for the jobs of a suite, each loaded once."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._opened: dict[Loading, Session | ProgramError] = {}

    def get(self, loading: Loading) -> Session:
        """The session for *loading*; an object that cannot be opened says so to every job that wants it."""
        found = self._opened.get(loading)
        if found is None:
            try:
                found = self._kernel.open(loading)
            except ProgramError as error:
                found = error
            if len(self._opened) == SESSIONS_MAX:
                self._close(self._opened.pop(next(iter(self._opened))))
            self._opened[loading] = found
        if isinstance(found, ProgramError):
            raise found
        return found

    def close(self) -> None:
        """Closes all of them."""
        for found in self._opened.values():
            self._close(found)
        self._opened.clear()

    def _close(self, found: Session | ProgramError) -> None:
        if not isinstance(found, ProgramError):
            found.close()
