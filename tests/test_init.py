"""`bpftest init`, as far as nothing is loaded."""

from __future__ import annotations

import re
import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bpftest import elf
from bpftest.cli import main
from bpftest.commands import init
from bpftest.errors import HostError, ObjectError
from bpftest.kernel.compile import compiled
from bpftest.plan import plan
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from tests.conftest import PROGRAMS
from tests.golden import assert_golden
from tests.kernel.damaging import mutated
from tests.processes import PROJECT

Build = Callable[..., str]
SUITES = PROJECT / "suites"


def options(file: str | Path, **others: Any) -> Namespace:
    said = {"output": None, "force": False, "program": None, "from_pcap": None, "record": False}
    return Namespace(file=str(file), **said | others)


def drafted(file: str | Path, **others: Any) -> str:
    """The suite for *file* where nothing can be loaded."""
    said = options(file, **others)
    subject = init._subject(said.file, said.output or init.PRINTED)
    return init._content(subject, init._blocks(subject, said), said, able=False).decode()


def cases(file: str | Path, text: str, path: str = init.PRINTED) -> int:
    """How many cases the suite has, which is valid and can be planned."""
    subject = init._subject(str(file), path)
    return len(plan(suite(document(path, text)), subject.objects).jobs)


def taken_into_use(text: str) -> str:
    """The suite with its maps and variables no longer as comments."""
    above, _, commented = text.partition("# defaults:\n")
    lines = commented.split("\n")
    count = next(index for index, line in enumerate(lines) if not line.startswith("# "))
    return "\n".join([f"{above}defaults:", *(line.removeprefix("# ") for line in lines[:count]), *lines[count:]])


@pytest.mark.parametrize("name", ["xdp_firewall", "map_types", "rate_plan"])
def test_the_suite_for_an_object_reads_like_one_that_a_person_wrote(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SUITES)

    text = drafted(f"{name}.bpf.c")

    assert cases(f"{name}.bpf.c", text) > 0
    assert [line for line in text.split("\n") if len(line) > 120] == []
    assert_golden(f"init/{name}.yaml", text)


@pytest.mark.parametrize("name", ["every_map", "all_members", "btf_types", "globals", "records"])
def test_a_map_and_a_variable_of_every_type_can_be_taken_into_use(name: str) -> None:
    source = PROGRAMS / f"{name}.bpf.c"
    text = drafted(source)

    used = taken_into_use(text)

    assert used != text
    assert cases(source, used) > 0


def test_a_suite_names_its_object_and_its_capture_from_its_own_folder_on(tmp_path: Path, build: Build) -> None:
    for folder in ("build", "tests/bpf", "captures"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(build("plain"), tmp_path / "build/plain.o")
    shutil.copy(SUITES / "frames/connection.pcap", tmp_path / "captures/c.pcap")

    target, capture = tmp_path / "tests/bpf/plain.yaml", str(tmp_path / "captures/c.pcap")
    text = drafted(tmp_path / "build/plain.o", output=str(target), program="pass", from_pcap=capture)

    assert "\nobject: ../../build/plain.o\n" in text
    assert "    packet: {pcap: ../../captures/c.pcap, index: 1}\n" in text
    assert cases(tmp_path / "build/plain.o", text, str(target)) == 6


def test_of_many_frames_there_is_a_table(tmp_path: Path) -> None:
    captured = (SUITES / "frames/connection.pcap").read_bytes()
    (tmp_path / "many.pcap").write_bytes(captured + 9 * captured[24:])

    text = drafted(
        SUITES / "xdp_firewall.bpf.c", from_pcap=str(tmp_path / "many.pcap"), output=str(tmp_path / "s.yaml")
    )

    assert "  - name: firewall runs on frame $frame\n    rows: {pcap: many.pcap}\n    expect:" in text
    assert cases(SUITES / "xdp_firewall.bpf.c", text, str(tmp_path / "s.yaml")) == 60


def test_a_program_that_cannot_be_run_is_loaded_or_it_says_why_not() -> None:
    found = [
        init.case_of(elf.ElfProgram("leave", "xdp/devmap"), None),
        init.case_of(elf.ElfProgram("on_open", "fentry/do_sys_open"), None),
        init.case_of(elf.ElfProgram("on_call", "kprobe/do_sys_open"), None),
        init.case_of(elf.ElfProgram("cwnd", "struct_ops/undo_cwnd"), None),
        init.case_of(elf.ElfProgram("what", "nothing"), None),
        init.case_of(elf.ElfProgram("a\nb", "xdp"), None),
    ]

    texts = [block.expects[0] if isinstance(block, init.Case) else block.lines[1] for block in found]
    assert texts == [
        *("loads: true", "loads: true"),
        "No kernel has a test run for kprobe programs: attach the program and trigger what it waits for.",
        "loads: true",
        "Its section tells no program type that bpftest runs; a case can say `type:`.",
        "Its name cannot be written in a suite.",
    ]


# --- objects of strangers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ['x: $b"#]', "x #$$y: ", "- {a: b}", "'\"\\${a}", "\u2212: , \u2212"])
def test_no_name_breaks_out_of_its_line(name: str, tmp_path: Path) -> None:
    """The name of a program, of a field, of an enum's constant, of a map, of a variable."""
    content = Path(compiled(str(SUITES / "conntrack.bpf.c"))).read_bytes()
    for known in (b"outbound", b"timeout_", b"CT_NEW", b"connecti", b"inside_p"):
        given = (name.encode() * 2)[: len(known)].decode("utf-8", "ignore").encode().ljust(len(known), b"_")
        content = content.replace(known, given)
    path = tmp_path / "hostile.o"
    path.write_bytes(content)

    text = drafted(path, output=str(tmp_path / "s.yaml"))

    read = suite(document(str(tmp_path / "s.yaml"), text))
    assert [case.program.name for case in read.cases] == [one.name for one in elf.read_object(str(path)).programs]
    assert cases(path, taken_into_use(text), str(tmp_path / "s.yaml")) == 2


def test_a_file_with_a_name_of_its_own_is_named_right(tmp_path: Path, build: Build) -> None:
    path = tmp_path / "$HOME: #1.o"
    shutil.copy(build("plain"), path)

    text = drafted(path, output=str(tmp_path / "s.yaml"), program="pass")

    assert suite(document(str(tmp_path / "s.yaml"), text)).cases[0].program.object == str(path)


def test_a_damaged_object_gives_a_suite_or_a_word_about_the_damage(tmp_path: Path, build: Build) -> None:
    sound, path, target = Path(build("damaged")).read_bytes(), tmp_path / "damaged.o", str(tmp_path / "s.yaml")
    written = 0
    for seed in range(100):
        path.write_bytes(mutated(sound, seed))
        try:
            written += cases(path, drafted(path, output=target), target)
        except ObjectError:
            continue

    assert 0 < written < 100


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the command runs in, with files that are none for it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(compiled(str(SUITES / "xdp_tunnel.bpf.c")), "tunnel.o")
    shutil.copy(compiled(str(SUITES / "rate_plan.bpf.c")), "plan.o")
    shutil.copy(SUITES / "frames/connection.pcap", "c.pcap")
    Path("text.o").write_text("no object", encoding="utf-8")
    Path("empty.bpf.c").write_text("int nothing;\n", encoding="utf-8")
    Path("broken.bpf.c").write_text("int f( { }\n", encoding="utf-8")
    Path("there.yaml").write_text("version: 1\n", encoding="utf-8")
    Path("link.yaml").symlink_to("there.yaml")
    Path("probe.bpf.c").write_text(
        '__attribute__((section("kprobe/f"))) int on_f(void *c) { return 0; }\n', encoding="utf-8"
    )


@pytest.mark.usefixtures("wrong")
@pytest.mark.parametrize(
    "arguments",
    [
        "nothing.o",
        "nothing.bpf.c",
        "text.o",
        ".",
        "empty.bpf.c",
        "broken.bpf.c",
        "tunnel.o --program tunel",
        "tunnel.o --from-pcap c.pcap",
        "plan.o --from-pcap c.pcap",
        "tunnel.o --program ipip_encap --from-pcap nothing.pcap",
        "tunnel.o --program ipip_encap --from-pcap text.o",
        "tunnel.o -o there.yaml",
        "tunnel.o -o link.yaml --force",
        "tunnel.o -o nowhere/s.yaml",
        "tunnel.o -o .",
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["init", *arguments.split()])

    out, err = capsys.readouterr()
    name = re.sub(r"[^a-z]+", "-", arguments).strip("-") or "a-folder"
    assert out == ""
    assert_golden(f"init/wrong/{name}.txt", f"$ bpftest init {arguments}\n{err}exit code {code}\n")
    assert Path("there.yaml").read_text(encoding="utf-8") == "version: 1\n"


@pytest.mark.usefixtures("wrong")
def test_an_object_of_which_nothing_can_be_run_says_so() -> None:
    with pytest.raises(ObjectError, match="no case that could be run: on_f"):
        drafted("probe.bpf.c")


@pytest.mark.usefixtures("wrong")
def test_an_object_without_types_has_cases_and_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    content = Path("tunnel.o").read_bytes()
    Path("bare.o").write_bytes(content.replace(b".BTF\0", b".XXX\0"))

    text = drafted("bare.o")

    assert "program: ipip_encap" in text
    assert "# defaults:" not in text
    assert (
        capsys.readouterr().err
        == "note: bare.o has no types (BTF), so nothing is said of its maps and globals: clang -g\n"
    )


@pytest.mark.usefixtures("wrong")
def test_a_file_is_replaced_only_when_told_to() -> None:
    init._refuse_target("there.yaml", replaces=True)
    init._write("there.yaml", b"version: 1\n# new\n")

    assert Path("there.yaml").read_bytes() == b"version: 1\n# new\n"


@pytest.mark.usefixtures("wrong")
def test_to_record_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpftest.kernel.privileges.missing", lambda: ("CAP_SYS_ADMIN",))

    with pytest.raises(HostError, match="to record what programs do needs CAP_SYS_ADMIN"):
        init._able(SimpleNamespace(record=True))
