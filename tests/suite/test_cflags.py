"""Which arguments a suite gives to clang."""

from __future__ import annotations

import pytest

from bpftest.suite.cflags import HINT, arguments
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-DX=1", "-D", "Y", "-UZ", "-D", "@z"], ("-DX=1", "-DY", "-UZ", "-D@z")),
        (
            ["-I", "../inc", "-I/usr/src", "-isystem", "x"],
            ("-Isuites/../inc", "-I/usr/src", "-isystemsuites/x"),
        ),
        (["-include", "a.h", "-iquoteb", "-idirafter", "c"], ("-includesuites/a.h", "-iquotesuites/b", "-idirafterc")),
        (["-O", "-O1", "-Oz", "-std=gnu11", "-g", "-gdwarf-5"], None),
        (["-w", "-W", "-Wall", "-Wno-error=unused", "-Wframe-larger-than=512"], None),
        (["-mcpu=v4", "-march=bpf", "-mno-alu32", "-mlittle-endian"], None),
        (["-fno-builtin-memcpy", "-fms-extensions", "-funroll-loops", "-ffile-prefix-map=/a=b"], None),
        (["-nostdinc", "-pipe", "-Qunused-arguments", "-ansi", "-pedantic-errors"], None),
    ],
)
def test_what_shapes_code_passes_and_paths_are_those_of_the_suite(
    flags: list[str], words: tuple[str, ...] | None
) -> None:
    expected = tuple(flags) if words is None else tuple(word.replace("afterc", "aftersuites/c") for word in words)
    assert arguments(flags, "suites") == (expected, {})


REFUSED = """
-fplugin=./x.so -fplugin-arg-x-y -fpass-plugin=./x.so -load --config=/etc/passwd --config -config @/etc/shadow -o -ox
-c -E -S -M -MD -MF -MFx -MMD -dependency-file -serialize-diagnostics -save-temps -save-temps=obj -wrapper -Xclang
-Xassembler -Xpreprocessor -Xlinker -Wp,-MD,x -Wa,-Ix -Wl,-o,x -B -B. --sysroot=/ -isysroot / -resource-dir=/
-gcc-toolchain -cc1 -fprofile-generate -fprofile-instr-generate=x -fprofile-use=x -fcoverage-mapping -ftime-trace
-ftime-trace=x -ftest-coverage -gsplit-dwarf -gen-reproducer -gen-cdb-fragment-path -mllvm -mllvm=-load=x -target
--target=x86_64 -x -emit-llvm -v -### -fno-integrated-as -fno-integrated-cc1 -fsanitize=address
-fsanitize-ignorelist=x -fmodules -fmodule-map-file=x -flto -fcrash-diagnostics-dir=x -fdump-record-layouts
-fsave-optimization-record -foptimization-record-file=x -fembed-bitcode -fxray-instruction-map=x -fthinlto-index=x
-fdiagnostics-format=sarif -fms-compatibility-version=19 -working-directory -ivfsoverlay -imacros -iprefix -specs=x
-stdlib=x -l -L. -Rpass=x -print-file-name=x --help -rpath file.c file.o -
""".split()


@pytest.mark.parametrize("flag", REFUSED)
def test_nothing_else_does(flag: str) -> None:
    _, mistakes = arguments([flag], "")
    assert {number: (one.what, one.hint) for number, one in mistakes.items()} == {
        0: (f"'{flag}' is no argument that a suite gives to clang", HINT)
    }


@pytest.mark.parametrize("flag", ["-include-pch", "-I-", "-isystem-after", "-include@x"])
def test_a_path_is_never_a_part_of_another_option(flag: str) -> None:
    ((word, other), mistakes) = arguments([flag, "-DX"], "")
    assert (other, mistakes) == ("-DX", {})
    assert word in {"-include./-pch", "-I./-", "-isystem./-after", "-include@x"}


@pytest.mark.parametrize(
    ("flags", "number", "what"),
    [
        (["-DX", "-I"], 1, "'-I' needs a value"),
        (["-D", "-I", "-U"], 2, "'-U' needs a value"),
        (["-DX=\0"], 0, "an argument of a program has no character of the value 0"),
    ],
)
def test_a_value_has_to_be_there(flags: list[str], number: int, what: str) -> None:
    _, mistakes = arguments(flags, "")
    assert {key: one.what for key, one in mistakes.items()} == {number: what}


def test_each_mistake_is_told_at_its_place() -> None:
    text = (
        "version: 1\nsource: {file: a.bpf.c, cflags: [-DX, -fplugin=./x.so, '@file']}\n"
        "cases: [{name: passes, packet: IP(), expect: {retval: 1}}]\n"
    )
    with pytest.raises(InvalidSuiteFile) as raised:
        suite(document("suites/a.yaml", text))

    assert [str(fault) for fault in raised.value.faults] == [
        "suites/a.yaml:2:39: '-fplugin=./x.so' is no argument that a suite gives to clang",
        "suites/a.yaml:2:56: '@file' is no argument that a suite gives to clang",
    ]
