"""The BPF programs of an ELF object: their names and sections, read without libbpf and before anything is loaded.

Objects are untrusted: every offset is checked, and damage is an ObjectError that says what is wrong.
Layout from the System V ABI, chapter 4 (Elf64_Ehdr, Elf64_Shdr, Elf64_Sym).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import ObjectError
from bpftest.reading import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

EM_BPF = 247
SHT_SYMTAB = 2
SHF_EXECINSTR = 4
STT_FUNC = 2
SIZE_MAX = 256 * 1024 * 1024  # bytes; a file with more is no object
NAME_MAX = 4096  # bytes; the kernel's own limit for a function is 512 (KSYM_NAME_LEN)


class ElfProgram(NamedTuple):
    """A BPF program of an object."""

    name: str  # the C function
    section: str  # what SEC() says


class _Section(NamedTuple):
    name_offset: int
    kind: int  # sh_type
    flags: int
    offset: int  # bytes from the start of the file
    size: int  # bytes
    link: int


def read_programs(path: str) -> tuple[ElfProgram, ...]:
    """The programs of the object at *path*, in its order. Raises ObjectError."""
    try:
        content = read_regular(path, SIZE_MAX)
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}", "build the object first, or correct the path") from None
    try:
        return programs(content)
    except ObjectError as error:
        raise ObjectError(f"{path}: {error.what}", error.hint) from None


def programs(content: bytes) -> tuple[ElfProgram, ...]:
    """The functions in executable sections other than .text, which holds subprograms. Raises ObjectError."""
    sections, names_at = _sections(content)
    section_names = _part(content, _linked(sections, names_at, "section names"))
    # An object has one symbol table at most: libbpf refuses a second.
    table = next((section for section in sections if section.kind == SHT_SYMTAB), None)
    if table is None:
        return ()
    names = _part(content, _linked(sections, table.link, "names of symbols"))
    found = []
    for name, info, index in _symbols(content, table):
        if info & 0xF != STT_FUNC or index >= len(sections) or not sections[index].flags & SHF_EXECINSTR:
            continue
        section = _text(section_names, sections[index].name_offset)
        if section != ".text":
            found.append(ElfProgram(_text(names, name), section))
    return tuple(found)


def _sections(content: bytes) -> tuple[list[_Section], int]:
    """All sections, and the index of the one that holds their names."""
    if content[:4] != b"\x7fELF":
        raise ObjectError("not an ELF object", "bpftest loads what `clang -target bpf -c` writes")
    if len(content) < 64:
        raise _damaged(f"it has {len(content)} bytes")
    if content[4] != 2:
        raise ObjectError("not a BPF object: a 32-bit ELF file", "compile it with clang -target bpf")
    order = "<" if content[5] == 1 else ">"
    (machine,) = struct.unpack_from(order + "H", content, 18)
    if machine != EM_BPF:
        raise ObjectError(f"not a BPF object: its ELF machine is {machine}", "compile it with clang -target bpf")
    (start,) = struct.unpack_from(order + "Q", content, 40)
    entry, count, names_at = struct.unpack_from(order + "HHH", content, 58)
    if entry != 64:
        raise _damaged(f"the entries of its section table have {entry} bytes, not 64")
    if start + 64 * count > len(content):
        raise _damaged(f"its section table should end at byte {start + 64 * count}, the file at {len(content)}")
    sections = []
    for index in range(count):
        name, kind, flags, _, offset, size, link = struct.unpack_from(order + "IIQQQQI", content, start + 64 * index)
        sections.append(_Section(name, kind, flags, offset, size, link))
    return sections, names_at


def _linked(sections: list[_Section], index: int, what: str) -> _Section:
    if index >= len(sections):
        raise _damaged(f"its {what} should be in section {index}, and it has {len(sections)}")
    return sections[index]


def _symbols(content: bytes, table: _Section) -> Iterator[tuple[int, int, int]]:
    """(offset of the name, info, index of the section) of each symbol."""
    order = "<" if content[5] == 1 else ">"
    part = _part(content, table)
    for name, info, _, index, _, _ in struct.iter_unpack(order + "IBBHQQ", part[: len(part) // 24 * 24]):
        yield name, info, index


def _part(content: bytes, section: _Section) -> bytes:
    end = section.offset + section.size
    if end > len(content):
        raise _damaged(f"a section should end at byte {end}, the file ends at {len(content)}")
    return content[section.offset : end]


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset, offset + NAME_MAX)
    if end < 0:
        raise _damaged("a name has no end")
    return strings[offset:end].decode("utf-8", "replace")


def _damaged(why: str) -> ObjectError:
    return ObjectError(f"the object is damaged or cut off: {why}", "build it again")
