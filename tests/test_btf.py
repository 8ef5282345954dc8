"""The BTF reader, against clang, bpftool, libbpf, the running kernel, and damage of every kind."""

from __future__ import annotations

import ctypes
import json
import shutil
import struct
import subprocess
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bpftest.btf import (
    Array,
    Btf,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Kind,
    Member,
    Pointer,
    Qualifier,
    Struct,
    Type,
    Typedef,
    Var,
    Void,
)
from bpftest.errors import ObjectError

SOURCE = Path(__file__).parent / "programs" / "btf_types.bpf.c"
LINKAGES = {"static": 0, "global": 1, "extern": 2}
CLANG = shutil.which("clang-16") or "clang"


def section(elf: bytes, wanted: str) -> bytes:
    """The content of one section of an ELF64 object."""
    order = "<" if elf[5] == 1 else ">"
    (start,) = struct.unpack_from(order + "Q", elf, 40)
    count, names_at = struct.unpack_from(order + "HH", elf, 60)
    headers = [struct.unpack_from(order + "IIQQQQ", elf, start + 64 * index) for index in range(count)]
    names = elf[headers[names_at][4] :]
    for name, _, _, _, offset, size in headers:
        if names[name : names.index(b"\0", name)].decode() == wanted:
            return elf[offset : offset + size]
    raise AssertionError(f"no section {wanted}")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The C file, compiled for BPF in both byte orders."""
    folder = tmp_path_factory.mktemp("btf")
    found = {"little": folder / "little.o", "big": folder / "big.o"}
    for order, path in found.items():
        target = {"little": "bpfel", "big": "bpfeb"}[order]
        subprocess.run([CLANG, "-g", "-O2", "-target", target, "-c", SOURCE, "-o", path], check=True)
    return found


@pytest.fixture(scope="module")
def raw(objects: dict[str, Path]) -> bytes:
    """The BTF of the little-endian object, as clang wrote it."""
    return section(objects["little"].read_bytes(), ".BTF")


@pytest.fixture(scope="module")
def btf(raw: bytes) -> Btf:
    return Btf(raw)


@pytest.fixture(scope="module")
def vmlinux() -> Btf:
    return Btf(Path("/sys/kernel/btf/vmlinux").read_bytes())


class Image:
    """BTF made by hand."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.strings = b"\0"

    def name(self, text: str | bytes) -> int:
        """The offset of *text*, which is put into the strings."""
        if not text:
            return 0
        self.strings += (text.encode() if isinstance(text, str) else text) + b"\0"
        return self.strings.rindex(b"\0", 0, -1) + 1

    def add(
        self,
        kind: int,
        name: str | bytes | int = "",
        word: int = 0,
        rest: Sequence[int | str] = (),
        *,
        vlen: int = 0,
        flag: bool = False,
    ) -> Image:
        """One more type: *name* is a text or an offset, texts in *rest* become offsets."""
        offset = name if isinstance(name, int) else self.name(name)
        info = flag << 31 | kind << 24 | vlen
        words = [self.name(one) if isinstance(one, str) else one for one in rest]
        self.words += [offset, info, word, *words]
        return self

    def integer(self, name: str = "int", size: int = 4, bits: int = 0, offset: int = 0, encoding: int = 0) -> Image:
        return self.add(Kind.INT, name, size, [encoding << 24 | offset << 16 | (bits or 8 * size)])

    def struct(
        self, name: str, size: int, *members: tuple[str | int, int, int], union: bool = False, flag: bool = False
    ) -> Image:
        """Members are (name, type, bit offset, with the size of a bit-field in its highest 8 bits)."""
        rest = [one for member in members for one in member]
        return self.add(Kind.UNION if union else Kind.STRUCT, name, size, rest, vlen=len(members), flag=flag)

    def array(self, element: int, count: int) -> Image:
        return self.add(Kind.ARRAY, "", 0, [element, 1, count])

    def data(self) -> bytes:
        types = array("I", self.words).tobytes()
        order = "<" if sys.byteorder == "little" else ">"
        header = struct.pack(order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.strings))
        return header + types + self.strings

    def read(self) -> Btf:
        return Btf(self.data())


def swapped(data: bytes) -> bytes:
    """Little-endian BTF *data* as a big-endian machine has it."""
    magic, version, flags, *lengths = struct.unpack_from("<HBBIIIII", data)
    start, size = lengths[0] + lengths[1], lengths[2]
    words = array("I", data[start : start + size])
    words.byteswap()
    return struct.pack(">HBBIIIII", magic, version, flags, *lengths) + words.tobytes() + data[start + size :]


def everything(btf: Btf) -> list[Any]:
    return [btf.type(type_id) for type_id in range(len(btf))]


def name(part: dict[str, Any]) -> str:
    return "" if part["name"] == "(anon)" else str(part["name"])


def integer(said: dict[str, Any]) -> Int:
    flags = said["encoding"]
    is_char = flags == "CHAR" or said["name"] == "char"
    bits, offset = said["nr_bits"], said["bits_offset"]
    return Int(name(said), said["size"], bits, offset, flags == "SIGNED", flags == "BOOL", is_char)


def composite(said: dict[str, Any]) -> Struct:
    members = [
        Member(name(one), one["type_id"], one["bits_offset"], one.get("bitfield_size", 0))
        for one in said.get("members", [])
    ]
    return Struct(name(said), said["size"], tuple(members), said["kind"] == "UNION")


def enum(said: dict[str, Any]) -> Enum:
    values = tuple((one["name"], one["val"]) for one in said["values"])
    return Enum(name(said), said["size"], said["encoding"] == "SIGNED", values)


def proto(said: dict[str, Any]) -> FuncProto:
    return FuncProto(said["ret_type_id"], tuple((name(one), one["type_id"]) for one in said.get("params", [])))


def datasec(said: dict[str, Any]) -> DataSec:
    return DataSec(
        name(said), said["size"], tuple((one["type_id"], one["offset"], one["size"]) for one in said["vars"])
    )


# By kind, what a type of the JSON of `bpftool btf dump` is.
FROM_BPFTOOL: dict[str, Callable[[dict[str, Any]], Type]] = {
    "INT": integer,
    "PTR": lambda said: Pointer(said["type_id"]),
    "ARRAY": lambda said: Array(said["type_id"], said["nr_elems"]),
    "STRUCT": composite,
    "UNION": composite,
    "ENUM": enum,
    "ENUM64": enum,
    "FWD": lambda said: Fwd(name(said), said["fwd_kind"] == "union"),
    "TYPEDEF": lambda said: Typedef(name(said), said["type_id"]),
    "CONST": lambda said: Qualifier(said["type_id"]),
    "VOLATILE": lambda said: Qualifier(said["type_id"]),
    "RESTRICT": lambda said: Qualifier(said["type_id"]),
    "TYPE_TAG": lambda said: Qualifier(said["type_id"], said["name"]),
    "FUNC": lambda said: Func(name(said), said["type_id"], LINKAGES[said["linkage"]]),
    "FUNC_PROTO": proto,
    "VAR": lambda said: Var(name(said), said["type_id"], LINKAGES[said["linkage"]]),
    "DATASEC": datasec,
    "FLOAT": lambda said: Float(name(said), said["size"]),
    "DECL_TAG": lambda said: DeclTag(name(said), said["type_id"], said["component_idx"]),
}


def test_every_type_of_an_object_is_what_bpftool_says(btf: Btf, objects: dict[str, Path]) -> None:
    dump = ["bpftool", "--json", "btf", "dump", "file", str(objects["little"])]
    said = json.loads(subprocess.run(dump, check=True, capture_output=True).stdout)["types"]

    assert everything(btf) == [Void(), *(FROM_BPFTOOL[one["kind"]](one) for one in said)]
    assert {one["kind"] for one in said} == {kind.name for kind in Kind if kind is not Kind.VOID}


def test_both_byte_orders_are_read(objects: dict[str, Path], btf: Btf, raw: bytes) -> None:
    big = Btf(section(objects["big"].read_bytes(), ".BTF"))

    assert (btf.byteorder, big.byteorder) == ("little", "big")
    assert everything(big) == everything(btf)
    assert everything(Btf(swapped(raw))) == everything(btf)


def test_a_longer_header_of_a_newer_kernel_is_skipped(raw: bytes, btf: Btf) -> None:
    longer = raw[:4] + struct.pack("<I", 32) + raw[8:24] + b"\xff" * 8 + raw[24:]

    assert everything(Btf(longer)) == everything(btf)


def test_nothing_is_read_before_it_is_asked_for(vmlinux: Btf) -> None:
    fresh = Btf(Path("/sys/kernel/btf/vmlinux").read_bytes())
    assert len(fresh) > 50_000
    assert fresh._types == {0: Void()}

    assert fresh.type(1) == vmlinux.type(1)
    assert list(fresh._types) == [0, 1]


def test_the_whole_kernel_is_read_and_laid_out(vmlinux: Btf) -> None:
    structs = [found for found in range(len(vmlinux)) if isinstance(vmlinux.type(found), Struct)]
    assert len(structs) > 5_000

    assert max(vmlinux.layout(found).depth for found in structs) < 32
    assert all(vmlinux.spelled(found) for found in range(len(vmlinux)))


@pytest.mark.parametrize(
    ("name", "kinds", "expected"),
    [
        ("nested", [Kind.STRUCT], "struct nested"),
        ("nested", [Kind.VAR], "nested"),
        ("nested", [Kind.UNION, Kind.TYPEDEF], None),
        ("choice", [Kind.STRUCT, Kind.UNION], "union choice"),
        ("u32", [Kind.TYPEDEF], None),  # the end of __u32
        ("__u32", [Kind.TYPEDEF], "__u32"),
        ("enums_t", [Kind.TYPEDEF], "enums_t"),
        ("absent", list(Kind), None),
        ("", list(Kind), None),
    ],
)
def test_a_type_is_found_by_name_and_kind(btf: Btf, name: str, kinds: list[Kind], expected: str | None) -> None:
    found = btf.find(name, kinds)

    assert (found and btf.spelled(found)) == expected


def test_a_name_that_shares_the_end_of_another_is_found() -> None:
    image = Image().integer("__u32")
    image.add(Kind.TYPEDEF, name=3, word=1)  # "u32"

    assert (image.read().find("u32", [Kind.TYPEDEF]), image.read().names([Kind.TYPEDEF])) == (2, ("u32",))


def test_names_are_those_of_the_kinds_without_the_anonymous(btf: Btf) -> None:
    assert btf.names([Kind.UNION]) == ("choice", "lossy")


@pytest.mark.parametrize(
    ("variable", "field", "spelled", "size"),
    [
        ("network", "peer", "addr_t", 4),
        ("network", "port", "__be16", 2),
        ("network", "octets", "__u8[4]", 4),
        ("network", "in6", "struct in6_addr", 16),
        ("nested", "choice", "union choice", 8),
        ("nested", "inner", "struct numbers[2]", 160),
        ("bits", "verdict", "enum verdict", 4),
        ("texts", "lines", "char[2][4]", 8),
        ("pointers", "any", "void *", 8),
        ("pointers", "constant", "char *", 8),
        ("pointers", "call", "int (*)()", 8),
        ("pointers", "declared_only", "struct unknown *", 8),
        ("pointers", "rows", "int (*)[3]", 8),
        ("pointers", "columns", "int *[3]", 24),
        ("pointers", "qualified", "int *", 8),
        ("flexible", "items", "__u16[]", 0),
        ("lossy", "one", "struct {...}", 8),
        ("tagged", "pointer", "int *", 8),
    ],
)
def test_a_type_is_spelled_as_in_c_and_has_its_size(
    btf: Btf, variable: str, field: str, spelled: str, size: int
) -> None:
    held = {one.name: one.type for one in btf.variables()}[variable]
    found = btf.layout(held).fields[field].type

    assert (btf.spelled(found), btf.sizeof(found)) == (spelled, size)


def test_typedefs_and_qualifiers_are_seen_through(btf: Btf) -> None:
    network = btf.find("network", [Kind.STRUCT])
    assert network
    peer = btf.layout(network).fields["peer"].type
    limit = {one.name: one.type for one in btf.variables()}["limit"]

    assert (btf.typedefs(peer), btf.resolve(peer)) == (
        ("addr_t", "__be32", "__u32"),
        Int("unsigned int", 4, 32, 0, signed=False, is_bool=False, is_char=False),
    )
    assert (btf.typedefs(limit), btf.resolve(limit)) == (("__u32",), btf.resolve(peer))


def test_fields_of_anonymous_members_are_those_of_the_struct(btf: Btf) -> None:
    nested = btf.find("nested", [Kind.STRUCT])
    assert nested
    layout = btf.layout(nested)

    assert {name: (field.bit_offset, field.bit_size) for name, field in layout.fields.items()} == {
        "kind": (0, 0),
        "v4": (32, 0),
        "v6": (32, 0),
        "id": (160, 0),
        "first": (176, 4),
        "second": (180, 4),
        "choice": (192, 0),
        "inner": (256, 0),
    }
    assert (layout.cover, layout.padded, layout.depth) == (
        ("kind", "v6", "id", "first", "second", "choice", "inner"),
        True,
        3,
    )


def test_a_union_whose_members_all_leave_something_out_has_no_cover(btf: Btf) -> None:
    lossy = btf.find("lossy", [Kind.UNION])
    assert lossy

    assert (btf.layout(lossy).cover, btf.layout(lossy).padded) == (None, False)


def test_a_bit_field_of_the_old_way_gets_its_bits_from_its_type() -> None:
    image = Image().integer("three", 4, bits=3, offset=2).struct("old", 4, ("first", 1, 0), ("second", 1, 3))

    assert image.read().layout(2).fields == {"first": Member("first", 1, 2, 3), "second": Member("second", 1, 5, 3)}


def test_a_member_beyond_two_megabytes_is_where_it_is() -> None:
    image = Image().integer().struct("large", 1 << 22, ("far", 1, 1 << 24))

    assert image.read().layout(2).fields == {"far": Member("far", 1, 1 << 24, 0)}


def test_variables_are_where_libbpf_puts_them(objects: dict[str, Path]) -> None:
    libbpf = ctypes.CDLL("libbpf.so.1")
    for function in (libbpf.bpf_object__open, libbpf.bpf_object__btf, libbpf.btf__raw_data):
        function.restype = ctypes.c_void_p
    opened = ctypes.c_void_p(libbpf.bpf_object__open(str(objects["little"]).encode()))
    size = ctypes.c_uint32()
    data = libbpf.btf__raw_data(ctypes.c_void_p(libbpf.bpf_object__btf(opened)), ctypes.byref(size))
    btf = Btf(ctypes.string_at(data, size.value))
    libbpf.bpf_object__close(opened)

    plain = [one for one in btf.variables() if not one.section.startswith(".data.")]

    assert [(one.section, one.name, btf.spelled(one.type), one.offset, one.size) for one in plain] == [
        (".bss", "peers", "struct in_addr[4]", 0, 16),
        (".bss", "passed", "__u64", 16, 8),
        (".data", "started", "int", 0, 4),
        (".data", "stopped", "int", 4, 4),
        (".rodata", "limit", "__u32", 0, 4),
    ]


def header(data: bytes, at: int, content: bytes) -> bytes:
    """*data* with other bytes at one place."""
    return data[:at] + content + data[at + len(content) :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:0], "it has 0 bytes, its header alone has 24"),
        (lambda data: data[:23], "it has 23 bytes, its header alone has 24"),
        (lambda data: header(data, 0, b"\x7fE"), "it begins with 7f 45, not with 9f eb"),
        (lambda data: header(data, 4, b"\x14"), "its type section is not made of 32-bit words"),
        (lambda data: header(data, 8, b"\x02"), "its type section is not made of 32-bit words"),
        (lambda data: header(data, 12, b"\xff\xff\xff\xfc"), "its type section is not made of 32-bit words"),
        (lambda data: header(data, 12, b"\xfc\xff\xff\xff"), "inside one of its sections"),
        (lambda data: header(data, 20, b"\xff\xff\xff\xff"), "inside one of its sections"),
        (lambda data: data[:-1], "inside one of its sections"),
        (lambda data: header(data, 12, (16).to_bytes(4, "little")), "its type section ends at 4"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused(raw: bytes, damage: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(ObjectError) as error:
        Btf(damage(raw))

    assert error.value.what.startswith("the BTF is damaged: ")
    assert message in error.value.what


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Image().add(20).data(), "the BTF has a type of kind 20, which bpftest does not know"),
        (header(Image().data(), 2, b"\2"), "the BTF has version 2; bpftest reads version 1"),
    ],
)
def test_btf_of_the_future_is_not_called_damaged(data: bytes, message: str) -> None:
    with pytest.raises(ObjectError) as error:
        Btf(data)

    assert error.value.what == message


def chain(length: int) -> Image:
    """Structs in each other, the innermost first."""
    image = Image().struct("s0", 4)
    for index in range(length):
        image.struct(f"s{index + 1}", 4, ("inner", index + 1, 0))
    return image


@pytest.mark.parametrize(
    ("image", "type_id", "message"),
    [
        (Image().integer(), 2, "there is no type 2, the last one is 1"),
        (Image().integer(), -1, "there is no type -1, the last one is 1"),
        (Image().integer().add(Kind.TYPEDEF, "gone", 7), 2, "there is no type 7, the last one is 2"),
        (Image().add(Kind.TYPEDEF, "round", 1), 1, "type 1 is behind more than 32 typedefs and qualifiers"),
        (Image().add(Kind.CONST, "", 2).add(Kind.VOLATILE, "", 1), 2, "type 2 is behind more than 32 typedefs"),
        (Image().add(Kind.INT, 99, 4, [32]), 1, "there is no name of up to 512 bytes at byte 99 of its strings"),
        (Image().integer("x" * 513), 1, "there is no name of up to 512 bytes at byte 1 of its strings"),
        (Image().add(Kind.FWD, b"\xff"), 1, "the name at byte 1 of its strings is not UTF-8"),
        (Image().add(Kind.FWD, b"\x1b[2J"), 1, "the name '\\x1b[2J' cannot be printed"),
        (Image().add(Kind.INT, "none", 4, [0]), 1, "'none' is an integer of 4 bytes, 0 bits from bit 0 on"),
        (Image().integer("wide", 4, bits=33), 1, "'wide' is an integer of 4 bytes, 33 bits from bit 0 on"),
        (Image().integer("late", 4, bits=8, offset=25), 1, "'late' is an integer of 4 bytes, 8 bits from bit 25 on"),
        (Image().integer("huge", 1 << 30, bits=32), 1, "'huge' is an integer of 1073741824 bytes"),
        (Image().add(Kind.ENUM, "three", 3), 1, "enum 'three' has 3 bytes"),
        (Image().add(Kind.FLOAT, "seven", 7), 1, "'seven' is a floating-point number of 7 bytes"),
        (Image().integer().array(1, 1 << 30).array(2, 4), 3, "an array has 0x400000000 bytes"),
        (Image().integer().array(2, 2), 2, "an array has more than 32 dimensions"),
        (Image().struct("s", 4, ("m", 1, 0)), 1, "struct s is inside of more than 32 structs, or of itself"),
        (
            Image().struct("s", 4, ("m", 2, 0)).array(1, 1),
            1,
            "struct s is inside of more than 32 structs, or of itself",
        ),
        (Image().struct("", 4, ("", 1, 0), union=True), 1, "union {...} is inside of more than 32 structs"),
        (chain(40), 41, "is inside of more than 32 structs, or of itself"),
        (Image().integer().struct("s", 4, ("m", 1, 8)), 2, "'m' ends at bit 40 of 's', which has 4 bytes"),
        (Image().integer().struct("s", 8, ("m", 1, 4)), 2, "'m' begins at bit 4, inside of a byte"),
        (Image().integer().struct("s", 8, ("m", 1, 0), ("n", 1, 16)), 2, "members of struct 's' overlap at bit 16"),
        (Image().integer().struct("s", 8, ("m", 1, 0), ("m", 1, 32)), 2, "'s' has two members 'm'"),
        (
            Image().integer().struct("s", 8, ("m", 1, 33 << 24), flag=True),
            2,
            "'m' is a bit-field of 33 bits in int",
        ),
        (
            Image().add(Kind.FLOAT, "float", 4).struct("s", 8, ("m", 1, 3 << 24), flag=True),
            2,
            "'m' is a bit-field of 3 bits in float",
        ),
        (Image().add(Kind.FWD, "later").struct("s", 8, ("m", 1, 0)), 2, "struct later has no size"),
        (Image().struct("s", 8, ("m", 0, 0)), 1, "void has no size"),
    ],
)
def test_types_that_cannot_be_are_refused_by_name(image: Image, type_id: int, message: str) -> None:
    btf = image.read()

    with pytest.raises(ObjectError) as error:
        (btf.layout if isinstance(btf.resolve(type_id), Struct) else btf.sizeof)(type_id)

    assert message in error.value.what


def test_structs_in_each_other_are_refused_even_when_the_inner_ones_are_known() -> None:
    btf = chain(40).read()
    assert btf.layout(30).depth == 30

    with pytest.raises(ObjectError, match="is inside of more than 32 structs, or of itself"):
        btf.layout(41)


def test_what_has_no_fields_has_no_layout() -> None:
    with pytest.raises(ObjectError) as error:
        Image().integer().read().layout(1)

    assert error.value.what == "int has no fields"


@pytest.mark.parametrize("name", ["", "a"])
@pytest.mark.parametrize("union", [False, True])
def test_structs_that_double_at_each_level_are_laid_out_once(name: str, union: bool) -> None:
    image = Image().struct("leaf", 0)
    for level in range(1, 31):
        image.struct(f"s{level}", 0, (image.name(name), level, 0), (image.name(name and "b"), level, 0), union=union)

    assert image.read().layout(31).depth == 31


def test_a_circle_of_pointers_can_be_spelled() -> None:
    assert Image().add(Kind.PTR, "", 1).read().spelled(1) == "... " + "*" * 32
