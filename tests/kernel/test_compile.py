from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bpftest.elf import ElfProgram, read_object
from bpftest.errors import CompileError, HostError
from bpftest.kernel import compile as compiling
from bpftest.kernel import files, libbpf
from bpftest.kernel.compile import bpftool_path, clang_path, compiled
from tests.kernel.children import in_child

CLONE_NEWNS = 0x00020000  # linux/sched.h

ANSWER = """\
#include "answer.h"
__attribute__((section("xdp"))) int answer(void *ctx) { return ANSWER; }
"""


@dataclass
class Compiler:
    """A clang that counts how often it is started, and can do something when it has finished."""

    path: Path
    log: Path
    clang: str

    def install(self, then: str = "") -> None:
        """Puts it in place; *then* is a line of shell."""
        lines = ["#!/bin/sh", f'echo >> "{self.log}"', f'"{self.clang}" "$@"', "status=$?", then, "exit $status", ""]
        self.path.write_text("\n".join(lines))
        self.path.chmod(0o755)

    @property
    def starts(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    made = Compiler(tmp_path / "counting-clang", tmp_path / "starts", clang_path())
    made.install()
    monkeypatch.setenv("CLANG", str(made.path))
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source and its header, in a folder of their own."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "answer.h").write_text("#define ANSWER 42\n")
    (folder / "answer.bpf.c").write_text(ANSWER)
    return folder / "answer.bpf.c"


def returned(path: str) -> int:
    """What the program of an object returns, read from its code: the first of `r0 = N; exit`."""
    code = Path(path).read_bytes()
    found = re.search(rb"\xb7\0\0\0(....)\x95\0\0\0\0\0\0\0", code, re.DOTALL)
    assert found
    return int.from_bytes(found[1], "little")


# --- the cache ----------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_compiled_again(compiler: Compiler, source: Path) -> None:
    first, second = compiled(str(source)), compiled(str(source))

    assert (first, compiler.starts) == (second, 1)
    assert read_object(first).programs == (ElfProgram("answer", "xdp"),)
    assert returned(first) == 42


def test_nothing_is_started_for_what_is_in_the_cache(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(str(source))
    monkeypatch.delattr(subprocess, "Popen")

    assert returned(compiled(str(source))) == 42


def test_a_changed_source_is_compiled(compiler: Compiler, source: Path) -> None:
    before = compiled(str(source))
    source.write_text(ANSWER.replace("return ANSWER", "return ANSWER + 1"))

    assert (returned(compiled(str(source))), returned(before), compiler.starts) == (43, 42, 2)


def test_a_changed_header_is_seen(compiler: Compiler, source: Path) -> None:
    compiled(str(source))
    (source.parent / "answer.h").write_text("#define ANSWER 44\n")

    assert (returned(compiled(str(source))), compiler.starts) == (44, 2)


def test_a_header_that_was_only_touched_is_no_reason_to_compile(compiler: Compiler, source: Path) -> None:
    compiled(str(source))
    os.utime(source.parent / "answer.h", (1, 1))
    compiled(str(source))

    assert compiler.starts == 1


def test_a_header_that_is_gone_is_seen(source: Path) -> None:
    compiled(str(source))
    (source.parent / "answer.h").unlink()

    with pytest.raises(CompileError, match=r"'answer\.h' file not found"):
        compiled(str(source))


def test_other_flags_make_another_object(compiler: Compiler, source: Path) -> None:
    source.write_text(ANSWER.replace("ANSWER;", "MINE;"))

    objects = [compiled(str(source), (f"-DMINE={number}",)) for number in (1, 2, 1)]

    assert ([returned(path) for path in objects], compiler.starts) == ([1, 2, 1], 2)


def test_another_compiler_makes_another_object(compiler: Compiler, source: Path) -> None:
    compiled(str(source))
    compiler.install(then="# another version")
    compiled(str(source))

    assert compiler.starts == 2


def test_an_object_that_is_gone_from_the_cache_is_made_again(compiler: Compiler, source: Path) -> None:
    Path(compiled(str(source))).unlink()

    assert (returned(compiled(str(source))), compiler.starts) == (42, 2)


@pytest.mark.parametrize("manifest", ["", "{", "[]", "null", '{"/nowhere.h": ""}', "\0"])
def test_a_damaged_manifest_is_none(compiler: Compiler, source: Path, manifest: str) -> None:
    path = compiled(str(source))
    Path(path).with_suffix(".json").write_text(manifest)

    assert (compiled(str(source)), compiler.starts) == (path, 2)


def test_what_was_saved_while_clang_ran_is_compiled_again(compiler: Compiler, source: Path) -> None:
    header, saved = source.parent / "answer.h", source.parent / "saved"
    compiler.install(then=f"test -e '{saved}' || echo '#define ANSWER 45' > '{header}'; touch '{saved}'")

    assert returned(compiled(str(source))) == 42, "clang has read the old one"
    assert returned(compiled(str(source))) == 45
    assert (returned(compiled(str(source))), compiler.starts) == (45, 2)


def test_several_processes_can_compile_the_same_source_at_once(source: Path) -> None:
    program = "import sys; from bpftest.kernel.compile import compiled; print(compiled(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(source)]

    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {one.communicate()[0].strip() for one in started}

    assert [one.returncode for one in started] == [0, 0, 0]
    assert paths == {compiled(str(source))}
    assert returned(paths.pop()) == 42


def test_nothing_else_is_left_in_the_cache(cache: Path, source: Path) -> None:
    path = Path(compiled(str(source)))
    source.write_text("error")
    with pytest.raises(CompileError):
        compiled(str(source))

    assert path.parent == cache / "bpftest" / "objects"
    assert {one.suffix for one in path.parent.iterdir()} == {".o", ".json"}


# --- mistakes in sources ------------------------------------------------------------------------------------------


def test_a_compiler_error_is_told_in_the_compilers_own_words(source: Path) -> None:
    source.write_text("int fine;\nint wrong = nothing;\nint again = nothing;\n")

    with pytest.raises(CompileError) as raised:
        compiled(str(source))

    assert raised.value.what == f"{source}: clang refuses it: use of undeclared identifier 'nothing'"
    assert raised.value.text == (
        f"{source}:2:13: error: use of undeclared identifier 'nothing'\n"
        "int wrong = nothing;\n"
        "            ^\n"
        f"{source}:3:13: error: use of undeclared identifier 'nothing'\n"
        "int again = nothing;\n"
        "            ^\n"
        "2 errors generated."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('#include "nowhere.h"\n', "'nowhere.h' file not found"),
        ("#warning first\n#error then\n", "then"),
        ("int f(void) { return __sync_add_and_fetch((int *)1, 1); }\n", "error in backend"),
    ],
)
def test_the_first_error_says_what_is_wrong(source: Path, text: str, message: str) -> None:
    source.write_text(text)

    with pytest.raises(CompileError) as raised:
        compiled(str(source), ("-mcpu=v1",))

    assert raised.value.what.startswith(f"{source}: clang refuses it: {message}")


def test_a_warning_is_no_error(source: Path) -> None:
    source.write_text(f"#warning careful\n{ANSWER}")

    assert returned(compiled(str(source))) == 42


def test_a_flag_that_clang_does_not_know_is_told(source: Path) -> None:
    with pytest.raises(CompileError) as raised:
        compiled(str(source), ("-fno-such-thing",))

    assert raised.value.what == f"{source}: clang refuses it: unknown argument: '-fno-such-thing'"


def test_a_source_that_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    told = {}
    for path in (f"{tmp_path}/missing.bpf.c", f"{tmp_path}/pipe", "/dev/zero", str(tmp_path)):
        with pytest.raises(CompileError) as raised:
            compiled(path)
        told[path] = raised.value.what.removeprefix(f"{path}: ")
        assert raised.value.hint == "correct the path; it is relative to the suite"

    assert list(told.values()) == [
        "No such file or directory",
        "Not a regular file",
        "Not a regular file",
        "Is a directory",
    ]


def test_a_compiler_that_does_not_finish_is_stopped_with_all_that_it_has_started(
    compiler: Compiler, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = source.parent / "held"
    os.mkfifo(held)
    alive = os.open(held, os.O_RDONLY | os.O_NONBLOCK)  # at its end when the last of them is gone
    os.set_blocking(alive, True)
    compiler.path.write_text(f"#!/bin/sh\nexec 9>{held}\necho begun >&9\nsleep 1000 & sleep 1000\n")
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 0.5)

    with pytest.raises(CompileError) as raised:
        compiled(str(source))

    assert raised.value.what == f"{source}: clang has not finished after 0.5 s"
    assert (os.read(alive, 100), os.read(alive, 100)) == (b"begun\n", b"")
    os.close(alive)


# --- names and headers --------------------------------------------------------------------------------------------


def test_names_with_blanks_and_signs_are_as_good_as_any(compiler: Compiler, source: Path) -> None:
    folder = source.parent / "a folder: #1, 100 $"
    folder.mkdir()
    (folder / "the answer #.h").write_text("#define ANSWER 46\n")
    strange = folder / "my $source #2.bpf.c"
    strange.write_text(ANSWER.replace("answer.h", "the answer #.h"))

    first = compiled(str(strange))
    second = compiled(str(strange))
    (folder / "the answer #.h").write_text("#define ANSWER 47\n")

    assert (first, returned(first), compiler.starts) == (second, 46, 1)
    assert returned(compiled(str(strange))) == 47


def test_a_relative_path_is_that_of_the_process(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)

    assert returned(compiled("answer.bpf.c")) == 42


def test_headers_of_the_c_library_and_of_libbpf_can_be_included(source: Path) -> None:
    source.write_text(
        "#include <sys/socket.h>\n"
        "#include <linux/bpf.h>\n"
        "#include <linux/ptrace.h>\n"
        "#include <bpf/bpf_helpers.h>\n"
        "#include <bpf/bpf_tracing.h>\n"
        'SEC("xdp") int answer(struct pt_regs *ctx) { return AF_INET6 + 0 * sizeof(PT_REGS_PARM1(ctx)); }\n'
    )

    assert returned(compiled(str(source))) == 10


USES_VMLINUX = '#include "vmlinux.h"\n__attribute__((section("xdp"))) int answer(void *ctx) { return ANSWER; }\n'


@pytest.mark.kernel
def test_the_running_kernels_types_are_there_to_include(source: Path, cache: Path) -> None:
    source.write_text(USES_VMLINUX.replace("ANSWER", "sizeof(struct xdp_md)"))

    assert returned(compiled(str(source))) == 24
    (made,) = (cache / "bpftest" / "vmlinux").rglob("vmlinux.h")
    version = made.stat().st_ino

    source.write_text(USES_VMLINUX.replace("ANSWER", "sizeof(struct __sk_buff)"))
    assert returned(compiled(str(source))) == 192
    assert made.stat().st_ino == version, "it is made once"


@pytest.mark.kernel
def test_a_vmlinux_header_of_the_users_own_wins(source: Path) -> None:
    source.write_text(USES_VMLINUX.replace("ANSWER", "sizeof(struct xdp_md)"))
    made = returned(compiled(str(source)))
    include = source.parent / "include"
    include.mkdir()
    (include / "vmlinux.h").write_text("struct xdp_md { char bytes[2]; };\n")
    by_flag = returned(compiled(str(source), (f"-I{include}",)))
    (source.parent / "vmlinux.h").write_text("struct xdp_md { char bytes[1]; };\n")
    beside = returned(compiled(str(source)))

    assert (made, by_flag, beside) == (24, 2, 1)


def test_a_kernel_without_btf_is_told(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "BTF", str(tmp_path / "no btf"))
    source.write_text(USES_VMLINUX)

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == f"vmlinux.h is made from {tmp_path}/no btf, and this kernel has none"
    assert raised.value.hint == "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or put a vmlinux.h beside the source"


def test_a_missing_bpftool_is_told(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "bpftool_path", lambda: None)
    monkeypatch.setattr(compiling, "BTF", __file__)
    source.write_text(USES_VMLINUX)

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == "vmlinux.h is made by bpftool, and there is none"
    assert raised.value.hint == "install it with the distribution's package manager: apt-get install bpftool"


def test_bpftool_is_found_where_only_roots_path_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")

    assert bpftool_path() in ("/usr/sbin/bpftool", "/usr/bin/bpftool", "/usr/local/sbin/bpftool")


# --- the compiler -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        (["clang", "clang-16", "clang-19"], "clang"),
        (["clang-14", "clang-9", "clang-19", "clang-16", "clang-format"], "clang-19"),
        (["clang-16"], "clang-16"),
    ],
)
def test_the_newest_clang_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: list[str], chosen: str
) -> None:
    for name in installed:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CLANG", raising=False)

    assert clang_path() == str(tmp_path / chosen)


def test_a_missing_clang_is_told_with_what_to_do(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("CLANG", raising=False)

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == "`source:` needs clang, and there is none"
    assert raised.value.hint == "install it with the distribution's package manager: apt-get install clang"


def test_a_clang_that_is_asked_for_has_to_be_there(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLANG", "nonexistent")

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == "$CLANG is 'nonexistent', and there is no such program"
    assert raised.value.hint == "correct the variable, or unset it"


def test_a_clang_that_cannot_be_started_is_told(compiler: Compiler, source: Path) -> None:
    compiler.path.write_bytes(b"\x7fELF and nothing more")

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == f"{compiler.path} cannot be started: Exec format error"


# --- where the cache is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/dev/null", "/proc", "/sys/fs", "relative"])
def test_without_a_cache_folder_objects_are_kept_as_long_as_the_process(
    source: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.chdir(source.parent)

    program = (
        "import sys; from bpftest.elf import read_object; from bpftest.kernel.compile import compiled\n"
        "path = compiled(sys.argv[1]); print(path, len(read_object(path).programs), compiled(sys.argv[1]) == path)"
    )
    environment = {**os.environ, "PYTHONPATH": os.fspath(Path(files.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(source)], capture_output=True, text=True, env=environment, check=False
    )
    path, programs, again = done.stdout.split()

    assert (done.returncode, done.stderr, programs, again) == (0, "", "1", "True")
    assert path.startswith(f"{tempfile.gettempdir()}/bpftest-")
    assert not Path(path).parent.parent.exists(), "it goes with the process"
    assert not Path("relative").exists()


@pytest.mark.kernel
def test_a_cache_that_cannot_be_written_to_is_left_alone(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "readonly"

    def path() -> str:
        mounted(folder, "size=1m")
        for name in ("objects", "vmlinux"):
            (folder / "bpftest" / name).mkdir(parents=True)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        os.environ["XDG_CACHE_HOME"] = str(folder)
        tempfile.tempdir = str(tmp_path)  # a child of a test ends without cleaning up
        return compiled(str(source))

    assert in_child(path).startswith(f"{tmp_path}/bpftest-")


@pytest.mark.kernel
def test_a_full_disk_is_told_with_what_to_do(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"

    def told() -> tuple[str, str]:
        mounted(folder, "size=16k")
        os.environ["XDG_CACHE_HOME"] = str(folder)
        files.cache_folder("objects")
        (folder / "filling").write_bytes(bytes(12288))
        try:
            compiled(str(source))
        except (HostError, CompileError) as error:
            return error.what, error.hint
        return "compiled", ""

    what, hint = in_child(told)

    assert "No space left on device" in what
    assert hint == "make room there, or set XDG_CACHE_HOME to another folder"


def mounted(folder: Path, options: str) -> None:
    """A file system of its own at *folder*, seen by this process alone."""
    folder.mkdir()
    assert libbpf.unshare(CLONE_NEWNS) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)


def test_without_any_folder_to_write_to_it_says_so(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    files._temporary_folder.cache_clear()

    with pytest.raises(HostError) as raised:
        compiled(str(source))

    assert raised.value.what == (
        "there is no folder to keep compiled objects in, not even a temporary one: Not a directory"
    )
    assert raised.value.hint == "set XDG_CACHE_HOME or TMPDIR to a folder that can be written to"


@pytest.mark.kernel
def test_under_sudo_all_that_is_written_belongs_to_the_caller(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home" / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "54321")
    source.write_text(USES_VMLINUX.replace("ANSWER", "sizeof(struct xdp_md)"))

    compiled(str(source))

    written = [folder.parent, folder, *folder.rglob("*")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(12345, 54321)}
    assert {path.suffix for path in written if path.is_file()} == {".o", ".json", ".h"}


@pytest.mark.kernel
def test_under_sudo_the_cache_is_in_the_callers_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/else")
    monkeypatch.setenv("SUDO_UID", "0")
    callers = files._home()
    monkeypatch.setenv("SUDO_UID", "4000000000")  # nobody's
    unknown = files._home()
    monkeypatch.delenv("SUDO_UID")

    assert (callers, unknown, files._home()) == (pwd.getpwuid(0).pw_dir, "/somewhere/else", "/somewhere/else")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    monkeypatch.setattr(files, "give_to_user", interrupted)

    with pytest.raises(KeyboardInterrupt):
        files.write_file(str(path), b"after")

    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])


def interrupted(_path: str) -> None:
    raise KeyboardInterrupt
