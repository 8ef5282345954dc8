"""Values ⇄ bytes, against C compiled for BPF in both byte orders and natively, and against every type of the kernel."""

from __future__ import annotations

import math
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest.btf import Array, Btf, Kind, Struct
from bpftest.errors import ObjectError, SuiteError, SuiteErrors
from bpftest.values import (
    Difference,
    decode,
    differences,
    differences_without_btf,
    encode,
    refuse_misfit,
    struct_id,
    without_btf,
)

SOURCE = Path(__file__).parent / "programs" / "btf_types.bpf.c"
CLANG = shutil.which("clang-16") or "clang"
TARGETS = {"little": "bpfel", "big": "bpfeb"}
VMLINUX = Path("/sys/kernel/btf/vmlinux")
ALL_TYPES = "BPFTEST_ALL_TYPES"  # set: every type of the kernel, not a sample
SAMPLE = 2_000  # types
FUZZED = 3_000  # mutations
VALUE_MAX = 16_384  # bytes; a bigger type is made of the same parts

ZEROS = {"u8": 0, "s8": 0, "u16": 0, "s16": 0, "u32": 0, "s32": 0, "u64": 0, "s64": 0, "s128": 0, "u128": 0}
ZEROS |= {"letter": 0, "yes": False, "length": 0}

# The globals of the C file that have a section of their own, in a suite's words.
GLOBALS: dict[str, Any] = {
    "numbers": {
        "u8": 200,
        "s8": -100,
        "u16": 60000,
        "s16": -30000,
        "u32": 4000000000,
        "s32": -2000000000,
        "u64": 18000000000000000000,
        "s64": -9000000000000000000,
        "s128": -(2**100),
        "u128": 2**127 | 5,
        "letter": ord("A"),
        "yes": True,
        "length": -5,
    },
    "network": {
        "port": 443,
        "seq": "10.0.0.9",
        "cookie": 0x0102030405060708,
        "little": 0x11223344,
        "peer": "192.0.2.1",
        "host": 7,
        "octets": {"hex": "0a 01 01 01"},
        "mac": "02:00:00:00:00:01",
        "hops": {"hex": "01 02 03"},
        "in4": "10.1.1.1",
        "in6": "2001:db8::1",
        "flat6": "2001:db8::2",
    },
    "bits": {
        "low": 5,
        "middle": 1234,
        "negative": -7,
        "flag": True,
        "verdict": "TX",
        "balance": "OWING",
        "straddles": 0xABCDEF1234,
        "rest": -1000000,
        "plain": 0x123,
    },
    "packed_bits": {"head": 255, "seven": 85, "ten": 777, "odd": 0x654321, "long_one": 0x123456789ABCDEF},
    "nested": {
        "kind": 6,
        "v6": "fe80::9",
        "id": 515,
        "first": 9,
        "second": 6,
        "choice": {"raw": {"hex": "01 02 03 04 05 06 07 08"}},
        "inner": [ZEROS | {"u8": 1}, ZEROS | {"s64": -2}],
    },
    "texts": {
        "name": 'eth0 "é"',
        "full": "full",
        "dirty": {"hex": "61 00 62 00"},
        "lines": ["one", "two"],
        "not_text": {"hex": "41 ff 00"},
    },
    "reals": {"single": 1.5, "twice": -0.1},
    "pointers": {
        "any": 0xFFFF888012345678,
        "constant": 0,
        "alone": 0,
        "call": 0,
        "declared_only": 0,
        "self": 0,
        "rows": 0,
        "columns": [0, 0, 0],
        "qualified": 0,
    },
    "forms": {"hex": 16, "text": 1},
    "tail": {"nothing": {}, "u8": 1, "u64": 2},
    "enums": {
        "verdict": "PASS",
        "tiny": "TINY_ON",
        "wide": "WIDE_HIGH",
        "wide_signed": "WIDE_NEGATIVE",
        "balance": "OWING",
        "flags": 5,
        "unnamed": 16,
    },
    "truth": True,
    "port": 80,
    "matrix": [[1, 2, 3], [-4, -5, -6]],
    "verdicts": ["DROP", "PASS", "TX"],
    "flexible": {"count": 3, "items": []},
    "tagged": {"pointer": 0, "marked": 4},
}

STRUCTS = (
    "numbers, network, in_addr, in6_addr, bits, packed_bits, nested, choice, lossy, texts, "
    "reals, pointers, forms, tail, empty, flexible, tagged"
)


def sections(elf: bytes) -> dict[str, bytes]:
    """The content of the sections of an ELF64 object, by name."""
    order = "<" if elf[5] == 1 else ">"
    (start,) = struct.unpack_from(order + "Q", elf, 40)
    count, names_at = struct.unpack_from(order + "HH", elf, 60)
    headers = [struct.unpack_from(order + "IIQQQQ", elf, start + 64 * index) for index in range(count)]
    names = elf[headers[names_at][4] :]
    return {
        names[name : names.index(b"\0", name)].decode(): elf[offset : offset + size]
        for name, _, _, _, offset, size in headers
    }


class Object:
    """The C file, compiled."""

    def __init__(self, path: Path) -> None:
        self.sections = sections(path.read_bytes())
        self.btf = Btf(self.sections[".BTF"])
        self.types = {one.name: one.type for one in self.btf.variables()}

    def bytes_of(self, variable: str) -> bytes:
        """The initial value, as clang computed it."""
        return self.sections[f".data.{variable}"]

    def field_type(self, variable: str, field: str) -> int:
        return self.btf.layout(self.types[variable]).fields[field].type

    def encode(self, variable: str, value: object, base: bytes | None = None) -> bytes:
        return encode(self.btf, self.types[variable], value, path=variable, base=base)


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Object]:
    folder = tmp_path_factory.mktemp("values")
    found = {}
    for order, target in TARGETS.items():
        path = folder / f"{target}.o"
        subprocess.run([CLANG, "-g", "-O2", "-target", target, "-c", SOURCE, "-o", path], check=True)
        found[order] = Object(path)
    return found


@pytest.fixture(scope="session")
def compiled(objects: dict[str, Object]) -> Object:
    return objects["little"]


thorough = settings(deadline=None, database=None, derandomize=True, max_examples=500)


@pytest.mark.parametrize("order", TARGETS)
@pytest.mark.parametrize("variable", sorted(GLOBALS))
def test_a_value_has_the_bytes_that_c_gives_it(objects: dict[str, Object], order: str, variable: str) -> None:
    compiled = objects[order]
    base = compiled.bytes_of(variable) if variable == "reals" else None  # the NaN stands below

    assert compiled.encode(variable, GLOBALS[variable], base).hex(" ") == compiled.bytes_of(variable).hex(" ")


@pytest.mark.parametrize("order", TARGETS)
@pytest.mark.parametrize("variable", sorted(GLOBALS))
def test_the_bytes_of_c_are_read_as_its_value(objects: dict[str, Object], order: str, variable: str) -> None:
    compiled = objects[order]
    value = decode(compiled.btf, compiled.types[variable], compiled.bytes_of(variable))
    if variable == "reals":
        assert value.pop("not_a_number") == {"hex": "23 01 c0 7f" if order == "little" else "7f c0 01 23"}

    assert value == GLOBALS[variable]


def test_every_global_of_the_c_file_is_in_the_table(compiled: Object) -> None:
    own = {name.removeprefix(".data.") for name in compiled.sections if name.startswith(".data.")}

    assert own == GLOBALS.keys() | {"lossy"}


def test_the_native_compiler_agrees_about_bytes_and_offsets(objects: dict[str, Object], tmp_path: Path) -> None:
    """So that the layout is C's, and not an idea that BPF, its BTF and this reader share."""
    compiled = objects[sys.byteorder]
    btf = compiled.btf
    lines = [f'print("{one}", &{one}, sizeof({one}));' for one in sorted(GLOBALS)]
    offsets = []
    for name in btf.names([Kind.STRUCT]):
        for field, member in btf.layout(struct_id(btf, name)).fields.items():
            if not member.bit_size:
                offsets.append(f"{name}.{field} {member.bit_offset // 8}")
                lines.append(f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));')
    main = tmp_path / "main.c"
    main.write_text(
        f"""
        #include <stddef.h>
        #include <stdio.h>
        #include "{SOURCE}"
        static void print(const char *name, const volatile void *at, size_t size)
        {{
            printf("%s", name);
            for (size_t i = 0; i < size; i++)
                printf(" %02x", ((const volatile unsigned char *)at)[i]);
            printf("\\n");
        }}
        int main(void) {{ {" ".join(lines)} return 0; }}
        """
    )
    subprocess.run([CLANG, "-w", main, "-o", tmp_path / "main"], check=True)
    printed = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()

    values = [
        f"{one} {compiled.encode(one, GLOBALS[one], compiled.bytes_of(one) if one == 'reals' else None).hex(' ')}"
        for one in sorted(GLOBALS)
    ]
    assert printed == values + offsets
    assert {"numbers.length 72", "nested.v6 4", "nested.id 20"} <= set(offsets)


@pytest.mark.parametrize(
    ("variable", "field", "value", "expected"),
    [
        ("network", "port", 80, "00 50"),
        ("network", "port", {"be16": 80}, "00 50"),
        ("network", "port", {"u16": 80}, "50 00"),
        ("network", "port", {"hex": "0050"}, "00 50"),
        ("network", "seq", 1, "00 00 00 01"),
        ("network", "cookie", 1, "00 00 00 00 00 00 00 01"),
        ("network", "little", 1, "01 00 00 00"),
        ("network", "peer", "10.0.0.9", "0a 00 00 09"),
        ("network", "host", "10.0.0.9", "0a 00 00 09"),
        ("network", "host", {"ip4": "10.0.0.9"}, "0a 00 00 09"),
        ("network", "host", {"be32": 0x0A000009}, "0a 00 00 09"),
        ("network", "host", {"s32": -2}, "fe ff ff ff"),
        ("network", "host", True, "01 00 00 00"),
        ("network", "octets", "10.0.0.9", "0a 00 00 09"),
        ("network", "octets", [10, 0, 0, 9], "0a 00 00 09"),
        ("network", "octets", (10, 0), "0a 00 00 00"),
        ("network", "octets", {"u32": 9}, "09 00 00 00"),
        ("network", "octets", {"text": "abc"}, "61 62 63 00"),
        ("network", "octets", {"hex": "0a:00 00\n09  # an address"}, "0a 00 00 09"),
        ("network", "mac", "02:00:00:00:00:0A", "02 00 00 00 00 0a"),
        ("network", "mac", {"mac": "02:00:00:00:00:01"}, "02 00 00 00 00 01"),
        ("network", "in4", {"s_addr": "10.0.0.9"}, "0a 00 00 09"),
        ("network", "in6", "::1", "00 " * 15 + "01"),
        ("network", "in6", {"ip6": "::1"}, "00 " * 15 + "01"),
        ("network", "in6", {"in6_u": {"u6_addr16": [1, 2]}}, "00 01 00 02" + " 00" * 12),
        ("network", "flat6", ["10.0.0.9", 5], "0a 00 00 09 00 00 00 05" + " 00" * 8),
        ("nested", "choice", {"parts": {"b": 513}}, "00 00 00 00 01 02 00 00"),
        ("nested", "choice", {"hex": "0102030405060708"}, "01 02 03 04 05 06 07 08"),
        ("texts", "name", "", "00 " * 16),
        ("texts", "name", "a" * 16, "61 " * 16),
        ("texts", "name", "10.0.0.9", "31 30 2e 30 2e 30 2e 39" + " 00" * 8),
        ("texts", "full", [1, -1], "01 ff 00 00"),
        ("texts", "lines", ["", "four"], "00 00 00 00 66 6f 75 72"),
        ("numbers", "yes", 1, "01"),
        ("numbers", "yes", {"u8": 2}, "02"),
        ("numbers", "letter", {"text": "A"}, "41"),
        ("numbers", "s8", -128, "80"),
        ("numbers", "u128", "::1", "00 " * 15 + "01"),
        ("reals", "single", 2, "00 00 00 40"),
        ("reals", "single", math.inf, "00 00 80 7f"),
        ("reals", "twice", {"u64": 1}, "01 00 00 00 00 00 00 00"),
        ("pointers", "any", None, "00 " * 8),
        ("pointers", "any", 2**64 - 1, "ff " * 8),
        ("enums", "flags", "FLAG_A|FLAG_C", "05 00 00 00"),
        ("enums", "flags", "FLAG_B | FLAG_C", "06 00 00 00"),
        ("enums", "flags", 9, "09 00 00 00"),
        ("enums", "balance", "OWING", "ff ff ff ff"),
        ("enums", "balance", -2, "fe ff ff ff"),
        ("enums", "tiny", {"u8": 9}, "09"),
    ],
)
def test_a_value_is_written_in_any_way_its_type_allows(
    compiled: Object, variable: str, field: str, value: object, expected: str
) -> None:
    type_id = compiled.field_type(variable, field)

    assert encode(compiled.btf, type_id, value).hex(" ") == expected.strip()


def test_a_field_named_like_a_form_goes_before_the_form(compiled: Object) -> None:
    assert compiled.encode("forms", {"hex": 16}).hex() == "1000000000000000"
    assert compiled.encode("forms", {"text": 1}).hex() == "0000000001000000"
    assert compiled.encode("forms", {"u64": 1}).hex() == "0100000000000000"


def test_what_a_value_does_not_name_is_as_in_the_base(compiled: Object) -> None:
    base = b"\xff" * 8

    assert compiled.encode("tail", {"u8": 1}, b"\xff" * 16).hex() == "01" + "ff" * 15
    assert compiled.encode("matrix", [[7], []], b"\xff" * 24).hex() == "07000000" + "ff" * 20
    assert compiled.encode("bits", {"middle": 0}, b"\xff" * 24).hex() == "07c0ff" + "ff" * 21
    assert encode(compiled.btf, compiled.field_type("nested", "choice"), {"parts": {"b": 0}}, base=base).hex() == (
        "ffffffff0000ffff"
    )


def test_a_struct_can_be_laid_over_any_place_of_its_size(compiled: Object) -> None:
    over = {"struct": "in_addr", "fields": {"s_addr": "10.0.0.9"}}
    octets = compiled.field_type("network", "octets")

    assert encode(compiled.btf, octets, over) == bytes([10, 0, 0, 9])
    assert encode(compiled.btf, octets, {"struct": "in_addr"}, base=b"base") == b"base"
    assert compiled.encode("enums", {"struct": "enums_t", "fields": {"tiny": 1}})[4] == 1
    for want in (over, {"struct": "in_addr", "fields": over}):
        assert differences(compiled.btf, octets, want, bytes([10, 0, 0, 8]), "key") == (
            Difference("key.s_addr", "10.0.0.9", "10.0.0.8"),
        )


@pytest.mark.parametrize(
    ("variable", "value", "message", "hint"),
    [
        ("numbers", {"u32": 2**32}, "numbers.u32: 4294967296 does not fit __u32 (0 to 4294967295)", ""),
        ("numbers", {"u32": -1}, "numbers.u32: -1 does not fit __u32 (0 to 4294967295)", ""),
        ("numbers", {"s8": 128}, "numbers.s8: 128 does not fit __s8 (-128 to 127)", ""),
        ("numbers", {"u8": 10**5000}, "numbers.u8: a number of 16610 bits does not fit __u8 (0 to 255)", ""),
        ("numbers", {"yes": 2}, "numbers.yes: 2 does not fit bool (false or true)", ""),
        ("numbers", {"yes": "true"}, 'numbers.yes: "true" does not fit bool', "write false or true"),
        ("numbers", {"u16": "80"}, 'numbers.u16: "80" does not fit __u16', 'write "80" without quotes'),
        ("numbers", {"u16": "http"}, 'numbers.u16: "http" does not fit __u16', "write a number"),
        ("numbers", {"u16": 1.0}, "numbers.u16: 1.0 does not fit __u16", "write a number"),
        ("numbers", {"u16": None}, "numbers.u16: null does not fit __u16", "write a number"),
        ("numbers", {"u32": "10.0.0"}, 'numbers.u32: "10.0.0" does not fit __u32', "write an IPv4 address or a number"),
        ("numbers", {"u32": "::1"}, 'numbers.u32: "::1" does not fit __u32', "write an IPv4 address or a number"),
        ("numbers", {"u32": []}, "numbers.u32: [] does not fit __u32", "write an IPv4 address or a number"),
        ("numbers", {"u32": {"u16": 1}}, "numbers.u32: {u16: ...} gives 2 bytes, __u32 has 4", ""),
        ("numbers", {"u32": {"be16": 65536}}, "numbers.u32: 65536 does not fit be16 (0 to 65535)", ""),
        ("numbers", {"u32": {"u32": "1"}}, 'numbers.u32: "1" does not fit u32', "write a number"),
        ("numbers", {"u32": {"ip4": "::1"}}, 'numbers.u32: "::1" is not an IPv4 address', ""),
        ("numbers", {"u32": {"ip4": 5}}, "numbers.u32: 5 is not an IPv4 address", ""),
        ("numbers", {"u32": {"hex": "0g"}}, 'numbers.u32: "0g" is not hex', ""),
        ("numbers", {"u32": {"hex": 10}}, "numbers.u32: 10 is not text", "put the hex digits in quotes"),
        ("numbers", {"u32": {"hex": "010203"}}, "numbers.u32: {hex: ...} gives 3 bytes, __u32 has 4", ""),
        ("numbers", {"u32": {"text": 5}}, "numbers.u32: 5 is not text", "put it in quotes"),
        (
            "numbers",
            {"u32": {"program": "next"}},
            "numbers.u32: {program: ...} is a value of a prog array, not of __u32",
            "",
        ),
        (
            "numbers",
            {"u23": 1},
            'numbers: struct numbers has no field "u23"',
            "did you mean 'u32'? its fields: u8, s8, u16, s16, u32, s32, u64, s64, s128, u128, letter, yes, length",
        ),
        (
            "numbers",
            5,
            "numbers: 5 does not fit struct numbers",
            "write its fields (u8, s8, u16, s16, u32, s32, u64, s64, s128, u128, letter, yes, length)",
        ),
        (
            "network",
            {"in4": 5},
            "network.in4: 5 does not fit struct in_addr",
            "write an IPv4 address or its fields (s_addr)",
        ),
        (
            "network",
            {"in6": 5},
            "network.in6: 5 does not fit struct in6_addr",
            "write an IPv6 address or its fields (in6_u)",
        ),
        ("tail", 5, "tail: 5 does not fit struct tail", "write its fields (nothing, u8, u64)"),
        (
            "network",
            {"mac": "02:00:00:00:00"},
            'network.mac: "02:00:00:00:00" does not fit __u8[6]',
            "write a MAC address, a list of numbers, {text: ...} or {hex: ...}",
        ),
        ("network", {"mac": [1] * 7}, "network.mac: a list of 7 does not fit __u8[6]", ""),
        ("network", {"mac": [1, 256]}, "network.mac[1]: 256 does not fit __u8 (0 to 255)", ""),
        (
            "network",
            {"flat6": "fe80::1%eth0"},
            'network.flat6: "fe80::1%eth0" does not fit __be32[4]',
            "write an IPv6 address or a list",
        ),
        ("network", {"port": 65536}, "network.port: 65536 does not fit __be16 (0 to 65535)", ""),
        ("bits", {"low": 8}, "bits.low: 8 does not fit __u32:3 (0 to 7)", ""),
        ("bits", {"negative": -17}, "bits.negative: -17 does not fit __s32:5 (-16 to 15)", ""),
        ("bits", {"low": {"u8": 1}}, "bits.low: {u8: 1} does not fit __u32:3", "write a number"),
        ("bits", {"low": "10.0.0.1"}, 'bits.low: "10.0.0.1" does not fit __u32:3', "write a number"),
        ("bits", {"flag": 2}, "bits.flag: 2 does not fit bool:1 (false or true)", ""),
        (
            "bits",
            {"low": {"struct": "in_addr"}},
            "bits.low: struct in_addr has 4 bytes, __u32:3 has 3 bits",
            "",
        ),
        (
            "bits",
            {"verdict": "PAS"},
            'bits.verdict: enum verdict has no constant "PAS"',
            "did you mean 'PASS'? its constants: DROP, PASS, TX",
        ),
        (
            "bits",
            {"verdict": []},
            "bits.verdict: [] does not fit enum verdict:4",
            "write a number or a constant (DROP, PASS, TX)",
        ),
        (
            "enums",
            {"balance": 2**31},
            "enums.balance: 2147483648 does not fit enum balance (-2147483648 to 2147483647)",
            "",
        ),
        (
            "enums",
            {"flags": "FLAG_A|"},
            'enums.flags: enum flags has no constant ""',
            "its constants: FLAG_A, FLAG_B, FLAG_C, FLAG_D, FLAG_FIRST, FLAG_ABC",
        ),
        ("texts", {"full": "fulls"}, 'texts.full: "fulls" is 5 bytes long, char[4] has 4', ""),
        ("texts", {"full": "ééé"}, 'texts.full: "ééé" is 6 bytes long, char[4] has 4', ""),
        ("texts", {"full": 5}, "texts.full: 5 does not fit char[4]", "write text or {hex: ...}"),
        ("texts", {"full": "\x1b[2J\ud800"}, 'texts.full: "\\x1b[2J\\ud800" is 7 bytes long, char[4] has 4', ""),
        ("texts", {"lines": "one"}, 'texts.lines: "one" does not fit char[2][4]', "write a list"),
        ("reals", {"single": 1e39}, "reals.single: 1e+39 does not fit float of 4 bytes", ""),
        ("reals", {"twice": 10**400}, "reals.twice: a number of 1329 bits does not fit double of 8 bytes", ""),
        ("reals", {"single": "1.5"}, 'reals.single: "1.5" does not fit float', "write a number"),
        ("pointers", {"any": -1}, "pointers.any: -1 does not fit void * (0 to 18446744073709551615)", ""),
        ("pointers", {"any": "::"}, 'pointers.any: "::" does not fit void *', "write a number"),
        ("nested", {"v4": 1, "v6": "::1"}, "nested: 'v4' and 'v6' share their bytes", "write one of them"),
        ("flexible", {"items": [1]}, "flexible.items: a list of 1 does not fit __u16[]", ""),
        ("matrix", [[1], [1, "x"]], 'matrix[1][1]: "x" does not fit int', "write an IPv4 address or a number"),
        ("truth", {"a": 1}, "truth: {a: 1} does not fit bool", "write false or true"),
        (
            "forms",
            {"struct": "form"},
            'forms: the object has no struct "form"',
            f"did you mean 'forms'? its structs: {STRUCTS}",
        ),
        ("forms", {"struct": "tail"}, "forms: struct tail has 16 bytes, struct forms has 8", ""),
        (
            "forms",
            {"struct": "forms", "field": 1},
            "forms: beside 'struct' there is \"field\"",
            "write {struct: NAME, fields: {...}}",
        ),
        ("forms", {"struct": "forms", "fields": {"hex": -1}}, "forms.hex: -1 does not fit __u32 (0 to 4294967295)", ""),
        (
            "forms",
            ["x" * 100],
            'forms: ["' + "x" * 55 + "... does not fit struct forms",
            "write its fields (hex, text)",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_says_what_does(
    compiled: Object, variable: str, value: object, message: str, hint: str
) -> None:
    with pytest.raises(SuiteError) as error:
        compiled.encode(variable, value)

    assert (error.value.what, error.value.hint) == (message, hint)


def test_all_that_does_not_fit_is_told_at_once(compiled: Object) -> None:
    value = {"kind": 256, "id": 1, "choice": {"raw": [1, -1]}, "inner": [{"u8": -1}, {"s64": "x", "yes": 2}], "knd": 1}
    for refuse in (
        lambda: compiled.encode("nested", value),
        lambda: refuse_misfit(compiled.btf, compiled.types["nested"], value, "nested"),
    ):
        with pytest.raises(SuiteErrors) as error:
            refuse()

        assert [one.what for one in error.value.mistakes] == [
            "nested.kind: 256 does not fit __u8 (0 to 255)",
            "nested.choice.raw[1]: -1 does not fit __u8 (0 to 255)",
            "nested.inner[0].u8: -1 does not fit __u8 (0 to 255)",
            'nested.inner[1].s64: "x" does not fit __s64',
            "nested.inner[1].yes: 2 does not fit bool (false or true)",
            'nested: struct nested has no field "knd"',
        ]


def test_sizes_that_cannot_be_right_are_refused(compiled: Object) -> None:
    type_id = compiled.types["forms"]
    for call in (
        lambda: encode(compiled.btf, type_id, {}, path="cfg", base=bytes(7)),
        lambda: differences(compiled.btf, type_id, {}, bytes(7), "cfg"),
    ):
        with pytest.raises(ObjectError) as error:
            call()
        assert error.value.what == "cfg: there are 7 bytes, but struct forms has 8"

    with pytest.raises(ObjectError, match="there are 9 bytes, but struct forms has 8"):
        decode(compiled.btf, type_id, bytes(9))


@pytest.mark.parametrize(
    ("variable", "field", "data", "expected"),
    [
        ("numbers", "yes", "02", {"hex": "02"}),
        ("texts", "full", "00 00 00 00", ""),
        ("texts", "full", "1b 5b 00 00", {"hex": "1b 5b 00 00"}),
        ("texts", "full", "ff 00 00 00", {"hex": "ff 00 00 00"}),
        ("enums", "flags", "05 00 00 00", 5),  # FLAG_ABC has several bits: it need not be an enum of flags
        ("enums", "wide", "01 00 00 00 01 00 00 00", "WIDE_LOW|WIDE_HIGH"),
        ("enums", "wide", "03 00 00 00 01 00 00 00", 0x100000003),
        ("reals", "twice", "00 00 00 00 00 00 f0 7f", math.inf),
    ],
)
def test_bytes_without_a_natural_value_are_hex_or_numbers(
    compiled: Object, variable: str, field: str, data: str, expected: object
) -> None:
    type_id = compiled.field_type(variable, field)
    value = decode(compiled.btf, type_id, bytes.fromhex(data))

    assert value == expected
    assert encode(compiled.btf, type_id, value).hex(" ") == data


def test_an_address_that_is_no_field_is_read_as_one(compiled: Object) -> None:
    type_id = compiled.field_type("network", "seq")

    assert decode(compiled.btf, type_id, bytes([10, 0, 0, 9])) == "10.0.0.9"


def test_a_union_none_of_whose_members_has_all_bytes_is_hex(compiled: Object) -> None:
    data = compiled.bytes_of("lossy")

    assert decode(compiled.btf, compiled.types["lossy"], data) == {"hex": "01 00 00 00 01 01 01 01"}
    assert compiled.encode("lossy", {"one": {"early": 1, "late": 0x01010101}}) == data


def differing(compiled: Object, variable: str, want: object) -> list[tuple[str, str, str]]:
    data = compiled.bytes_of(variable)
    found = differences(compiled.btf, compiled.types[variable], want, data, "value")
    return [(one.path, one.expected, one.actual) for one in found]


@pytest.mark.parametrize("variable", sorted(GLOBALS))
def test_there_is_no_difference_to_what_the_bytes_are(compiled: Object, variable: str) -> None:
    assert differing(compiled, variable, GLOBALS[variable]) == []


@pytest.mark.parametrize(
    ("variable", "want", "expected"),
    [
        ("numbers", {}, []),
        ("numbers", {"u8": 1, "s8": -100, "s16": 0}, [("value.u8", "1", "200"), ("value.s16", "0", "-30000")]),
        ("numbers", {"yes": False}, [("value.yes", "false", "true")]),
        ("numbers", {"u32": {"be32": 1}}, [("value.u32", "1", str(0x00286BEE))]),
        ("numbers", {"s32": {"s32": -1}}, [("value.s32", "-1", "-2000000000")]),
        ("network", {"port": 80}, [("value.port", "80", "443")]),
        ("network", {"peer": "10.0.0.1"}, [("value.peer", "10.0.0.1", "192.0.2.1")]),
        ("network", {"peer": 1}, [("value.peer", "1", "3221225985")]),
        ("network", {"host": "10.0.0.1"}, [("value.host", "10.0.0.1", "7.0.0.0")]),
        ("network", {"mac": "02:00:00:00:00:02"}, [("value.mac", "02:00:00:00:00:02", "02:00:00:00:00:01")]),
        ("network", {"mac": [2, 0, 9]}, [("value.mac[2]", "9", "0")]),
        ("network", {"octets": {"hex": "0a010102"}}, [("value.octets", "0a 01 01 02", "0a 01 01 01")]),
        ("network", {"in6": {"ip6": "::1"}}, [("value.in6", "::1", "2001:db8::1")]),
        ("bits", {"low": 4, "negative": 1}, [("value.low", "4", "5"), ("value.negative", "1", "-7")]),
        ("bits", {"verdict": "DROP"}, [("value.verdict", "DROP (1)", "TX (3)")]),
        ("packed_bits", {"ten": 1, "long_one": 0x123456789ABCDEF}, [("value.ten", "1", "777")]),
        ("nested", {"v4": "10.0.0.1"}, [("value.v4", "10.0.0.1", "254.128.0.0")]),
        ("nested", {"v4": "254.128.0.0", "v6": "fe80::8"}, [("value.v6", "fe80::8", "fe80::9")]),
        (
            "nested",
            {"inner": [{"u8": 2}, {"s64": -3}], "choice": {"parts": {"b": 5}}},
            [
                ("value.inner[0].u8", "2", "1"),
                ("value.inner[1].s64", "-3", "-2"),
                ("value.choice.parts.b", "5", "1541"),
            ],
        ),
        ("nested", {"inner": [{"u8": 6}]}, [("value.inner[0].u8", "6", "1")]),  # and nested begins with a 6
        ("texts", {"name": "eth1"}, [("value.name", '"eth1"', '"eth0 \\"é\\""')]),
        ("texts", {"dirty": "a"}, [("value.dirty", '"a"', '{hex: "61 00 62 00"}')]),
        ("texts", {"dirty": {"text": "a"}}, [("value.dirty", '"a"', "61 00 62 00")]),
        ("reals", {"single": 2, "twice": 0.5}, [("value.single", "2.0", "1.5"), ("value.twice", "0.5", "-0.1")]),
        ("pointers", {"any": None}, [("value.any", "0x0", "0xffff888012345678")]),
        ("enums", {"flags": "FLAG_A|FLAG_B"}, [("value.flags", "FLAG_A|FLAG_B (3)", "FLAG_A|FLAG_C (5)")]),
        ("enums", {"flags": "FLAG_FIRST"}, [("value.flags", "FLAG_A (1)", "5")]),
        (
            "enums",
            {"flags": "FLAG_ABC|FLAG_D"},
            [("value.flags", "FLAG_A|FLAG_B|FLAG_C|FLAG_D (15)", "FLAG_A|FLAG_C (5)")],
        ),
        ("enums", {"unnamed": "FLAG_A|FLAG_B"}, [("value.unnamed", "FLAG_A|FLAG_B (3)", "16")]),
        ("enums", {"balance": 1}, [("value.balance", "AHEAD (1)", "OWING (-1)")]),
        ("forms", {"hex": 1}, [("value.hex", "1", "16")]),
        ("forms", {"u64": 1}, [("value", "1", str(16 + (1 << 32)))]),
        ("truth", False, [("value", "false", "true")]),
        ("port", {"hex": "0051"}, [("value", "00 51", "00 50")]),
        ("verdicts", ["DROP", "DROP"], [("value[1]", "DROP (1)", "PASS (2)")]),
    ],
)
def test_a_difference_is_told_by_field_in_the_words_of_the_suite(
    compiled: Object, variable: str, want: object, expected: list[tuple[str, str, str]]
) -> None:
    assert differing(compiled, variable, want) == expected


@pytest.mark.parametrize(
    ("variable", "want", "message"),
    [
        ("numbers", {"u23": 1}, 'value: struct numbers has no field "u23"'),
        ("numbers", {"u8": 256}, "value.u8: 256 does not fit __u8 (0 to 255)"),
        ("matrix", [[1, 2, 3, 4]], "value[0]: a list of 4 does not fit int[3]"),
        ("bits", {"low": 8}, "value.low: 8 does not fit __u32:3 (0 to 7)"),
        ("port", {"sum": 1}, "value: {sum: ...} is a value of a per-CPU map, not of __be16"),
    ],
)
def test_what_can_never_be_is_an_error_and_not_a_difference(
    compiled: Object, variable: str, want: object, message: str
) -> None:
    with pytest.raises(SuiteError) as error:
        differing(compiled, variable, want)

    assert error.value.what == message


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        (5, 4, (5).to_bytes(4, sys.byteorder)),
        (-1, 2, b"\xff\xff"),
        (2**64 - 1, 8, b"\xff" * 8),
        (True, 1, b"\1"),
        ("10.0.0.9", 4, bytes([10, 0, 0, 9])),
        ("02:00:00:00:00:01", 6, bytes([2, 0, 0, 0, 0, 1])),
        ("::1", 16, bytes(15) + b"\1"),
        ({"u32": 5}, 4, (5).to_bytes(4, sys.byteorder)),
        ({"be16": 80}, 2, b"\0P"),
        ({"text": "eth0"}, 8, b"eth0\0\0\0\0"),
        ({"hex": "01 02 03"}, 3, b"\1\2\3"),
    ],
)
def test_without_btf_a_value_has_the_size_that_the_map_says(value: object, size: int, expected: bytes) -> None:
    assert without_btf(value, size) == expected
    assert differences_without_btf(value, expected) == ()


@pytest.mark.parametrize(
    ("value", "size", "message", "hint"),
    [
        (256, 1, "key: 256 does not fit a value of 1 byte without BTF (-128 to 255)", ""),
        (
            5,
            6,
            "key: 5 does not fit a value of 6 bytes without BTF",
            "write a MAC address, {text: ...} or {hex: ...}; or give the map BTF types, with clang -g",
        ),
        (
            "eth0",
            4,
            'key: "eth0" does not fit a value of 4 bytes without BTF',
            "write a number, an IPv4 address, {text: ...} or {hex: ...}; or give the map BTF types, with clang -g",
        ),
        (
            {"ttl": 5},
            3,
            "key: {ttl: 5} does not fit a value of 3 bytes without BTF",
            "write {text: ...} or {hex: ...}; or give the map BTF types, with clang -g",
        ),
        ({"u16": 5}, 4, "key: {u16: ...} gives 2 bytes, a value of 4 bytes without BTF has 4", ""),
    ],
)
def test_without_btf_an_error_says_what_can_be_written(value: object, size: int, message: str, hint: str) -> None:
    with pytest.raises(SuiteError) as error:
        without_btf(value, size, path="key")

    assert (error.value.what, error.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("want", "actual", "expected"),
    [
        (5, (6).to_bytes(4, sys.byteorder), ("5", "6")),
        (-1, b"\xfe" * 2, ("-1", "-258")),
        ("10.0.0.9", bytes([10, 0, 0, 8]), ("10.0.0.9", "10.0.0.8")),
        ({"be16": 80}, b"\0Q", ("80", "81")),
        ({"text": "eth0"}, b"eth1\0", ('"eth0"', '"eth1"')),
        ({"text": "eth0"}, b"\xffth0\0", ('"eth0"', "ff 74 68 30 00")),
    ],
)
def test_without_btf_a_difference_is_told_in_the_words_of_the_suite(
    want: object, actual: bytes, expected: tuple[str, str]
) -> None:
    assert differences_without_btf(want, actual, "key") == (Difference("key", *expected),)


def held_bits(btf: Btf, type_id: int, known: dict[int, int]) -> int:
    """A 1 for every bit, as BTF counts them, that some member of *type_id* holds: all but padding."""
    if type_id in known:
        return known[type_id]
    held = btf.resolve(type_id)
    size = btf.sizeof(type_id)
    result = (1 << 8 * size) - 1
    if isinstance(held, Array) and size:
        element = held_bits(btf, held.element, known).to_bytes(size // held.count, "little")
        result = int.from_bytes(element * held.count, "little")
    elif isinstance(held, Struct):
        result = 0
        for member in held.members:
            inner = (1 << member.bit_size) - 1 if member.bit_size else held_bits(btf, member.type, known)
            result |= inner << member.bit_offset
    known[type_id] = result
    return result


def check_identity(btf: Btf, type_id: int, data: bytes, held: int) -> None:
    """Bytes → value → bytes: the same over the bytes themselves, and in all *held* bits over any others."""
    value = decode(btf, type_id, data)

    assert encode(btf, type_id, value, base=data) == data, btf.spelled(type_id)
    assert differences(btf, type_id, value, data) == (), btf.spelled(type_id)
    number = int.from_bytes(data, "little")
    for other in (bytes(len(data)), b"\xff" * len(data)):
        over_other = int.from_bytes(encode(btf, type_id, value, base=other), "little")
        assert (over_other ^ number) & held == 0, btf.spelled(type_id)


def has_values(btf: Btf, type_id: int) -> bool:
    """Whether *type_id* has a size, and one that a test can afford."""
    try:
        return 0 < btf.sizeof(type_id) <= VALUE_MAX
    except ObjectError:
        return False


def test_the_values_of_the_kernels_types_are_taken_back() -> None:
    btf = Btf(VMLINUX.read_bytes())
    types = [type_id for type_id in range(len(btf)) if has_values(btf, type_id)]
    random_bytes = random.Random(0)  # noqa: S311 # the same bytes in every run
    held: dict[int, int] = {}
    for type_id in types if os.environ.get(ALL_TYPES) else random_bytes.sample(types, SAMPLE):
        size = btf.sizeof(type_id)
        few = bytes(random_bytes.choices(b"\0\0\1a\xff", k=size))  # booleans, constants, texts
        check_identity(btf, type_id, random_bytes.randbytes(size), held_bits(btf, type_id, held))
        check_identity(btf, type_id, few, held_bits(btf, type_id, held))


@thorough
@given(data=st.data())
def test_any_bytes_of_the_c_files_types_are_taken_back(compiled: Object, data: st.DataObject) -> None:
    type_id = data.draw(st.sampled_from(sorted(compiled.types.values())))
    size = compiled.btf.sizeof(type_id)
    content = data.draw(st.binary(min_size=size, max_size=size))

    check_identity(compiled.btf, type_id, content, held_bits(compiled.btf, type_id, {}))


def outcome(action: Callable[[], object]) -> object:
    """What *action* gives, or the class of the error that it may raise; of several mistakes too."""
    try:
        return action()
    except (ObjectError, SuiteError) as error:
        return SuiteError if isinstance(error, SuiteError) else type(error)


NAMES = st.sampled_from(
    ["u8", "be32", "ip4", "mac", "text", "hex", "struct", "fields", "percpu", "in4", "v6", "inner", "choice", "parts"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["10.0.0.1", "::1", "02:00:00:00:00:01", "DROP", "FLAG_A|FLAG_B", "nested", "in_addr"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=4)
)


@thorough
@given(data=st.data(), value=ANYTHING)
def test_whatever_a_suite_says_becomes_bytes_or_an_error(compiled: Object, data: st.DataObject, value: object) -> None:
    type_id = data.draw(st.sampled_from(sorted(compiled.types.values())))
    actual = b"\x5a" * compiled.btf.sizeof(type_id)

    content = outcome(lambda: encode(compiled.btf, type_id, value))
    found = outcome(lambda: differences(compiled.btf, type_id, value, actual))
    if isinstance(content, bytes):
        assert len(content) == len(actual)
        assert differences(compiled.btf, type_id, value, content) == ()
        assert isinstance(found, tuple)
    else:
        assert content is SuiteError
        assert found is SuiteError
    misfit = outcome(lambda: refuse_misfit(compiled.btf, type_id, value))
    assert misfit is (None if isinstance(found, tuple) else SuiteError)

    plain = outcome(lambda: without_btf(value, len(actual)))
    assert plain is SuiteError or (isinstance(plain, bytes) and len(plain) == len(actual))


def test_structs_that_double_at_each_level_are_read_in_no_time() -> None:
    """Thirty levels of `struct s2 {struct s1 a, b;}` without a byte in them."""
    strings = b"\0a\0b\0"
    types = struct.pack("=3I", 0, Kind.STRUCT << 24, 0)
    for level in range(1, 31):
        types += struct.pack("=9I", 0, Kind.STRUCT << 24 | 2, 0, 1, level, 0, 3, level, 0)
    types += struct.pack("=6I", 0, Kind.ARRAY << 24, 0, 31, 31, 0xFFFFFFFF)
    btf = Btf(struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings)

    assert (decode(btf, 31, b""), decode(btf, 32, b"")) == ({}, [])
    assert encode(btf, 31, {"a": {"b": {}}}) == b""


def test_a_value_too_large_to_write_is_refused() -> None:
    image = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 40, 40, 6) + struct.pack(
        "=10I", 1, Kind.INT << 24, 4, 32, 0, Kind.ARRAY << 24, 0, 1, 1, 1 << 28
    )
    btf = Btf(image + b"\0huge\0")

    with pytest.raises(SuiteError) as error:
        encode(btf, 2, {}, path="cfg")
    assert error.value.what == "cfg: huge[268435456] has 1073741824 bytes, more than a suite can write"


def damaged(data: bytes, chance: random.Random) -> bytes:
    """*data* with one to eight other bytes, a few times in its header, a few times without its end."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(24 if chance.random() < 0.02 else len(data))
        result[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(result[: chance.randrange(len(data))] if chance.random() < 0.02 else result)


def uses(data: bytes) -> list[object]:
    """The outcome of whatever can be done with the BTF of an object; its variables reach every type."""
    btf = outcome(lambda: Btf(data))
    if not isinstance(btf, Btf):
        return [btf]
    results = [outcome(lambda: btf.names([Kind.STRUCT, Kind.ENUM])), outcome(lambda: struct_id(btf, "network"))]
    for type_id in range(len(btf)):
        results += [outcome(partial(btf.sizeof, type_id)), outcome(partial(btf.spelled, type_id))]
    variables = outcome(lambda: list(btf.variables()))
    for variable in variables if isinstance(variables, list) else []:
        size = outcome(partial(btf.sizeof, variable.type))
        if isinstance(size, int) and size <= VALUE_MAX:
            results.append(outcome(partial(decode, btf, variable.type, b"\x5a" * size)))
            results.append(outcome(partial(encode, btf, variable.type, {"u8": 1})))
    return [*results, variables]


def test_damaged_btf_gives_values_or_errors_and_nothing_else(compiled: Object) -> None:
    data = compiled.sections[".BTF"]
    whole = uses(data)
    chance = random.Random(0)  # noqa: S311 # the same damage in every run
    refused = changed = 0

    for _ in range(FUZZED):
        results = uses(damaged(data, chance))
        refused += results == [ObjectError]
        changed += results != whole

    assert refused > FUZZED * 0.05, "the header was hardly ever damaged"
    assert changed - refused > FUZZED * 0.5, "the types were hardly ever damaged"
