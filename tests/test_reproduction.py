"""`bpftest run --reproduce`: the commands and the files that it writes. tests/kernel has bpftool run them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.elf import data_section, read_object
from bpftest.errors import ObjectError
from bpftest.reproduction.lines import command, remark
from bpftest.reproduction.state import pin
from tests.golden import assert_golden
from tests.processes import ran
from tests.reproduced import SUITE

ROOT = Path(".bpftest/reproduce")


@pytest.fixture
def project(tmp_path: Path, build: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the suite and its object, in which the test runs."""
    shutil.copy(build("reproduced"), tmp_path / "reproduced.o")
    (tmp_path / "cases.yaml").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_cases_are_told_as_commands_of_bpftool_with_all_that_differs(project: Path) -> None:
    done = ran("run", "--reproduce", "cases.yaml", cwd=project)

    assert (done.returncode, done.stderr) == (0, "")
    assert_golden("reproduction.sh", done.stdout)


def test_the_files_that_the_commands_name_are_there(project: Path) -> None:
    script = ran("run", "--reproduce", "cases.yaml", cwd=project).stdout

    read = re.findall(r"(?:data_in|ctx_in|batch file|prog loadall) (\.bpftest\S+)", script)
    made = {str(path.relative_to(project)) for path in ROOT.resolve().rglob("*") if path.is_file()}

    assert {name for name in read if not name.endswith("data_out.bin")} == made
    assert Path(".bpftest/.gitignore").read_text(encoding="utf-8") == "*\n"


def test_they_hold_what_the_kernel_is_given(project: Path) -> None:
    ran("run", "--reproduce", "cases.yaml", cwd=project)

    folder = next(ROOT.glob("cases/metadata-*"))
    context = (folder / "ctx_in.bin").read_bytes()
    assert (folder / "data_in.bin").read_bytes() == bytes.fromhex("aabbccdd0102030405060708090a0b0c0d0e0f10")
    assert [int.from_bytes(context[at : at + 4], "little") for at in (0, 4, 8)] == [4, 20, 0]
    assert (ROOT / "cases/many-entries/maps.batch").read_text(encoding="utf-8").splitlines()[29] == (
        "map update pinned /sys/fs/bpf/bpftest-many-entries-maps/many key hex 1d 00 00 00 value hex 04 00 00 00"
    )


def test_an_object_with_constants_of_its_case_stands_with_it_and_differs_in_these_alone(project: Path) -> None:
    ran("run", "--reproduce", "cases.yaml", cwd=project)

    shared, own = ROOT / "cases/reproduced.o", ROOT / "cases/globals-and-constants/reproduced.o"
    before, after = shared.read_bytes(), own.read_bytes()
    assert before == (project / "reproduced.o").read_bytes()
    assert [
        name for name in (".rodata", ".data", ".bss") if data_section(before, name) != data_section(after, name)
    ] == [".rodata"]
    assert data_section(after, ".rodata") == (3).to_bytes(4, "little")
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    assert {one.name for one in read_object(str(own)).programs} == {
        one.name for one in read_object(str(shared)).programs
    }


def test_only_the_cases_that_are_meant_are_told(project: Path) -> None:
    done = ran("run", "--reproduce", "cases.yaml::maps", cwd=project)

    assert [line for line in done.stdout.splitlines() if "cases.yaml" in line] == ["# cases.yaml::maps"]
    assert ran("run", "--reproduce", "cases.yaml", "-k", "nothing", cwd=project).returncode == 5


def test_a_case_that_cannot_be_loaded_is_told_and_the_others_are_there(project: Path) -> None:
    text = SUITE + "  - {name: is lost, object: missing.o, program: a, packet: {hex: '00'}, expect: {retval: 1}}\n"
    (project / "cases.yaml").write_text(text, encoding="utf-8")

    done = ran("run", "--reproduce", "cases.yaml", cwd=project)

    assert done.returncode == 1
    assert done.stderr.startswith("error: cases.yaml:")
    assert "missing.o: No such file or directory" in done.stderr
    assert done.stdout.count("bpftool") > 20
    assert done.stdout.endswith("# 'cases.yaml::is lost'\n# there are no commands for it: see stderr\n")


def test_an_invalid_suite_is_told_and_nothing_is_written(project: Path) -> None:
    (project / "cases.yaml").write_text(SUITE.replace("retval: 25", "retvla: 25", 1), encoding="utf-8")

    done = ran("run", "--reproduce", "cases.yaml", cwd=project)

    assert (done.returncode, done.stdout, ROOT.exists()) == (3, "", False)


@pytest.mark.parametrize(
    "link", [".bpftest", ".bpftest/reproduce", ".bpftest/reproduce/cases", ".bpftest/reproduce/cases/maps"]
)
def test_no_link_of_a_checkout_is_followed(project: Path, link: str) -> None:
    (project / "elsewhere").mkdir()
    (project / link).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(project / "elsewhere", project / link)

    done = ran("run", "--reproduce", "cases.yaml::maps", cwd=project)

    assert (done.returncode, list((project / "elsewhere").iterdir())) == (1, [])
    assert f"{link} cannot be written: it is a symbolic link" in done.stderr


@pytest.mark.parametrize(
    ("name", "path", "pinned"),
    [
        ("table", "x/firewall.o", "table"),
        (".bss", "x/firewall.o", "firewall_bss"),
        (".bss", "x/xdp_firewall.o", "xdp_fire_bss"),
        (".rodata", "x/token_bucket.bpf.o", "token_bu_rodata"),
        (".data", "x/a-b.o", "a_b_data"),
        (".data.config", "x/firewall.o", "_data_config"),
        (".rodata.very_long_name", "x/firewall.o", "_rodata_very_lo"),
    ],
)
def test_maps_are_named_as_libbpf_pins_them(name: str, path: str, pinned: str) -> None:
    assert pin(name, path) == pinned


def test_what_a_shell_would_take_for_something_else_is_quoted() -> None:
    assert command("bpftool", "map", "dump", ("pinned", "/sys/fs/bpf/a; rm -r $HOME")) == (
        "bpftool map dump pinned '/sys/fs/bpf/a; rm -r $HOME'"
    )


def test_remarks_are_comments_in_every_line() -> None:
    lines = remark(f"first\nsecond {'word ' * 60}").split("\n")

    assert len(lines) > 2
    assert all(line.startswith("# ") and len(line) <= 110 for line in lines)


def test_a_section_that_is_not_there_is_told(project: Path) -> None:
    with pytest.raises(ObjectError, match=r"the object has no section \.data\.none"):
        data_section((project / "reproduced.o").read_bytes(), ".data.none")
