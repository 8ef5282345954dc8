"""The pages of docs/: their suites are suites, their commands are commands, their links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from bpftest.commands import COMMANDS
from bpftest.suite.parse import read_suite
from tools import command_reference, suite_reference
from tools.pages import Block, alike, blocks, commands, runs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
IDS = [str(path.relative_to(DOCS)) for path in PAGES]
AGAIN = "write it again: python -m tools.{} > {}"

FRAGMENT = "version: 1\nobject: any.o\nprogram: any\n"  # what a suite has that a page shows a part of
REFUSED = {"typo.yaml", "hostile.yaml"}  # files that pages show to be invalid: tests/kernel/test_docs.py sees that
# The words of a command up to what ends it for the shell; what a page puts for any value begins with a capital.
BPFTEST = re.compile(r"(?:^|[\s/])bpftest (?P<words>[a-z].*?)(?:$| \||\|\||&&|;)")
CI_SCHEMAS = {".github/workflows/bpf.yml": "github-workflows", ".gitlab-ci.yml": "gitlab-ci"}
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")


def page_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("made", "path"),
    [(suite_reference, "docs/reference/suite.md"), (command_reference, "docs/reference/commands.md")],
    ids=["suite", "commands"],
)
def test_a_reference_is_made_from_what_it_tells_of(made: Any, path: str) -> None:
    assert page_of(ROOT / path) == made.page(), AGAIN.format(made.__name__.removeprefix("tools."), path)


def test_the_suite_reference_tells_of_every_definition_of_the_schema() -> None:
    assert suite_reference.shown() == suite_reference.DEFS.keys()


def test_every_key_of_the_schema_is_in_the_reference() -> None:
    page = suite_reference.page()

    assert [key for key in keys_of(suite_reference.SCHEMA) if not re.search(rf"[`.]{key}`|### .*{key}\n", page)] == []


def keys_of(schema: Any) -> set[str]:
    """The names of all properties, whatever the depth."""
    if isinstance(schema, list):
        return {key for one in schema for key in keys_of(one)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return set(own if isinstance(own, dict) else ()) | {key for one in schema.values() for key in keys_of(one)}


def yaml_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{name}:{page_of(path)[: block.start].count(chr(10))}")
        for path, name in zip(PAGES, IDS, strict=True)
        for block in blocks(page_of(path))
        if block.language == "yaml" and block.title not in {*CI_SCHEMAS, *REFUSED}
    ]


@pytest.mark.parametrize("block", yaml_blocks())
def test_a_suite_of_a_page_is_valid(block: Block, tmp_path: Path) -> None:
    """A part of one, such as a single case, is so with the rest around it."""
    path = tmp_path / "suite.yaml"
    path.write_text(whole(block.text), encoding="utf-8")
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures/connection.pcap").write_bytes((ROOT / "suites/frames/connection.pcap").read_bytes())

    assert read_suite(str(path)).cases


def whole(text: str) -> str:
    """The suite that *text* is, or is a part of."""
    if re.search(r"^version:", text, re.MULTILINE):
        return text
    if text.startswith("- "):
        return f"{FRAGMENT}cases:\n{text}"
    keys = yaml.safe_load(text).keys()
    cases = "" if "cases" in keys else "cases: [{name: any, expect: {loads: true}}]\n"
    return "version: 1\n" + ("" if keys & {"object", "source"} else FRAGMENT.partition("\n")[2]) + cases + text


def bpftest_commands() -> list[Any]:
    """What pages call bpftest with: in fences, and in the text."""
    found = {}
    for path, name in zip(PAGES, IDS, strict=True):
        page = page_of(path)
        shell = [command.line for block in blocks(page) if block.language == "console" for command in commands(block)]
        shell += [line for block in blocks(page) if block.language == "sh" for line in lines(block.text)]
        inline = re.findall(r"`(bpftest [^`\n]+)`", page)
        for line in (*shell, *inline):
            for call in BPFTEST.finditer(line.replace("\\\n", " ")):
                found[name, call["words"]] = None
    return [pytest.param(words, id=f"{name}: {words}") for name, words in found]


def lines(script: str) -> list[str]:
    return script.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("words", bpftest_commands())
def test_a_command_of_a_page_is_one(words: str) -> None:
    name, *arguments = shlex.split(words, comments=True)
    assert name in COMMANDS
    known = command_reference.options(name)
    assert [one for one in arguments if one.startswith("-") and re.split("[=[]", one)[0] not in known] == []


@pytest.mark.parametrize("path", [*PAGES, *ROOT.glob("*.md")], ids=[*IDS, *(path.name for path in ROOT.glob("*.md"))])
def test_a_link_leads_to_a_file_or_is_https(path: Path) -> None:
    """mkdocs looks at those inside docs/, their anchors too; README is read without it."""
    targets = [link["target"] or link["image"] for link in LINK.finditer(without_code(page_of(path)))]
    local = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]

    assert [target for target in local if target and not (path.parent / target).exists()] == []
    assert [one for one in targets if re.match(r"[a-z]+:", one) and not re.match(r"https://[\w.-]+\.\w+/", one)] == []


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", page, flags=re.MULTILINE | re.DOTALL)


def test_links_inside_docs_stay_inside() -> None:
    """Pages are read on the site, where the rest of the checkout is not."""
    found = [
        (name, link["target"] or link["image"])
        for path, name in zip(PAGES, IDS, strict=True)
        for link in LINK.finditer(without_code(page_of(path)))
    ]
    outside = [
        (name, target)
        for name, target in found
        if not target.startswith("https:") and not (DOCS / name).parent.joinpath(target).resolve().is_relative_to(DOCS)
    ]
    assert outside == []


def ci_files() -> list[Any]:
    return [
        pytest.param(block, id=f"{name}: {block.title}")
        for path, name in zip(PAGES, IDS, strict=True)
        for block in blocks(page_of(path))
        if block.title in CI_SCHEMAS
    ]


@pytest.mark.parametrize("block", ci_files())
def test_a_ci_recipe_is_what_its_system_reads(block: Block) -> None:
    schemas = files("check_jsonschema.builtin_schemas") / "vendor"
    schema = json.loads((schemas / f"{CI_SCHEMAS[block.title]}.json").read_text(encoding="utf-8"))
    recipe = yaml.load(block.text, Loader=WithoutBooleans)  # noqa: S506 - a safe one

    assert [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(recipe)] == []


class WithoutBooleans(yaml.SafeLoader):
    """`on` is a key of GitHub's, as in YAML 1.2."""


WithoutBooleans.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not (tag == "tag:yaml.org,2002:bool" and first in "oOyYnN")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("  PASS  [  0.1 ms] one\n", "  PASS  [ 21.7 ms] one\n", True),
        ("  PASS  [  0.1 ms] one\n", "  FAIL  [  0.1 ms] one\n", False),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\nc\n", "a\nc\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("Summary  2 cases in 0.01 s: 2 passed\n", "Summary  2 cases in 1.20 s: 1 passed, 1 failed\n", False),
    ],
)
def test_an_output_may_differ_in_time_and_where_it_is_cut(shown: str, printed: str, same: bool) -> None:
    assert alike(shown, printed) is same


def test_a_page_that_shows_files_shows_what_becomes_of_them() -> None:
    """So that no page seems to be run and is not."""
    idle = [name for path, name in zip(PAGES, IDS, strict=True) if runs(page_of(path)) and not shells(path)]

    assert idle == ["how-to/ci.md"]  # its files are for other machines


def test_the_readme_begins_as_the_index_does() -> None:
    """The index is run."""
    readme, index = ROOT / "README.md", DOCS / "index.md"
    told, shown = (list(blocks(page_of(path))) for path in (readme, index))

    assert told[0].text == shown[0].text
    assert alike(shells(readme)[0].text, shells(index)[0].text)


def shells(path: Path) -> list[Block]:
    return [block for block in blocks(page_of(path)) if block.language == "console"]
