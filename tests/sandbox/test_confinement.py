"""What a confined process is and can do: tests run code of their own in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpftest.sandbox.confinement import CAP_BPF, NOBODY, Limits
from tests.processes import PROJECT
from tests.sandbox.inside import Inside

FILES = Limits(files=32)


@pytest.fixture
def inside() -> Iterator[Inside]:
    asked = Inside()
    yield asked
    asked.close()


def status(pid: object) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.kernel
@pytest.mark.parametrize(("limits", "capabilities"), [(Limits(), 0), (Limits(capability=CAP_BPF), 1 << CAP_BPF)])
def test_it_is_nobody_with_the_capability_that_it_is_given_and_gains_no_other(
    inside: Inside, limits: Limits, capabilities: int
) -> None:
    groups = os.getgroups()
    os.setgroups([NOBODY, 7])
    try:
        found = status(inside("os.getpid()", limits))
    finally:
        os.setgroups(groups)

    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")
    assert {name: found[name] for name in names} == {
        "Uid": "\t".join([str(NOBODY)] * 4),
        "Gid": "\t".join([str(NOBODY)] * 4),
        "Groups": "",
        "CapInh": f"{0:016x}",
        "CapPrm": f"{capabilities:016x}",
        "CapEff": f"{capabilities:016x}",
        "CapAmb": f"{0:016x}",
        "NoNewPrivs": "1",
    }


@pytest.mark.kernel
def test_its_namespaces_are_its_own(inside: Inside) -> None:
    def namespaces(pid: object) -> list[str]:
        return [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("ipc", "mnt", "net", "uts")]

    assert set(namespaces(inside("os.getpid()"))).isdisjoint(namespaces("self"))


@pytest.mark.parametrize(("kind", "most"), [("CPU", 600), ("CORE", 0), ("FSIZE", 0), ("NOFILE", 0), ("NPROC", 0)])
def test_its_limits_are_low_and_stay_low(inside: Inside, kind: str, most: int) -> None:
    assert inside(f"resource.getrlimit(resource.RLIMIT_{kind})") == (most, most)
    raised = inside(f"resource.setrlimit(resource.RLIMIT_{kind}, ({most + 1}, {most + 1}))")
    assert raised == "not allowed to raise maximum limit"


def test_its_memory_is_limited_whatever_its_parent_has(inside: Inside) -> None:
    limits = Limits(memory=64 << 20)

    assert inside("len(bytes(32 << 20))", limits) == 32 << 20
    assert inside("len(bytes(128 << 20))", limits) == "MemoryError"


@pytest.mark.parametrize(
    "attempt",
    ["open('/dev/null')", "os.pipe()", "os.memfd_create('x')", "socket.socket()", "socket.socketpair()"],
)
def test_it_opens_neither_files_nor_sockets(inside: Inside, attempt: str) -> None:
    assert inside(attempt) == "Too many open files"


@pytest.mark.kernel
def test_where_it_may_open_files_it_reads_what_everybody_can_and_writes_nothing(inside: Inside, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):  # noqa: S108 - pytest makes them private
            folder.chmod(folder.stat().st_mode | 0o011)
    secret, public, theirs = (tmp_path / name for name in ("secret", "public", "theirs"))
    for file, mode in ((secret, 0o600), (public, 0o644), (theirs, 0o666)):
        file.write_text("content", encoding="ascii")
        file.chmod(mode)

    assert inside(f"open({str(public)!r}).read()", FILES) == "content"
    assert inside(f"open({str(secret)!r}).read()", FILES) == "Permission denied"
    assert inside(f"open({str(public)!r}, 'a')", FILES) == "Permission denied"
    assert inside(f"open({str(tmp_path / 'new')!r}, 'w')", FILES) == "Permission denied"
    assert inside(f"os.write(os.open({str(theirs)!r}, os.O_WRONLY), b'x')", FILES) == "File too large"
    assert theirs.read_text(encoding="ascii") == "content"


@pytest.mark.kernel
def test_where_it_may_open_sockets_there_is_no_network(inside: Inside) -> None:
    assert inside("[name for _, name in socket.if_nameindex()]", FILES) == ["lo"]
    assert inside("socket.create_connection(('127.0.0.1', 1))", FILES) == "Network is unreachable"


@pytest.mark.kernel
def test_it_does_nothing_to_other_processes(inside: Inside) -> None:
    assert inside("os.fork()") == "Resource temporarily unavailable"
    assert inside(f"os.kill({os.getpid()}, 0)") == "Operation not permitted"
    assert inside("os.setuid(0)") == "Operation not permitted"


def test_it_has_nothing_of_its_parent_open_but_what_it_keeps(inside: Inside, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w"):
        inside("1")
        (child,) = inside.children.values()
        folder = Path(f"/proc/{child._pid}/fd")
        found = {int(path.name): os.readlink(path) for path in folder.iterdir()}

    kept = [path for number, path in sorted(found.items()) if number > 2]
    assert [found[number] for number in range(3)] == ["/dev/null"] * 3
    assert [path.partition(":")[0] for path in kept] == ["pipe", "pipe"]


PLAIN_USER = """
import os, sys
sys.path.insert(0, {project!r})
from tests.sandbox.inside import Inside
os.setgroups(()); os.setgid(1000); os.setuid(1000)
{refuse}
inside = Inside()
attempts = ["os.fork()", "socket.socket()", "open('/dev/null')", "len(bytes(1 << 31))"]
print([inside(attempt) for attempt in attempts])
(child,) = inside.children.values()
with open("/proc/%d/status" % child._pid) as status:
    print(*(line.split()[1] for line in status if line.startswith(("CapPrm", "CapEff"))))
inside.close()
"""
REFUSALS = {
    "allowed": "",
    "refused": "from bpftest.sandbox import confinement; confinement.CLONE_NEWUSER = 1 << 31  # no flag of unshare(2)",
}


@pytest.mark.kernel
@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
def test_that_of_a_plain_user_can_do_no_more_with_and_without_namespaces(refuse: str) -> None:
    program = PLAIN_USER.format(project=str(PROJECT), refuse=refuse)

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    refused = ["Resource temporarily unavailable", "Too many open files", "Too many open files", "MemoryError"]
    assert (done.stdout, done.stderr) == (f"{refused}\n{0:016x} {0:016x}\n", "")
