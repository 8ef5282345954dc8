"""Suites run in this process, on the running kernel, in a network namespace of bpftest's own."""

from __future__ import annotations

import functools
import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

from bpftest import __version__
from bpftest.errors import HostError
from bpftest.events import CaseFinished, Outcome, RunFinished, RunStarted
from bpftest.kernel import libbpf, namespace, privileges
from bpftest.kernel.session import Session
from bpftest.progtypes import PROG_TYPES
from bpftest.runner import run_suite, timestamp

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from bpftest.events import Event
    from bpftest.executors.interrupts import Interrupts
    from bpftest.kernel.door import Loading
    from bpftest.plan import Plan
    from bpftest.suite.model import Requires


def refuse_machine() -> None:
    """Raises HostError where this process cannot run BPF tests."""
    missing = privileges.missing()
    if missing:
        raise HostError(f"running BPF programs needs {' and '.join(missing)}")
    libbpf.library()


def prepare() -> None:
    """Makes this process ready to run BPF tests. Raises HostError where it cannot."""
    refuse_machine()
    _jit()  # other network namespaces than the machine's first do not show it
    namespace.enter()


def run(
    plans: Sequence[tuple[Plan, frozenset[str]]],
    interrupts: Interrupts,
    max_failures: int | None = None,
    seed: int | None = None,
) -> Iterator[Event]:
    """The events of a run of the named cases of each plan. Ends with RunFinished, after an interrupt too.

    *interrupts*: signals wait while somebody has an event in hand. *max_failures*: how many cases may fail or error
    before no further one is run; None: all. *seed*: what the order was made from, for reports.
    """
    started = time.perf_counter()
    interrupted = ""
    try:
        with closing(_events(plans, max_failures, seed)) as events:
            for event in events:
                interrupts.hold()
                yield event
                interrupts.release()
        interrupts.hold()
    except KeyboardInterrupt as signal:
        interrupts.hold()
        interrupted = str(signal)
    yield RunFinished(time.perf_counter() - started, interrupted)


def _events(
    plans: Sequence[tuple[Plan, frozenset[str]]], max_failures: int | None, seed: int | None
) -> Generator[Event, None, None]:
    """The events up to the end, or to the failure that is one too many."""
    yield run_started(len(plans), sum(len(names) for _, names in plans), seed)
    kernel = RunningKernel()
    failures = 0
    for plan, names in plans:
        with closing(run_suite(plan, names, kernel)) as events:
            for event in events:
                yield event
                failures += isinstance(event, CaseFinished) and event.outcome in (Outcome.FAILED, Outcome.ERROR)
                if failures == max_failures:
                    return


def run_started(suites: int, cases: int, seed: int | None = None) -> RunStarted:
    """The first event of a run on this machine. *seed*: of the order of its cases, if that is not the suites'."""
    system = os.uname()
    return RunStarted(
        __version__,
        f"{system.sysname} {system.release}",
        system.machine,
        system.nodename,
        timestamp(),
        suites,
        cases,
        (("jit", _jit()), *(() if seed is None else (("seed", str(seed)),))),
    )


@functools.cache
def _jit() -> str:
    try:
        with open("/proc/sys/net/core/bpf_jit_enable", encoding="ascii") as setting:
            return "off" if setting.read().strip() == "0" else "on"
    except OSError:
        return "unknown"


class RunningKernel:
    """The kernel that this process runs on."""

    def __init__(self) -> None:
        self.lacks = functools.cache(_lacks)

    def open(self, loading: Loading) -> Session:
        """Loads a program; a refusal is in the session's report. Raises ObjectError."""
        return Session(loading)

    def type_lack(self, prog_type: int) -> str:
        """Why this kernel test-runs no programs of this type (enum bpf_prog_type); "" if it does."""
        from bpftest.kernel import probes

        return probes.type_lack(prog_type)


def _lacks(requires: Requires) -> str:
    """What of *requires* this machine has not, in words."""
    if not any(requires):
        return ""
    from bpftest.kernel import requirements

    return (
        requirements.arch(requires.arch)
        or (requires.kernel and requirements.kernel(requires.kernel))
        or requirements.types(tuple((name, PROG_TYPES[name].number) for name in requires.types))
        or requirements.features(requires.features)
        or requirements.config(requires.config)
    )
