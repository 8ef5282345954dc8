"""A confined child process: it is asked, it answers, bytes for bytes.

A message is its length, four bytes, and its bytes. Nothing that comes from the child is believed beyond that.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NoReturn

from bpftest.errors import HostError
from bpftest.sandbox.confinement import Limits, confine, leave_signals

ANSWER_MAX = 16 << 20  # bytes
START_SECONDS = 60.0  # for `begin`, which may import much on a machine that is busy
OUT_OF_MEMORY = 12  # exit code: ENOMEM
LENGTH = 4  # bytes of the length of a message
READ_SIZE = 64 << 10  # bytes

Answer = Callable[[bytes], bytes]


class ChildEnded(Exception):
    """The child has died, or made no sense and was killed; the text tells of what, as "SIGSEGV"."""


class ChildLate(Exception):
    """The child has not answered in time, and is no more."""


class Child:
    """A process forked from this one, which dies with the thread that made it."""

    def __init__(self, begin: Callable[[], Answer], limits: Limits, kept: Collection[int] = ()) -> None:
        """*begin* runs in the child while that may still do everything, and gives the function that answers.

        What the child needs to import it must have by then. *kept*: descriptors of this process that it keeps. Raises
        HostError where there is no process.
        """
        self.answered = 0  # requests
        self._limits = limits
        self._has_begun = False
        self._is_open = True
        self._parent = os.getpid()
        self._received = bytearray()  # and not taken yet
        from_parent, self._writing = os.pipe()
        self._reading, to_parent = os.pipe()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # whose handlers are this process's
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _live(self._parent, begin, limits, kept, from_parent, to_parent)
        except OSError as error:
            os.close(self._writing)
            os.close(self._reading)
            raise HostError(f"no process can be started: {error.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(from_parent)
            os.close(to_parent)
        for descriptor in (self._writing, self._reading):
            os.set_blocking(descriptor, False)
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._writing, select.POLLOUT)
        self._readable.register(self._reading, select.POLLIN)

    @property
    def can_answer(self) -> bool:
        """Whether it is there, and a child of this process: of a fork it is none."""
        return self._is_open and self._parent == os.getpid()

    def ask(self, request: bytes, seconds: float) -> bytes:
        """What the child answers to *request*.

        Raises ChildEnded, or ChildLate after *seconds*, in which its beginning does not count. Then, and where anything
        else interrupts, the child is no more.
        """
        try:
            if not self._has_begun:
                self._receive(time.monotonic() + START_SECONDS)
                self._has_begun = True
            ends = time.monotonic() + seconds
            self._send(_framed(request), ends)
            answer = self._receive(ends)
        except ChildEnded:
            raise ChildEnded(self.close()) from None
        except BaseException:
            self.close()
            raise
        self.answered += 1
        return answer

    def close(self) -> str:
        """Ends the child, if it is still there. Gives what it died of."""
        if not self._is_open:
            return ""
        is_mine, self._is_open = self.can_answer, False
        os.close(self._writing)
        os.close(self._reading)
        if not is_mine:
            return ""
        os.kill(self._pid, signal.SIGKILL)  # for one that is dying already the first signal counts
        status = os.waitpid(self._pid, 0)[1]
        if os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        if os.WEXITSTATUS(status) == OUT_OF_MEMORY:
            return f"a lack of memory: it may take {self._limits.memory >> 20:,} MiB"
        return f"exit code {os.WEXITSTATUS(status)}"

    def _send(self, message: bytes, ends: float) -> None:
        rest = memoryview(message)
        while rest:
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:  # noqa: PERF203 - each is tried
                _wait(self._writable, ends)
            except BrokenPipeError:
                raise ChildEnded from None

    def _receive(self, ends: float) -> bytes:
        while True:
            answer = _taken(self._received)
            if answer is not None:
                return answer
            _wait(self._readable, ends)
            piece = os.read(self._reading, READ_SIZE)
            if not piece:
                raise ChildEnded
            self._received += piece


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(LENGTH, "little") + message


def _taken(received: bytearray) -> bytes | None:
    """The first message of *received*, out of which it is taken; None where it is not there as a whole."""
    if len(received) < LENGTH:
        return None
    ends = LENGTH + int.from_bytes(received[:LENGTH], "little")
    if ends > LENGTH + ANSWER_MAX:
        raise ChildEnded
    if len(received) < ends:
        return None
    message = bytes(received[LENGTH:ends])
    del received[:ends]
    return message


def _wait(pipe: select.poll, ends: float) -> None:
    """Waits until there is something to do at *pipe*. Raises ChildLate where it is too late."""
    left = ends - time.monotonic()
    if left <= 0 or not pipe.poll(left * 1000):
        raise ChildLate


# --- in the child -------------------------------------------------------------------------------------------------


def _live(
    parent: int, begin: Callable[[], Answer], limits: Limits, kept: Collection[int], reading: int, writing: int
) -> NoReturn:
    """The whole life of the child."""
    code = 1
    try:
        leave_signals()
        answer = begin()
        confine(limits, (reading, writing, *kept))
        if os.getppid() == parent:  # what happened before the child had asked to die with it
            _serve(answer, reading, writing)
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run here
        with suppress(BaseException):
            import traceback

            traceback.print_exc()
    finally:
        os._exit(code)


def _serve(answer: Answer, reading: int, writing: int) -> None:
    received = bytearray()
    _write(writing, b"")  # it has begun
    while True:
        request = _taken(received)
        if request is None:
            piece = os.read(reading, READ_SIZE)
            if not piece:
                return
            received += piece
            continue
        _write(writing, answer(request))


def _write(writing: int, message: bytes) -> None:
    rest = memoryview(_framed(message))
    while rest:
        rest = rest[os.write(writing, rest) :]
