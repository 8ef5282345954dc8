"""`bpftest report`: other reports from those that runs have left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bpftest.commands import reporting
from bpftest.commands.exits import BAD, PASSED
from bpftest.errors import HostError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from bpftest.events import Event
    from bpftest.reporters import Reporter

KINDS = {".json": "json", ".html": "html", ".htm": "html", ".xml": "junit"}  # of report, by the end of its name
READABLE = (".json", ".xml")


def arguments(parser: ArgumentParser) -> None:
    """What to do with which reports."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    merge = actions.add_parser("merge", help="write one report of all that several runs have reported")
    merge.add_argument(
        "out", metavar="OUT", help="what to write: .json or .html or .xml, from .json; .xml from .xml too"
    )
    merge.add_argument("inputs", nargs="+", metavar="IN", help="JSON reports of bpftest, or JUnit XML files")
    show = actions.add_parser("show", help="report a run again, in any form, from its JSON reports")
    show.add_argument("inputs", nargs="+", metavar="IN", help="JSON reports of bpftest")
    reporting.arguments(show)


def run(options: Namespace) -> int:
    """Writes or prints the report. The outcomes in it do not matter to the exit code."""
    if options.action == "show":
        return _tell(options.inputs, reporting.with_console(reporting.reporters(options, BAD), options, BAD))
    kind, kinds = _kind(options.out, KINDS), {_kind(one, READABLE) for one in options.inputs}
    if kinds == {".xml"} and kind == ".xml":
        from bpftest.reporters.junit_files import merge

        merge(options.out, options.inputs)
        return PASSED
    if kinds != {".json"}:
        raise UsageError(
            f"{options.out} cannot be made from {' and '.join(sorted(kinds))}",
            "JUnit XML is merged to JUnit XML; everything is made from JSON reports: bpftest run --json PATH",
        )
    from bpftest.reporters import factory

    return _tell(options.inputs, [factory(KINDS[kind])(options.out)])


def _kind(path: str, known: Iterable[str]) -> str:
    end = os.path.splitext(path)[1].lower()
    if end not in known:
        raise UsageError(f"{path} is no name of a report", f"it ends in one of: {', '.join(known)}")
    return end


def _tell(inputs: Sequence[str], reporters: list[Reporter]) -> int:
    from bpftest.reporters.merged import merged

    for event in merged([_events(path) for path in inputs]):
        for reporter in reporters:
            reporter(event)
    return PASSED


def _events(path: str) -> Iterator[Event]:
    """The events of the JSON report at *path*. Raises UsageError where it is none."""
    from jsonschema_rs import validator_for

    from bpftest.reporters.record import replayed
    from bpftest.suite.schema import schema_text

    document = _document(path)
    try:
        error = next(validator_for(schema_text("report.schema.json")).iter_errors(document), None)
    except UnicodeEncodeError:
        raise UsageError(f"{path} is no report of bpftest: it has half a character in a text") from None
    if error:
        where = "/".join(map(str, error.instance_path)) or "the document"
        raise UsageError(f"{path} is no report of bpftest: {where}: {error.message.splitlines()[0][:200]}")
    return replayed(document)


def _document(path: str) -> dict[str, Any]:
    import json

    try:
        with open(path, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}") from error
    return document
