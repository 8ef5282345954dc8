"""What programs print with bpf_trace_printk and bpf_trace_vprintk, in an instance of tracefs of bpftest's own.

It takes the event bpf_trace:bpf_trace_printk (Linux 5.9) alone, and of its lines those count that the task printed
which runs the programs; other processes' programs print too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from bpftest.errors import HostError, RunError
from bpftest.kernel import privileges, tracefs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.door import Request

    Lines = Callable[[], tuple[str, ...]]

BPF_F_TEST_RUN_ON_CPU = 1  # linux/bpf.h
EVENT = "events/bpf_trace/bpf_trace_printk"
_EVENT = re.compile(
    rf"^(?:CPU:\d+ \[LOST (?:\d+ )?EVENTS\]\n|{tracefs.BEFORE}(?P<event>bpf_trace_printk|tracing_mark_write): )",
    re.MULTILINE,
)


@contextlib.contextmanager
def printing(request: Request, *, wanted: bool) -> Iterator[Lines]:
    """In this block lines that programs print are captured; what comes is called for them.

    They are text without what the kernel puts before it; a line break at the end is no line of its own. Where they
    cannot be captured there are none, or a HostError if they are *wanted*; then a buffer that was too small is a
    RunError too.
    """
    try:
        instance = _instance()
    except HostError:
        if wanted:
            raise
        yield tuple
        return
    cpu = request.run_on_cpu if request.flags & BPF_F_TEST_RUN_ON_CPU else None
    instance.text()

    def look() -> tuple[str, ...]:
        lines, lost = printed(instance.text(), instance.task, cpu)
        if lost and wanted:
            hint = "print less, or let fewer runs print: a smaller 'repeat'"
            raise RunError("programs print more than the kernel's trace buffer holds: lines were lost", hint)
        return lines

    yield look


def printed(text: str, task: int, cpu: int | None = None) -> tuple[tuple[str, ...], bool]:
    """The lines in *text* of trace_pipe that *task* printed, and whether some were lost, of whomever.

    *cpu*: what was printed there counts too: the program interrupts the task that happens to run there.
    """
    lines: list[str] = []
    lost = False
    found = list(_EVENT.finditer(text))
    starts = [*(one.start() for one in found), len(text)]
    for event, end in zip(found, starts[1:], strict=True):
        if event["event"] is None:
            lost = True
        elif event["event"] == "bpf_trace_printk" and (int(event["task"]) == task or int(event["cpu"]) == cpu):
            said = text[event.end() : end].removesuffix("\n")  # that of the kernel
            lines += said.removesuffix("\n").split("\n")
    return tuple(lines), lost


def _instance() -> tracefs.Instance:
    try:
        return tracefs.instance((EVENT,))
    except HostError as error:
        denied = error.what.endswith(os.strerror(errno.EACCES))
        if denied and "CAP_DAC_OVERRIDE" in privileges.missing_for_some_cases():
            raise privileges.needed(
                "what programs print is captured by root's tracefs, which", "CAP_DAC_OVERRIDE"
            ) from None
        raise HostError(
            f"what programs print cannot be captured: {error.what}",
            f"it takes an instance of tracefs with {EVENT} (CONFIG_BPF_EVENTS, Linux 5.9)",
        ) from None
