"""What is declared of C, held against the C compiler and the headers of libbpf and of the kernel."""

from __future__ import annotations

import ctypes
import errno
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bpftest.errors import HostError
from bpftest.kernel import libbpf, objects
from bpftest.kernel.compile import clang_path

HEADERS = (
    "#include <stddef.h>\n#include <stdio.h>\n#include <linux/bpf.h>\n#include <bpf/bpf.h>\n#include <bpf/libbpf.h>\n"
)

STRUCTS = {
    "bpf_test_run_opts": libbpf.TestRunOpts,
    "bpf_object_open_opts": libbpf.ObjectOpenOpts,
    "bpf_prog_load_opts": libbpf.ProgLoadOpts,
    "libbpf_prog_handler_opts": libbpf.ProgHandlerOpts,
    "bpf_prog_info": libbpf.ProgInfo,
    "bpf_map_info": libbpf.MapInfo,
    "bpf_map_create_opts": libbpf.MapCreateOpts,
}


def computed(folder: Path, expressions: Iterable[str]) -> dict[str, int]:
    """What each C expression comes to, by the compiler and the headers of this machine."""
    lines = "".join(f'  printf("%s\\t%lld\\n", "{one}", (long long)({one}));\n' for one in expressions)
    source, program = folder / "computed.c", folder / "computed"
    source.write_text(f"{HEADERS}int main(void) {{\n{lines}}}\n", encoding="ascii")
    subprocess.run([clang_path(), "-Wno-everything", source, "-o", program], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split("\t") for line in said.splitlines())}


def declared(name: str, struct: type[ctypes.Structure]) -> dict[str, int]:
    """Where our declaration of struct *name* has each member, and how large it is, as C says it."""
    places = {}
    for field, _ in struct._fields_:
        if not field.startswith("_"):
            member = getattr(struct, field)
            places[f"offsetof(struct {name}, {field})"] = member.offset
            places[f"sizeof(((struct {name} *)0)->{field})"] = member.size
    return places


def test_every_member_of_our_structs_is_where_c_has_it(tmp_path: Path) -> None:
    ours = {place: value for name, struct in STRUCTS.items() for place, value in declared(name, struct).items()}

    assert len(ours) > 2 * 20
    assert ours == computed(tmp_path, ours)


def test_the_struct_of_a_run_is_complete(tmp_path: Path) -> None:
    (size,) = computed(tmp_path, ["sizeof(struct bpf_test_run_opts)"]).values()

    assert ctypes.sizeof(libbpf.TestRunOpts) == size


def test_our_constants_are_those_of_the_headers(tmp_path: Path) -> None:
    ours = {
        "LIBBPF_WARN": libbpf.LIBBPF_WARN,
        "BPF_F_RDONLY_PROG": objects.BPF_F_RDONLY_PROG,
    }

    assert ours == computed(tmp_path, ours)


def test_every_function_is_declared_with_as_many_arguments_as_its_prototype_has() -> None:
    headers = "".join(
        Path(f"/usr/include/bpf/{name}").read_text(encoding="utf-8") for name in ("bpf.h", "btf.h", "libbpf.h")
    )
    prototypes = dict(re.findall(r"LIBBPF_API [^;()]*?\b(\w+)\(([^;]*?)\)\s*;", headers))

    ours = {name: len(arguments) for name, (_, arguments) in libbpf._SIGNATURES.items()}

    assert ours == {name: 0 if prototypes[name] == "void" else prototypes[name].count(",") + 1 for name in ours}


def test_every_function_that_is_declared_is_used() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in Path(libbpf.__file__).parent.glob("*.py"))

    assert [name for name in libbpf._SIGNATURES if not re.search(rf"\.{name}\b", used)] == []


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"v[1-9]\d*\.\d+.*", libbpf.version())


def test_a_libbpf_that_lacks_a_function_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(libbpf._SIGNATURES, "bpf_object__of_tomorrow", (ctypes.c_int, ()))

    with pytest.raises(HostError) as raised:
        libbpf._declared()

    assert raised.value.what == "the installed libbpf has no bpf_object__of_tomorrow"
    assert raised.value.hint == "bpftest needs libbpf 1.0 or newer"


def test_a_missing_libbpf_is_told_with_the_package_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    load = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda name, **options: load(f"nowhere/{name}", **options))

    with pytest.raises(HostError) as raised:
        libbpf._declared()

    assert raised.value.what.startswith("libbpf 1.0 or newer is not installed (nowhere/libbpf.so.1: cannot open")
    assert raised.value.hint == "install it with the distribution's package manager: apt-get install libbpf1"


# --- what libbpf says ---------------------------------------------------------------------------------------------

SAY = """
#include <stdarg.h>
int say(int (*print)(int, const char *, va_list), int level, const char *form, ...)
{
    va_list arguments;
    va_start(arguments, form);
    int result = print(level, form, arguments);
    va_end(arguments);
    return result;
}
"""


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """Calls our callback as libbpf's libbpf_print does, from C."""
    folder = tmp_path_factory.mktemp("say")
    (folder / "say.c").write_text(SAY, encoding="ascii")
    subprocess.run([clang_path(), "-shared", "-fPIC", folder / "say.c", "-o", folder / "say.so"], check=True)
    function = ctypes.CDLL(str(folder / "say.so")).say
    return lambda *arguments: function(libbpf._COLLECT, *arguments)


@pytest.mark.parametrize(
    ("form", "arguments", "text"),
    [
        (b"libbpf: %s has %d maps, %.3f%%\n", (b"x", 3, ctypes.c_double(12.5)), "libbpf: x has 3 maps, 12.500%"),
        (
            b"libbpf: %lld %c %s\n",
            (ctypes.c_longlong(1 << 40), 120, b"\xff\xc3\xa4"),
            "libbpf: 1099511627776 x \ufffdä",
        ),
        (b"%d %d %d %d %d %d %d %d %d", tuple(range(9)), "0 1 2 3 4 5 6 7 8"),  # more than fit into registers
        (b"libbpf: %s\n", (b"a" * 100_000,), "libbpf: " + "a" * 100_000),
        (b"", (), ""),
    ],
    ids=["several kinds", "no UTF-8", "many", "long", "nothing"],
)
def test_a_warning_is_kept_as_libbpf_words_it(
    say: Callable[..., int], form: bytes, arguments: tuple[object, ...], text: str
) -> None:
    libbpf.warnings()

    assert say(libbpf.LIBBPF_WARN, form, *arguments) == 0

    assert libbpf.warnings() == text
    assert libbpf.warnings() == "", "it is told once"


def test_what_is_no_warning_is_dropped(say: Callable[..., int]) -> None:
    libbpf.warnings()

    say(libbpf.LIBBPF_WARN + 1, b"libbpf: loading object '%s'\n", b"x")

    assert libbpf.warnings() == ""


def test_warnings_are_told_in_their_order_and_without_the_advice_on_locked_memory(say: Callable[..., int]) -> None:
    libbpf.warnings()

    say(libbpf.LIBBPF_WARN, b"libbpf: first\n")
    say(
        libbpf.LIBBPF_WARN, b"libbpf: permission error while running as root; try raising 'ulimit -l'? current: %d\n", 8
    )
    say(libbpf.LIBBPF_WARN, b"libbpf: last\n")

    assert libbpf.warnings() == "libbpf: first\nlibbpf: last"


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.EACCES, "Permission denied"), (4001, "BPF object format invalid")],
)
def test_errors_of_libbpfs_own_have_words_too(number: int, text: str) -> None:
    assert libbpf.error_text(number) == text
