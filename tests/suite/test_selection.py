from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.errors import UsageError
from bpftest.suite import selection
from bpftest.suite.document import document
from bpftest.suite.model import Case, Suite
from bpftest.suite.parse import suite
from bpftest.suite.selection import DEPTH_MAX, Target, files, names, target

FORMS = "name suites, folders of suites, FILE::CASE or FILE:LINE"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with suites, a folder of them, and much that is none."""
    for path in (
        "fw.yaml",
        "odd:12.yaml",
        "a::b/fw.yaml",
        "suites/z.yaml",
        "suites/B.yml",
        "suites/a.yaml",
        "suites/a.bpf.c",
        "suites/yaml",
        "suites/.hidden.yaml",
        "suites/.git/x.yaml",
        "suites/__snapshots__/a.yaml",
        "suites/m/deep/er.yaml",
        "suites/m/__snapshots__/b.yaml",
        "suites/m.yaml",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "suites/empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("fw.yaml", Target("fw.yaml")),
        ("./fw.yaml", Target("./fw.yaml")),
        ("suites", Target("suites")),
        ("suites/", Target("suites/")),
        ("fw.yaml::drops telnet", Target("fw.yaml", "drops telnet")),
        ("fw.yaml::drops ::1", Target("fw.yaml", "drops ::1")),
        ("fw.yaml::", Target("fw.yaml", "")),
        ("fw.yaml::12", Target("fw.yaml", "12")),
        ("fw.yaml:12", Target("fw.yaml", line=12)),
        ("odd:12.yaml", Target("odd:12.yaml")),
        ("odd:12.yaml:12", Target("odd:12.yaml", line=12)),
        ("a::b/fw.yaml", Target("a::b/fw.yaml")),
        ("a::b/fw.yaml::case::2", Target("a::b/fw.yaml", "case::2")),
        ("a::b/fw.yaml:3", Target("a::b/fw.yaml", line=3)),
        ("a::b", Target("a::b")),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_argument_is_a_path_and_maybe_a_case_or_a_line(argument: str, meant: Target) -> None:
    assert target(argument) == meant


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("fv.yaml", "no such file or folder: fv.yaml"),
        ("fv.yaml::case", "no such file or folder: fv.yaml"),
        ("fv.yaml:12", "no such file or folder: fv.yaml"),
        ("fw.yaml:twelve", "no such file or folder: fw.yaml:twelve"),
        ("fw.yaml:-1", "no such file or folder: fw.yaml:-1"),
        ("fw.yaml:", "no such file or folder: fw.yaml:"),
        ("suites::case", "not a file: suites"),
        ("suites:12", "not a file: suites"),
        ("", "no such file or folder: "),
        ("nul\0", "no such file or folder: nul\0"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_argument_that_leads_nowhere_is_told(argument: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        target(argument)

    assert (raised.value.what, raised.value.hint) == (said, FORMS)


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_folder_stands_for_its_suites_sorted_and_without_what_is_hidden() -> None:
    assert list(files("suites")) == [
        "suites/B.yml",
        "suites/a.yaml",
        "suites/m/deep/er.yaml",
        "suites/m.yaml",
        "suites/z.yaml",
    ]


def test_a_folder_that_is_named_is_looked_into_whatever_its_name(folder: Path) -> None:
    assert list(files("suites/.git")) == ["suites/.git/x.yaml"]
    assert list(files("suites/__snapshots__")) == ["suites/__snapshots__/a.yaml"]
    assert list(files("suites/empty")) == []
    assert list(files(f"{folder}/suites/m")) == [f"{folder}/suites/m/deep/er.yaml"]


@pytest.mark.usefixtures("folder")
def test_a_file_stands_for_itself_whatever_its_name() -> None:
    assert list(files("suites/a.bpf.c")) == ["suites/a.bpf.c"]
    assert list(files("suites/.hidden.yaml")) == ["suites/.hidden.yaml"]


def test_a_link_to_a_folder_is_not_followed_unless_it_is_named(folder: Path) -> None:
    (folder / "suites/m/deep/loop").symlink_to(folder / "suites")
    (folder / "suites/linked.yaml").symlink_to(folder / "fw.yaml")
    (folder / "suites/dangling.yaml").symlink_to("nowhere")
    (folder / "link").symlink_to(folder / "suites/m")

    assert list(files("suites")) == [
        "suites/B.yml",
        "suites/a.yaml",
        "suites/dangling.yaml",
        "suites/linked.yaml",
        "suites/m/deep/er.yaml",
        "suites/m.yaml",
        "suites/z.yaml",
    ]
    assert list(files("link")) == ["link/deep/er.yaml"]


@pytest.mark.usefixtures("folder")
def test_a_folder_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:  # root may read every folder
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)

    with pytest.raises(UsageError, match=r"^the folder suites cannot be read: Permission denied$"):
        list(files("suites"))


# --- cases --------------------------------------------------------------------------------------------------------

SUITE = """\
version: 1
object: fw.bpf.o
cases:
  - name: drops telnet
    tags: [tcp, drop]
    expect: {retval: XDP_DROP}

  - name: Passes the rest
    tags: [slow]
    expect: {retval: XDP_PASS}
  - {name: "drops ::1 (IPv6)", tags: [ip6, drop], expect: {retval: XDP_DROP}}
"""
FIRST, SECOND, THIRD = "drops telnet", "Passes the rest", "drops ::1 (IPv6)"


@pytest.fixture
def firewall() -> Suite:
    return suite(document("fw.yaml", SUITE))


@pytest.mark.parametrize(
    ("targets", "meant"),
    [
        ([Target("fw.yaml")], {FIRST, SECOND, THIRD}),
        ([Target("fw.yaml", FIRST)], {FIRST}),
        ([Target("fw.yaml", THIRD), Target("fw.yaml", line=4)], {FIRST, THIRD}),
        ([Target("fw.yaml", FIRST), Target("fw.yaml", FIRST)], {FIRST}),
        ([Target("fw.yaml", FIRST), Target("fw.yaml")], {FIRST, SECOND, THIRD}),
    ],
)
def test_the_targets_of_a_file_add_up(firewall: Suite, targets: list[Target], meant: set[str]) -> None:
    assert names(firewall, targets) == meant


@pytest.mark.parametrize(("lines", "meant"), [((4, 5, 6, 7), FIRST), ((8, 9, 10), SECOND), ((11, 12, 1000), THIRD)])
def test_a_line_stands_for_the_case_that_it_is_in(firewall: Suite, lines: tuple[int, ...], meant: str) -> None:
    assert [names(firewall, [Target("fw.yaml", line=line)]) for line in lines] == [{meant}] * len(lines)


@pytest.mark.parametrize(
    ("wanted", "said", "hint"),
    [
        (Target("fw.yaml", line=3), "no case at line 3 of fw.yaml", "see: bpftest list fw.yaml"),
        (Target("fw.yaml", line=0), "no case at line 0 of fw.yaml", "see: bpftest list fw.yaml"),
        (Target("fw.yaml", "drop telnet"), "no case 'drop telnet' in fw.yaml", "did you mean 'fw.yaml::drops telnet'?"),
        (Target("fw.yaml", "xyz"), "no case 'xyz' in fw.yaml", "see: bpftest list fw.yaml"),
        (Target("fw.yaml", ""), "no case '' in fw.yaml", "see: bpftest list fw.yaml"),
    ],
)
def test_a_case_that_is_not_there_is_told(firewall: Suite, wanted: Target, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        names(firewall, [wanted])

    assert (raised.value.what, raised.value.hint) == (said, hint)


# --- -k and -t ----------------------------------------------------------------------------------------------------


def chosen(firewall: Suite, accepts: Callable[[Case], bool]) -> set[str]:
    return {case.name for case in firewall.cases if accepts(case)}


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("drops", {FIRST, THIRD}),
        ("DROPS", {FIRST, THIRD}),
        ("passes", {SECOND}),
        ("s t", None),
        ("'s t'", {FIRST, SECOND}),
        ('"s t"', {FIRST, SECOND}),
        ("nothing", set()),
        ("not drops", {SECOND}),
        ("not not drops", {FIRST, THIRD}),
        ("drops and telnet", {FIRST}),
        ("drops and not telnet", {THIRD}),
        ("telnet or rest", {FIRST, SECOND}),
        ("telnet or rest and nothing", {FIRST}),
        ("(telnet or rest) and nothing", set()),
        ("not (telnet or rest)", {THIRD}),
        ("not telnet or rest", {SECOND, THIRD}),
        ("not telnet and not rest", {THIRD}),
        ("(((drops)))and(telnet)", {FIRST}),
        ("::1", {THIRD}),
        ("'(IPv6)'", {THIRD}),
        ("'not' or 'and' or 'or'", set()),
        ("'or' or tel", {FIRST}),
        ("''", {FIRST, SECOND, THIRD}),
        ("  drops\tand\ntelnet  ", {FIRST}),
        ("drops and telnet and net", {FIRST}),
        ("NOT", set()),
    ],
)
def test_k_takes_words_of_the_name_with_and_or_not_and_brackets(
    firewall: Suite, expression: str, meant: set[str] | None
) -> None:
    if meant is None:
        with pytest.raises(UsageError):
            selection.keyword(expression)
    else:
        assert chosen(firewall, selection.keyword(expression)) == meant


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("drop", {FIRST, THIRD}),
        ("dro", set()),
        ("DROP", set()),
        ("drop and not ip6", {FIRST}),
        ("slow or ip6", {SECOND, THIRD}),
        ("not (drop or slow)", set()),
    ],
)
def test_t_takes_whole_tags_with_and_or_not_and_brackets(firewall: Suite, expression: str, meant: set[str]) -> None:
    assert chosen(firewall, selection.tag(expression)) == meant


GRAMMAR = "words with and, or, not and brackets; quote what has blanks or brackets: \"'drops telnet' and not slow\""


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "a word is missing at the end"),
        ("  ", "a word is missing at the end"),
        ("drops telnet", "'and' or 'or' is missing before 'telnet'"),
        ("and", "a word is missing before 'and'"),
        ("drops and", "a word is missing at the end"),
        ("drops or or telnet", "a word is missing before 'or'"),
        ("not", "a word is missing at the end"),
        ("(", "a word is missing at the end"),
        ("(drops", "a bracket is not closed"),
        ("(drops telnet", "'and' or 'or' is missing before 'telnet'"),
        ("drops (telnet)", "'and' or 'or' is missing before '('"),
        ("drops)", "a bracket is closed that was not opened"),
        ("()", "a word is missing before ')'"),
        ("drops not telnet", "'and' or 'or' is missing before 'not'"),
    ],
)
@pytest.mark.parametrize("option", ["-k", "-t"])
def test_an_expression_that_makes_no_sense_is_told_where(option: str, expression: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        {"-k": selection.keyword, "-t": selection.tag}[option](expression)

    assert (raised.value.what, raised.value.hint) == (f"{option} {expression!r}: {said}", GRAMMAR)


@pytest.mark.parametrize("expression", ["'", '"drops', "drops and 'telnet", "it's"])
def test_a_quotation_mark_that_is_not_closed_is_told(expression: str) -> None:
    with pytest.raises(UsageError) as raised:
        selection.keyword(expression)

    assert raised.value.what == f"-k {expression!r}: a quotation mark is not closed"


@pytest.mark.parametrize(
    ("before", "after", "levels", "meant"),
    [
        ("(", ")", 1, {FIRST}),
        ("not ", "", 1, {FIRST}),
        ("not (", ")", 2, {SECOND, THIRD}),
        ("nothing or (", ")", 1, {FIRST}),
    ],
)
def test_nesting_has_a_limit_that_is_told(
    firewall: Suite, before: str, after: str, levels: int, meant: set[str]
) -> None:
    most = DEPTH_MAX // levels

    assert chosen(firewall, selection.keyword(before * most + "telnet" + after * most)) == meant
    for more in (most + 1, 100_000):
        with pytest.raises(UsageError, match=rf"more than {DEPTH_MAX} brackets and nots inside each other$"):
            selection.keyword(before * more + "telnet" + after * more)


def test_an_expression_may_be_long(firewall: Suite) -> None:
    words = " or ".join(["nothing"] * 50_000)

    assert chosen(firewall, selection.keyword(f"{words} or telnet")) == {FIRST}
