"""Suites and cases as pytest knows them: collectors and items."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bpftest.events import CaseFinished, InvalidSuite, Outcome
from bpftest.pytest_plugin.child import Child, Settings
from bpftest.reporters import blocks
from bpftest.reporters.printable import inert, plain, visible
from bpftest.reporters.words import where

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from bpftest.pytest_plugin.child import Listed

LOG_LINES = 15  # of a compiler's or verifier's output, as on the console; -vv shows all
PYTESTS_OWN = frozenset({"skip", "skipif", "xfail"})  # marks that decide over an item: a tag does not

CHILD = pytest.StashKey[Child]()


class SuiteFile(pytest.File):
    """A suite."""

    def collect(self) -> Iterable[CaseItem]:
        """Each case. Raises CollectError with all mistakes of a suite that is not valid."""
        child = _child(self.config)
        path = os.path.relpath(self.path, self.config.invocation_params.dir)
        told = child.cases(path)
        if isinstance(told, InvalidSuite):
            raise self.CollectError("\n\n".join(_text(blocks.mistake(mistake)) for mistake in told.mistakes))
        if isinstance(told, str):
            raise self.CollectError(told)
        return [CaseItem.from_parent(self, name=_name(case), suite=path, case=case) for case in told]


def _name(case: Listed) -> str:
    """The name of *case*, as a part of a node id: pytest itself splits ids at each '::'."""
    return inert(visible(case.name).replace("::", ":\\x3a"))


def _child(config: pytest.Config) -> Child:
    """The process in which the cases of this pytest process run."""
    if CHILD not in config.stash:
        arguments = [str(argument) for argument in config.invocation_params.args]
        settings = Settings(
            folder=str(config.invocation_params.dir),
            ini=tuple(config.getini("bpftest_vars")),
            said=tuple(config.getoption("--bpftest-var")),
            as_root=shlex.join(["sudo", sys.executable, "-m", "pytest", *arguments]),
        )
        child = Child(settings)
        config.stash[CHILD] = child
        config.add_cleanup(child.close)
        config.pluginmanager.register(Hooks(), "bpftest-hooks")
    return config.stash[CHILD]


class CaseItem(pytest.Item):
    """A case. It runs while it is set up: what goes wrong there is an error in pytest's words too, and no failure."""

    def __init__(self, *, suite: str, case: Listed, **of_item: Any) -> None:
        super().__init__(**of_item)
        self.case = case
        self._suite = suite
        for tag in case.tags:
            if tag in PYTESTS_OWN or tag.startswith("_"):
                self.extra_keyword_matches.add(tag)
            else:
                _register(tag, self.config)
                self.add_marker(tag)

    def setup(self) -> None:
        """Runs the case. Raises what is no verdict: NotPassed for an error, pytest's own exception for a skip."""
        finished = _child(self.config).run(self._suite, self.case)
        self.finished = finished
        self.user_properties += finished.properties
        if finished.outcome is Outcome.SKIPPED:
            pytest.skip(plain(finished.message))
        if finished.outcome is Outcome.ERROR:
            raise NotPassed(finished, self.config.get_verbosity())
        if finished.notes or finished.printed:
            said = [*(("note", note) for note in finished.notes), *finished.printed]
            self.add_report_section("setup", "by bpftest", "\n".join(f"{name}: {plain(line)}" for name, line in said))

    def runtest(self) -> None:
        """Says how the case went that has run."""
        if self.finished.outcome is Outcome.XFAILED:
            pytest.xfail(plain(self.finished.message))
        if self.finished.outcome is Outcome.FAILED:
            raise NotPassed(self.finished, self.config.get_verbosity())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The block that explains the failure, and in summaries its message and the place to look at first."""
        if not isinstance(excinfo.value, NotPassed):
            return super().repr_failure(excinfo, style)
        shown = excinfo.getrepr(style="value")
        if shown.reprcrash is not None:
            place = where(excinfo.value.case)
            shown.reprcrash.path, shown.reprcrash.lineno = place.path, place.line
            shown.reprcrash.message = plain(excinfo.value.case.message)
        return shown

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line from 0, and the name."""
        return self.path, self.case.place.line - 1, self.name


def _register(tag: str, config: pytest.Config) -> None:
    """Makes *tag* a marker that --strict-markers lets through."""
    line = f"{tag}: a tag of suites"
    if line not in config.getini("markers"):
        config.addinivalue_line("markers", line)


class NotPassed(Exception):
    """A case that failed, or about which nothing could be found out; its text is the block that explains why."""

    def __init__(self, case: CaseFinished, verbosity: int) -> None:
        lines = [blocks.title(case)]
        if case.message and not (case.outcome is Outcome.FAILED and blocks.explained(case)):
            lines.append(("title", f"error: {plain(case.message)}" if case.problem else f"  {plain(case.message)}"))
        lines += blocks.details(case, log_lines=None if verbosity > 1 else LOG_LINES)
        super().__init__(_text(lines))
        self.case = case


def _text(lines: Iterable[blocks.Line]) -> str:
    return "\n".join(inert(text) for _, text in lines)


class Hooks:
    """What pytest asks of the plugin where there are suites, and only there."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Raises UsageError for a variable of the command line that no suite has."""
        if session.testsfailed or hasattr(session.config, "workerinput"):
            return  # a suite is missing because it is not valid; a worker of pytest-xdist can only crash
        unused = _child(session.config).unused()
        if unused:
            raise pytest.UsageError(unused.removeprefix("error: "))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """An error gets its block, as pytest gives it to failures alone; a skip gets the place of the case."""
        report = yield
        if not isinstance(item, CaseItem) or call.excinfo is None:
            return report
        if call.when == "setup" and report.failed:
            report.longrepr = item.repr_failure(call.excinfo)
        elif report.skipped and isinstance(report.longrepr, tuple):
            report.longrepr = (str(item.path), item.case.place.line, report.longrepr[2])
        return report
