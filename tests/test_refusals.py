"""Why a program is not in the kernel: the verifier's words, with the line of C from the file that was compiled."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from bpftest.errors import Place
from bpftest.events import CaseFinished, Event, Excerpt, Outcome, Problem
from bpftest.kernel.door import LoadReport
from bpftest.refusals import SOURCE_SIZE, load_problem
from bpftest.suite.model import Program, Source
from tests.golden import assert_golden
from tests.reporters import streams
from tests.reporters.test_console import report
from tests.reporters.test_junit import write
from tests.test_verifier_log import KERNELS, logs

PROGRAM = Path(__file__).parent / "programs" / "refused.bpf.c"
LOG = """\
; if (data + 14 > data_end) @ fw.bpf.c:3
5: (2d) if r3 > r2 goto pc+4          ; R2=pkt_end()
; return data[23]; @ fw.bpf.c:5
6: (71) r1 = *(u8 *)(r1 +23)
R1 is bad
"""
OLD_LOG = LOG.replace(" @ fw.bpf.c:3", "").replace(" @ fw.bpf.c:5", "")
TEXT = "{\n\n\tif (data + 14 > data_end)\n\t\treturn XDP_PASS;\n\treturn data[23];\n\n}\n"
FROM_FILE = (
    (3, "\tif (data + 14 > data_end)"),
    (4, "\t\treturn XDP_PASS;"),
    (5, "\treturn data[23];"),
    (6, ""),
    (7, "}"),
)
FROM_LOG = Excerpt(
    Place("fw.bpf.c", 5, 1, len("return data[23];")), ((3, "if (data + 14 > data_end)"), (5, "return data[23];"))
)


def problem(folder: Path, program: Program, log: str = LOG) -> Problem:
    return load_problem(LoadReport(errno.EACCES, log, program="main"), program, str(folder))


def from_file(path: Path) -> Excerpt:
    return Excerpt(Place(str(path), 5, 2, len("return data[23];")), FROM_FILE)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The folder of a suite, with others beside it."""
    folder = tmp_path / "suite"
    folder.mkdir()
    return folder


# --- where the line of C comes from -------------------------------------------------------------------------------


@pytest.mark.parametrize("log", [LOG, OLD_LOG], ids=["a log with places", "a log without"])
def test_the_lines_around_come_from_the_source_of_the_suite(suite: Path, log: str) -> None:
    (suite / "fw.bpf.c").write_text(TEXT, encoding="utf-8")

    found = problem(suite, Program(source=Source(str(suite / "fw.bpf.c"))), log)

    assert found.excerpt == from_file(suite / "fw.bpf.c")


@pytest.mark.parametrize("folder", ["", "build"], ids=["beside the suite", "beside the object"])
def test_they_come_from_a_file_of_that_name_in_the_folder_of_the_suite(suite: Path, folder: str) -> None:
    (suite / folder).mkdir(exist_ok=True)
    (suite / folder / "fw.bpf.c").write_text(TEXT, encoding="utf-8")

    found = problem(suite, Program(object=str(suite / folder / "fw.o")))

    assert found.excerpt == from_file(suite / folder / "fw.bpf.c")


def test_a_source_of_the_suite_may_be_anywhere_and_its_headers_may_not(suite: Path) -> None:
    for name in ("fw.bpf.c", "fw.h"):
        (suite.parent / name).write_text(TEXT, encoding="utf-8")
    program = Program(source=Source(str(suite.parent / "fw.bpf.c")))

    own, header = problem(suite, program), problem(suite, program, LOG.replace("fw.bpf.c", "fw.h"))

    assert own.excerpt == from_file(suite.parent / "fw.bpf.c")
    assert header.excerpt == FROM_LOG._replace(place=FROM_LOG.place._replace(path="fw.h"))


def test_a_header_beside_the_source_is_found(suite: Path) -> None:
    (suite / "fw.h").write_text(TEXT, encoding="utf-8")

    found = problem(suite, Program(source=Source(str(suite / "fw.bpf.c"))), LOG.replace("fw.bpf.c", "fw.h"))

    assert found.excerpt == from_file(suite / "fw.h")


OTHER_FILES = {
    "none": None,
    "one that was changed since": TEXT.replace("[23]", "[22]"),
    "one that is shorter": TEXT[:40],
    "one of bytes": "\0\xff\n" * 20,
    "one that is large": TEXT + " " * SOURCE_SIZE,
}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_where_the_file_is_another_the_lines_of_the_log_are_shown(suite: Path, content: str | None) -> None:
    path = suite / "fw.bpf.c"
    if content is not None:
        path.write_text(content, encoding="latin-1")

    assert problem(suite, Program(source=Source(str(path)))).excerpt == FROM_LOG


@pytest.mark.parametrize("name", ["/secret", "../secret", "secret"])
def test_an_object_cannot_name_a_file_outside_of_the_folder(suite: Path, name: str) -> None:
    (suite.parent / "secret").write_text(TEXT, encoding="utf-8")
    log = LOG.replace("fw.bpf.c", str(suite.parent / "secret") if name.startswith("/") else name)

    found = problem(suite, Program(object=str(suite.parent / "fw.o")), log)

    assert found.excerpt == FROM_LOG._replace(place=FROM_LOG.place._replace(path="secret"))


def test_no_link_leads_out_of_the_folder(suite: Path) -> None:
    (suite.parent / "secret").write_text(TEXT, encoding="utf-8")
    os.symlink("../secret", suite / "fw.bpf.c")

    assert problem(suite, Program(object=str(suite / "fw.o"))).excerpt == FROM_LOG


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(suite: Path, kind: str) -> None:
    path = suite / "fw.bpf.c"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()

    assert problem(suite, Program(source=Source(str(path)))).excerpt == FROM_LOG


def test_a_line_that_stands_twice_has_no_place_in_an_old_log(suite: Path) -> None:
    (suite / "fw.bpf.c").write_text(TEXT + TEXT, encoding="utf-8")

    found = problem(suite, Program(source=Source(str(suite / "fw.bpf.c"))), OLD_LOG)

    assert (found.excerpt, found.facts[0]) == (None, ("line", "return data[23];"))


def test_the_column_is_that_of_the_report(suite: Path) -> None:
    (suite / "fw.bpf.c").write_text(TEXT, encoding="utf-8")
    newer = LOG + "\nVerification failed: Memory Safety: No\n\nAt:\n  main @ fw.bpf.c:5:9\n"

    found = problem(suite, Program(source=Source(str(suite / "fw.bpf.c"))), newer).excerpt

    assert found == from_file(suite / "fw.bpf.c")._replace(place=Place(str(suite / "fw.bpf.c"), 5, 9, len("data[23];")))


# --- what is told ---------------------------------------------------------------------------------------------------


def test_only_what_is_not_seen_already_is_told_besides(suite: Path) -> None:
    (suite / "fw.bpf.c").write_text(TEXT, encoding="utf-8")
    log = f"; far away @ fw.bpf.c:1\n4: (07) r3 += 14                      ; R1=pkt(r=0) R3=scalar()\n{LOG}"

    found = problem(suite, Program(source=Source(str(suite / "fw.bpf.c"))), log)

    assert found.facts == (
        ("walked", "fw.bpf.c:1   far away"),
        ("instruction", "6: (71) r1 = *(u8 *)(r1 +23)"),
        ("last known", "R1=pkt(r=0)"),
    )


@pytest.mark.parametrize(
    ("number", "libbpf", "message", "hint"),
    [
        (
            errno.EINVAL,
            "libbpf: prog 'main': BPF program load failed: Invalid argument\nlibbpf: failed to load object 'fw'\n",
            "'main' cannot be loaded (EINVAL): prog 'main': BPF program load failed: Invalid argument",
            "the kernel does not know this program type, attach type or load flag",
        ),
        (
            errno.ENOMEM,
            "libbpf: map 'table': failed to create: Cannot allocate memory(-12)\nlibbpf: failed to load object 'fw'\n",
            "'main' cannot be loaded (ENOMEM): map 'table': failed to create: Cannot allocate memory(-12)",
            "the map does not fit into memory",
        ),
        (
            errno.ESRCH,
            "libbpf: extern (func ksym) 'bpf_new': not found in kernel or module BTFs\n",
            "'main' cannot be loaded (ESRCH): extern (func ksym) 'bpf_new': not found in kernel or module BTFs",
            "requires: {features: [kfunc:NAME]} or {kernel: ..} skips the case where the kernel has it not",
        ),
        (
            errno.EINVAL,
            "libbpf: Error loading .BTF into kernel: -22. BTF is mandatory, can't proceed.\n",
            "'main' cannot be loaded (EINVAL): Error loading .BTF into kernel: -22. BTF is mandatory, can't proceed.",
            "this kernel does not take the types (BTF) of the object: they may be of a kind that it does not know yet",
        ),
        (errno.EPERM, "", "'main' cannot be loaded (EPERM): EPERM (1): Operation not permitted", "EPERM"),
    ],
)
def test_what_never_reaches_the_verifier_is_told_by_libbpf(
    suite: Path, number: int, libbpf: str, message: str, hint: str
) -> None:
    found = load_problem(LoadReport(number, "", libbpf, program="main"), Program(), str(suite))

    if hint == "EPERM":
        hint = "the kernel refuses programs of this type here: a security module, lockdown, or a missing capability"
    assert found == Problem("bpftest.LoadError", message, hint, libbpf)


# --- reports --------------------------------------------------------------------------------------------------------


def refused(kernel: str) -> list[Event]:
    """A run with a case that has not loaded, as on *kernel*; its source is in the working directory."""
    said = LoadReport(errno.EACCES, logs(kernel)["short_check, log level 1"], program="short_check")
    found = load_problem(said, Program(source=Source("refused.bpf.c")), "")
    case: CaseFinished = streams.case(
        "drops TCP", 5, Outcome.ERROR, kind=found.kind, message=found.message, problem=found
    )
    return streams.run_of(case)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(PROGRAM, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.usefixtures("folder")
def test_a_refusal_is_shown_with_its_line_of_c(kernel: str) -> None:
    assert_golden(f"refusals/{kernel}.txt", report(refused(kernel)))


def test_a_refusal_is_in_the_junit_file_as_it_is_on_the_terminal(folder: Path) -> None:
    written = write(folder / "out.xml", refused("6.18")).read_text(encoding="utf-8")

    assert_golden("refusals/junit.xml", written)
