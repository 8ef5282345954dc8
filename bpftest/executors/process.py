"""A worker as the run sees it: a process, what it is told, what it tells, and how it ended."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from mmap import mmap
from typing import TYPE_CHECKING

from bpftest.executors import wire
from bpftest.executors.worker import Now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.executors.wire import Frame

SHARED = 16  # bytes of Now


class Process:
    """One worker, forked from this process; *serve* is its whole life: serve(commands, answers, now).

    *others*: descriptors of this process that it must not hold open.
    """

    def __init__(self, serve: Callable[[int, int, Now], None], others: Iterable[int]) -> None:
        commands, self._commands = os.pipe()
        self.answers, answers = os.pipe()
        self.now = Now(mmap(-1, SHARED))
        sys.stdout.flush()
        sys.stderr.flush()
        run, self.pid = os.getpid(), os.fork()
        if self.pid == 0:
            _live(lambda: serve(commands, answers, self.now), run, (self._commands, self.answers, *others))
        with suppress(ProcessLookupError, PermissionError):  # it does so itself; whoever is first
            os.setpgid(self.pid, self.pid)
        os.close(commands)
        os.close(answers)
        os.set_blocking(self.answers, False)
        self.ended = os.pidfd_open(self.pid)  # can be read once the process has ended
        self._inbox = wire.Inbox(self.answers)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What this process has open for it."""
        return tuple(one for one in (self._commands, self.answers, self.ended) if one >= 0)

    def tell(self, kind: int, suite: int = -1, value: object = None) -> None:
        """Sends a command. One that has died does not hear it: it is found dead."""
        with suppress(BrokenPipeError):
            wire.send(self._commands, kind, suite, value)

    def heard(self) -> Iterator[Frame]:
        """What has come in since the last time."""
        self._inbox.read()
        return self._inbox.frames()

    def last(self) -> Iterator[Frame]:
        """What is still to be heard of one that has ended."""
        while self._inbox.read():
            pass
        return self._inbox.frames()

    def dismiss(self) -> None:
        """Nothing more comes: it ends when it has done what it was told."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def stop(self) -> None:
        """What it does is cut off; it cleans up and ends."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It ends at once, and what it has started with it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self) -> int:
        """Waits for its end, and gives all back. Gives the exit status, as os.waitstatus_to_exitcode has it."""
        self.dismiss()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.answers)
        os.close(self.ended)
        return os.waitstatus_to_exitcode(status)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.ended, number)


def _live(serve: Callable[[], None], run: int, inherited: tuple[int, ...]) -> None:
    """The life of a worker, from fork to exit; it ends with the process *run*, whatever becomes of that."""
    import atexit

    from bpftest.kernel import syscalls

    code = 1
    try:
        os.setpgid(0, 0)  # the terminal's signals are for the run, and what the worker starts ends with it
        syscalls.die_with_parent()
        if os.getppid() != run:
            return
        atexit._clear()  # noqa: SLF001 - what is registered so far is the run's
        for descriptor in inherited:
            os.close(descriptor)
        serve()
        code = 0
    except BaseException:  # noqa: BLE001 - it is shown; nothing of the run's own code is to go on in this process
        import traceback

        traceback.print_exc()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit does not; multiprocessing ends its processes so too
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
