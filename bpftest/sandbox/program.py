"""Programs of others that read what strangers wrote: they run with little rights, and write to what they are given."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from bpftest.sandbox.confinement import confine_program

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bpftest.sandbox.confinement import Limits, User


NEEDED = ("PATH", "LANG", "LC_", "LD_LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "NIX_", "SOURCE_DATE_EPOCH")


class Finished(NamedTuple):
    """What came of a program."""

    code: int  # its exit code; negative: the signal that ended it
    out: bytes  # of its standard output
    said: str  # of its standard error, without blanks around it


def run(
    command: list[str],
    seconds: float,
    limits: Limits,
    users: Collection[User] = (),
    files: Collection[tuple[str, int]] = (),
    kept: Collection[int] = (),
) -> Finished:
    """Runs *command* to its end, as confine_program() has it. *kept*: descriptors of this process that it has too.

    Of the environment it has what a compiler may need: in CI the rest holds secrets.
    Raises OSError where it cannot be started; TimeoutError after *seconds*. What it has started itself ends with it.
    """
    out, said = os.memfd_create("out"), os.memfd_create("said")
    try:
        code = _code(command, seconds, lambda: confine_program(limits, users, files), (out, said), kept)
        return Finished(code, content(out), content(said).decode("utf-8", "replace").strip())
    finally:
        os.close(out)
        os.close(said)


def content(descriptor: int) -> bytes:
    """All of the file behind *descriptor*."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _environment() -> dict[str, str]:
    # Where clang is ccache, that would want a folder of its own, for what it does not keep anyway.
    return {name: value for name, value in os.environ.items() if name.startswith(NEEDED)} | {"CCACHE_DISABLE": "1"}


def _code(
    command: list[str], seconds: float, confine: Callable[[], None], outputs: tuple[int, int], kept: Collection[int]
) -> int:
    """The exit code of *command*."""
    from subprocess import DEVNULL, Popen, SubprocessError

    try:
        started = Popen(
            command,
            stdin=DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
            pass_fds=kept,
            env=_environment(),
            preexec_fn=confine,  # noqa: PLW1509 - the processes that compile have no threads
        )
    except SubprocessError:  # of *confine*
        raise OSError(0, "it cannot be confined") from None
    with started as program:
        ended, waiting = os.pidfd_open(program.pid), select.poll()
        waiting.register(ended, select.POLLIN)
        try:
            if not waiting.poll(seconds * 1000):
                raise TimeoutError
        finally:
            os.close(ended)
            with suppress(ProcessLookupError):  # the last of its group is gone
                os.killpg(program.pid, signal.SIGKILL)
    return program.returncode
