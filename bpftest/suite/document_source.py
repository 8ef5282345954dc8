"""The text of a suite file: read within limits, known to be clean, with its lines counted."""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from itertools import accumulate

from bpftest.errors import BpftestError, Place, SuiteError

MAX_BYTES = 4 * 1024 * 1024  # of a suite file

# What YAML wants escaped, the byte order mark, and what only some readers take for the end of a line (U+0085, U+2028,
# U+2029): without these, PyYAML, an editor and str.splitlines() agree about every line.
_UNCLEAN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")

# How files begin that are often named by mistake. UTF-32 comes first: its mark begins as that of UTF-16 does.
_FOREIGN = (
    (b"\xff\xfe\0\0", "text in UTF-32"),
    (b"\0\0\xfe\xff", "text in UTF-32"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"\x7fELF", "an ELF object"),
    (b"\x1f\x8b", "a gzip archive"),
)


class Source:
    """The text of a file, with its lines. Positions are characters from the start of the text, from 0."""

    __slots__ = ("_lines", "_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path  # as the user named it
        self.text = text  # clean, and without a byte order mark
        self._lines: list[str] = []  # counted when somebody asks, with their ends
        self._starts: list[int] = []

    def place(self, start: int, end: int) -> Place:
        """The characters from *start* up to *end*, or those of them on the first line; one, if there are none."""
        self._count_lines()
        line = bisect_right(self._starts, start)
        before = start - self._starts[line - 1]
        shown = self._lines[line - 1][before : before + end - start].rstrip()
        return Place(self.path, line, before + 1, max(len(shown), 1))

    def lines(self, first: int, last: int) -> tuple[tuple[int, str], ...]:
        """(number, text without its end) of the lines *first* to *last*, both from 1, those that there are."""
        self._count_lines()
        numbers = range(max(first, 1), min(last, len(self._lines)) + 1)
        return tuple((number, self._lines[number - 1].rstrip("\r\n")) for number in numbers)

    def _count_lines(self) -> None:
        if self._lines:
            return
        self._lines = self.text.splitlines(keepends=True)
        if not self._lines or self._lines[-1][-1] in "\r\n":
            self._lines.append("")
        self._starts = [0, *accumulate(map(len, self._lines[:-1]))]


class InvalidDocument(BpftestError):
    """A suite file with mistakes: all that could be found in one reading, in the order of the file."""

    exit_code = 3

    def __init__(self, source: Source, faults: tuple[SuiteError, ...]) -> None:
        super().__init__(faults[0].what, faults[0].hint, faults[0].place)
        self.source = source  # for its lines: they are clean even if the file is not
        self.faults = faults  # each with a place

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))


def read_source(path: str) -> Source:
    """The text of the file *path*. Never waits for a pipe, never reads beyond the limit. Raises InvalidDocument."""
    try:
        # O_NONBLOCK: to open a pipe that nobody writes to would wait for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _refused(path, "there is no such file") from None
    except ValueError:
        raise _refused(path, "no file has a NUL character in its name") from None
    except OSError as error:
        raise _refused(path, f"this cannot be opened: {error.strerror}") from None
    try:
        return source(path, _contents(path, fd))
    except OSError as error:
        raise _refused(path, f"this cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)


def source(path: str, data: bytes | str) -> Source:
    """The text of *data*, without its byte order mark. Raises InvalidDocument at what is not clean UTF-8."""
    if len(data) > MAX_BYTES:
        hint = "make several suites of it, or keep packets and map entries in files of their own"
        raise _refused(path, f"this file is larger than {MAX_BYTES // 1024 // 1024} MiB", hint)
    text = (data if isinstance(data, str) else _decoded(path, data)).removeprefix("\ufeff")
    if unclean := _UNCLEAN.search(text):
        raise _unclean(path, text, unclean.start())
    return Source(path, text)


def _contents(path: str, fd: int) -> bytes:
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        raise _refused(path, "this is a folder, not a file" if stat.S_ISDIR(mode) else "this is not a regular file")
    # The size is not asked for: files in /proc have none, and a file may grow.
    with open(fd, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1) or b""


def _decoded(path: str, data: bytes) -> str:
    for mark, what in _FOREIGN:
        if data.startswith(mark):
            raise _refused(path, f"this is {what}, not a suite", "a suite is YAML in UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = len(data[: error.start].decode().removeprefix("\ufeff"))
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8"
    shown = Source(path, _UNCLEAN.sub("\ufffd", data.decode(errors="replace").removeprefix("\ufeff")))
    raise InvalidDocument(shown, (SuiteError(what, "save the file as UTF-8", shown.place(start, start)),))


def _unclean(path: str, text: str, start: int) -> InvalidDocument:
    code = ord(text[start])
    what = f"the character U+{code:04X} cannot stand in a suite"
    hint = f'take it out, or write "{_escape(code)}" in double quotes'
    if code == 0 and start < 2:  # UTF-16 without a mark: every other byte of a text in English is 0
        what, hint = "this is text in UTF-16, or no text at all", "a suite is YAML in UTF-8"
    shown = Source(path, _UNCLEAN.sub("\ufffd", text))
    return InvalidDocument(shown, (SuiteError(what, hint, shown.place(start, start)),))


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _refused(path: str, what: str, hint: str = "") -> InvalidDocument:
    """What is wrong with the file as a whole."""
    return InvalidDocument(Source(path, ""), (SuiteError(what, hint, Place(path, 1, 1)),))
