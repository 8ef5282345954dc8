"""What GitHub makes of our lines and of our page; and that no name of a suite is taken for a command."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from bpftest.errors import Place
from bpftest.events import CaseFinished, Event, Finding, InvalidSuite, Mismatch, Outcome, RunFinished
from bpftest.reporters import factory
from bpftest.reporters.console import console
from bpftest.reporters.github import ANNOTATIONS_MAX, github, step_summary
from bpftest.reporters.printable import inert, plain, visible
from tests.golden import assert_golden
from tests.reporters import arbitrary, streams

HOSTILE = [
    "::set-output name=x::y",
    "  ::stop-commands::x",
    "\t::add-mask::x",
    "\u00a0::error::x",
    "x ##[add-path]/tmp",
    "###[group]x",
    "##vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus status='SUCCESS']",
    "%0A::error::x",
    "a\n::warning::x",
    "a\r::warning::x",
    "a,line=1,title=x::y",
    "| x | <script>alert(1)</script> | ![x](http://e.example/) | @you | #1 | www.e.example | :tada: |",
    "</pre></details><h1>`code` *x* _y_ ~~z~~",
]


def commands(text: str) -> list[str]:
    """The lines that a CI system takes for commands: as GitHub's ActionCommand.cs tells them, and others' marks."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        trimmed = line.lstrip()
        if (trimmed.startswith("::") and "::" in trimmed[2:]) or re.search(r"##\w*\[", line):
            found.append(line)
    return found


def heard(reporter: object, events: list[Event]) -> None:
    for event in events:
        reporter(event)  # type: ignore[operator]


def annotated(events: list[Event], **environ: str) -> str:
    out = io.StringIO()
    heard(github(out, environ), events)
    return out.getvalue()


def read(command: str) -> tuple[dict[str, str], str]:
    """The properties and the message of an annotation, as the runner reads them."""
    match = re.fullmatch(r"::error (.*?)::(.*)", command)
    assert match
    marks = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}

    def unescaped(text: str) -> str:
        return re.sub("%(?:0D|0A|3A|2C|25)", lambda it: marks[it[0]], text)

    properties = dict(pair.split("=", 1) for pair in match[1].split(","))
    return {name: unescaped(value) for name, value in properties.items()}, unescaped(match[2])


@pytest.mark.parametrize("name", ["every_outcome", "invalid", "detailed"])
def test_annotations_are_as_in_their_golden_text(name: str) -> None:
    assert_golden(f"reports/{name}.github.txt", annotated(getattr(streams, name.upper())))


def test_an_annotation_is_at_the_expectation_in_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    monkeypatch.chdir(tmp_path / "net")

    first = annotated(streams.EVERY_OUTCOME, GITHUB_WORKSPACE=str(tmp_path)).split("\n")[0]

    assert read(first) == (
        {
            "file": "net/suites/firewall.yaml",
            "line": "30",
            "col": "7",
            "title": "FAIL forwards and decrements the TTL",
        },
        "output: IP.ttl 63 != 64 (and 1 more)",
    )


def test_as_many_annotations_as_github_shows_and_a_word_about_the_rest() -> None:
    cases = [streams.case(f"case {number}", number, Outcome.FAILED, message="bad") for number in range(1, 13)]
    *lines, last, _ = annotated(streams.run_of(*cases)).split("\n")
    assert (len(lines), last) == (ANNOTATIONS_MAX, "2 more have no annotation: GitHub shows 10")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_is_a_text_in_an_annotation(text: str) -> None:
    written = annotated(streams.run_of(streams.case(text, 3, Outcome.FAILED, path=streams.FIREWALL, message=text)))

    (line,) = written.splitlines()
    properties, message = read(line)
    assert "##[" not in line
    assert (properties["title"], message) == (
        f"FAIL {visible(text)}".replace("##", "#\\x23"),
        "\n".join(map(plain, text.split("\n"))).replace("##", "#\\x23"),
    )


@pytest.mark.parametrize("form", ["console", "console-ci", "concise", "tap", "jsonl", "durations"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_report_on_the_terminal_gives_a_command_away(form: str, text: str) -> None:
    out = io.StringIO()
    if form.startswith("console"):
        reporter = console(out, color=True, unicode=True, per_case=form == "console", verbosity=2)
    else:
        reporter = factory(form)(out, *([0] if form == "durations" else []))
    events = arbitrary.everywhere(text)
    heard(reporter, [event for event in events if not isinstance(event, InvalidSuite)])
    heard(reporter, [*(event for event in events if isinstance(event, InvalidSuite))])
    assert commands(out.getvalue()) == []


@given(arbitrary.ANY)
def test_no_line_is_left_that_is_a_command(text: str) -> None:
    assert commands(inert(plain(text))) == []


@pytest.mark.parametrize("line", ["suites/a.yaml::drops", "# 1 ## 2", "a [x] ## [y]", "  PASS  a::b", "::", ":a"])
def test_what_is_no_command_stays(line: str) -> None:
    assert inert(line) == line or line == "::"


# --- the page of the job ------------------------------------------------------------------------------------------


def page(path: Path, events: list[Event]) -> str:
    heard(step_summary(str(path)), events)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["every_outcome", "invalid", "interrupted", "all_passed"])
def test_the_page_is_as_in_its_golden_text(tmp_path: Path, name: str) -> None:
    assert_golden(f"reports/{name}.summary.md", page(tmp_path / "summary.md", getattr(streams, name.upper())))


def test_the_page_comes_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# Built\n", encoding="utf-8")
    assert page(path, streams.ALL_PASSED).startswith("# Built\n### ✅ bpftest: 1 passed\n")


def test_a_page_that_cannot_be_written_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard(step_summary(str(tmp_path / "no" / "summary.md")), streams.ALL_PASSED)
    assert capsys.readouterr().err == "note: no step summary: No such file or directory\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_is_a_text_on_the_page(tmp_path: Path, text: str) -> None:
    mismatch = Finding("retval", mismatches=(Mismatch(text, text, text),))
    case = CaseFinished(
        text, text, Place(text, 3, 5), Outcome.FAILED, 0.1, "bpftest.X", text, (mismatch,), notes=(text,)
    )
    events = streams.run_of(streams.PASSED)
    events[2:3] = [case]

    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page(tmp_path / "summary.md", events))

    inline = [child for token in tokens for child in token.children or ()]
    markup = {child.type for child in inline} - {"text", "text_special", "html_inline"}
    assert markup == set()
    raw = [token.content for token in [*tokens, *inline] if token.type in {"html_block", "html_inline"}]
    tags = {tag for content in raw for tag in re.findall(r"<\s*/?\s*([\w!]+)", content)}
    assert tags == {"details", "summary", "pre"}
    cells = [token.content for token in tokens if token.type == "inline"]
    assert not any("http:" in cell or "@" in cell or "www." in cell for cell in cells)
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == 2 + 2  # a head and a row for the case, and for the suite


@settings(max_examples=30, deadline=None)
@given(arbitrary.ANY)
def test_the_page_takes_any_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    written = page(tmp_path_factory.mktemp("any") / "summary.md", arbitrary.everywhere(text))
    assert arbitrary.hidden(written.replace("\n", "")) == []


def test_a_page_of_a_thousand_failures_fits() -> None:
    case = streams.FAILED._replace(message="漢" * 10_000, notes=("漢" * 5_000,) * 3)
    lines = io.StringIO()
    from bpftest.reporters.github import BAD, _Page  # the page without its file

    made = _Page(BAD)
    for number in range(1_000):
        made.hear(case._replace(name=f"{number}"))
    for line in made.lines(RunFinished(1.0)):
        lines.write(f"{line}\n")
    assert len(lines.getvalue().encode()) < 1024 * 1024
