from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bpftest import elf
from bpftest.elf import ElfObject, ElfProgram, ElfVariable, read_object
from bpftest.errors import ObjectError
from bpftest.kernel.compile import compiled

PROGRAMS = Path(__file__).parent / "programs"

PROGBITS, SYMTAB, STRTAB, NOBITS, REL = 1, 2, 3, 8, 9  # sh_type
ALLOCATED, EXECUTABLE = 2, 6  # sh_flags
NOTYPE, OBJECT, FUNC = 0, 1, 2  # the type of a symbol


class Part(NamedTuple):
    """A section to build an object from."""

    name: str
    content: bytes = b""
    kind: int = PROGBITS
    flags: int = ALLOCATED
    link: int = 0
    info: int = 0


class Symbol(NamedTuple):
    """A symbol to build an object from."""

    name: str
    kind: int
    section: int  # index
    value: int = 0
    size: int = 0


def strings(texts: Iterable[str]) -> bytes:
    """A table of names; the first is empty."""
    return b"\0" + b"".join(text.encode() + b"\0" for text in texts)


def offset(table: bytes, text: str) -> int:
    return table.index(b"\0" + text.encode() + b"\0") + 1 if text else 0


def built(parts: Sequence[Part], symbols: Sequence[Symbol] = (), order: str = "<") -> bytes:
    """An ELF object byte by byte: its header, *parts* from section 1 on, .symtab, .strtab, .shstrtab, the table."""
    names = strings(symbol.name for symbol in symbols)
    table = bytes(24) + b"".join(
        struct.pack(f"{order}IBBHQQ", offset(names, one.name), one.kind, 0, one.section, one.value, one.size)
        for one in symbols
    )
    sections = [Part("", kind=0), *parts, Part(".symtab", table, SYMTAB, 0, len(parts) + 2)]
    sections.append(Part(".strtab", names, STRTAB))
    section_names = strings([*(one.name for one in sections[1:]), ".shstrtab"])
    sections.append(Part(".shstrtab", section_names, STRTAB))
    body = headers = b""
    for name, content, kind, flags, link, info in sections:
        where, at = offset(section_names, name), 64 + len(body)
        headers += struct.pack(f"{order}IIQQQQIIQQ", where, kind, flags, 0, at, len(content), link, info, 1, 0)
        body += content if kind != NOBITS else b""
    identity = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02")
    numbers = (1, elf.EM_BPF, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(sections), len(sections) - 1)
    return struct.pack(f"{order}16sHHIQQQIHHHHHH", identity, *numbers) + body + headers


EXAMPLE = (
    [
        Part(".text", bytes(16), flags=EXECUTABLE),
        Part("tc", bytes(32), flags=EXECUTABLE),
        Part("xdp.frags", bytes(16), flags=EXECUTABLE),
        Part(".data", b"\1\0\0\0\2\0\0\0"),
        Part(".bss", bytes(64), NOBITS),
        Part(".rodata.limits", b"\7\0"),
        Part("license", b"GPL\0"),
        Part(".maps", bytes(32)),
        Part(".BTF", b"\x9f\xeb and types"),
    ],
    [
        Symbol("", 3, 1),  # of a section
        Symbol("helper", FUNC, 1),
        Symbol("second", FUNC, 2, 16, 16),
        Symbol("LBB0_1", NOTYPE, 2, 8),
        Symbol("first", 0x10 | FUNC, 2, 0, 16),  # global
        Symbol("frags", FUNC, 3, 0, 16),
        Symbol("pointed_at", FUNC, 4),  # in a section of data
        Symbol("two", OBJECT, 4, 4, 4),
        Symbol("one", 0x10 | OBJECT, 4, 0, 4),
        Symbol("count", OBJECT, 5, 8, 8),
        Symbol("limit", OBJECT, 6, 0, 2),
        Symbol("_license", OBJECT, 7, 0, 4),
        Symbol("hits", OBJECT, 8, 0, 32),
        Symbol("kernel_function", NOTYPE, 0),  # from elsewhere
        Symbol("common", OBJECT, 0xFFF2, 8, 8),  # SHN_COMMON
    ],
)
READ = ElfObject(
    (ElfProgram("second", "tc"), ElfProgram("first", "tc"), ElfProgram("frags", "xdp.frags")),
    b"\x9f\xeb and types",
    (
        ElfVariable("two", ".data", 4, b"\2\0\0\0"),
        ElfVariable("one", ".data", 0, b"\1\0\0\0"),
        ElfVariable("count", ".bss", 8, b""),
        ElfVariable("limit", ".rodata.limits", 0, b"\7\0"),
    ),
)


HITS, HELPER, FIRST, SECOND, FRAGS = 13, 2, 5, 3, 6  # numbers of symbols: 0 is that of none


def relocations(section: int, *symbols: int, order: str = "<") -> Part:
    """What names *symbols* in the section of EXAMPLE with that index."""
    content = b"".join(struct.pack(f"{order}QQ", 8 * at, symbol << 32 | 2) for at, symbol in enumerate(symbols))
    return Part(".rel", content, REL, 0, len(EXAMPLE[0]) + 2, section)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fw.bpf.o"


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_object_holds_programs_types_and_variables(path: Path, order: str) -> None:
    path.write_bytes(built(*EXAMPLE, order))

    assert read_object(str(path)) == READ


def test_an_object_may_hold_nothing(path: Path) -> None:
    path.write_bytes(built([]))

    assert read_object(str(path)) == ElfObject((), b"", ())


def test_an_object_without_a_symbol_table_holds_nothing() -> None:
    stripped = built(*EXAMPLE).replace(b".symtab\0", b".stripp\0")
    kind = stripped.index(struct.pack("<II", offset_in_names(stripped, ".stripp"), SYMTAB)) + 4

    assert elf.programs(stripped[:kind] + b"\0" + stripped[kind + 1 :]) == ()


def offset_in_names(content: bytes, name: str) -> int:
    names = content.rindex(b"\0.text\0")
    return content.index(name.encode(), names) - names


@pytest.mark.parametrize("name", ["plain", "state"])
def test_what_clang_compiles_holds_the_functions_that_the_source_gives_a_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = PROGRAMS / f"{name}.bpf.c"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    functions = re.findall(r'^SEC\("([^"]+)"\)\nint (\w+)\(', source.read_text(encoding="utf-8"), re.MULTILINE)

    assert len(functions) > 1
    assert read_object(compiled(str(source))).programs == tuple(
        ElfProgram(name, section) for section, name in functions
    )


MAPS, CODE = 8, 3  # indices of sections of EXAMPLE


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("section", "symbols", "held"),
    [
        (MAPS, [], ()),
        (MAPS, [HITS], ()),  # in a map of maps
        (MAPS, [FRAGS, HITS, SECOND, SECOND], ("second", "frags")),
        (MAPS, [HELPER, 99, FIRST], ("first",)),  # libbpf refuses what is no program
        (CODE, [FIRST], ()),
        (99, [FIRST], ()),
    ],
)
def test_maps_hold_the_programs_that_their_section_names(
    path: Path, order: str, section: int, symbols: list[int], held: tuple[str, ...]
) -> None:
    path.write_bytes(built([*EXAMPLE[0], relocations(section, *symbols, order=order)], EXAMPLE[1], order))

    assert read_object(str(path)) == READ._replace(held=held)


def code(order: str, *instructions: tuple[int, int, int]) -> bytes:
    """Instructions as bytes: (code, registers, immediate)."""
    return b"".join(
        struct.pack(f"{order}BBhi", number, registers, 0, value) for number, registers, value in instructions
    )


EXIT = (0x95, 0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("instructions", "prints"),
    [
        ([EXIT], False),
        ([EXIT, (0x85, 0, 6), EXIT], True),  # bpf_trace_printk
        ([(0x85, 0, 177), EXIT], True),  # bpf_trace_vprintk
        ([(0x85, 0, 7), EXIT], False),
        ([(0x85, 0x10, 6), (0x85, 1, 177), EXIT], False),  # a function of the object, or one of the kernel
    ],
)
def test_an_object_prints_if_its_code_calls_a_helper_that_does(
    order: str, instructions: list[tuple[int, int, int]], prints: bool
) -> None:
    content = code(order, *instructions)

    for section in (".text", "xdp"):
        assert elf.prints(built([Part(section, content, flags=EXECUTABLE)], (), order)) == prints
    assert not elf.prints(built([Part(".data", content)], (), order)), "data is not code"


def test_an_instruction_begins_where_one_can() -> None:
    call = code("<", (0x85, 0, 6))
    between = code("<", EXIT)[:4] + call + bytes(4)

    assert not elf.prints(built([Part("xdp", between, flags=EXECUTABLE)]))
    assert elf.prints(built([Part("xdp", between + call, flags=EXECUTABLE)]))


def test_an_object_has_streams_if_it_names_the_kernels_function(path: Path) -> None:
    def names(name: str) -> bool:
        path.write_bytes(built([Part("xdp", flags=EXECUTABLE)], [Symbol(name, NOTYPE, 0)]))
        return read_object(str(path)).streams

    assert [names(name) for name in ("bpf_stream_vprintk", "bpf_stream_vprintk_impl", "my_bpf_stream_vprintk")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(("name", "prints"), [("plain", False), ("printk", True)])
def test_what_clang_compiles_prints_if_its_source_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prints: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    found = read_object(compiled(str(PROGRAMS / f"{name}.bpf.c")))

    assert (found.prints, found.streams) == (prints, False)


@pytest.mark.parametrize(("kind", "held"), [("FILLED_PROG_ARRAY", ("target",)), ("FILLED_ARRAY_OF_MAPS", ())])
def test_what_clang_compiles_holds_the_programs_that_the_source_puts_into_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, held: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert read_object(compiled(str(PROGRAMS / "reset.bpf.c"), (f"-D{kind}",))).held == held


# --- damage -------------------------------------------------------------------------------------------------------

SOUND = built([*EXAMPLE[0], relocations(MAPS, HITS, FIRST)], EXAMPLE[1])
SIZE = len(SOUND)
TABLE = int.from_bytes(SOUND[40:48], "little")  # where the headers of the sections begin
COUNT = SOUND[60]
BUILD = "build it again"
CLANG = "compile it with clang -target bpf"


def over(at: int, form: str, *values: int) -> bytes:
    """The sound object with other numbers at a place."""
    content = bytearray(SOUND)
    struct.pack_into(f"<{form}", content, at, *values)
    return bytes(content)


def header(index: int, member: int) -> int:
    """Where a member of a section's header is."""
    return TABLE + 64 * index + member


SH_NAME, SH_OFFSET, SH_SIZE, SH_LINK = 0, 24, 32, 40
SYMBOLS = COUNT - 3  # the index of .symtab


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (b"", "not an ELF object", "bpftest loads what `clang -target bpf -c` writes"),
        (b"#!/bin/sh\n", "not an ELF object", "bpftest loads what `clang -target bpf -c` writes"),
        (SOUND[:40], "the object is damaged or cut off: it has 40 bytes", BUILD),
        (over(4, "B", 1), "not a BPF object: a 32-bit ELF file", CLANG),
        (over(18, "H", 62), "not a BPF object: its ELF machine is 62", CLANG),
        (
            SOUND[:-1],
            f"the object is damaged or cut off: its section table should end at byte {SIZE}, the file at {SIZE - 1}",
            BUILD,
        ),
        (
            over(58, "H", 40),
            "the object is damaged or cut off: the entries of its section table have 40 bytes, not 64",
            BUILD,
        ),
        (
            over(62, "H", 99),
            f"the object is damaged or cut off: its section names should be in section 99, and it has {COUNT}",
            BUILD,
        ),
        (
            over(60, "H", 0),
            f"the object is damaged or cut off: its section names should be in section {COUNT - 1}, and it has 0",
            BUILD,
        ),
        (
            over(header(SYMBOLS, SH_LINK), "I", 77),
            f"the object is damaged or cut off: its names of symbols should be in section 77, and it has {COUNT}",
            BUILD,
        ),
        (
            over(header(SYMBOLS, SH_OFFSET), "QQ", SIZE - 8, 9),
            f"the object is damaged or cut off: a section should end at byte {SIZE + 1}, the file ends at {SIZE}",
            BUILD,
        ),
        (over(header(2, SH_NAME), "I", SIZE), "the object is damaged or cut off: a name has no end", BUILD),
        (
            over(header(4, SH_OFFSET), "QQ", 64, SIZE),
            f"the object is damaged or cut off: a section should end at byte {SIZE + 64}, the file ends at {SIZE}",
            BUILD,
        ),
    ],
    ids=[
        *("empty", "script", "header", "32 bits", "machine", "cut off", "entries", "names", "no sections"),
        *("no names", "symbols", "a name", "data"),
    ],
)
def test_damage_is_told_by_what_is_wrong(path: Path, content: bytes, what: str, hint: str) -> None:
    path.write_bytes(content)

    with pytest.raises(ObjectError) as raised:
        read_object(str(path))

    assert (raised.value.what, raised.value.hint) == (f"{path}: {what}", hint)


def read(content: bytes) -> ElfObject:
    known = elf.programs(content), elf.btf(content), elf.variables(content), elf.prints(content)
    return ElfObject(*known, held=elf.held(content))


def test_an_object_that_is_cut_off_anywhere_is_damaged() -> None:
    for length in range(SIZE):
        with pytest.raises(ObjectError):
            read(SOUND[:length])


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0xFF])
def test_any_byte_may_be_another(byte: int) -> None:
    told = [damage(over(at, "B", byte)) for at in range(SIZE)]

    assert 0 < told.count("") < SIZE


def damage(content: bytes) -> str:
    try:
        read(content)
    except ObjectError as error:
        return error.what
    return ""


def test_names_need_not_be_text(path: Path) -> None:
    path.write_bytes(SOUND.replace(b"\0first\0", b"\0f\xffrst\0"))

    assert read_object(str(path)).programs[1] == ElfProgram("f\ufffdrst", "tc")


# What a small file must not become: hours of work, or all of the memory.


@pytest.mark.parametrize("names", [b"x" * 1000, b"x" * 100_000 + b"\0"], ids=["no end", "too long"])
def test_a_name_has_an_end_so_that_symbols_are_no_copies_of_the_file(names: bytes) -> None:
    content = bytearray(built([Part("tc", bytes(8), flags=EXECUTABLE), Part("names", names)], [Symbol("a", FUNC, 1)]))
    table = int.from_bytes(content[40:48], "little")
    struct.pack_into("<I", content, table + 64 * 3 + SH_LINK, 2)

    with pytest.raises(ObjectError, match=r": a name has no end$"):
        elf.programs(bytes(content))


def test_only_the_first_symbol_table_counts() -> None:
    _, symbols = EXAMPLE
    again = Part(".symtab2", b"", SYMTAB, link=len(EXAMPLE[0]) + 3)
    content = built([*EXAMPLE[0], again], symbols)

    assert elf.programs(content) == (), "the one before it, which is empty"


def test_variables_that_lie_upon_each_other_are_damage() -> None:
    large = Part(".data", bytes(10_000))
    symbols = [Symbol(f"v{number}", OBJECT, 1, 0, 10_000) for number in range(3)]

    assert len(elf.variables(built([large], symbols[:1]))) == 1
    with pytest.raises(ObjectError, match=r": its variables lie upon each other$"):
        elf.variables(built([large], symbols))


def test_a_variable_ends_where_its_section_does() -> None:
    content = built([Part(".data", b"abcd"), Part("secret", b"efgh")], [Symbol("v", OBJECT, 1, 2, 1 << 62)])

    assert elf.variables(content) == (ElfVariable("v", ".data", 2, b"cd"),)
