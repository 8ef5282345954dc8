"""A compiled object, as bpftest itself reads it; libbpf reads it in a confined process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bpftest import elf
from bpftest.errors import ObjectError
from fuzz import seeds as files

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeds() -> Iterator[bytes]:
    """The programs of the tests, and of suites/."""
    yield from files.objects()


def one(data: bytes) -> None:
    """Each part is there, or missing with an ObjectError."""
    for part in (elf.programs, elf.btf, elf.variables, elf.prints, elf.held):
        with suppress(ObjectError):
            part(data)
