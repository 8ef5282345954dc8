"""Files that somebody wrote to do harm: each is a clear error at its place, and nothing else happens."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.golden import GOLDEN, assert_golden
from tests.processes import PROJECT, ran

AUDIT = PROJECT / "tests" / "audit"
PINS = Path("/sys/fs/bpf")
HEAD = "version: 1\nobject: plain.o\nprogram: pass\ncases:\n"
CASE = "  - name: one\n    packet: {}\n    expect: {{retval: XDP_PASS}}\n"


def with_packet(packet: str) -> str:
    return HEAD + CASE.format(packet)


BOMB = "version: 1\nvars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)
SUITES = {
    "brackets": f"version: 1\ncases: {'[' * 100_000}{']' * 100_000}\n",
    "braces-left-open": "version: 1\ncases: " + "{a: " * 100_000,
    "alias-bomb": f"{BOMB}{HEAD.removeprefix('version: 1')}{CASE.format('*a8')}",
    "duplicate-keys": HEAD.replace("cases", "version: 1\ncases") + CASE.format("{zeros: 14, zeros: 64}"),
    "ten-megabytes": f"version: 1\n# {'x' * (10 << 20)}\n",
    "nul": with_packet('{hex: "00\0ff"}'),
    "name-to-resolve": with_packet('Ether()/IP(dst="example.com")'),
    "python": with_packet("__import__('os').system('touch done')"),
    "python-inside": with_packet("Raw(load=().__class__.__base__.__subclasses__())"),
    "name-not-in-ascii": with_packet("Äther()/IP()"),
    "power": with_packet('Raw("A"*10**9)'),
    "long-text": with_packet("Raw(b'A'*1000000000)"),
    "many-layers": with_packet("Ether()" + "/IP()" * 50_000),
    "deep-expression": with_packet("bytes(" * 10_000 + "IP()" + ")" * 10_000),
    "endless-packet": with_packet("{file: /dev/zero}"),
    "folder-as-packet": with_packet("{file: /}"),
    "large-packet": with_packet("{zeros: 1000000000000}"),
}


@pytest.fixture
def harmless(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[int, str, str]]:
    """bpftest in the folder, which neither reaches out nor leaves anything: (code, stdout, stderr)."""
    heard = tmp_path_factory.mktemp("audit") / "heard"

    def run(*arguments: str) -> tuple[int, str, str]:
        heard.touch()
        (folder / ".bpftest").mkdir(exist_ok=True)  # which cases have failed may be kept in it
        before = sorted(os.listdir(folder)), sorted(PINS.rglob("*"))
        done = ran(*arguments, cwd=folder, AUDIT=str(heard), PYTHONPATH=f"{AUDIT}:{PROJECT}")
        assert (sorted(os.listdir(folder)), sorted(PINS.rglob("*"))) == before
        assert set(heard.read_text(encoding="utf-8").split()) <= {"os.fork"}  # of workers, and of what is confined
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_audit_hears_what_reaches_out(tmp_path: Path) -> None:
    (tmp_path / "bpftest.py").write_text("import socket\nsocket.getaddrinfo('localhost', 1)\n", encoding="utf-8")

    ran(cwd=tmp_path, AUDIT=str(tmp_path / "heard"), PYTHONPATH=f"{AUDIT}:{tmp_path}")

    assert "socket.getaddrinfo" in (tmp_path / "heard").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("name", SUITES)
def test_a_hostile_suite_is_refused_at_its_place(
    folder: Path, harmless: Callable[..., tuple[int, str, str]], name: str
) -> None:
    (folder / f"{name}.yaml").write_text(SUITES[name], encoding="utf-8")

    code, out, err = harmless("run", f"{name}.yaml")

    assert (code, out) == (3, "")
    assert_golden(f"hostile/{name}.txt", err)


def test_hostile_suites_are_refused_all_at_once(folder: Path, harmless: Callable[..., tuple[int, str, str]]) -> None:
    for name, text in SUITES.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    code, out, err = harmless("validate", *(f"{name}.yaml" for name in sorted(SUITES)))

    assert (code, out) == (3, "")
    told = [(GOLDEN / "hostile" / f"{name}.txt").read_text(encoding="utf-8").split("\n\n") for name in SUITES]
    assert sorted(map(str.strip, err.split("\n\n"))) == sorted(block.strip() for blocks in told for block in blocks)


def test_a_suite_that_is_no_regular_file_is_refused(
    folder: Path, harmless: Callable[..., tuple[int, str, str]]
) -> None:
    os.mkfifo(folder / "pipe.yaml")

    assert harmless("validate", "pipe.yaml") == (3, "", "error: this is not a regular file\n --> pipe.yaml:1:1\n")


# --- objects ------------------------------------------------------------------------------------------------------


def cut(whole: bytes) -> bytes:
    return whole[:700]


def noise(_whole: bytes) -> bytes:
    return random.Random(7).randbytes(4096)  # noqa: S311 - the same noise every time


def noise_behind_a_header(whole: bytes) -> bytes:
    return whole[:64] + noise(b"")


OBJECTS = {"cut": cut, "noise": noise, "noise-behind-a-header": noise_behind_a_header, "empty": lambda _whole: b""}
OBJECT_SUITE = HEAD.replace("plain.o", "hostile.o").replace("cases", "type: xdp\ncases") + CASE.format("{zeros: 64}")


def unchanging(report: str) -> str:
    """A report without times, this machine's kernel, and sizes that differ between versions of clang."""
    report = re.sub(r"\[ *[\d.]+ m?s\]", "[  0.1 ms]", re.sub(r" in \d+\.\d\d s:", " in 0.01 s:", report))
    return re.sub(r"at byte \d+", "at byte 16616", re.sub(r"Linux \S+ \S+", "Linux 6.18.44 x86_64", report))


@pytest.mark.parametrize(("command", "code"), [("validate", 0), pytest.param("run", 1, marks=pytest.mark.kernel)])
@pytest.mark.parametrize("name", OBJECTS)
def test_a_damaged_object_is_an_error_of_its_case(
    folder: Path, harmless: Callable[..., tuple[int, str, str]], name: str, command: str, code: int
) -> None:
    (folder / "hostile.o").write_bytes(OBJECTS[name]((folder / "plain.o").read_bytes()))
    (folder / "suite.yaml").write_text(OBJECT_SUITE, encoding="utf-8")

    returned, out, err = harmless(command, "suite.yaml")

    assert returned == code
    assert_golden(f"hostile/object-{name}.{command}.txt", unchanging(out + err))


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "."])
def test_an_object_that_is_no_regular_file_is_not_waited_for(
    folder: Path, harmless: Callable[..., tuple[int, str, str]], path: str
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "suite.yaml").write_text(OBJECT_SUITE.replace("hostile.o", path), encoding="utf-8")

    code, _, err = harmless("validate", "suite.yaml")

    assert code == 0
    assert err.startswith("note: suite.yaml:2:9: ")
    assert err.endswith("; what depends on the program is not checked\n")


@pytest.mark.kernel
def test_a_map_that_wants_to_be_pinned_is_not(
    folder: Path, harmless: Callable[..., tuple[int, str, str]], build: Callable[..., str]
) -> None:
    (folder / "hostile.o").write_bytes(Path(build("state", "-DPINNED")).read_bytes())
    cases = [f"  - {{name: {name}, packet: {{zeros: 64}}, expect: {{retval: 1}}}}\n" for name in ("first", "second")]
    suite = HEAD.replace("plain.o", "hostile.o").replace("program: pass", "program: counted") + "".join(cases)
    (folder / "suite.yaml").write_text(suite, encoding="utf-8")

    code, out, err = harmless("run", "suite.yaml")

    assert (code, err) == (0, "")
    assert "2 passed" in out, "each begins with a map of its own"
