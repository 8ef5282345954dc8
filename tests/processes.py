"""bpftest as users start it: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
PATIENCE = 180  # seconds; a process that takes so long hangs. All of suites/ is compiled first
BPFTEST = (sys.executable, "-m", "bpftest")


def environment(**more: str) -> dict[str, str]:
    """What a process of bpftest gets to know: nothing of CI, terminal or locale that the tests do not say."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",  # nothing is to be made there
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "PYTHONPYCACHEPREFIX": f"{os.environ['XDG_CACHE_HOME']}-of-python",  # this checkout stays as it is
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
        **more,
    }


def ran(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`bpftest ARGUMENTS` in the folder *cwd*; *more*: environment variables."""
    return subprocess.run(
        [*BPFTEST, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def started(*arguments: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
    """The same, still running, and deaf to no signal."""
    return subprocess.Popen(
        [*BPFTEST, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear,  # noqa: PLW1509 - the tests have no threads
    )


def _hear() -> None:
    """Ctrl-C interrupts, also where the tests themselves run in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
