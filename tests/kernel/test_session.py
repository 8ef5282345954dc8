from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.errors import CaseTimeout, ObjectError
from bpftest.kernel import libbpf, objects
from bpftest.kernel.door import Also, Loading, LoadReport, Request, Setup, Write
from bpftest.kernel.session import Session
from bpftest.sandbox.child import Child
from tests.kernel.children import in_child
from tests.kernel.conftest import Build, EachRunACase, Open, descriptors, pins, prog_id

pytestmark = pytest.mark.kernel

XDP, SCHED_CLS, TRACING = 6, 3, 26  # enum bpf_prog_type
FRAME = Request(bytes(64))


# --- the initial state --------------------------------------------------------------------------------------------

# What the program counts its runs in → what its first run returns.
KINDS = {
    "-DFLAGS=0": 1,
    "-DFLAGS=BPF_F_RDONLY": 1,  # user space may not write
    "-DFLAGS=BPF_F_WRONLY": 1,  # user space may not read
    "-DPINNED": 1,
    "-DGLOBAL": 1,
    "-DINITIALISED": 41,
    "-DMISLEADING": 41,
}
CLOSED = {"-DFLAGS=BPF_F_RDONLY", "-DFLAGS=BPF_F_WRONLY"}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("plain", [False, True], ids=["loaded again", "reset"])
@pytest.mark.parametrize(("kind", "first"), list(KINDS.items()))
def test_every_run_begins_with_the_state_that_the_object_has(
    build: Build, opened: Open, kind: str, first: int, plain: bool
) -> None:
    counted = opened(build("state", kind), "counted", SCHED_CLS, plain=plain)
    runs = [counted.run(request).retval for request in (FRAME, FRAME._replace(repeat=10), FRAME)]

    assert runs == [first, first + 9, first]


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_with_a_map_that_a_run_can_change_is_loaded_for_every_run(
    build: Build, opened: Open, kind: str
) -> None:
    counted = opened(build("state", kind), "counted", SCHED_CLS)

    assert len(loads_of(counted, 3)) == 3, "the first run takes what has been loaded to see whether it loads"


@pytest.mark.parametrize("kind", KINDS)
def test_one_whose_maps_hold_nothing_but_bytes_is_reset_instead(build: Build, opened: Open, kind: str) -> None:
    counted = opened(build("state", kind), "counted", SCHED_CLS, plain=True)

    assert len(loads_of(counted, 3)) == (3 if kind in CLOSED else 1)


def loads_of(session: Session, runs: int) -> set[int]:
    """The kernel's numbers of the program over several runs."""
    loads = {prog_id(session)}
    for _ in range(runs):
        session.run(FRAME)
        loads.add(prog_id(session))
    return loads


@pytest.mark.parametrize("plain", [False, True])
def test_an_object_with_nothing_but_constants_is_loaded_once(build: Build, opened: Open, plain: bool) -> None:
    counted = opened(build("state", "-DCONSTANT"), "counted", SCHED_CLS, plain=plain)

    assert (len(loads_of(counted, 3)), counted.run(FRAME).retval) == (1, 7)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("flags", ["0", "BPF_F_RDONLY_PROG"])
def test_what_was_put_into_a_map_for_one_run_is_gone_for_the_next(
    build: Build, opened: Open, flags: str, plain: bool
) -> None:
    reads = opened(build("state", "-DREADS", f"-DFLAGS={flags}"), "counted", SCHED_CLS, plain=plain)
    write = Write("bpftest_runs", bytes(4), (5).to_bytes(4, sys.byteorder))

    runs = [reads.run(request).retval for request in (FRAME, FRAME._replace(setup=Setup(writes=(write,))), FRAME)]

    assert runs == [0, 5, 0]


def test_an_object_without_maps_is_loaded_once(build: Build, opened: Open) -> None:
    passes = opened(build("plain"), "pass", XDP)
    loaded = prog_id(passes)

    assert [passes.run(FRAME).retval for _ in range(3)] == [2, 2, 2]
    assert prog_id(passes) == loaded


def test_a_session_keeps_to_its_object_when_the_file_is_built_again(build: Build, opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "built.bpf.o"
    path.write_bytes(Path(build("state", "-DGLOBAL")).read_bytes())
    before = opened(str(path), "counted", SCHED_CLS)
    before.run(FRAME)

    path.write_bytes(Path(build("state", "-DINITIALISED")).read_bytes())
    after = opened(str(path), "counted", SCHED_CLS)

    assert (before.run(FRAME).retval, after.run(FRAME).retval) == (1, 41)


# --- nothing of the machine's -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
def test_a_map_that_wants_to_be_pinned_is_neither_pinned_nor_shared(build: Build) -> None:
    path = build("state", "-DPINNED")
    before = pins()

    sessions = [EachRunACase(Loading(path, "counted", SCHED_CLS)) for _ in range(2)]
    returned = [one.run(FRAME).retval for one in sessions * 2]
    pinned = pins()
    for one in sessions:
        one.close()

    assert (returned, pinned) == ([1, 1, 1, 1], before)


@pytest.mark.usefixtures("nothing_left")
def test_a_closed_session_leaves_no_file_descriptor(build: Build) -> None:
    path = build("state")
    before = descriptors()
    one = EachRunACase(Loading(path, "counted", SCHED_CLS))
    for _ in range(3):
        one.run(FRAME)
    held = len(descriptors()) - len(before)

    one.close()
    one.close()  # a second time does nothing

    assert held > 0


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("name", "cflags", "program"), [("plain", (), "careless"), ("state", ("-DIMPOSSIBLE",), "counted")]
)
def test_what_could_not_be_loaded_leaves_no_file_descriptor(
    build: Build, name: str, cflags: tuple[str, ...], program: str
) -> None:
    refused = Session(Loading(build(name, *cflags), program, SCHED_CLS))

    refused.close()

    assert refused.report.errno


# --- what is loaded -----------------------------------------------------------------------------------------------


def test_only_the_chosen_program_is_loaded(build: Build, opened: Open) -> None:
    path = build("plain")

    assert opened(path, "careless", XDP).report.errno == errno.EACCES
    assert opened(path, "pass", XDP).report.errno == 0


def test_a_program_that_is_to_be_loaded_too_can_be_refused(build: Build, opened: Open) -> None:
    path = build("state")

    alone = opened(path, "counted", SCHED_CLS)
    together = opened(path, "counted", SCHED_CLS, also=(Also("careless"),))

    assert (alone.report.errno, together.report.errno) == (0, errno.EACCES)
    assert "prog 'careless': BPF program load failed: Permission denied" in together.report.libbpf


def test_a_section_that_libbpf_does_not_know_is_no_obstacle(build: Build, opened: Open) -> None:
    assert opened(build("plain"), "unheard_of", XDP).run(FRAME).retval == 3


def test_the_type_that_is_asked_for_wins_over_the_section(build: Build, opened: Open) -> None:
    packet = Request(bytes(12) + b"\x90\x00" + bytes(50))

    as_classifier = opened(build("plain"), "keep", 3).run(packet).retval
    as_socket_filter = opened(build("plain"), "keep", 1).run(packet).retval

    assert (as_classifier, as_socket_filter) == (64, 50), "a socket filter does not see the Ethernet header"


def test_the_attach_type_reaches_the_kernel(build: Build, opened: Open) -> None:
    devmap = 33  # BPF_XDP_DEVMAP: such a program can be loaded, and BPF_PROG_RUN refuses it

    plain = opened(build("plain"), "pass", XDP)
    for_devmap = opened(build("plain"), "pass", XDP, attach_type=devmap)

    assert (plain.run(FRAME).errno, for_devmap.run(FRAME).errno) == (0, errno.EINVAL)


def test_load_flags_reach_the_kernel(build: Build, opened: Open) -> None:
    strict_alignment, unknown = 1 << 0, 1 << 31

    reports = [opened(build("plain"), "whole", XDP, flags=flags).report for flags in (strict_alignment, unknown)]

    assert [report.errno for report in reports] == [0, errno.EINVAL]


def test_a_program_that_is_not_there_is_an_error_of_the_object(build: Build) -> None:
    path = build("plain")

    with pytest.raises(ObjectError, match=rf"^{re.escape(path)}: libbpf finds no program 'missing' in this object$"):
        Session(Loading(path, "missing", XDP))


def test_a_file_that_is_not_there_is_an_error_of_the_object(tmp_path: Path) -> None:
    with pytest.raises(ObjectError) as raised:
        Session(Loading(f"{tmp_path}/missing.bpf.o", "pass", XDP))

    assert raised.value.what == f"{tmp_path}/missing.bpf.o: No such file or directory"
    assert raised.value.hint == "build the object first, or correct the path"


def test_the_name_of_the_file_need_not_be_text(build: Build, opened: Open, tmp_path: Path) -> None:
    path = os.fsdecode(bytes(tmp_path) + b"/caf\xe9 \xff.bpf.o")
    Path(path).write_bytes(Path(build("plain")).read_bytes())

    assert opened(path, "pass", XDP).run(FRAME).retval == 2


# --- the report ---------------------------------------------------------------------------------------------------


def test_the_report_tells_sizes_and_statistics(build: Build, opened: Open) -> None:
    report = opened(build("plain"), "pass", XDP).report

    assert (report.errno, report.libbpf) == (0, "")
    assert (report.verified_insns, report.xlated_bytes) == (2, 16)  # r0 = 2; exit
    assert report.jited_bytes > 0
    assert "processed 2 insns" in report.log


def test_a_refusal_is_in_the_report_with_the_path_to_it_and_the_reason(build: Build, opened: Open) -> None:
    report = opened(build("plain"), "careless", XDP).report

    assert report.errno == errno.EACCES
    assert (report.verified_insns, report.jited_bytes, report.xlated_bytes) == (0, 0, 0)
    path, reason = report.log.index("= *(u8 *)(r1 +0)"), report.log.index("invalid access to packet, off=0 size=1")
    assert path < reason
    assert "return *(char *)(long)ctx->data;" in report.log  # the line of C
    assert "prog 'careless': BPF program load failed: Permission denied" in report.libbpf


@pytest.mark.parametrize("log_level", [0, 1, 2])
def test_the_path_of_an_accepted_program_is_logged_from_level_2_on(build: Build, opened: Open, log_level: int) -> None:
    # With level 1 the kernel drops the log of a path that ends well: do_check_common, kernel/bpf/verifier.c.
    report = opened(build("plain"), "pass", XDP, log_level=log_level).report

    assert ("r0 = 2" in report.log, "processed 2 insns" in report.log) == (log_level == 2, True)


def test_a_log_of_more_than_a_megabyte_is_whole(build: Build, opened: Open) -> None:
    report = opened(build("plain"), "wordy", XDP).report

    assert report.errno == errno.EACCES, "and not ENOSPC"
    assert len(report.log) > 1_000_000
    assert report.log.startswith("0: R1=ctx()")
    assert re.search(r"offset is outside of the packet\n.*processed \d+ insns .*\n$", report.log, re.DOTALL)


def test_the_log_of_one_program_does_not_end_with_that_of_the_one_before(build: Build, opened: Open) -> None:
    alone = opened(build("plain"), "pass", XDP).report.log
    opened(build("plain"), "wordy", XDP)
    after = opened(build("plain"), "pass", XDP).report.log

    assert len(after.splitlines()) == len(alone.splitlines())


def test_a_map_that_cannot_be_made_is_told_with_the_errno(build: Build, opened: Open) -> None:
    report = opened(build("state", "-DIMPOSSIBLE"), "counted", SCHED_CLS).report

    assert report == LoadReport(
        errno.ENOMEM,
        "",
        "libbpf: map 'too_large': failed to create: Cannot allocate memory(-12)\n"
        f"libbpf: failed to load object '{Path(build('state', '-DIMPOSSIBLE')).stem}'",
        program="counted",
    )


CAP_BPF = 39  # linux/capability.h


def keep_capability(number: int | None) -> None:
    """Drops all capabilities of this process but one; it stays root by its uid."""
    version_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
    kept = 0 if number is None else 1 << number
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header, sets = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    assert ctypes.CDLL(None).capset(header, sets) == 0


@pytest.mark.parametrize(
    ("capability", "advice", "says"),
    [
        (None, "RLIMIT_MEMLOCK", "Couldn't load trivial BPF program."),
        (CAP_BPF, "ulimit -l", "prog 'counted': BPF program load failed: Operation not permitted"),
    ],
)
def test_a_missing_privilege_is_told_without_advice_on_locked_memory(
    build: Build, capability: int | None, advice: str, says: str
) -> None:
    path = build("state")

    def refusals() -> tuple[LoadReport, LoadReport]:
        keep_capability(capability)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        told = Session(Loading(path, "counted", SCHED_CLS)).report
        libbpf.warnings = lambda: "".join(libbpf._messages)  # in this child alone
        return told, Session(Loading(path, "counted", SCHED_CLS)).report

    told, said = in_child(refusals)

    assert (told.errno, said.errno) == (errno.EPERM, errno.EPERM)
    assert advice in said.libbpf
    assert "MEMLOCK" not in told.libbpf
    assert "ulimit" not in told.libbpf
    assert says in told.libbpf


# --- damage, signals ----------------------------------------------------------------------------------------------


def dies(_level: int, _form: bytes, _arguments: int) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def hangs(_level: int, _form: bytes, _arguments: int) -> int:
    signal.pause()
    return 0


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("happens", "what"), [(dies, "libbpf ends with SIGSEGV on it"), (hangs, "libbpf has not opened it after 0.05 s")]
)
def test_an_object_that_libbpf_does_not_survive_is_an_error_of_the_object(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: object, what: str
) -> None:
    # Which objects libbpf dies of changes with its version: here it does at the first word that it says.
    monkeypatch.setattr(libbpf, "SILENT", libbpf._PRINT(happens))
    monkeypatch.setattr(objects, "OPEN_SECONDS", 0.05)
    path = tmp_path / "damaged.bpf.o"
    path.write_bytes(Path(build("plain")).read_bytes() + b"a version of its own")

    with pytest.raises(ObjectError) as raised:
        Session(Loading(str(path), "pass", XDP))

    assert raised.value.what == f"{path}: the object is damaged: {what}"


def test_what_rehearses_an_object_gets_to_the_end_of_loading_it(build: Build) -> None:
    content = Path(build("damaged")).read_bytes()  # it has CO-RE relocations
    types = os.memfd_create("types")
    os.write(types, content)

    def begin() -> Callable[[bytes], bytes]:
        rehearse = objects._rehearsal(content, types)
        libbpf.library().libbpf_set_print(libbpf._COLLECT)
        return lambda request: rehearse(request) + libbpf.warnings().encode()

    child = Child(begin, objects.LIMITS, (types,))
    said = child.ask(b"", 30).decode()
    child.close()
    os.close(types)

    # libbpf has relocated all programs, and then asks the kernel to load the first, which has no type.
    assert re.search(r"prog '\w+': (BPF program load failed|failed to load|missing BPF prog type)", said), said


def test_a_program_that_keeps_the_verifier_busy_is_not_waited_for(build: Build) -> None:
    path = build("slow")

    with pytest.raises(CaseTimeout) as raised:
        Session(Loading(path, "slow", XDP), 0.05)
    refused = Session(Loading(path, "slow", XDP), 600)

    assert raised.value.what == "the verifier has not finished with 'slow' after 0.05 s"
    assert refused.report.errno == errno.E2BIG
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    refused.close()


def test_an_object_that_libbpf_has_opened_is_not_tried_again(
    build: Build, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(build("plain"), "pass", XDP)
    monkeypatch.setattr(libbpf, "SILENT", libbpf._PRINT(dies))

    assert opened(build("plain"), "negative", XDP).run(FRAME).retval == -7


def interrupts(_level: int, _form: bytes, _arguments: int) -> int:
    signal.raise_signal(signal.SIGINT)  # in this thread, whose mask counts
    return 0


def test_an_interrupt_while_libbpf_works_is_not_lost(build: Build) -> None:
    path = build("plain")
    Session(Loading(path, "pass", XDP)).close()
    library = libbpf.library()
    callback = libbpf._PRINT(interrupts)
    library.libbpf_set_print(callback)
    try:
        with pytest.raises(KeyboardInterrupt):
            Session(Loading(path, "pass", XDP))
    finally:
        library.libbpf_set_print(libbpf._COLLECT)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
