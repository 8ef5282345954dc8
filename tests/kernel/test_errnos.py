"""What a user reads for each errno that can be provoked: tests/programs/errnos.yaml, run on this kernel."""

from __future__ import annotations

import _socket
import re
import socket
from pathlib import Path

import pytest

from bpftest.collect import Chosen, plans
from bpftest.events import CaseFinished, Outcome
from bpftest.executors.local import RunningKernel
from bpftest.kernel import namespace, probes
from bpftest.progtypes import PROG_TYPES
from bpftest.reporters import blocks
from bpftest.runner import run_suite
from bpftest.suite.model import Case
from bpftest.suite.parse import read_suite
from tests.golden import assert_golden
from tests.kernel.children import in_child
from tests.kernel.test_session import CAP_BPF, keep_capability

pytestmark = pytest.mark.kernel

PROGRAMS = Path(__file__).parent.parent / "programs"
CASES = {case.name: case for case in read_suite(str(PROGRAMS / "errnos.yaml")).cases}


def finished(name: str) -> CaseFinished:
    """The end of a case, in a network namespace as bpftest makes it."""
    namespace.enter()
    chosen = Chosen(read_suite("errnos.yaml"), frozenset([name]))
    (plan,), invalid = plans([chosen])
    assert not invalid
    (event,) = (one for one in run_suite(plan, chosen.names, RunningKernel()) if isinstance(one, CaseFinished))
    return event


def told(case: CaseFinished) -> str:
    """What the console shows of it, but for durations and logs."""
    lines = [f"{case.outcome.value} {case.name}", case.message]
    short = case._replace(problem=case.problem and case.problem._replace(text=""))
    if case.outcome is not Outcome.SKIPPED:
        lines += [text for role, text in blocks.details(short) if role != "again"]
    return "\n".join(lines) + "\n"


def bind_shared(one: socket.socket, address: tuple[str, int]) -> None:
    """Binds a socket that is in a reuseport group, as no socket of a suite is."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _socket.socket.bind(one, address)


def without_privileges(name: str) -> CaseFinished:
    """The end of a case where the process may load less than the probe of its type."""
    namespace.enter()
    assert probes.type_lack(PROG_TYPES["sched_cls"].number) == ""
    keep_capability(CAP_BPF)
    return finished(name)


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold())


@pytest.mark.parametrize("case", CASES.values(), ids=[slug(name) for name in CASES])
def test_an_errno_is_told_with_what_causes_it_and_what_to_write(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    monkeypatch.chdir(PROGRAMS)
    if "reuseport" in case.tags:
        monkeypatch.setattr(socket.socket, "bind", bind_shared)
    run = without_privileges if "unprivileged" in case.tags else finished

    event = in_child(lambda: run(case.name))

    if event.outcome is Outcome.PASSED and "some_kernels" in case.tags:
        return
    assert_golden(f"errnos/{slug(case.name)}.txt", told(event))
