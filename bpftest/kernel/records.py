"""What programs send to user space: ring buffers and perf event arrays are listened to while a program runs.

Layouts: kernel/bpf/ringbuf.c, include/uapi/linux/bpf.h (BPF_RINGBUF_*) and include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import RunError
from bpftest.kernel import libbpf
from bpftest.kernel.door import Records
from bpftest.kernel.map import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bpftest.kernel.map import Map
    from bpftest.kernel.objects import Loaded

PAGE = mmap.PAGESIZE
PERF_EVENT_ARRAY, RINGBUF = 4, 27  # enum bpf_map_type

BUSY, DISCARDED = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
RINGBUF_HEADER = 8  # BPF_RINGBUF_HDR_SZ; the length is in its first four bytes

# Of each CPU. With its first page it is just what kernel.perf_event_mlock_kb lets everybody have.
PERF_BYTES = 512 * 1024
PERF_RECORD_MAX = 0xFFFF  # bytes: perf_event_header.size has 16 bits
PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT = 1, 10
PERF_SAMPLE_TIME, PERF_SAMPLE_RAW = 1 << 2, 1 << 10
PERF_FORMAT_LOST = 1 << 4  # since Linux 6.0: reading the event tells how many records there was no room for
PERF_RECORD_LOST, PERF_RECORD_SAMPLE = 2, 9
USE_CLOCKID = 1 << 25  # a bit of struct perf_event_attr: `clockid` counts
CLOCK_MONOTONIC = 1  # one clock for all CPUs
PERF_ATTR = struct.Struct("=IIQQQQQIIQQQQIi")  # struct perf_event_attr up to clockid: PERF_ATTR_SIZE_VER3
PERF_EVENT_CONTINUE = -2  # LIBBPF_PERF_EVENT_CONT


@contextmanager
def listening(loaded: Loaded, names: Iterable[str]) -> Iterator[Callable[[], tuple[Records, ...]]]:
    """Ring buffers and perf event arrays are open as long as the block lasts.

    Gives a function for what has come since the block began, in the order of *names*; to be called once. What is in
    a ring buffer before is dropped. A perf event array has entries inside the block only: elsewhere nobody listens,
    and bpf_perf_event_output gives -ENOENT. All of them raise RunError; the block itself ObjectError too.
    """
    with ExitStack() as opened:
        buffers = [opened.enter_context(closing(_buffer(named(loaded, name)))) for name in names]
        yield lambda: tuple(one.records() for one in buffers)


def _buffer(target: Map) -> _RingBuffer | _PerfBuffers:
    return _RingBuffer(target) if target.type == RINGBUF else _PerfBuffers(target)


class _RingBuffer:
    def __init__(self, target: Map) -> None:
        self._name, self._size = target.name, target.max_entries
        try:
            self._consumer = mmap.mmap(target.descriptor, PAGE)
            # The data is there twice, one behind the other, so that no record is in two pieces.
            self._producer = mmap.mmap(
                target.descriptor, PAGE + 2 * self._size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED, offset=PAGE
            )
        except OSError as error:
            raise RunError(f"map '{self._name}' cannot be read: {error.strerror}") from None
        self.records()

    def records(self) -> Records:
        start, end = _position(self._consumer), _position(self._producer)
        found, largest, at = [], 0, start
        while at < end:
            data = PAGE + at % self._size
            header = int.from_bytes(self._producer[data : data + 4], sys.byteorder)
            if header & BUSY:  # a program on another CPU is still writing it
                break
            length = header & ~DISCARDED
            if not header & DISCARDED:
                found.append(self._producer[data + RINGBUF_HEADER : data + RINGBUF_HEADER + length])
            step = (RINGBUF_HEADER + length + 7) // 8 * 8
            largest, at = max(largest, step), at + step
        self._consumer[:8] = at.to_bytes(8, sys.byteorder)
        return Records(self._name, tuple(found), full=end - start + largest >= self._size)

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()


def _position(page: mmap.mmap) -> int:
    """How many bytes have ever been consumed, or produced."""
    return int.from_bytes(page[:8], sys.byteorder)


class _PerfEvent(NamedTuple):
    """A record of a perf buffer, as struct perf_event_header and what follows say."""

    type: int  # PERF_RECORD_*
    cpu: int
    content: bytes  # without the header


class _PerfBuffers:
    """A buffer for each CPU, which libbpf reads."""

    def __init__(self, target: Map) -> None:
        self._name = target.name
        self._events: list[_PerfEvent] = []
        self._callback = _callback(self._events)  # libbpf keeps a pointer to it
        self._counts = True
        self._handle = self._buffers(target, PERF_FORMAT_LOST)
        if self._handle is None and libbpf.last_errno() == errno.EINVAL:
            self._counts = False
            self._handle = self._buffers(target, 0)
        if self._handle is None:
            failed = libbpf.last_errno()
            hint = "it takes CAP_PERFMON" if failed in {errno.EPERM, errno.EACCES} else ""
            raise RunError(f"map '{self._name}' gets no perf buffers: {libbpf.error_text(failed)}", hint)

    def _buffers(self, target: Map, read_format: int) -> int | None:
        """A struct perf_buffer *, whose events are in the map, each at the number of its CPU; None: errno says why."""
        attributes = PERF_ATTR.pack(
            *(PERF_TYPE_SOFTWARE, PERF_ATTR.size, PERF_COUNT_SW_BPF_OUTPUT, 1, PERF_SAMPLE_TIME | PERF_SAMPLE_RAW),
            *(read_format, USE_CLOCKID, 1, 0, 0, 0, 0, 0, 0, CLOCK_MONOTONIC),
        )
        pages = max(1, PERF_BYTES // PAGE)
        made: int | None = libbpf.library().perf_buffer__new_raw(
            target.descriptor, pages, attributes, self._callback, None, None
        )
        return made

    def records(self) -> Records:
        with libbpf.uninterrupted():
            failed = libbpf.library().perf_buffer__consume(self._handle)
        if failed < 0:
            raise RunError(f"map '{self._name}' cannot be read: {libbpf.error_text(-failed)}")
        timed = sorted(map(_sample, self._of(PERF_RECORD_SAMPLE)), key=_time)
        return Records(self._name, tuple(raw for _, raw in timed), self._lost())

    def _of(self, kind: int) -> Iterator[bytes]:
        return (event.content for event in self._events if event.type == kind)

    def _lost(self) -> int:
        """How many records there was no room for."""
        if self._counts:
            library = libbpf.library()
            events = (
                library.perf_buffer__buffer_fd(self._handle, index)
                for index in range(library.perf_buffer__buffer_cnt(self._handle))
            )
            return sum(struct.unpack("=QQ", os.read(event, 16))[1] for event in events)
        # The kernel tells of a loss with the next record that it has room for, which need not come.
        self._refuse_full()
        return sum(struct.unpack_from("=QQ", content)[1] for content in self._of(PERF_RECORD_LOST))

    def _refuse_full(self) -> None:
        """Raises RunError where there may have been no room for a last record."""
        taken: dict[int, int] = {}
        for event in self._events:
            taken[event.cpu] = taken.get(event.cpu, 0) + 8 + len(event.content)
        if any(size > PERF_BYTES - PERF_RECORD_MAX for size in taken.values()):
            raise RunError(
                f"records of map '{self._name}' may be lost: its perf buffer of {PERF_BYTES} bytes is almost full",
                "this kernel does not say how many (Linux 6.0 does); let the case send fewer of them",
            )

    def close(self) -> None:
        libbpf.library().perf_buffer__free(self._handle)


def _callback(events: list[_PerfEvent]) -> ctypes._FuncPointer:
    def take(_context: int, cpu: int, address: int) -> int:
        kind, _, size = struct.unpack("=IHH", ctypes.string_at(address, 8))
        events.append(_PerfEvent(kind, cpu, ctypes.string_at(address + 8, size - 8)))
        return PERF_EVENT_CONTINUE

    return libbpf.PERF_EVENT(take)


def _sample(content: bytes) -> tuple[int, bytes]:
    """(nanoseconds, record) of a PERF_RECORD_SAMPLE. The kernel fills the record up until it ends at 8 bytes."""
    time, size = struct.unpack_from("=QI", content)
    return time, content[12 : 12 + size]


def _time(sample: tuple[int, bytes]) -> int:
    return sample[0]
