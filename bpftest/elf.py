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
SHT_NOBITS = 8
SHT_REL = 9
STT_OBJECT = 1
STT_FUNC = 2
CALL = 0x85  # BPF_JMP | BPF_CALL; both registers 0: of a helper, by its number
PRINTING = (6, 177)  # enum bpf_func_id: bpf_trace_printk, bpf_trace_vprintk
STREAMS = b"\0bpf_stream_vprintk"  # bpf_stream_vprintk_impl in Linux 6.18
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
    info: int  # of relocations: the index of the section that they are for


class ElfVariable(NamedTuple):
    """A global variable of an object, static ones too."""

    name: str
    section: str  # ".bss", ".data.config"
    offset: int  # bytes from the start of the section
    content: bytes  # its bytes in the object; b"" in .bss, which has none


class ElfObject(NamedTuple):
    """What bpftest reads of an object itself."""

    programs: tuple[ElfProgram, ...]  # in the object's order
    btf: bytes  # the content of .BTF; b"" if it has none
    variables: tuple[ElfVariable, ...]
    prints: bool = False  # its code calls bpf_trace_printk or bpf_trace_vprintk
    streams: bool = False  # it names bpf_stream_vprintk, a function of the kernel
    held: tuple[str, ...] = ()  # programs that its prog arrays hold from the start


class _Symbol(NamedTuple):
    number: int  # in the symbol table
    name: str
    section: _Section
    section_name: str
    value: int  # bytes from the start of the section
    size: int  # bytes


def read_object(path: str) -> ElfObject:
    """What the object at *path* holds. Raises ObjectError."""
    try:
        content = read_regular(path, SIZE_MAX)
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}", "build the object first, or correct the path") from None
    try:
        streams = STREAMS in content
        return ElfObject(programs(content), btf(content), variables(content), prints(content), streams, held(content))
    except ObjectError as error:
        raise ObjectError(f"{path}: {error.what}", error.hint) from None


def programs(content: bytes) -> tuple[ElfProgram, ...]:
    """The functions in executable sections other than .text, which holds subprograms. Raises ObjectError."""
    return tuple(ElfProgram(symbol.name, symbol.section_name) for symbol in _programs(content))


def held(content: bytes) -> tuple[str, ...]:
    """The programs that are in the values of maps as the object declares them. Raises ObjectError.

    libbpf puts them into the prog array while it loads the object, and fails where one of them is not loaded.
    """
    sections, names_at = _sections(content)
    names = _part(content, _linked(sections, names_at, "section names"))
    order = "<" if content[5] == 1 else ">"
    symbols = set()
    for section in sections:
        if section.kind != SHT_REL or section.info >= len(sections):
            continue
        if _text(names, sections[section.info].name_offset) == ".maps":
            part = _part(content, section)
            symbols |= {info >> 32 for _, info in struct.iter_unpack(order + "QQ", part[: len(part) // 16 * 16])}
    return tuple(symbol.name for symbol in _programs(content) if symbol.number in symbols) if symbols else ()


def _programs(content: bytes) -> Iterator[_Symbol]:
    for symbol in _symbols(content, STT_FUNC):
        if symbol.section.flags & SHF_EXECINSTR and symbol.section_name != ".text":
            yield symbol


def variables(content: bytes) -> tuple[ElfVariable, ...]:
    """The objects in sections of data. Raises ObjectError."""
    found = []
    total = 0
    for symbol in _symbols(content, STT_OBJECT):
        if not symbol.section_name.startswith((".data", ".bss", ".rodata")):
            continue
        value = b""
        if symbol.section.kind != SHT_NOBITS:
            start = symbol.section.offset + symbol.value
            value = content[start : min(start + symbol.size, _end(content, symbol.section))]
        total += len(value)
        if total > len(content):  # they would fill the memory
            raise _damaged("its variables lie upon each other")
        found.append(ElfVariable(symbol.name, symbol.section_name, symbol.value, value))
    return tuple(found)


def btf(content: bytes) -> bytes:
    """The types of the object, b"" where it was compiled without -g. Raises ObjectError."""
    sections, names_at = _sections(content)
    names = _part(content, _linked(sections, names_at, "section names"))
    found = next((section for section in sections if _text(names, section.name_offset) == ".BTF"), None)
    return _part(content, found) if found else b""


def data_section(content: bytes, name: str) -> bytearray:
    """What the section *name* of global variables holds before a program runs; of .bss zeros. Raises ObjectError."""
    section = _named(content, name)
    return bytearray(section.size) if section.kind == SHT_NOBITS else bytearray(_part(content, section))


def with_data(content: bytes, name: str, data: bytes) -> bytes:
    """The object *content* with *data* in its section *name*, which is not .bss. Raises ObjectError."""
    section = _named(content, name)
    if section.kind == SHT_NOBITS or len(data) != section.size:
        raise ObjectError(f"the section {name} has no room for {len(data)} bytes")
    return content[: section.offset] + data + content[_end(content, section) :]


def _named(content: bytes, name: str) -> _Section:
    sections, names_at = _sections(content)
    names = _part(content, _linked(sections, names_at, "section names"))
    found = next((section for section in sections if _text(names, section.name_offset) == name), None)
    if found is None:
        raise ObjectError(f"the object has no section {name}")
    return found


def prints(content: bytes) -> bool:
    """Whether code of the object calls bpf_trace_printk or bpf_trace_vprintk. Raises ObjectError."""
    order = "<" if content[5:6] == b"\1" else ">"
    calls = [struct.pack(order + "BBhi", CALL, 0, 0, helper) for helper in PRINTING]
    sections = [one for one in _sections(content)[0] if one.flags & SHF_EXECINSTR and one.kind != SHT_NOBITS]
    code = [_part(content, one) for one in sections]
    return any(_has_instruction(part, call) for part in code for call in calls)


def _has_instruction(code: bytes, instruction: bytes) -> bool:
    at = code.find(instruction)
    while at >= 0 and at % 8:  # in the middle of one
        at = code.find(instruction, at + 1)
    return at >= 0


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
        name, kind, flags, _, *rest = struct.unpack_from(order + "IIQQQQII", content, start + 64 * index)
        sections.append(_Section(name, kind, flags, *rest))
    return sections, names_at


def _linked(sections: list[_Section], index: int, what: str) -> _Section:
    if index >= len(sections):
        raise _damaged(f"its {what} should be in section {index}, and it has {len(sections)}")
    return sections[index]


def _symbols(content: bytes, kind: int) -> Iterator[_Symbol]:
    """The symbols of the type *kind*, STT_*, that are in a section."""
    sections, names_at = _sections(content)
    section_names = _part(content, _linked(sections, names_at, "section names"))
    # An object has one symbol table at most: libbpf refuses a second.
    table = next((section for section in sections if section.kind == SHT_SYMTAB), None)
    if table is None:
        return
    names = _part(content, _linked(sections, table.link, "names of symbols"))
    part = _part(content, table)
    order = "<" if content[5] == 1 else ">"
    entries = struct.iter_unpack(order + "IBBHQQ", part[: len(part) // 24 * 24])
    for number, (name, info, _, index, value, size) in enumerate(entries):
        if info & 0xF == kind and index < len(sections):
            section = sections[index]
            section_name = _text(section_names, section.name_offset)
            yield _Symbol(number, _text(names, name), section, section_name, value, size)


def _part(content: bytes, section: _Section) -> bytes:
    return content[section.offset : _end(content, section)]


def _end(content: bytes, section: _Section) -> int:
    end = section.offset + section.size
    if end > len(content):
        raise _damaged(f"a section should end at byte {end}, the file ends at {len(content)}")
    return end


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset, offset + NAME_MAX)
    if end < 0:
        raise _damaged("a name has no end")
    return strings[offset:end].decode("utf-8", "replace")


def _damaged(why: str) -> ObjectError:
    return ObjectError(f"the object is damaged or cut off: {why}", "build it again")
