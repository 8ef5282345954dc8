"""JUnit XML files, of bpftest or of anything else, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bpftest.errors import HostError, UsageError
from bpftest.reporters import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COUNTS = ("tests", "failures", "errors", "skipped")
DEPTH_MAX = 100  # elements inside each other; JUnit files have five, and suites of suites some more
PARTS = ("testcase", "testsuite")  # what suites of the same name are joined by; of the rest the first one's is kept


def merge(path: str, inputs: Sequence[str]) -> None:
    """Writes to *path* one file with the cases of all *inputs*, and counts of its own.

    Suites with the same name and file become one. Raises UsageError for an input that is no JUnit XML, HostError
    where *path* cannot be written.
    """
    roots = [_root(one) for one in inputs]
    suites: dict[tuple[str, str], ET.Element] = {}
    for root in roots:
        for suite in [root] if root.tag == "testsuite" else root.findall("testsuite"):
            _join(suites, suite)
    merged = ET.Element("testsuites", {name: value for name, value in roots[0].attrib.items() if name == "name"})
    merged.extend(suites.values())
    for number, suite in enumerate(merged):
        _recount(suite)
        if "id" in suite.attrib:
            suite.set("id", str(number))
    if any("time" in root.attrib for root in roots if root.tag == "testsuites"):
        _total(merged, merged)
        merged.set("time", f"{max(_seconds(root) for root in roots):.6f}")  # shards run side by side
    if stamps := [root.attrib["timestamp"] for root in roots if "timestamp" in root.attrib]:
        merged.set("timestamp", min(stamps))
    ET.indent(merged)
    with files.replacing(path) as out:
        out.write(b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(merged, "unicode").encode() + b"\n")


class _Builder(ET.TreeBuilder):
    """Refuses a DOCTYPE, which no JUnit file has, and entities that grow need."""

    def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
        raise UsageError("a DOCTYPE is not read")


def _root(path: str) -> ET.Element:
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - expat 2.4.1 limits entities, and there are none here
    try:
        root = ET.parse(path, parser).getroot()  # noqa: S314
    except UsageError as error:
        raise UsageError(f"{path} is no JUnit XML: {error.what}") from error
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror or error}") from error
    except (ET.ParseError, ValueError, LookupError) as error:
        raise UsageError(f"{path} is no JUnit XML: {error}") from error
    if root.tag not in {"testsuites", "testsuite"}:
        raise UsageError(f"{path} is no JUnit XML: it holds <{root.tag}>")
    if _is_deep(root):
        raise UsageError(f"{path} is no JUnit XML: its elements are more than {DEPTH_MAX} deep inside each other")
    return root


def _is_deep(root: ET.Element) -> bool:
    """Whether there are more levels than can be walked, and written, by functions that call themselves."""
    level = [root]
    for _ in range(DEPTH_MAX):
        level = [child for element in level for child in element]
    return bool(level)


def _join(suites: dict[tuple[str, str], ET.Element], suite: ET.Element) -> None:
    key = suite.get("name", ""), suite.get("file", "")
    first = suites.setdefault(key, suite)
    if first is suite:
        return
    after = max((at for at, child in enumerate(first) if child.tag in PARTS), default=len(first) - 1) + 1
    first[after:after] = [child for child in suite if child.tag in PARTS]
    first.set("time", f"{_seconds(first) + _seconds(suite):.6f}")


def _recount(suite: ET.Element) -> None:
    for inner in suite.findall("testsuite"):
        _recount(inner)
    cases = suite.findall("testcase")
    counts = {
        "tests": len(cases),
        "failures": _with(cases, "failure"),
        "errors": _with(cases, "error"),
        "skipped": _with(cases, "skipped"),
    }
    for name in COUNTS:
        suite.set(name, str(counts[name] + sum(int(inner.get(name, "0")) for inner in suite.findall("testsuite"))))


def _with(cases: Iterable[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _total(merged: ET.Element, suites: Iterable[ET.Element]) -> None:
    for name in COUNTS:
        merged.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))


def _seconds(element: ET.Element) -> float:
    try:
        return float(element.get("time", "0").replace(",", ""))
    except ValueError:
        return 0.0
