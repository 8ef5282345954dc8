"""The process that a Dask worker starts, as it sees itself: it runs one suite, or says what can run here."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import sys
from contextlib import contextmanager
from traceback import format_exc
from typing import TYPE_CHECKING

from bpftest import __version__
from bpftest.errors import BpftestError, HostError, SuiteError
from bpftest.events import CaseFinished, InvalidSuite
from bpftest.executors import local
from bpftest.executors.dask_worker import Answer, Done, Errand, Question
from bpftest.executors.interrupts import Interrupts
from bpftest.executors.workers import Workers
from bpftest.kernel import syscalls
from bpftest.kernel.files import cache_folder
from bpftest.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.events import Event
    from bpftest.executors.worker import Keepsake, Overview
    from bpftest.suite.model import Requires

SIZE_MAX = 1 << 30  # bytes of a suite's file
SAME = "the folder where bpftest is called must be there, with the same content, on every Dask worker"


def main(parent: int) -> None:
    """The life of the process, which ends with the Dask worker, the process *parent*: one thing in, one thing out."""
    syscalls.die_with_parent()
    if os.getppid() != parent:
        return
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever is printed is for the Dask worker's log
    with Interrupts() as interrupts:
        try:
            told = _told(pickle.load(sys.stdin.buffer), interrupts)  # noqa: S301 - of the process that has started this one
        except BpftestError as error:
            told = error
        except KeyboardInterrupt:
            told = Done((), None)
        except Exception:  # noqa: BLE001 - whatever else comes up here is a bug, and the run tells of it
            told = format_exc()
    with open(answers, "wb") as pipe:
        pickle.dump(told, pipe, 5)


def digest(path: str) -> str:
    """What tells the file at *path* from others. Raises OSError."""
    return hashlib.sha256(read_regular(path, SIZE_MAX)).hexdigest()


def _told(what: Question | Errand, interrupts: Interrupts) -> Answer | Done | BpftestError | str:
    try:
        os.chdir(what.folder)
    except OSError as error:
        raise HostError(f"{what.folder} is no folder there: {error.strerror}", SAME) from None
    return _answer(what) if isinstance(what, Question) else _done(what, interrupts)


def _refuse_other(path: str, expected: str) -> None:
    """Raises HostError where the file at *path* is not the one that is meant."""
    try:
        is_same = digest(path) == expected
    except OSError as error:
        raise HostError(f"{os.path.abspath(path)} cannot be read there: {error.strerror}", SAME) from None
    if not is_same:
        raise HostError(f"{os.path.abspath(path)} is another file there", SAME)


# --- what can run here --------------------------------------------------------------------------------------------


def _answer(question: Question) -> Answer:
    """Raises HostError where nothing can."""
    if question.version != __version__:
        hint = f"install bpftest {question.version} there"
        raise HostError(f"it has bpftest {__version__}, and {question.version} has been called", hint)
    if question.python != sys.version_info[:2]:
        versions = ["{}.{}".format(*version[:2]) for version in (sys.version_info, question.python)]
        raise HostError(f"it has Python {versions[0]}, and bpftest has been called with {versions[1]}")
    for path, expected in question.digests.items():
        _refuse_other(path, expected)
    local.refuse_machine()
    kernel = local.RunningKernel()
    return Answer(tuple(_meets(kernel, one) for one in question.needs))


def _meets(kernel: local.RunningKernel, needs: Requires) -> bool:
    try:
        return not kernel.lacks(needs)
    except HostError:  # it lacks what it should have: the case would be an error here
        return False


# --- one suite ----------------------------------------------------------------------------------------------------


def _done(errand: Errand, interrupts: Interrupts) -> Done:
    """Raises BpftestError where the suite cannot be run at all."""
    _refuse_other(errand.path, errand.digest)
    planning = pickle.loads(errand.planning)  # noqa: S301 - whoever reaches the scheduler may run code here anyway
    with Workers(lambda _: planning(0), [errand.path], 1) as workers:
        (overview,) = workers.plan()
        if isinstance(overview, InvalidSuite):
            mistake = overview.mistakes[0]
            raise SuiteError(f"not so where bpftest was called: {mistake.what}", mistake.hint, mistake.excerpt.place)
        if errand.lost is None:
            workers.prepare()
        overview = overview._replace(part=errand.part, chosen=_chosen(overview, errand.part))
        return _ran(workers, overview, errand.lost, interrupts)


def _ran(workers: Workers, overview: Overview, lost: BpftestError | None, interrupts: Interrupts) -> Done:
    """What comes of the only suite of *workers*; after an interrupt, of its cases so far."""
    events: list[Event] = []
    keepsake: Keepsake | None = None
    try:
        with _beside(overview):
            for event in workers.run([(0, overview)], lost):
                interrupts.hold()
                events.append(event)
                interrupts.release()
        (keepsake,) = workers.keepsakes
    except KeyboardInterrupt:
        interrupts.hold()
        events += workers.stop()
    return Done(tuple(events if lost else map(_signed, events)), keepsake)


def _chosen(overview: Overview, part: tuple[int, int] | None) -> int:
    return overview.chosen if part is None else part[1] - part[0]


@contextmanager
def _beside(overview: Overview) -> Iterator[None]:
    """Waits until nothing runs beside a suite that measures how long something takes, or none such runs."""
    descriptor = os.open(os.path.join(cache_folder("dask"), "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if overview.measures else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _signed(event: Event) -> Event:
    """*event*; a case tells where it ran."""
    if not isinstance(event, CaseFinished):
        return event
    system = os.uname()
    where = (("host", system.nodename), ("kernel", f"{system.sysname} {system.release} {system.machine}"))
    return event._replace(properties=(*event.properties, *where))
