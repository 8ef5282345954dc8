"""Objects of a stranger's making: each is opened, loaded or refused by name; none takes the process with it."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest import elf
from bpftest.errors import ObjectError, ProgramError
from bpftest.kernel.door import Loading
from bpftest.kernel.session import Session
from tests.kernel.conftest import Build

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("nothing_left")]

SCHED_CLS = 3  # enum bpf_prog_type
MUTATIONS = int(os.environ.get("BPFTEST_MUTATIONS", "500"))  # 3,000 find a few that libbpf 1.1.2 crashes on

Try = Callable[[bytes], str]


@pytest.fixture
def sound(build: Build) -> bytes:
    """An object with a map that wants to be pinned, code and BTF."""
    return Path(build("state", "-DPINNED")).read_bytes()


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """Reads and loads an object: "" if both went well, else what is wrong with it."""
    path = tmp_path / "hostile.bpf.o"

    def attempted(content: bytes) -> str:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        try:
            elf.read_object(str(path))
        except ObjectError as error:
            read = error.what
        else:
            read = ""
        try:
            session = Session(Loading(str(path), "counted", SCHED_CLS))
        except ProgramError as error:
            return error.what
        session.close()
        return read or (f"errno {session.report.errno}" if session.report.errno else "")

    return attempted


def test_the_object_is_sound_to_begin_with(sound: bytes, attempt: Try) -> None:
    assert attempt(sound) == ""


def test_an_object_that_was_cut_off_is_refused_wherever_it_was_cut(sound: bytes, attempt: Try) -> None:
    accepted = [length for length in range(0, len(sound), 64) if attempt(sound[:length]) == ""]

    assert accepted == []


def mutated(content: bytes, seed: int) -> bytes:
    """*content* with one to thirty-two bytes of it changed."""
    chance = random.Random(seed)  # noqa: S311 - to be the same each time
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 8, 16, 32))):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def test_no_damage_takes_the_process_with_it(sound: bytes, attempt: Try) -> None:
    said = [attempt(mutated(sound, seed)) for seed in range(MUTATIONS)]

    assert 0 < said.count("") < MUTATIONS, "some of it does no harm, and some does"


def test_no_word_of_the_headers_takes_the_process_with_it(sound: bytes, attempt: Try) -> None:
    (start,) = struct.unpack_from("<Q", sound, 40)
    places = [*range(0, 64, 4), *range(start, len(sound), 8)]

    said = [attempt(sound[:at] + b"\xff" * 4 + sound[at + 4 :]) for at in places]

    assert 0 < said.count("") < len(places)


def test_random_bytes_are_no_object(sound: bytes, attempt: Try) -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    for size in (1, 3, 4, 16, 63, 64, 65, 1000, 100_000):
        assert attempt(chance.randbytes(size)) != ""
        assert attempt(sound[:64] + chance.randbytes(size)) != ""


def with_machine(content: bytes, machine: int) -> bytes:
    return content[:18] + struct.pack("<H", machine) + content[20:]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _: b"", "not an ELF object"),
        (lambda _: b"#!/bin/sh\n", "not an ELF object"),
        (lambda sound: sound[:4] + b"\x01" + sound[5:], "not a BPF object: a 32-bit ELF file"),
        (lambda sound: with_machine(sound, 62), "not a BPF object: its ELF machine is 62"),
        (lambda _: Path("/proc/self/exe").read_bytes(), "not a BPF object: its ELF machine is"),
    ],
    ids=["empty", "a script", "32 bits", "x86", "this Python"],
)
def test_what_is_no_object_at_all_is_told_by_name(
    sound: bytes, tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    path = tmp_path / "hostile.bpf.o"
    path.write_bytes(damage(sound))

    with pytest.raises(ObjectError) as raised:
        elf.read_object(str(path))
    assert raised.value.what.startswith(f"{path}: {said}")
    with pytest.raises(ObjectError) as raised:
        Session(Loading(str(path), "counted", SCHED_CLS))
    assert raised.value.what.startswith(f"{path}: libbpf cannot open this object: ")


@pytest.fixture
def strange(tmp_path: Path) -> dict[str, str]:
    """Paths that lead to no regular file, each with what is said of it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    return {
        str(tmp_path / "pipe"): "Not a regular file",
        "/dev/zero": "Not a regular file",
        "/dev/null": "Not a regular file",
        str(tmp_path): "Is a directory",
        str(tmp_path / "loop"): "Too many levels of symbolic links",
        str(tmp_path / "missing"): "No such file or directory",
        f"{tmp_path}/nul\0": "Invalid argument",
        "": "No such file or directory",
    }


def test_what_is_no_regular_file_is_told_at_once(strange: dict[str, str]) -> None:
    for path, said in strange.items():
        with pytest.raises(ObjectError) as raised:
            elf.read_object(path)
        assert raised.value.what == f"{path}: {said}"
        with pytest.raises(ObjectError) as raised:
            Session(Loading(path, "counted", SCHED_CLS))
        assert raised.value.what == f"{path}: {said}"


def test_a_file_that_is_too_large_for_an_object_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.bpf.o"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room

    with pytest.raises(ObjectError, match=r": File too large$"):
        elf.read_object(str(path))
    with pytest.raises(ObjectError, match=r": File too large$"):
        Session(Loading(str(path), "counted", SCHED_CLS))
