"""What programs print, captured in an instance of tracefs that nobody else sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpftest.errors import HostError, RunError
from bpftest.kernel import libbpf, printk, syscalls
from bpftest.kernel import tracefs as tracing
from bpftest.kernel.door import Loading, Reply, Request, Setup
from bpftest.kernel.printk import printed, printing
from bpftest.kernel.session import Session
from tests.kernel.children import in_child
from tests.kernel.conftest import Build, Open
from tests.processes import environment

pytestmark = [pytest.mark.kernel, pytest.mark.alone]

XDP, RAW_TRACEPOINT = 6, 17  # enum bpf_prog_type
CLONE_NEWNS = 0x20000
WANTED = Setup(printk=True)
FRAME = Request(bytes(64), setup=WANTED)


@pytest.fixture
def tracefs() -> Iterator[int]:
    """A descriptor of the root of tracefs."""
    root = syscalls.detached_mount("tracefs")
    yield root
    os.close(root)


def instances(tracefs: int, maker: int) -> list[str]:
    """The instances that the process *maker* has made."""
    folder = os.open("instances", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tracefs)
    try:
        return [name for name in os.listdir(folder) if name.startswith(f"bpftest-{maker}-")]
    finally:
        os.close(folder)


# --- what is captured ---------------------------------------------------------------------------------------------


def test_each_line_is_the_text_that_the_program_gave(build: Build, opened: Open) -> None:
    session = opened(build("printk"), "texts", XDP, prints=True)

    assert session.run(FRAME).printk == (
        "port 23",
        "of a line break at the end no line is made",
        "two",
        "lines",
        "",
        "1 2 3 4",
        "made-1 [000] b..11 1.000000: bpf_trace_printk: up",
    )


def test_every_run_has_its_own_lines(build: Build, opened: Open) -> None:
    session = opened(build("printk"), "once", XDP, prints=True)

    assert [session.run(FRAME._replace(repeat=repeat)).printk for repeat in (1, 3, 1)] == [
        ("once",),
        ("once", "once", "once"),
        ("once",),
    ]


def test_lines_are_captured_where_no_expectation_wants_them(build: Build, opened: Open) -> None:
    assert opened(build("printk"), "once", XDP, prints=True).run(Request(bytes(64))).printk == ("once",)


def test_of_an_object_that_does_not_print_nothing_is_captured(build: Build) -> None:
    def captured() -> tuple[object, object]:
        tracing._found.clear()
        session = Session(Loading(build("plain"), "pass", XDP))
        session.begin()
        return session.run(FRAME).printk, tracing._found

    assert in_child(captured) == ((), {})


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0)))
def test_a_program_that_interrupts_another_cpu_prints_there(build: Build, opened: Open, cpu: int) -> None:
    session = opened(build("printk"), "where", RAW_TRACEPOINT, prints=True)

    reply = session.run(Request(repeat=0, flags=1, run_on_cpu=cpu, setup=WANTED))

    assert reply.printk == (f"on CPU {cpu}",)


def test_what_programs_of_other_processes_print_does_not_count(build: Build) -> None:
    path = build("printk")

    def in_between() -> tuple[str, ...]:
        session = Session(Loading(path, "once", XDP, prints=True))
        session.begin()
        return session.run(FRAME._replace(repeat=5)).printk

    with printing(FRAME, wanted=True) as look:
        assert in_child(in_between) == ("once",) * 5, "the child captures its own"
        assert look() == ()


def test_whoever_reads_the_trace_pipe_of_the_machine_misses_nothing(build: Build, opened: Open, tracefs: int) -> None:
    session = opened(build("printk"), "texts", XDP, prints=True)
    pipe = os.open("trace_pipe", os.O_RDONLY | os.O_NONBLOCK, dir_fd=tracefs)
    session.run(FRAME)
    text = b""
    while b"bpf_trace_printk: port 23\n" not in text:
        text += os.read(pipe, 65536)  # BlockingIOError: it is empty
    os.close(pipe)


def test_lines_that_the_buffer_lost_are_an_error_where_they_are_wanted(build: Build, opened: Open) -> None:
    session = opened(build("printk"), "once", XDP, prints=True)
    many = FRAME._replace(repeat=150_000)
    with pytest.raises(RunError) as raised:
        session.run(many)

    assert raised.value.what == "programs print more than the kernel's trace buffer holds: lines were lost"
    assert session.run(FRAME).printk == ("once",)
    assert 0 < len(session.run(many._replace(setup=Setup())).printk) < 150_000


# --- the form of its lines ----------------------------------------------------------------------------------------

LINE = "{:>16}-{:<7} [{:03}] b..11   100.000001: {}: {}\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        (LINE.format("python", 7, 0, "bpf_trace_printk", "a"), ("a",)),
        (LINE.format("python", 8, 0, "bpf_trace_printk", "a"), ()),
        (LINE.format("a b-9 c", 7, 0, "bpf_trace_printk", "a"), ("a",)),
        (LINE.format("<...>", 7, 255, "bpf_trace_printk", "a"), ("a",)),
        ("  python-7       (     7) [000] b..11  100.000001: bpf_trace_printk: a\n", ("a",)),  # record-tgid
        ("  python-7       (-------) [000] b..11  100.000001: bpf_trace_printk: a\n", ("a",)),
        ("  python-7       [000] b..11 0x1a2b3c: bpf_trace_printk: a\n", ("a",)),  # another trace clock
        (LINE.format("python", 7, 0, "tracing_mark_write", "a"), ()),
        (
            LINE.format("other", 8, 0, "bpf_trace_printk", "a\nb")
            + LINE.format("python", 7, 0, "bpf_trace_printk", "c\n\nd\n")
            + LINE.format("other", 8, 0, "bpf_trace_printk", "e"),
            ("c", "", "d"),
        ),
    ],
)
def test_a_line_counts_if_its_task_is_the_one_that_runs_the_programs(text: str, lines: tuple[str, ...]) -> None:
    assert printed(text, 7) == (lines, False)


def test_on_a_cpu_that_is_interrupted_whatever_is_printed_counts() -> None:
    text = "".join(LINE.format("<idle>", 0, cpu, "bpf_trace_printk", f"on {cpu}") for cpu in (0, 1))

    assert printed(text, 7, 1) == (("on 1",), False)


@pytest.mark.parametrize("lost", ["CPU:1 [LOST 12 EVENTS]\n", "CPU:0 [LOST EVENTS]\n"])
def test_the_kernel_says_where_lines_were_lost(lost: str) -> None:
    line = LINE.format("python", 7, 0, "bpf_trace_printk", "a")

    assert printed(line + lost + line, 7) == (("a", "a"), True)


# --- the instance -------------------------------------------------------------------------------------------------

CAPTURING = """
import os, signal, sys
from bpftest.kernel.door import Request
from bpftest.kernel.printk import printing
signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a script
with printing(Request(), wanted=True):
    print("ready", flush=True)
    {then}
"""


def capturing(then: str) -> subprocess.Popen[str]:
    """A process that captures what programs print, and *then*."""
    process = subprocess.Popen(
        [sys.executable, "-c", CAPTURING.format(then=then)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finished(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=30)
    return process.returncode


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("pass", 0),
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),  # Python ends itself with it
        ("sys.exit(3)", 3),
    ],
)
def test_the_instance_is_gone_with_the_process(tracefs: int, then: str, code: int) -> None:
    process = capturing(then)

    assert finished(process) == code
    assert instances(tracefs, process.pid) == []


def test_what_a_killed_process_leaves_the_next_one_removes_but_not_what_is_in_use(tracefs: int) -> None:
    living, dead = capturing("sys.stdin.read()"), capturing("sys.stdin.read()")
    dead.kill()
    finished(dead)
    before = [len(instances(tracefs, process.pid)) for process in (living, dead)]
    finished(capturing("pass"))

    assert before == [1, 1]
    assert [len(instances(tracefs, process.pid)) for process in (living, dead)] == [1, 0]
    living.kill()
    finished(living)


def test_nothing_is_mounted_that_others_see() -> None:
    def mounts() -> list[str]:
        return [
            line for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if "tracefs" in line
        ]

    def captured() -> tuple[bool, bool]:
        before = mounts()
        with printing(FRAME, wanted=True):
            return before == mounts(), isinstance(own_instance(), tracing.Instance)

    assert in_child(captured) == (True, True)


def in_own_mounts(folder: Path, options: str, work: Callable[[], object]) -> object:
    """What *work* returns where tracefs is mounted at *folder*, which this process does not see."""

    def mounted() -> object:
        assert libbpf.unshare(CLONE_NEWNS) == 0
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tracefs", "-o", options, "tracefs", folder], check=True)
        return work()

    return in_child(mounted)


def own_instance() -> object:
    """That of what this process's programs print."""
    return tracing._found[(printk.EVENT,)]


def found_in() -> str:
    """Where the instance of this process is."""
    with printing(FRAME, wanted=True):
        found = own_instance()
        assert isinstance(found, tracing.Instance)
        where = os.readlink(f"/proc/self/fd/{found._tracefs}")
        found.remove()
        return where


def test_tracefs_is_used_where_it_is_mounted(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with \\ in it"
    folder.mkdir()

    def first() -> tuple[str, bool]:
        return tracing._mounted()[-1], found_in() in tracing._mounted()

    assert in_own_mounts(folder, "rw", first) == (str(folder), True)


def test_where_it_is_mounted_and_cannot_be_opened_another_mount_is_made() -> None:
    def elsewhere() -> str:
        tracing._found.clear()
        tracing._mounted = lambda: ["/nonexistent/tracing"]
        return found_in()

    assert in_child(elsewhere) == "/"


def test_where_it_is_mounted_for_reading_only_another_mount_is_made(tmp_path: Path) -> None:
    def only_this() -> str:
        tracing._mounted = lambda: [str(tmp_path)]
        subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path], check=True)
        return found_in()

    assert in_own_mounts(tmp_path, "rw", only_this) == "/"


def test_a_child_has_an_instance_of_its_own_and_leaves_that_of_its_parent(tracefs: int) -> None:
    def child() -> tuple[int, int, int]:
        with printing(FRAME, wanted=True):
            parents, own = len(instances(tracefs, parent)), len(instances(tracefs, os.getpid()))
        tracing.remove()
        return parents, own, len(instances(tracefs, os.getpid()))

    parent = os.getpid()
    with printing(FRAME, wanted=True) as look:
        own = len(instances(tracefs, parent))  # that of live frames may be there too
        assert in_child(child) == (own, 1, 0)
        assert len(instances(tracefs, parent)) == own
        assert look() == ()


def test_without_tracefs_it_says_why_where_lines_are_wanted_and_goes_on_elsewhere() -> None:
    def unprivileged() -> tuple[str, str, tuple[str, ...]]:
        tracing._found.clear()
        tracing._mounted = list
        os.setuid(65534)
        for _ in range(2):
            with pytest.raises(HostError) as raised, printing(FRAME, wanted=True):
                pass
        with printing(FRAME, wanted=False) as look:
            return raised.value.what, raised.value.hint, look()

    assert in_child(unprivileged) == (
        "what programs print cannot be captured: mounting tracefs: Operation not permitted",
        "it takes an instance of tracefs with events/bpf_trace/bpf_trace_printk (CONFIG_BPF_EVENTS, Linux 5.9)",
        (),
    )


@pytest.mark.parametrize(
    ("module", "name", "value", "reason"),
    [
        (
            printk,
            "EVENT",
            "events/none",
            r"instances/bpftest-\d+-[0-9a-f]{8}/events/none/enable: No such file or directory",
        ),
        (
            tracing,
            "_MARKED",
            re.compile("none"),
            r"the kernel's trace options give its lines a form that is not known: ",
        ),
    ],
)
def test_a_kernel_that_is_otherwise_is_told_and_no_instance_is_left(
    tracefs: int, monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object, reason: str
) -> None:
    monkeypatch.setattr(tracing, "_found", {})
    monkeypatch.setattr(module, name, value)
    before = instances(tracefs, os.getpid())
    with pytest.raises(HostError) as raised, printing(FRAME, wanted=True):
        pass

    assert re.search(reason, raised.value.what), raised.value.what
    assert instances(tracefs, os.getpid()) == before


def test_a_reply_of_a_refused_run_has_no_lines(build: Build, opened: Open) -> None:
    session = opened(build("printk"), "once", XDP, prints=True)

    assert session.run(FRAME._replace(data_in=b"")).printk == Reply().printk
