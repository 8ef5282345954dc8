"""Lines on their way to a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.reporters.printable import inert

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


def lines(out: TextIO) -> Callable[..., None]:
    """A function that writes its arguments to *out*, each as a line, at once; what *out* cannot encode as its escape.

    No line is a command to a CI system that reads along.
    """
    encoding = out.encoding or "utf-8"

    def write(*texts: str) -> None:
        text = "".join([f"{inert(one)}\n" for one in texts])
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        out.flush()

    return write
