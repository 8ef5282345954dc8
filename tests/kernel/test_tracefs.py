"""Instances of tracefs: what is left of them when bpftest ends or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from bpftest.kernel.tracefs import PREFIX

pytestmark = [pytest.mark.kernel, pytest.mark.alone]

MAKES_ONE = """
import time
from bpftest.kernel import tracefs
made = tracefs.instance(("events/bpf_trace/bpf_trace_printk",))
print(made._tracefs, made._path, flush=True)
"""
PATIENCE = 20  # seconds


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_no_instance(number: signal.Signals) -> None:
    code = f"{MAKES_ONE}time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        descriptor, path = process.stdout.readline().split()
        tracefs = os.open(f"/proc/{process.pid}/fd/{descriptor}", os.O_RDONLY)
        instance = f"/proc/self/fd/{tracefs}/{path}"
        was_there = os.path.isdir(instance)
        process.send_signal(number)

    deadline = time.monotonic() + PATIENCE
    while os.path.isdir(instance) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = os.path.isdir(instance)
    os.close(tracefs)

    assert os.path.basename(path).startswith(PREFIX)
    assert (was_there, left) == (True, False)


def test_a_process_that_ends_leaves_neither_its_instance_nor_a_child() -> None:
    code = f"""{MAKES_ONE}
import os
tracefs.remove()
print(os.path.isdir(f"/proc/self/fd/{{made._tracefs}}/{{made._path}}"))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[1:] == ["False", "no child"]
