"""docs/program-types.md says what the tables say, and its examples are suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpftest.elf import ElfProgram, read_object
from bpftest.kernel.compile import compiled
from bpftest.plan import Object, object_key, plan
from bpftest.progtypes import PROG_TYPES
from bpftest.progtypes.sections import SECTIONS
from bpftest.suite.parse import read_suite
from tools.program_types import EXAMPLES, page

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/program-types.md"
AGAIN = "write the page again: python -m tools.program_types > docs/program-types.md"


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), AGAIN


def test_the_page_tells_every_field_and_code_of_every_type() -> None:
    for name, section in ((name, section_of(name)) for name in PROG_TYPES):
        prog_type = PROG_TYPES[name]
        fields = prog_type.ctx.settable if prog_type.ctx else ()
        where = section + (section_of("skb types") if "skb-types" in section else "")
        assert [one for one in fields if f"| `{one}` | yes |" not in where] == []
        assert [code for code, number in prog_type.codes if f"`{code}` ({number})" not in section] == []


def section_of(title: str) -> str:
    """What stands under a heading of the page."""
    return page().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_type_has_an_example() -> None:
    assert {path.stem for path in Path(EXAMPLES).iterdir()} == PROG_TYPES.keys()


@pytest.mark.parametrize("name", PROG_TYPES)
def test_an_example_is_a_suite_of_its_type(name: str) -> None:
    """It is planned with an object that has the maps, globals and structs which examples name."""
    built = read_object(compiled(str(ROOT / "tests/programs/types.bpf.c"), ()))
    section = next(section for section, (prog_type, _) in SECTIONS.items() if prog_type == name)
    section = f"{section}/bpf_fentry_test1" if name == "tracing" else section
    found = Object("object", (ElfProgram("main", section),), built.btf, built.variables)
    suite = read_suite(f"{EXAMPLES}/{name}.yaml")

    jobs = plan(suite, {object_key(case.program): found for case in suite.cases}).jobs

    assert {job.prog_type.name for job in jobs if job.prog_type} == {name}
    assert [job.problem for job in jobs] == [None] * len(jobs)
