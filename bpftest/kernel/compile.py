"""`source:` files become objects: clang into a cache keyed by content, flags, headers and compiler.

A cached object stands beside a manifest: the headers that went into it, each with its hash. It is used when each of
them still has that hash, so nothing is compiled, and clang not even started, while nothing has changed.

What a source includes, clang may show in a message, or put into the object. So it runs with little rights: never as
root where the owner of the source, or nobody, can read that.
"""

from __future__ import annotations

import errno
import json
import os
import time
from typing import NamedTuple

from bpftest.errors import CompileError, HostError
from bpftest.kernel.files import cache_folder, make_folder, write_file
from bpftest.reading import read_regular
from bpftest.sandbox.confinement import NOBODY, OTHER, Limits, User

CLANG_VERSIONS = range(30, 10, -1)  # the names that distributions give: clang-19
COMPILE_SECONDS = 60
LIMITS = Limits(memory=8 << 30, cpu_seconds=2 * COMPILE_SECONDS, files=1024, written=256 << 20, processes=None)
SOURCE_SIZE = 64 * 1024 * 1024  # bytes; a file with more is no C source, and no header
BTF = "/sys/kernel/btf/vmlinux"
NOTES = "/sys/kernel/notes"  # holds the kernel's build id

# __TARGET_ARCH_* of bpf_tracing.h, the macro that the C library's headers want, and its multiarch folder
ARCHITECTURES = {
    "x86_64": ("x86", "__x86_64__", "x86_64-linux-gnu"),
    "aarch64": ("arm64", "__aarch64__", "aarch64-linux-gnu"),
    "riscv64": ("riscv", "__riscv", "riscv64-linux-gnu"),
    "s390x": ("s390", "__s390x__", "s390x-linux-gnu"),
    "ppc64le": ("powerpc", "__powerpc64__", "powerpc64le-linux-gnu"),
}


def compiled(file: str, cflags: tuple[str, ...] = ()) -> str:
    """The path of the object that *file* compiles to.

    Raises CompileError with clang's own output, or HostError where clang, bpftool or room to write is missing.
    """
    clang = clang_path()
    arguments = [*_arguments(), *cflags]
    headers = _own_headers()
    own_header = os.path.exists(os.path.join(os.path.dirname(file), "vmlinux.h"))
    known = [_identity(clang), os.path.abspath(file), own_header, headers, arguments]
    key = _digest(json.dumps(known).encode(), _source(file))
    name = os.path.join(cache_folder("objects"), key)
    if not _current(name):
        try:
            _compile(clang, file, arguments, headers, name)
        except OSError as error:
            raise HostError(
                f"what {file} compiles to cannot be written to {os.path.dirname(name)}: {error.strerror}",
                "make room there, or set XDG_CACHE_HOME to another folder",
            ) from None
    return f"{name}.o"


def clang_path() -> str:
    """The clang to use: $CLANG, or the newest on the PATH. Raises HostError."""
    chosen = os.environ.get("CLANG")
    names = [chosen] if chosen else ["clang", *(f"clang-{version}" for version in CLANG_VERSIONS)]
    for name in names:
        path = _program(name, os.get_exec_path())
        if path:
            return path
    if chosen:
        raise HostError(f"$CLANG is '{chosen}', and there is no such program", "correct the variable, or unset it")
    raise HostError(
        "`source:` needs clang, and there is none",
        "install it with the distribution's package manager: apt-get install clang",
    )


def bpftool_path() -> str | None:
    """bpftool, also where a user's PATH has no sbin."""
    return _program("bpftool", [*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _program(name: str, folders: list[str]) -> str | None:
    """The path of the program *name*, which may be a path itself. shutil.which costs four times the import of os."""
    candidates = [name] if os.sep in name else [os.path.join(folder, name) for folder in folders]
    return next((path for path in candidates if os.access(path, os.X_OK) and not os.path.isdir(path)), None)


def _arguments() -> list[str]:
    arguments = ["-g", "-O2", "-target", "bpf", "-Wall", "-Wno-unused-command-line-argument"]
    architecture = ARCHITECTURES.get(os.uname().machine)
    if architecture:
        target, macro, folder = architecture
        arguments += [f"-D__TARGET_ARCH_{target}", f"-D{macro}", "-idirafter", f"/usr/include/{folder}"]
    return arguments


def _compile(clang: str, file: str, arguments: list[str], own: str, name: str) -> None:
    """Writes name.o, and name.json last: what is there is whole. *own*: _own_headers(). Raises OSError."""
    started = time.time_ns()
    made = _made(clang, file, arguments, own)
    if made.code and "'vmlinux.h' file not found" in made.said and not os.path.exists(os.path.join(own, "vmlinux.h")):
        _make_vmlinux_header(own)
        started = time.time_ns()
        made = _made(clang, file, arguments, own)
    if made.code:
        raise CompileError(f"{file}: clang refuses it: {_first_error(made.said)}", _advice(made.said), text=made.said)
    write_file(f"{name}.o", made.object)
    # What was saved while clang ran may not be what clang has read: then the next run compiles again.
    if all(os.stat(header).st_mtime_ns < started for header in made.headers):
        manifest = json.dumps({header: _file_digest(header) for header in made.headers})
        write_file(f"{name}.json", manifest.encode())


class _Made(NamedTuple):
    """What came of clang."""

    code: int
    said: str
    object: bytes
    headers: list[str]  # and the source


def _made(clang: str, file: str, arguments: list[str], own: str) -> _Made:
    """What clang makes of *file*. It writes to descriptors alone, and finds the headers in *own* behind one.

    The folders above *own* may be somebody's home, which others cannot enter.
    """
    from bpftest.sandbox import program

    command = [clang, *arguments]
    rule = os.memfd_create("rule")
    kept = [rule]
    own_there = f"/proc/self/fd/{rule}"  # not a folder: as good as none
    try:
        if os.path.isdir(own):
            kept.append(os.open(own, os.O_RDONLY | os.O_DIRECTORY))
            own_there = f"/proc/self/fd/{kept[1]}"
            # Last of all: a vmlinux.h that the source or the suite's flags bring is the one that is meant.
            command += ["-idirafter", own_there, f"-ffile-prefix-map={own_there}={own}"]
        # The lines of C in the object's types are read by their names there, which may lead through closed folders.
        command.append("-fdebug-compilation-dir=.")
        command += ["-MD", "-MF", f"/proc/self/fd/{rule}", "-c", _as_argument(file), "-o", "-"]
        users, files = _users(file), ((file, os.R_OK), (clang, os.X_OK))
        done = program.run(command, COMPILE_SECONDS, LIMITS, users, files, kept)
        headers = _prerequisites(os.fsdecode(program.content(rule)).replace(f"{own_there}/", f"{own}/"))
        return _Made(done.code, done.said.replace(f"{own_there}/", f"{own}/"), done.out, headers)
    except TimeoutError:
        hint = "a macro, an #include or $CLANG may have no end"
        raise CompileError(f"{file}: clang has not finished after {COMPILE_SECONDS} s", hint) from None
    except OSError as error:
        raise HostError(f"{clang} cannot be started: {error.strerror}", "set $CLANG to another one") from None
    finally:
        for descriptor in kept:
            os.close(descriptor)


def _as_argument(file: str) -> str:
    """*file* as clang takes it for a file and nothing else."""
    return os.path.join(os.curdir, file) if file.startswith(("-", "@")) else file


def _users(file: str) -> tuple[User, ...]:
    """Who can compile *file* instead of root, the best first."""
    status = os.stat(file)
    if os.geteuid() != 0:
        return ()
    return (User(status.st_uid, status.st_gid or NOBODY), OTHER) if status.st_uid else (OTHER,)


def _advice(said: str) -> str:
    """What to do where clang could not read something as whom it ran."""
    if os.geteuid() == 0 and ("file not found" in said or os.strerror(errno.EACCES) in said):
        return "is it there, and may others read it? clang runs as the owner of the source or as nobody, not as root"
    return ""


def _current(name: str) -> bool:
    """Whether there is an object, and everything that its manifest names is as it was."""
    try:
        with open(f"{name}.json", encoding="utf-8", errors="surrogateescape") as file:
            hashes = json.load(file)
        return os.path.exists(f"{name}.o") and all(_file_digest(header) == was for header, was in hashes.items())
    except (OSError, ValueError, AttributeError, CompileError):
        return False


def _prerequisites(rule: str) -> list[str]:
    """The files that a rule of make depends on, as clang -MD writes it."""
    _, _, files = rule.replace("\\\n", " ").partition(": ")
    plain = files.replace("\\ ", "\0").replace("\\#", "#").replace("$$", "$")
    return [name.replace("\0", " ") for name in plain.split()]


def _own_headers() -> str:
    """The folder in which vmlinux.h of the running kernel is kept, whether or not it has been made."""
    try:
        with open(NOTES, "rb") as file:
            kernel = file.read()
    except OSError:
        kernel = "".join(os.uname()).encode()
    return os.path.join(cache_folder("vmlinux"), _digest(kernel))


def _make_vmlinux_header(folder: str) -> None:
    bpftool = bpftool_path()
    if not os.path.exists(BTF):
        raise HostError(
            f"vmlinux.h is made from {BTF}, and this kernel has none",
            "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or put a vmlinux.h beside the source",
        )
    if bpftool is None:
        raise HostError(
            "vmlinux.h is made by bpftool, and there is none",
            "install it with the distribution's package manager: apt-get install bpftool",
        )
    from bpftest.sandbox import program

    try:
        done = program.run([bpftool, "btf", "dump", "file", BTF, "format", "c"], COMPILE_SECONDS, LIMITS)
    except TimeoutError:
        raise HostError(f"bpftool makes no vmlinux.h: it has not finished after {COMPILE_SECONDS} s") from None
    if done.code != 0:
        raise HostError(f"bpftool makes no vmlinux.h: {done.said}")
    make_folder(folder)
    write_file(os.path.join(folder, "vmlinux.h"), done.out)
    os.chmod(folder, 0o755)  # noqa: S103 - clang runs as somebody else; what the kernel tells of its types is no secret
    os.chmod(os.path.join(folder, "vmlinux.h"), 0o644)


def _first_error(output: str) -> str:
    for line in output.splitlines():
        _, found, message = line.partition("error: ")
        if found:
            return message
    return output.splitlines()[0] if output else "no message"


def _identity(program: str) -> list[object]:
    """What changes when the compiler does, without starting it."""
    path = os.path.realpath(program)
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]


def _source(file: str) -> bytes:
    """The text of the source *file*. By its name it has to be one: clang shows lines of what it does not understand."""
    text = _read(file)
    if not os.path.realpath(file).endswith(".c"):
        raise CompileError(f"{file}: the name of a C source ends in .c", "what is compiled already is an 'object:'")
    return text


def _read(file: str) -> bytes:
    try:
        return read_regular(file, SOURCE_SIZE)
    except OSError as error:
        raise CompileError(f"{file}: {error.strerror}", "correct the path; it is relative to the suite") from None


_file_digests: dict[tuple[str, int, int, int], str] = {}


def _file_digest(file: str) -> str:
    """The digest of a header, read once as long as nobody writes to it: most are shared by all sources."""
    status = os.stat(file)
    version = (file, status.st_ino, status.st_size, status.st_mtime_ns)
    if version not in _file_digests:
        _file_digests[version] = _digest(_read(file))
    return _file_digests[version]


def _digest(*parts: bytes) -> str:
    import hashlib

    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()
