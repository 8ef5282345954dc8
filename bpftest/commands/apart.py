"""Work on an object in a process of its own: an object can be such that libbpf crashes on it."""

from __future__ import annotations

import signal
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from bpftest.errors import BpftestError, ObjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.executors.pool import Death, Pool
    from bpftest.executors.wire import Frame


def apart(make: Callable[[], bytes], file: str) -> bytes:
    """What *make* gives, in another process; *file*: the object, for messages.

    Raises the BpftestError that *make* raises; ObjectError where the process dies of it.
    """
    from bpftest.executors import wire
    from bpftest.executors.pool import Death, Pool

    pool = Pool(lambda _commands, answers, _now: _tell(make, answers), 1)
    try:
        told = _first(pool)
        if isinstance(told, Death):
            raise ObjectError(
                f"{file}: the process that tried it {_end(told)}", "build it again, with another compiler"
            )
        deque(pool.stop(()), maxlen=0)  # it may have something to clean up
    finally:
        pool.kill()
    value: Any = told.value()
    if told.kind == wire.BUG:
        raise RuntimeError(f"in another process:\n{value}")
    if isinstance(value, BpftestError):
        raise value
    return cast("bytes", value)


def _tell(make: Callable[[], bytes], answers: int) -> None:
    """Tells what *make* gives, and ends: the life of the process."""
    from bpftest.executors import wire

    try:
        wire.send(answers, wire.DONE, value=make())
    except BpftestError as error:
        wire.send(answers, wire.REFUSED, value=error)
    except Exception:  # noqa: BLE001 - the other process shows it
        import traceback

        wire.send(answers, wire.BUG, value=traceback.format_exc())


def _first(pool: Pool) -> Frame | Death:
    while True:
        for _, told in pool.heard():
            return told


def _end(death: Death) -> str:
    if death.status < 0:
        return f"was ended by {signal.Signals(-death.status).name}"
    return f"ended with exit code {death.status}"
