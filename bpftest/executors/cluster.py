"""Suites on the workers of a Dask cluster: read and planned here, run there, and told in their order.

What comes of a suite comes when all of it has run. A Dask worker that is lost costs nothing: Dask runs its suites again
on another one, until it has lost as many by the same suite as `distributed.scheduler.allowed-failures` says.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import queue
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bpftest import __version__
from bpftest.errors import BpftestError, HostError, UsageError, WorkerCrash
from bpftest.events import InvalidSuite
from bpftest.executors import dask_worker
from bpftest.executors.dask_worker import Answer, Done, Errand, Question
from bpftest.executors.placing import Candidate, Placing, needs, placing
from bpftest.executors.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from distributed import Client, Future

    from bpftest.events import Event
    from bpftest.executors.worker import Keepsake, Overview, Planned

    Planning = Callable[[int], Planned | InvalidSuite]

CONNECT_S = 10.0  # for the scheduler to answer in
LOOK_S = 1.0  # without news, until it is looked which Dask workers are left
ABSENCE_S = 30.0  # that no Dask worker may be there, while others run: a nanny starts one anew within seconds
STOP_S = 5.0  # for what runs to be cut off in


class Cluster:
    """The Dask workers of one run; to be used like Workers, which do the reading and planning here, at most *most*.

    *alone*: gives, for the number of a suite, a function that does what *planning* does, wherever it is called, for
    that suite as number 0. *warn*: is told in words which Dask workers are left out. Raises UsageError.
    """

    def __init__(
        self,
        address: str,
        planning: Planning,
        alone: Callable[[int], Planning],
        paths: Sequence[str],
        most: int,
        warn: Callable[[str], None],
    ) -> None:
        _refuse_without_package()
        self._address = address
        self._alone = alone
        self._warn = warn
        # They are forked before Dask starts its threads.
        self._planners = Workers(lambda number: _with_needs(planning(number)), paths, most)
        self._run = f"bpftest-{os.urandom(8).hex()}"
        self._overviews: dict[int, Overview] = {}
        self._digests: dict[str, str] = {}
        self._client: Client | None = None
        self._candidates: tuple[Candidate, ...] = ()
        self._told: queue.SimpleQueue[Future] = queue.SimpleQueue()  # futures that have ended
        self._futures: dict[int, Future] = {}  # by suite
        self._suites: dict[str, int] = {}  # by the key of its future
        self._seen = 0.0  # when a Dask worker was there, as time.monotonic() has it
        self._done: dict[int, Done] = {}  # by suite, until it is taken
        self._order: deque[int] = deque()  # suites that have not been taken
        self.keepsakes: list[Keepsake] = []  # of the suites that have been taken

    def __enter__(self) -> Cluster:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            self._close()
        self._planners.__exit__(kind, error, traceback)

    def plan(self) -> list[Overview | InvalidSuite]:
        """What there is to run, a suite each. Raises the first BpftestError that ends the run."""
        planned = self._planners.plan()
        self._overviews = {number: one for number, one in enumerate(planned) if not isinstance(one, InvalidSuite)}
        return planned

    def prepare(self) -> None:
        """Finds the Dask workers that can run the suites. Raises HostError where there are none."""
        self._digests = {one.path: _digest(one.path) for one in self._overviews.values()}
        self._client = _client(self._address)
        self._candidates, refusals = self._asked()
        for host, why in refusals.items():
            self._warn(f"the Dask workers of {host} are left out: {why}")
        if not self._candidates:
            raise _nobody(self._address, [*refusals.values()])

    def run(self, suites: Iterable[tuple[int, Overview]], lost: BpftestError | None = None) -> Iterator[Event]:
        """The events of *suites*, by number, in their order. *lost*: why no case of them can run."""
        chosen = dict(suites)
        if lost is not None:
            yield from self._planners.run(chosen.items(), lost)
            return
        self._overviews = chosen
        self._order = deque(chosen)
        self._seen = time.monotonic()
        for suite in chosen:
            self._submit(suite)
        while self._order:
            if not self._hear(LOOK_S):
                self._look()
            yield from self._taken()

    def stop(self) -> Iterator[Event]:
        """Cuts off what runs. The events of what has run come, in the order of the suites."""
        self._cut_off()
        until = time.monotonic() + STOP_S
        while self._futures and self._hear(until - time.monotonic()):
            pass
        yield from self._taken(also_later=True)

    def _submit(self, suite: int) -> None:
        assert self._client is not None
        place = self._place(suite)
        key = f"{self._run}-{suite}-{len(self._suites)}"
        self._suites[key] = suite
        self._futures[suite] = self._client.submit(
            dask_worker.done,
            self._errand(suite),
            key=key,
            workers=sorted(place.hosts),
            resources=dict(place.resources) or None,
            pure=False,
        )
        self._futures[suite].add_done_callback(self._told.put)

    def _place(self, suite: int) -> Placing:
        return placing(self._overviews[suite].needs or {}, self._candidates)

    def _errand(self, suite: int, lost: BpftestError | None = None) -> Errand:
        import cloudpickle

        overview = self._overviews[suite]
        planning = cloudpickle.dumps(self._alone(suite))
        digest = self._digests[overview.path]
        return Errand(self._run, os.getcwd(), overview.path, digest, planning, overview.part, lost)

    def _hear(self, limit: float) -> bool:
        """Takes in what came of a suite. Gives whether one has been heard of within *limit* seconds."""
        try:
            future = self._told.get(timeout=max(0.0, limit))
        except queue.Empty:
            return False
        from distributed import TimeoutError as DaskTimeoutError

        suite = self._suites[future.key]
        if suite not in self._futures or self._futures[suite] is not future:
            return True  # it has been given up
        try:
            told = future.result(timeout=LOOK_S)
        except DaskTimeoutError:  # the Dask worker that held it has been lost since: Dask runs the suite again
            future.add_done_callback(self._told.put)
            return True
        except Exception as error:  # noqa: BLE001 - whatever Dask has to say
            told = self._without(suite, error)
        del self._futures[suite]
        self._keep(suite, pickle.loads(told))  # noqa: S301 - of Dask workers, which run what this run sends
        return True

    def _keep(self, suite: int, told: Done | BpftestError | str) -> None:
        if isinstance(told, BpftestError):
            raise told
        if isinstance(told, str):
            raise RuntimeError(f"on a Dask worker:\n{told}")  # noqa: TRY004 - no wrong type, but a bug
        self._done[suite] = told

    def _without(self, suite: int, error: Exception) -> bytes:
        """What is told of a suite that could not be run because of *error*: each of its cases is one."""
        from distributed import CancelledError, KilledWorker

        if isinstance(error, WorkerCrash):
            why = error
        elif isinstance(error, CancelledError):
            why = WorkerCrash(f"the Dask scheduler at {self._address} has dropped it, or is gone")
        elif isinstance(error, KilledWorker):
            why = WorkerCrash("each Dask worker that ran this suite was lost: too little memory for it?")
        else:
            raise HostError(f"a Dask worker cannot run {self._overviews[suite].path}: {error!r}") from error
        return dask_worker.done(self._errand(suite, why))

    def _look(self) -> None:
        """Sends suites elsewhere whose Dask workers are gone, and gives them up where none is left."""
        if self._client is None or self._client.status != "running":
            return  # without the scheduler its futures end by themselves
        try:
            living = {_host(address) for address in self._client.nthreads()}
        except OSError:
            return
        now = time.monotonic()
        stranded = [suite for suite in self._futures if living.isdisjoint(self._place(suite).hosts)]
        if not stranded:
            self._seen = now
            return
        candidates = self._asked()[0] if living else ()
        if candidates:
            self._candidates = candidates
            for suite in stranded:
                self._futures.pop(suite).cancel()
                self._submit(suite)
        elif now - self._seen > ABSENCE_S:
            for suite in stranded:
                self._futures.pop(suite).cancel()
                error = WorkerCrash(f"no worker is left of the Dask cluster at {self._address}")
                self._keep(suite, pickle.loads(self._without(suite, error)))  # noqa: S301 - of a process of this one's

    def _asked(self) -> tuple[tuple[Candidate, ...], dict[str, BpftestError | str]]:
        """The Dask workers that can run suites; and the hosts with one that cannot, and why not.

        All those of such a host are left out, since Dask is told hosts: a worker that comes again has another address.
        """
        assert self._client is not None
        required = tuple({requires: None for one in self._overviews.values() for requires, _ in one.needs or ()})
        question = Question(__version__, sys.version_info[:2], os.getcwd(), self._digests, required)
        answers: dict[str, Any] = self._client.run(dask_worker.answer, question, on_error="return")
        refusals = {_host(where): _reason(told) for where, told in answers.items() if not isinstance(told, Answer)}
        candidates = [
            Candidate(_host(where), frozenset(itertools.compress(required, told.meets)), told.resources)
            for where, told in answers.items()
            if isinstance(told, Answer) and _host(where) not in refusals
        ]
        return tuple(candidates), refusals

    def _cut_off(self) -> None:
        if self._client is not None and self._client.status == "running":
            with suppress(OSError):  # the scheduler is gone
                self._client.run(dask_worker.cut_off, self._run, on_error="ignore")

    def _close(self) -> None:
        from distributed import TimeoutError as DaskTimeoutError

        if self._futures:
            self._cut_off()
        if self._client is not None:
            with suppress(DaskTimeoutError):
                self._client.close(timeout=STOP_S)

    def _taken(self, *, also_later: bool = False) -> Iterator[Event]:
        """The events of the first suites, as far as these have run. *also_later*: of others that have, too."""
        while self._order:
            if self._order[0] not in self._done and not also_later:
                return
            done = self._done.pop(self._order.popleft(), Done((), None))
            yield from done.events
            if done.keepsake is not None:
                self.keepsakes.append(done.keepsake)


def _with_needs(planned: Planned | InvalidSuite) -> Planned | InvalidSuite:
    return planned if isinstance(planned, InvalidSuite) else planned._replace(needs=needs(planned))


def _refuse_without_package() -> None:
    """Raises UsageError where there is no Dask here."""
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise UsageError("--dask needs the package distributed, which is not installed", "pip install 'bpftest[dask]'")


def _digest(path: str) -> str:
    from bpftest.executors.errand import digest

    try:
        return digest(path)
    except OSError as error:
        raise HostError(f"{path} cannot be read any more: {error.strerror}", "run again") from None


def _nobody(address: str, refusals: Sequence[BpftestError | str]) -> HostError:
    """The error of a cluster without a worker that can run suites."""
    if not refusals:
        return HostError(f"the Dask cluster at {address} has no workers", f"start some, as root: dask worker {address}")
    hint = refusals[0].hint if isinstance(refusals[0], BpftestError) else ""
    return HostError(
        f"no worker of the Dask cluster at {address} can run suites: {refusals[0]}", hint or "run them as root"
    )


def _client(address: str) -> Client:
    """A connection to the scheduler at *address*. Raises HostError."""
    from distributed import Client

    logging.disable()  # Dask's tracebacks: what matters of them is told by events and errors
    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False, name="bpftest")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        what = f"no Dask scheduler answers at {address}: {error}"
        raise HostError(what, "start one: dask scheduler; its address is HOST:8786, tls://HOST:8786 with TLS") from None


def _host(address: str) -> str:
    """The host of a Dask worker's *address*."""
    from distributed.comm import get_address_host

    host: str = get_address_host(address)
    return host


def _reason(told: object) -> BpftestError | str:
    """Why a Dask worker cannot run suites, of what it said instead."""
    if isinstance(told, (BpftestError, str)):
        return told
    return f"{type(told).__name__}: {told}"
