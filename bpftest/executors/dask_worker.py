"""What a Dask worker does for a run: nothing but to start processes of bpftest's own, which do the work.

A Dask worker has threads and state of its own; a clean process can fork, enter namespaces and crash as one of
`bpftest run` can, and takes nothing with it.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import WorkerCrash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.errors import BpftestError
    from bpftest.events import Event
    from bpftest.executors.worker import Keepsake
    from bpftest.suite.model import Requires

# Nothing is imported from the folder where the Dask worker was started, which -c puts first.
START = "import sys; sys.path[:1] = []; sys.path.append({!r}); from bpftest.executors import errand; errand.main({})"


class Question(NamedTuple):
    """Whether a Dask worker can run suites, and which."""

    version: str  # of bpftest that asks
    python: tuple[int, int]  # of it too: functions are sent as bytecode
    folder: str  # where bpftest was called
    digests: Mapping[str, str]  # of the suites' files, by path from there
    needs: tuple[Requires, ...]  # of their cases


class Answer(NamedTuple):
    """What a Dask worker says of itself."""

    meets: tuple[bool, ...]  # for each of Question.needs
    resources: frozenset[str] = frozenset()  # of which Dask gives it one at least


class Errand(NamedTuple):
    """One suite to be run."""

    run: str  # that wants it: a name that no other has
    folder: str  # where bpftest was called
    path: str  # of the suite, from there
    digest: str  # of its file
    planning: bytes  # by cloudpickle: a function that gives Planned or InvalidSuite for the suite with the number 0
    part: tuple[int, int] | None  # as Overview has it
    lost: BpftestError | None = None  # why no case of it can run


class Done(NamedTuple):
    """What came of an Errand."""

    events: tuple[Event, ...]
    keepsake: Keepsake | None  # None: it was cut off


NOTHING = pickle.dumps(Done((), None))

_lock = threading.Lock()
_running: dict[str, set[subprocess.Popen[bytes]]] = {}  # processes at work, by run
_cut_off: set[str] = set()  # runs


def done(errand: Errand) -> bytes:
    """What came of *errand*, pickled: Done, BpftestError, or the text of a traceback. Raises WorkerCrash."""
    return _told(errand, errand.run)


async def answer(question: Question, dask_worker: Any = None) -> Answer | BpftestError | str:
    """What this Dask worker says to *question*. Raises WorkerCrash.

    *dask_worker*: by its name, Dask gives the distributed.Worker.
    """
    told = pickle.loads(await asyncio.to_thread(_told, question, ""))  # noqa: S301 - a process of this one's own
    if isinstance(told, Answer):
        resources = dask_worker.state.total_resources
        return told._replace(resources=frozenset(name for name, amount in resources.items() if amount >= 1))
    refusal: BpftestError | str = told
    return refusal


def cut_off(run: str) -> None:
    """Ends what this Dask worker does for *run*: what ran is told, and nothing more is begun."""
    with _lock:
        _cut_off.add(run)
        for process in _running.get(run, ()):
            process.send_signal(signal.SIGTERM)


def _told(what: Question | Errand, run: str) -> bytes:
    """What a process of its own answers."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with _lock:
        if run in _cut_off:
            return NOTHING
        process = subprocess.Popen(
            [sys.executable, "-c", START.format(package, os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is for the Dask worker
        )
        _running.setdefault(run, set()).add(process)
    try:
        told, _ = process.communicate(pickle.dumps(what))
    finally:
        with _lock:
            _running[run].discard(process)
    if process.returncode and run in _cut_off:  # before it could do anything
        return NOTHING
    if process.returncode:
        raise _crash(process.returncode)
    return told


def _crash(code: int) -> WorkerCrash:
    """The error for a process that ended with that exit code, as subprocess has it."""
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    hint = "out of memory? `dmesg` of its machine tells what the kernel has killed" if code == -signal.SIGKILL else ""
    return WorkerCrash(f"the process on the Dask worker {how}", hint)
