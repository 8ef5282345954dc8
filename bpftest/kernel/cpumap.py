"""CPUMAPs: frames that programs redirect to another CPU are taken there by a thread of the kernel, some time later."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from bpftest.kernel import libbpf
from bpftest.kernel.map import of_object
from bpftest.kernel.objects import maps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.kernel.objects import Loaded

BPF_MAP_TYPE_CPUMAP = 16  # linux/bpf.h
ENDLESS = 1 << 31  # frames
PATIENCE = 1.0  # seconds; a thread that has not been done by then is not waited for
SLEEPING = b"S"  # TASK_INTERRUPTIBLE, proc_pid_stat(5)


class CpuMaps:
    """Those of an object, with the entries that they have now."""

    def __init__(self, loaded: Loaded) -> None:
        sizes = list(_queues(loaded))
        self.room = max(1, min(sizes, default=ENDLESS))  # frames that the shortest of their queues holds
        self.threads = tuple(_threads()) if sizes else ()  # their numbers, as far as they can be seen

    def wait(self, ends: float) -> None:
        """Waits until the frames are taken out of the queues; not longer than *ends*, of time.monotonic.

        A thread sleeps when its queue is empty (cpu_map_kthread_run in kernel/bpf/cpumap.c), and whoever fills it
        wakes it up before the call is over.
        """
        ends = min(ends, time.monotonic() + PATIENCE)
        for thread in self.threads:
            while _state(thread) != SLEEPING and time.monotonic() < ends:
                os.sched_yield()


def _queues(loaded: Loaded) -> Iterator[int]:
    """The length of each queue, in frames: bpf_cpumap_val.qsize (linux/bpf.h)."""
    library = libbpf.library()
    for handle in maps_of(loaded):
        if library.bpf_map__type(handle) != BPF_MAP_TYPE_CPUMAP:
            continue
        cpus = of_object(loaded, handle)
        for cpu in range(cpus.max_entries):
            value = cpus.get(cpu.to_bytes(4, sys.byteorder))
            if value and (size := int.from_bytes(value[:4], sys.byteorder)):
                yield size


def _threads() -> Iterator[int]:
    """Each thread that serves a CPUMAP of this machine; a PID namespace hides them."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/comm", "rb") as comm:
            if comm.read().startswith(b"cpumap/"):  # cpumap/<cpu>/map:<id>
                yield int(name)


def _state(thread: int) -> bytes:
    """Its state; as if it slept, where there is none any more."""
    try:
        with open(f"/proc/{thread}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2][:1]
    except OSError:
        return SLEEPING
