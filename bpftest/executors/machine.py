"""How a run begins: what there is to run, on which machine."""

from __future__ import annotations

import os

from bpftest import __version__
from bpftest.events import RunStarted, timestamp


def run_started(suites: int, cases: int, seed: int | None = None) -> RunStarted:
    """The first event of a run on this machine. *seed*: of the order of its cases, if that is not the suites'.

    To be called outside of network namespaces of bpftest's own, which do not show how the JIT is set.
    """
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


def _jit() -> str:
    try:
        with open("/proc/sys/net/core/bpf_jit_enable", encoding="ascii") as setting:
            return "off" if setting.read().strip() == "0" else "on"
    except OSError:
        return "unknown"
