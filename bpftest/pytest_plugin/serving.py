"""The process in which cases run, as it sees itself: it opens suites and runs single cases, as it is told."""

from __future__ import annotations

import os
from contextlib import closing
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from bpftest import collect
from bpftest.artifacts import with_artifacts
from bpftest.commands.exits import message
from bpftest.errors import BpftestError, HostError, UsageError
from bpftest.events import CaseFinished, InvalidSuite
from bpftest.executors import local
from bpftest.executors.interrupts import Interrupts
from bpftest.pytest_plugin.child import Listed
from bpftest.runner import Sessions, run_job
from bpftest.suite.outside import outside, refuse_unused
from bpftest.suite.parse import InvalidSuiteFile, read_suite
from bpftest.verdicts import errored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bpftest.plan import Job
    from bpftest.pytest_plugin.child import Settings


def main(descriptor: int) -> None:
    """The life of the process: settings, then requests, each with its answer, until the other end is closed."""
    with Interrupts(), Connection(descriptor) as connection:
        try:
            with closing(Serving(connection.recv())) as serving:
                while True:
                    request, *arguments = connection.recv()
                    connection.send(getattr(serving, request)(*arguments))
        except (EOFError, ConnectionError, KeyboardInterrupt):
            pass  # pytest is done, or gone; or it cuts this off


class Serving:
    """The suites that are open, and the programs that are loaded for the one that ran last.

    What its methods give is what pytest is told, and a text is always an error.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._given: Mapping[str, Any] | None = None
        self._planner = collect.Planner()
        self._open: dict[str, dict[str, Job]] = {}  # by path of the suite, and by name of the case
        self._used: set[str] = set()  # names of variables that these suites have
        self._kernel: local.RunningKernel | None = None
        self._sessions: Sessions | None = None
        self._loaded = ""  # the path of the suite whose programs they are

    def cases(self, path: str) -> tuple[Listed, ...] | InvalidSuite | str:
        """What there is in the suite at *path*."""
        try:
            jobs = self._jobs(path)
        except BpftestError as error:
            return _message(error)
        if isinstance(jobs, InvalidSuite):
            return jobs
        return tuple(
            Listed(job.case.name, job.case.here.place(), job.case.tags, job.case.timeout_s) for job in jobs.values()
        )

    def unused(self) -> str:
        """What is wrong with the variables of the command line, if no suite has one of them."""
        try:
            refuse_unused(self._settings.said, self._used)
        except UsageError as error:
            return _message(error)
        return ""

    def run(self, path: str, name: str) -> CaseFinished | str:
        """How the case *name* of the suite at *path* ended."""
        jobs = self._jobs(path)
        if isinstance(jobs, InvalidSuite) or name not in jobs:
            return f"{path} has changed since the run began: run again"
        job = jobs[name]
        if self._kernel is None:
            try:
                local.prepare()
            except HostError as error:
                error.hint = error.hint or f"run: {self._settings.as_root}"
                return errored(path, job, error, 0.0)
            self._kernel = local.RunningKernel()
        if self._sessions is None or self._loaded != path:
            self.close()
            self._sessions, self._loaded = Sessions(self._kernel), path
        (finished,) = with_artifacts([run_job(path, job, self._kernel, self._sessions)])
        assert isinstance(finished, CaseFinished)
        return finished

    def close(self) -> None:
        """Gives back what is loaded."""
        if self._sessions is not None:
            self._sessions.close()

    def _jobs(self, path: str) -> dict[str, Job] | InvalidSuite:
        """The cases of the suite at *path* by name, planned once. Raises BpftestError for variables from outside."""
        if path in self._open:
            return self._open[path]
        if self._given is None:
            ini, said = self._settings.ini, self._settings.said
            self._given = outside((), {}, ini) | outside((), os.environ, said)
        try:
            suite = read_suite(path, self._given)
        except InvalidSuiteFile as error:
            return collect.invalid_suite(error)
        plan = self._planner.plan(suite)
        if isinstance(plan, InvalidSuite):
            return plan
        self._used |= suite.used
        self._open[path] = {job.case.name: job for job in plan.jobs}
        return self._open[path]


def _message(error: BpftestError) -> str:
    """What the command line would say, of pytest's own option."""
    return message(error).replace("--var", "--bpftest-var")
