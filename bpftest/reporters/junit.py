"""The report as JUnit XML, which CI systems read.

The elements are built by the junit-xml package, one case at a time, from text that was made safe before, because
the package (1.9) counts a failure without words as passed, cannot write U+FFFE, and leaves half an escape sequence
in. What it does not know, or drops (a time of 0, the properties of a case), is added to its elements.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bpftest.events import (
    CaseFinished,
    InvalidSuite,
    Outcome,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)
from bpftest.reporters import blocks, files
from bpftest.reporters.open_suite import OpenSuite
from bpftest.reporters.printable import clip, cut, plain, visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from bpftest.events import Event
    from bpftest.reporters import Reporter

FLAVORS = ("rich", "strict")
BODY_LENGTH = 64 * 1024  # characters of a failure's body
MESSAGE_LENGTH = 1_000  # characters of a message
EARLIER_LENGTH = 16 * 1024  # characters of what is told of a run before the last one
CHILDREN = "children"  # a comment that holds the place of elements that are text already
COUNTED = {  # attribute of testsuite -> the outcomes that it counts
    "failures": (Outcome.FAILED,),
    "errors": (Outcome.ERROR,),
    "skipped": (Outcome.SKIPPED, Outcome.XFAILED),
}


def junit(path: str, flavor: str = "rich") -> Reporter:
    """A reporter that leaves a JUnit file at *path* when the run is over, however it ends.

    *flavor*: ``rich``, or ``strict`` for only what both public schemas know, junit-10.xsd of Jenkins' xUnit
    plugin and JUnit.xsd of windyroad. Raises HostError when *path* cannot be written, at the start of the run.
    """
    return _JUnit(path, strict=flavor == "strict")


class _OpenTestsuite(OpenSuite[bytes]):
    """A suite that waits as text, not as trees, and tells cases of one name apart."""

    def __init__(self, started: SuiteStarted) -> None:
        super().__init__(started)
        self.classname = classname(started.path)
        self._names: Counter[str] = Counter()

    def unique(self, name: str) -> str:
        """*name*, with a number if there was one like it: a case that is run several times."""
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name} #{self._names[name]}"


class _JUnit:
    """The state of the report: suites that are done stand in a nameless file, which the totals precede at the end."""

    def __init__(self, path: str, *, strict: bool) -> None:
        self._path = path
        self._strict = strict
        self._open: dict[str, _OpenTestsuite] = {}  # by path: the suites of several workers may overlap
        self._outcomes: Counter[Outcome] = Counter()
        self._suites = 0  # written so far
        self._run: RunStarted
        self._body: IO[bytes]
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RunStarted: self._run_started,
            SuiteStarted: self._suite_started,
            CaseFinished: self._case_finished,
            SuiteFinished: self._suite_finished,
            InvalidSuite: self._invalid_suite,
            RunFinished: self._run_finished,
        }

    def __call__(self, event: Event) -> None:
        try:
            self._handlers[type(event)](event)
        except OSError as error:
            raise files.cannot_write(self._path, error) from error

    def _run_started(self, run: RunStarted) -> None:
        self._run = run
        self._body = files.scratch(self._path)

    def _suite_started(self, started: SuiteStarted) -> None:
        self._open[started.path] = _OpenTestsuite(started)

    def _case_finished(self, case: CaseFinished) -> None:
        self._add(case, _body(case))

    def _add(self, case: CaseFinished, body: str) -> None:
        suite = self._open[case.path]
        element = _case_element(case, body, suite.unique(visible(case.name)), suite.classname)
        if not self._strict:
            _enrich(element, case)
        suite.add(case, _serialised(element, level=2))

    def _suite_finished(self, finished: SuiteFinished) -> None:
        self._write(self._open.pop(finished.path), finished.seconds)

    def _invalid_suite(self, invalid: InvalidSuite) -> None:
        first, more = invalid.mistakes[0], len(invalid.mistakes) - 1
        message = f"{first.what} (and {more:,} more)" if more else first.what
        listed = ["\n".join(text for _, text in blocks.mistake(mistake)) for mistake in invalid.mistakes]
        verdict = CaseFinished(
            invalid.path, "suite file is valid", first.excerpt.place, Outcome.ERROR, 0.0, "bpftest.SuiteError", message
        )
        self._suite_started(SuiteStarted(invalid.path, "", 1, self._run.timestamp))
        self._add(verdict, "\n\n".join(listed))
        self._suite_finished(SuiteFinished(invalid.path, 0.0))

    def _run_finished(self, finished: RunFinished) -> None:
        for suite in self._open.values():  # interrupted
            self._write(suite, suite.seconds)
        self._open.clear()
        root = ET.Element("testsuites")
        if not self._strict:  # windyroad's schema knows no attribute here
            root.attrib.update(name="bpftest", **_counts(self._outcomes))
            root.attrib.update(time=f"{finished.seconds:.6f}", timestamp=plain(self._run.timestamp))
        root.append(ET.Comment(CHILDREN))
        head, tail = _around_children(root, level=0)
        with self._body, files.replacing(self._path) as out:
            self._body.seek(0)
            out.write(b'<?xml version="1.0" encoding="utf-8"?>\n' + head)
            shutil.copyfileobj(self._body, out)
            out.write(tail)

    def _write(self, suite: _OpenTestsuite, seconds: float) -> None:
        element = _suite_element(self._run, suite.started, suite.classname, self._suites)
        element.attrib.update(_counts(suite.counts), time=f"{seconds:.6f}")
        element.append(ET.Comment(CHILDREN))
        if self._strict:
            _restrict(element)
        head, tail = _around_children(element, level=1)
        self._body.writelines([head, *suite.cases, tail])
        self._outcomes += suite.counts
        self._suites += 1


def classname(path: str) -> str:
    """The dotted name of the suite at *path*: ``suites.firewall``.

    Jenkins takes what stands before the last dot for the package, so that a dot in the name of a file or folder
    becomes an underscore.
    """
    stem = path[: path.rfind(".")] if path.endswith((".yaml", ".yml")) else path
    parts = [part for part in visible(stem).split("/") if part.strip() not in {"", ".", ".."}]
    return ".".join(part.replace(".", "_") for part in parts) or "suite"


def _suite_element(run: RunStarted, started: SuiteStarted, name: str, number: int) -> ET.Element:
    """The testsuite without its cases, as the rich flavour has it."""
    from junit_xml import TestSuite

    about = {"bpftest": run.version, "kernel": run.kernel, "arch": run.machine, "suite": started.title}
    element: ET.Element = TestSuite(
        name,
        hostname=plain(run.host).strip() or "localhost",
        id=str(number),
        timestamp=plain(started.timestamp),
        properties={
            plain(key): plain(value) for key, value in [*about.items(), *run.properties] if key.strip() and value
        },
        file=visible(started.path),
    ).build_xml_doc()
    del element.attrib["disabled"]  # nothing that bpftest has
    return element


def _restrict(element: ET.Element) -> None:
    """Take from the testsuite *element* what windyroad's schema does not know, and add what it demands."""
    del element.attrib["file"]
    element.set("package", element.attrib["name"].rpartition(".")[0])
    element.set("timestamp", element.attrib["timestamp"][: len("2026-01-31T12:00:00")])  # no time zone
    ET.SubElement(element, "system-out")
    ET.SubElement(element, "system-err")


def _case_element(case: CaseFinished, body: str, name: str, suite: str) -> ET.Element:
    """The testcase as both flavours have it."""
    from junit_xml import TestCase, TestSuite

    it = TestCase(name, classname=suite)
    message = clip(plain(case.message), MESSAGE_LENGTH) or f"no reason given for {case.outcome.value}"
    # GitLab shows nothing but the body, which repeats the message therefore.
    text = cut(f"{message}\n\n{body}" if body else message, BODY_LENGTH)
    if case.outcome is Outcome.FAILED:
        it.add_failure_info(message, text, _dotted(case.kind or "Failure"))
    elif case.outcome is Outcome.ERROR:
        it.add_error_info(message, text, _dotted(case.kind or "Error"))
    elif case.outcome not in {Outcome.PASSED, Outcome.FLAKY}:
        it.add_skipped_info(message, text)
    element: ET.Element = TestSuite(suite, [it]).build_xml_doc()[0]
    element.set("time", f"{case.seconds:.6f}")
    if case.outcome is Outcome.XFAILED:
        element[0].set("type", "bpftest.xfail")
    return element


def _enrich(element: ET.Element, case: CaseFinished) -> None:
    """Add to the testcase *element* what the public schemas do not know."""
    element.set("file", visible(case.path))
    element.set("line", str(case.place.line))
    if case.properties:
        properties = ET.Element("properties")
        for name, value in case.properties:
            ET.SubElement(properties, "property", name=plain(name), value=plain(value))
        element.insert(0, properties)
    for earlier in case.earlier:
        element.append(_earlier(earlier, "flaky" if case.outcome is Outcome.FLAKY else "rerun"))
    if case.outcome is Outcome.PASSED and case.notes:
        ET.SubElement(element, "system-out").text = cut("\n".join(map(plain, case.notes)), BODY_LENGTH)


def _earlier(case: CaseFinished, prefix: str) -> ET.Element:
    """A run that was not the last one, as Maven's Surefire tells of it: flakyFailure of a case that passed then."""
    kind = "Error" if case.outcome is Outcome.ERROR else "Failure"
    message = clip(plain(case.message), MESSAGE_LENGTH)
    element = ET.Element(f"{prefix}{kind}", message=message, type=_dotted(case.kind or kind))
    ET.SubElement(element, "stackTrace").text = cut(f"{message}\n\n{_body(case)}", EARLIER_LENGTH)
    return element


def _body(case: CaseFinished) -> str:
    """The block of a case that did not pass, as on a terminal; "" if there is nothing to explain."""
    if case.outcome in {Outcome.PASSED, Outcome.SKIPPED, Outcome.FLAKY}:
        return ""
    details = blocks.details(case)
    return "\n".join(text for _, text in [blocks.title(case), *details]) if details else ""


def _dotted(kind: str) -> str:
    """*kind* with a dot: GitLab refuses the whole file for a type such as ``yaml``."""
    return plain(kind) if "." in kind else f"bpftest.{plain(kind)}"


def _counts(outcomes: Counter[Outcome]) -> dict[str, str]:
    counts = {name: sum(outcomes[it] for it in counted) for name, counted in COUNTED.items()}
    return {"tests": str(outcomes.total()), **{name: str(count) for name, count in counts.items()}}


def _serialised(element: ET.Element, level: int) -> bytes:
    """*element* as a line or more, indented for *level* elements around it."""
    ET.indent(element, level=level)
    # "unicode" costs half of "utf-8", which encodes each attribute alone.
    return f"{'  ' * level}{ET.tostring(element, 'unicode')}\n".encode()


def _around_children(element: ET.Element, level: int) -> tuple[bytes, bytes]:
    """What stands before and after the children that go where *element* has the comment CHILDREN."""
    head, _, tail = _serialised(element, level).partition(f"<!--{CHILDREN}-->".encode())
    return head.rstrip(b" "), tail.lstrip(b"\n")
