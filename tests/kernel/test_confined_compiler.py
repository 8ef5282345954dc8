"""As whom clang runs for root, and what strangers' sources can make it read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpftest.elf import read_object
from bpftest.errors import CompileError
from bpftest.kernel.compile import compiled
from bpftest.sandbox.confinement import NOBODY

pytestmark = pytest.mark.kernel

OWNER = 12345  # a user of whom nobody has heard
PROGRAM = '__attribute__((section("xdp"))) int answer(void *ctx) { return 1; }\n'
HIDDEN = "root:$6$salt$hash"


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of root's that everybody can read, which those of pytest are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", f"{name}/cache")
        yield folder


def source(folder: Path, text: str = PROGRAM, owner: int = 0, mode: int = 0o644) -> str:
    file = folder / "answer.bpf.c"
    file.write_text(text)
    file.chmod(mode)
    os.chown(file, owner, owner)
    return str(file)


def refused(file: str, *cflags: str) -> CompileError:
    with pytest.raises(CompileError) as raised:
        compiled(file, cflags)
    return raised.value


@pytest.mark.parametrize(
    ("owner", "mode", "user"),
    [(0, 0o644, NOBODY), (OWNER, 0o644, OWNER), (OWNER, 0o600, OWNER), (0, 0o600, 0)],
    ids=["nobody", "the owner", "the owner of a private file", "root where only root can read it"],
)
def test_clang_has_no_capabilities_and_is_root_only_where_nobody_else_can_be(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, user: int
) -> None:
    clang = checkout / "clang"
    clang.write_text("#!/bin/sh\ncat /proc/self/status >&2; exit 1\n")
    clang.chmod(0o755)
    monkeypatch.setenv("CLANG", str(clang))

    text = refused(source(checkout, owner=owner, mode=mode)).text

    found = {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    names = ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")
    assert {name: found[name] for name in names} == {
        "Uid": "\t".join([str(user)] * 4),
        "Gid": "\t".join([str(user)] * 4),
        "Groups": "",
        **dict.fromkeys(("CapPrm", "CapEff", "CapAmb"), f"{0:016x}"),
        "NoNewPrivs": "1",
    }


@pytest.mark.parametrize(
    ("text", "cflags"),
    [
        ('#include "HIDDEN"\n', ()),
        ('__asm__(".incbin \\"HIDDEN\\"");\n', ()),
        ("", ("-include", "HIDDEN")),
    ],
    ids=["#include", ".incbin", "-include"],
)
def test_nothing_is_told_of_a_file_that_is_roots_alone(checkout: Path, text: str, cflags: tuple[str, ...]) -> None:
    secret = checkout / "shadow"
    secret.write_text(f"{HIDDEN}\n")
    secret.chmod(0o600)
    file = source(checkout, text.replace("HIDDEN", str(secret)) + PROGRAM)

    error = refused(file, *(flag.replace("HIDDEN", str(secret)) for flag in cflags))

    assert "$6$" not in error.text
    assert "ermission denied" in error.text or "not found" in error.text or "Could not find" in error.text
    assert list((checkout / "cache").rglob("*.o")) == []


def test_the_environment_of_the_run_is_not_that_of_clang(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", HIDDEN)
    monkeypatch.setenv("C_INCLUDE_PATH", "/usr/include")

    clang = checkout / "clang"
    clang.write_text("#!/bin/sh\nenv >&2; exit 1\n")
    clang.chmod(0o755)
    monkeypatch.setenv("CLANG", str(clang))

    error = refused(source(checkout))

    assert "C_INCLUDE_PATH=/usr/include\n" in error.text
    assert "TOKEN" not in error.text


def test_it_says_as_whom_clang_could_not_read_a_header(checkout: Path) -> None:
    header = checkout / "own.h"
    header.touch(0o600)

    error = refused(source(checkout, '#include "own.h"\n' + PROGRAM))

    assert (
        error.hint
        == "is it there, and may others read it? clang runs as the owner of the source or as nobody, not as root"
    )


def test_an_owners_private_headers_are_found(checkout: Path) -> None:
    private = checkout / "private"
    private.mkdir(0o700)
    header = private / "own.h"
    header.touch(0o600)
    for path in (private, header):
        os.chown(path, OWNER, OWNER)

    made = compiled(
        source(checkout, '#include "private/own.h"\n#include <own.h>\n' + PROGRAM, OWNER), (f"-I{private}",)
    )

    assert [one.name for one in read_object(made).programs] == ["answer"]


def test_a_checkout_below_a_private_folder_is_compiled_from_within(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = checkout / "home"
    (home / "project").mkdir(parents=True)
    home.chmod(0o700)
    (home / "project" / "secret.h").touch(0o600)
    source(home / "project", '#include "secret.h"\n' + PROGRAM)
    monkeypatch.chdir(home / "project")

    error = refused("answer.bpf.c")  # as nobody

    assert "ermission denied" in error.text


def test_the_kernels_types_are_found_where_others_cannot_enter_the_home_of_the_cache(checkout: Path) -> None:
    file = source(checkout, '#include "vmlinux.h"\n' + PROGRAM)
    (checkout / "cache").mkdir(0o700)

    first = compiled(file)
    manifest = Path(first).with_suffix(".json").read_text()

    assert f"{checkout}/cache/bpftest/vmlinux/" in manifest
    assert "/proc/self" not in manifest
    assert b"/proc/self" not in Path(first).read_bytes()


@pytest.mark.parametrize("name", ["-fplugin=x.bpf.c", "@arguments.bpf.c"])
def test_a_source_is_a_file_however_it_is_called(checkout: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (checkout / name).write_text(PROGRAM)
    monkeypatch.chdir(checkout)

    assert [one.name for one in read_object(compiled(name)).programs] == ["answer"]


def test_what_has_another_name_is_no_source_and_not_shown(checkout: Path) -> None:
    (checkout / "shadow").write_text(f"{HIDDEN}\n")
    (checkout / "linked.bpf.c").symlink_to(checkout / "shadow")

    for name in ("shadow", "linked.bpf.c"):
        error = refused(str(checkout / name))
        assert (error.what, error.text) == (f"{checkout / name}: the name of a C source ends in .c", "")
