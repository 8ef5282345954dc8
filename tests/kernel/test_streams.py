"""The streams of programs. On the kernels of the tests a program may have nothing in them."""

from __future__ import annotations

import ctypes
import errno
import struct

import pytest

from bpftest.errors import HostError
from bpftest.kernel import streams
from bpftest.kernel.door import Reply, Request, Setup
from bpftest.kernel.requirements import kernel
from tests.kernel.conftest import Build, Open

pytestmark = [pytest.mark.kernel, pytest.mark.alone]

XDP = 6  # enum bpf_prog_type
FRAME = Request(bytes(64))


class FakeStreams:
    """A kernel whose programs have streams: what each read gives, until there is no more."""

    def __init__(self, *parts: tuple[int, bytes]) -> None:
        self.parts = list(parts)  # (stream, content)

    def __call__(self, command: int, attributes: bytes) -> int:
        assert (command, len(attributes)) == (37, 24)
        address, size, stream, program_fd = struct.unpack("=QIIi4x", attributes)
        assert program_fd == 5
        for index, (one, content) in enumerate(self.parts):
            if one == stream:
                del self.parts[index]
                ctypes.memmove(address, content, len(content))
                assert len(content) <= size
                return len(content)
        return 0


def test_a_stream_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeStreams((2, b"err"), (1, b"one\n"), (1, b"two"))
    monkeypatch.setattr(streams.syscalls, "bpf", kernel)

    assert streams.read(5, streams.STDOUT) == b"one\ntwo"
    assert kernel.parts == [(2, b"err")]


def test_what_an_earlier_run_has_written_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeStreams((1, b"old"), (2, b"old"))
    monkeypatch.setattr(streams.syscalls, "bpf", kernel)
    with streams.streaming(5, wanted=True) as look:
        kernel.parts += [(1, b"new\n"), (2, b"bad: \xff\n")]

        assert look() == ("new\n", "bad: \ufffd\n")


def test_a_kernel_without_streams_is_an_error_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(_command: int, _attributes: bytes) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(streams.syscalls, "bpf", old)
    with pytest.raises(HostError) as raised, streams.streaming(5, wanted=True):
        pass

    assert not streams.there()
    assert raised.value.what == "this kernel gives no streams of programs: Invalid argument"
    assert raised.value.hint == (
        "Linux has them since 6.17; 'requires: {features: [bpf_streams]}' skips the case elsewhere"
    )
    with streams.streaming(5, wanted=False) as look:
        assert look() == ("", "")


def test_the_running_kernel_says_the_same_as_its_release() -> None:
    assert streams.there() == (kernel(">=6.17") == "")


@pytest.mark.parametrize("loading", [{}, {"streams": True}])
def test_a_program_that_writes_nothing_has_empty_streams(build: Build, opened: Open, loading: dict[str, bool]) -> None:
    session = opened(build("plain"), "pass", XDP, **loading)
    wanted = FRAME._replace(setup=Setup(streams=streams.there()))

    assert session.run(wanted).streams == Reply().streams


def test_a_stream_that_is_none_is_refused(build: Build, opened: Open) -> None:
    program_fd = opened(build("plain"), "pass", XDP)._loaded.program_fd
    refused = []
    for descriptor, stream in ((program_fd, 3), (-1, streams.STDOUT)):
        with pytest.raises(OSError) as raised:  # noqa: PT011 - its errno is looked at
            streams.read(descriptor, stream)
        refused.append(raised.value.errno)

    assert refused == ([errno.ENOENT, errno.EBADF] if streams.there() else [errno.EINVAL] * 2)
