"""What becomes of a case, with a kernel that is a function from Request to Reply."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from bpftest.elf import ElfProgram
from bpftest.errnos import ENOTSUPP
from bpftest.errors import BpftestError, CompileError, HostError, ObjectError, Place
from bpftest.events import (
    CaseFinished,
    Event,
    Excerpt,
    Finding,
    Mismatch,
    Outcome,
    Problem,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.kernel.door import Loading, LoadReport, Reply, Request
from bpftest.plan import Object, Plan, plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.model import Requires
from bpftest.suite.parse import suite

XDP, SCHED_CLS = 6, 3  # enum bpf_prog_type
OBJECT = Object("main.bpf.o", (ElfProgram("main", "xdp"), ElfProgram("other", "xdp"), ElfProgram("tc", "tc")))
LOADED = LoadReport(log="processed 2 insns", verified_insns=273, jited_bytes=752, xlated_bytes=400)
REFUSED = LoadReport(errno.EACCES, "0: (61) r1 = *(u32 *)(r1 +0)\nR1 offset is outside of the packet\nprocessed 2 insns\n")


def passes(request: Request) -> Reply:
    """A program that returns XDP_PASS and leaves the packet alone."""
    return Reply(retval=2, duration_ns=17, data_out=request.data_in or b"", ctx_out=request.ctx_in or b"")


class FakeKernel:
    """Answers each Request by a function, and remembers what it was asked for."""

    def __init__(
        self,
        answer: Callable[[Request], Reply] = passes,
        report: LoadReport = LOADED,
        lacks: Mapping[str, str] | None = None,
        type_lacks: Mapping[int, str] | None = None,
        broken: BpftestError | None = None,
    ) -> None:
        self.answer, self.report, self.broken = answer, report, broken
        self._lacks, self._type_lacks = lacks or {}, type_lacks or {}
        self.opened: list[str] = []  # programs
        self.open = 0  # sessions
        self.requests: list[Request] = []

    def open_session(self, loading: Loading) -> FakeSession:
        self.opened.append(loading.program)
        if self.broken:
            raise self.broken
        return FakeSession(self)

    def lacks(self, requires: Requires) -> str:
        return next((self._lacks[name] for name in requires.features if name in self._lacks), "")

    def type_lack(self, prog_type: int) -> str:
        return self._type_lacks.get(prog_type, "")


class FakeSession:
    def __init__(self, kernel: FakeKernel) -> None:
        self.report = kernel.report
        self._kernel = kernel
        kernel.open += 1

    def run(self, request: Request) -> Reply:
        self._kernel.requests.append(request)
        return self._kernel.answer(request)

    def close(self) -> None:
        self._kernel.open -= 1
