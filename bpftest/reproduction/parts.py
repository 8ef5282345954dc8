"""What a reproduction is made of."""

from __future__ import annotations

from typing import NamedTuple


class Where(NamedTuple):
    """The names that the commands of a case use. None of them needs quoting."""

    folder: str  # of its files
    object: str  # the path of the object
    pins: str  # below the bpffs: the program, or the folder of the programs
    several: bool = False  # the object has several programs

    def program(self, name: str) -> str:
        """The program *name* of the object in the bpffs."""
        return f"{self.pins}/{name}" if self.several else self.pins

    @property
    def maps(self) -> str:
        """The folder of the maps in the bpffs."""
        return f"{self.pins}-maps"


class Script(NamedTuple):
    """Lines for a shell, and the files that they read."""

    lines: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...] = ()  # (path, content)
    title: tuple[str, ...] = ()  # what stands before all of it: which step this is
