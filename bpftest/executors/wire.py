"""What a run and its workers tell each other: frames over pipes, with a kind, the number of a suite and a value."""

from __future__ import annotations

import _pickle as pickle  # all that is wanted of pickle, which takes 2 ms more to import
import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of a run, to a worker.
PLAN = 1  # the suite
PREPARE = 2  # this process for BPF
RUN = 3  # the suite: (number of the first job, errors of jobs that do not run, by number)
# Of a worker: answers to these.
PLANNED = 11  # Overview or InvalidSuite
PREPARED = 12  # None
EVENTS = 13  # list of events
DONE = 14  # Keepsake, behind the last of the events
# Instead of any of them.
REFUSED = 21  # a BpftestError that ends the run
BUG = 22  # text: a traceback

_HEADER = struct.Struct("<Bii")  # kind, suite, bytes of the value
_CHUNK = 1 << 18  # bytes


class Frame(NamedTuple):
    """One thing told."""

    kind: int
    suite: int  # its number among those of the run; -1: of none
    data: bytes  # pickled: it is unpacked when somebody wants it

    def value(self) -> Any:
        """What is told."""
        return pickle.loads(self.data)


def send(descriptor: int, kind: int, suite: int = -1, value: object = None) -> None:
    """Writes one frame. Raises BrokenPipeError where nobody reads any more."""
    data = pickle.dumps(value, 5)
    rest = memoryview(_HEADER.pack(kind, suite, len(data)) + data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class Inbox:
    """The frames that come in at *descriptor*."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = bytearray()

    def read(self) -> bool:
        """Takes in what is there; waits for it, where the descriptor blocks. Gives whether anything was there."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        self._held += data
        return bool(data)

    def frames(self) -> Iterator[Frame]:
        """What has come in whole. A part at the end is kept for the next time."""
        at, held = 0, self._held
        while len(held) - at >= _HEADER.size:
            kind, suite, length = _HEADER.unpack_from(held, at)
            end = at + _HEADER.size + length
            if len(held) < end:
                break
            yield Frame(kind, suite, bytes(held[at + _HEADER.size : end]))
            at = end
        del held[:at]
