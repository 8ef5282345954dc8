"""The process in which cases run, as pytest sees it.

It is not forked: pytest may have threads, as that of pytest-xdist has, and network namespace, warnings and output are
those of the tests around.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.events import CaseFinished, Excerpt, Outcome, Problem

if TYPE_CHECKING:
    from bpftest.errors import Place
    from bpftest.events import InvalidSuite

# Nothing is imported from the folder where pytest was called, which -c puts first. That of the package stands last, for
# a checkout that only pytest's own `pythonpath` leads to.
START = (
    "import sys; sys.path[:1] = []; sys.path.append({!r}); from bpftest.pytest_plugin import serving; serving.main({})"
)
GRACE_S = 30.0  # after the timeout of a case, in which the process can end it by itself
STOP_S = 5.0  # for the process to clean up in


class Settings(NamedTuple):
    """What the process needs to know of this run of pytest."""

    folder: str  # where pytest was called
    ini: tuple[str, ...]  # variables as NAME=VALUE, of pytest's configuration
    said: tuple[str, ...]  # the same, of its command line
    as_root: str  # the command that runs pytest as root


class Listed(NamedTuple):
    """What pytest needs to know of a case."""

    name: str
    place: Place
    tags: tuple[str, ...]
    timeout_s: float


class Child:
    """One process, started when it is needed, and again where it has died."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def cases(self, path: str) -> tuple[Listed, ...] | InvalidSuite | str:
        """The cases of the suite at *path*; or what is wrong with it; or in words why nothing can be said of it."""
        try:
            told: tuple[Listed, ...] | InvalidSuite | str = self._asked(("cases", path), None)
        except _Ended as end:
            return f"error: {path}: this suite cannot be read: {end}"
        return told

    def run(self, path: str, case: Listed) -> CaseFinished:
        """How *case* of the suite at *path* ended."""
        try:
            told: CaseFinished | str = self._asked(("run", path, case.name), case.timeout_s + GRACE_S)
        except _Ended as end:
            return _without_verdict(path, case, end.kind, str(end), end.hint)
        return _without_verdict(path, case, "bpftest.SuiteError", told) if isinstance(told, str) else told

    def unused(self) -> str:
        """In words, which variable of the command line no suite has; "" if all are known."""
        told: str = self._asked(("unused",), None) if self._settings.said else ""
        return told

    def close(self) -> None:
        """Ends the process, which gives back what it has loaded."""
        if self._process is None or self._connection is None:
            return
        self._connection.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _asked(self, what: tuple[str, ...], limit: float | None) -> Any:
        """What the process answers. Raises _Ended where it does not, within *limit* seconds if there is one."""
        try:
            return self._answer(what, limit)
        except (EOFError, ConnectionError):
            raise self._end() from None
        except BaseException:  # Ctrl-C, or pytest's own timeouts: the answer that is still to come would be nobody's
            self._cut_off()
            raise

    def _answer(self, what: tuple[str, ...], limit: float | None) -> Any:
        connection = self._connection or self._started()
        connection.send(what)
        if connection.poll(limit):
            return connection.recv()
        self._cut_off()
        raise _Ended("bpftest.CaseTimeout", "it did not end, and did not answer: its process was killed")

    def _cut_off(self) -> None:
        """Ends the process in the middle of what it does."""
        if self._process is not None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)
        self.close()

    def _started(self) -> Connection:
        ours, theirs = Pipe()
        descriptor = theirs.fileno()
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START.format(package, descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=self._settings.folder,
                pass_fds=(descriptor,),
                start_new_session=True,  # Ctrl-C is for pytest, which closes this process in order
            )
        self._connection = ours
        ours.send(self._settings)
        return ours

    def _end(self) -> _Ended:
        """How the process ended, that has."""
        assert self._process is not None
        assert self._connection is not None
        self._connection.close()
        code = self._process.wait()
        self._process = self._connection = None
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        hint = "out of memory? `dmesg` tells what the kernel has killed" if code == -signal.SIGKILL else ""
        return _Ended("bpftest.WorkerCrash", f"its process {how}", hint)


class _Ended(Exception):
    """The process is gone; its text says how."""

    def __init__(self, kind: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.hint = hint


def _without_verdict(path: str, case: Listed, kind: str, message: str, hint: str = "") -> CaseFinished:
    problem = Problem(kind, message, hint, excerpt=Excerpt(case.place))
    return CaseFinished(path, case.name, case.place, Outcome.ERROR, 0.0, kind, message, problem=problem)
