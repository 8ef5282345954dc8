"""Workers as long as a run needs them: forked, listened to, killed when they hang, replaced when they die."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, NamedTuple

from bpftest.executors.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from bpftest.executors.wire import Frame
    from bpftest.executors.worker import Now

GRACE_S = 5.0  # after a job should have ended, in which its worker can say so
LOOK_S = 1.0  # between two looks at how long jobs take
STOP_S = 2.0  # for workers to clean up in


class Death(NamedTuple):
    """The end of a worker that nobody wanted."""

    job: int  # that it was at; worker.NO_JOB between two
    status: int  # as os.waitstatus_to_exitcode has it
    hung: bool  # it was killed because its job took too long


class Pool:
    """Workers by number, from 0. Each lives *serve*, as Process has it."""

    def __init__(self, serve: Callable[[int, int, Now], None], count: int) -> None:
        self._serve = serve
        self._living: dict[int, Process] = {}
        self._by_descriptor: dict[int, int] = {}
        self._hung: set[int] = set()
        self._poll = select.poll()
        for number in range(count):
            self.start(number)

    def start(self, number: int) -> None:
        """Forks the worker with that number."""
        others = [one for process in self._living.values() for one in process.descriptors]
        process = self._living[number] = Process(self._serve, others)
        for descriptor in (process.answers, process.ended):
            self._by_descriptor[descriptor] = number
            self._poll.register(descriptor, select.POLLIN)

    def tell(self, number: int, kind: int, suite: int = -1, value: object = None) -> None:
        """Sends that worker a command."""
        self._living[number].tell(kind, suite, value)

    def dismiss(self, number: int) -> None:
        """Nothing more comes for that worker."""
        self._living[number].dismiss()

    def heard(self) -> Iterator[tuple[int, Frame | Death]]:
        """(number, what it tells) of workers that tell something, after all else its end; waits for that a moment."""
        ready = {descriptor for descriptor, _ in self._poll.poll(LOOK_S * 1000)}
        for number in sorted({self._by_descriptor[descriptor] for descriptor in ready}):
            process = self._living[number]
            has_ended = process.ended in ready
            yield from ((number, frame) for frame in (process.last() if has_ended else process.heard()))
            if has_ended:
                yield number, self._bury(number)
        self._kill_hung()

    def stop(self, busy: Container[int]) -> Iterator[tuple[int, Frame | Death]]:
        """Ends all; cuts off what those that are *busy* do. What they have told so far comes."""
        for number, process in self._living.items():
            process.dismiss()
            if number in busy:
                process.stop()
        until = time.monotonic() + STOP_S
        while self._living and time.monotonic() < until:
            yield from self.heard()
        self.kill()

    def kill(self) -> None:
        """Ends them all at once."""
        for process in self._living.values():
            process.kill()
        for number in list(self._living):
            self._bury(number)

    def _bury(self, number: int) -> Death:
        process = self._living.pop(number)
        for descriptor in (process.answers, process.ended):
            self._poll.unregister(descriptor)
            del self._by_descriptor[descriptor]
        hung = number in self._hung
        self._hung.discard(number)
        return Death(process.now.job, process.bury(), hung)

    def _kill_hung(self) -> None:
        now = time.monotonic()
        for number, process in self._living.items():
            if now > process.now.until + GRACE_S:
                self._hung.add(number)
                process.kill()
