"""`source:` files become objects: clang into a cache keyed by content, flags, headers and compiler.

A cached object stands beside a manifest: the headers that went into it, each with its hash. It is used when each of
them still has that hash, so nothing is compiled, and clang not even started, while nothing has changed.
"""

from __future__ import annotations

import json
import os
import signal
import time

from bpftest.errors import CompileError, HostError
from bpftest.kernel.files import cache_folder, give_to_user, make_folder, write_file
from bpftest.reading import read_regular

CLANG_VERSIONS = range(30, 10, -1)  # the names that distributions give: clang-19
COMPILE_SECONDS = 60
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
    own_header = os.path.exists(os.path.join(os.path.dirname(file), "vmlinux.h"))
    key = _digest(json.dumps([_identity(clang), os.path.abspath(file), own_header, arguments]).encode(), _read(file))
    name = os.path.join(cache_folder("objects"), key)
    if not _current(name):
        try:
            _compile(clang, file, arguments, name)
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
    # Last of all: a vmlinux.h that the source or the suite's flags bring is the one that is meant.
    return [*arguments, "-idirafter", os.path.dirname(_vmlinux_header())]


def _compile(clang: str, file: str, arguments: list[str], name: str) -> None:
    """Writes name.o, and name.json last: what is there is whole. Raises OSError."""
    temporary = f"{name}.{os.getpid()}"
    command = [clang, *arguments, "-MD", "-MF", f"{temporary}.d", "-c", file, "-o", f"{temporary}.o"]
    try:
        started = time.time_ns()
        failed, output = _run_clang(command, file)
        if failed and "'vmlinux.h' file not found" in output:
            _make_vmlinux_header(_vmlinux_header())
            started = time.time_ns()
            failed, output = _run_clang(command, file)
        if failed:
            raise CompileError(f"{file}: clang refuses it: {_first_error(output)}", text=output)
        with open(f"{temporary}.d", encoding="utf-8", errors="surrogateescape") as rule:
            headers = _prerequisites(rule.read())
        give_to_user(f"{temporary}.o")
        os.replace(f"{temporary}.o", f"{name}.o")
        # What was saved while clang ran may not be what clang has read: then the next run compiles again.
        if all(os.stat(header).st_mtime_ns < started for header in headers):
            manifest = json.dumps({header: _file_digest(header) for header in headers})
            write_file(f"{name}.json", manifest.encode())
    finally:
        for ending in (".d", ".o"):
            if os.path.exists(temporary + ending):
                os.unlink(temporary + ending)


def _run_clang(command: list[str], file: str) -> tuple[bool, str]:
    """Whether it failed, and what it said."""
    try:
        code, _, said = _ran(command)
    except TimeoutError:
        hint = "a macro, an #include or $CLANG may have no end"
        raise CompileError(f"{file}: clang has not finished after {COMPILE_SECONDS} s", hint) from None
    except OSError as error:
        raise HostError(f"{command[0]} cannot be started: {error.strerror}", "set $CLANG to another one") from None
    return code != 0, said


def _ran(command: list[str]) -> tuple[int, bytes, str]:
    """(exit code, stdout, stderr) of a tool. Raises OSError; TimeoutError after COMPILE_SECONDS.

    What it has started itself ends with it: $CLANG may be a script.
    """
    import subprocess

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True) as tool:
        try:
            out, said = tool.communicate(timeout=COMPILE_SECONDS)
        except BaseException as error:
            os.killpg(tool.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from None
            raise
    return tool.returncode, out, said.decode("utf-8", "replace").strip()


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


def _vmlinux_header() -> str:
    """Where vmlinux.h of the running kernel is kept, whether or not it has been made."""
    try:
        with open(NOTES, "rb") as file:
            kernel = file.read()
    except OSError:
        kernel = "".join(os.uname()).encode()
    return os.path.join(cache_folder("vmlinux"), _digest(kernel), "vmlinux.h")


def _make_vmlinux_header(header: str) -> None:
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
    try:
        code, content, said = _ran([bpftool, "btf", "dump", "file", BTF, "format", "c"])
    except TimeoutError:
        raise HostError(f"bpftool makes no vmlinux.h: it has not finished after {COMPILE_SECONDS} s") from None
    if code != 0:
        raise HostError(f"bpftool makes no vmlinux.h: {said}")
    make_folder(os.path.dirname(header))
    write_file(header, content)


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
