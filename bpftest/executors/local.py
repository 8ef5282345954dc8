"""This process on the running kernel, in a network namespace of bpftest's own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from bpftest.errors import HostError
from bpftest.kernel import libbpf, namespace, privileges
from bpftest.kernel.session import Session
from bpftest.progtypes import PROG_TYPES

if TYPE_CHECKING:
    from bpftest.kernel.door import Loading
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
    namespace.enter()


class RunningKernel:
    """The kernel that this process runs on."""

    def __init__(self) -> None:
        self.lacks = functools.cache(_lacks)

    def open(self, loading: Loading, timeout_s: float = 10.0) -> Session:
        """Loads a program; a refusal is in the session's report. Raises ObjectError, CaseTimeout."""
        return Session(loading, timeout_s)

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
