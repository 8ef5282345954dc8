"""Events as plain data and back, and the JSON that holds them, read by its published schema."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpftest import events
from bpftest.events import CaseFinished, Event, Outcome, RunFinished, SuiteFinished, SuiteStarted
from bpftest.reporters import record
from bpftest.reporters.json_report import json_report
from bpftest.reporters.jsonl import jsonl
from tests.reporters import arbitrary, streams

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "report.schema.json").read_text(encoding="utf-8"))
EVENT = {**SCHEMA["$defs"]["event"], "$defs": SCHEMA["$defs"]}
STREAMS = {
    "every_outcome": streams.EVERY_OUTCOME,
    "all_passed": streams.ALL_PASSED,
    "interrupted": streams.INTERRUPTED,
    "nothing": streams.NOTHING,
    "invalid": streams.INVALID,
    "detailed": streams.DETAILED,
}
DESCRIBED = {  # by $defs: the events and their parts
    "run_started": events.RunStarted,
    "suite_started": events.SuiteStarted,
    "case": events.CaseFinished,
    "suite_finished": events.SuiteFinished,
    "invalid_suite": events.InvalidSuite,
    "run_finished": events.RunFinished,
    "finding": events.Finding,
    "mismatch": events.Mismatch,
    "row": events.HexRow,
    "problem": events.Problem,
    "mistake": events.Mistake,
    "excerpt": events.Excerpt,
    "place": events.Place,
}


def written(path: Path, stream: list[Event]) -> dict[str, Any]:
    reporter = json_report(str(path))
    for event in stream:
        reporter(event)
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def lines(stream: list[Event]) -> list[str]:
    out = io.StringIO()
    reporter = jsonl(out)
    for event in stream:
        reporter(event)
    return out.getvalue().split("\n")


def unlike(stream: list[Event]) -> list[Event]:
    """*stream* with what JSON does not keep: pairs of the same name are one, and seconds are microseconds."""
    return [same(event) for event in stream]


def same(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if not isinstance(value, tuple):
        return record.data(value) if isinstance(value, str) else value
    fields = getattr(value, "_fields", None)
    if not fields:
        return tuple(same(one) for one in value)
    return type(value)(
        *(
            tuple({same(key): same(held) for key, held in one}.items()) if name in record.BY_NAME else same(one)
            for name, one in zip(fields, value, strict=True)
        )
    )


def test_the_schema_is_one_and_describes_every_property() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    undescribed = [
        f"{name}.{key}"
        for name, definition in SCHEMA["$defs"].items()
        for key, held in definition.get("properties", {}).items()
        if "description" not in held
        and "description" not in SCHEMA["$defs"].get(held.get("$ref", "").split("/")[-1], {})
    ]
    assert undescribed == []
    assert [name for name, held in SCHEMA["$defs"].items() if "description" not in held] == []


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_schema_has_the_fields_that_events_have(name: str) -> None:
    kind: type[NamedTuple] = DESCRIBED[name]
    fields = {"id", *kind._fields} if name == "case" else {*kind._fields}
    assert set(SCHEMA["$defs"][name]["properties"]) == fields
    needed = {field for field in kind._fields if field not in kind._field_defaults}
    assert {*SCHEMA["$defs"][name]["required"], "path"} == {*needed, "path"}


def test_the_schema_has_all_outcomes() -> None:
    assert SCHEMA["$defs"]["outcome"]["enum"] == [outcome.value for outcome in Outcome]


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_report_is_as_its_schema_says_and_holds_the_whole_run(tmp_path: Path, stream: list[Event]) -> None:
    document = written(tmp_path / "a" / "report.json", stream)

    jsonschema.validate(document, SCHEMA)
    jsonschema_rs.validate(SCHEMA, document)
    told = [event for event in stream if not isinstance(event, SuiteFinished)]
    back = [event for event in record.replayed(document) if not isinstance(event, SuiteFinished)]
    assert sorted(map(repr, back)) == sorted(map(repr, unlike(told)))


def test_a_report_counts_what_it_holds(tmp_path: Path) -> None:
    document = written(tmp_path / "report.json", streams.EVERY_OUTCOME)

    assert document["end"] == {
        "seconds": 1.3,
        "counts": {"PASS": 2, "FAIL": 1, "ERROR": 2, "SKIP": 1, "XFAIL": 1, "FLAKY": 0},
    }
    assert [(one["path"], one["seconds"], sum(one["counts"].values())) for one in document["suites"]] == [
        (streams.FIREWALL, 0.031, 6),
        (streams.NAT, 1.24, 1),
    ]


def test_numbers_are_read_as_what_they_are_in_events() -> None:
    place = {"path": "a.yaml", "line": 4.0, "column": 1.0}  # integers, to JSON Schema
    assert repr(record.value_of(events.Place, place)) == repr(events.Place("a.yaml", 4, 1))


@pytest.mark.parametrize(("number", "is_time"), [(0, True), (86_400.5, True), (10**400, False), (float("inf"), False)])
def test_a_time_is_one_that_a_run_can_take(number: float, is_time: bool) -> None:
    assert jsonschema_rs.is_valid({"$ref": "#/$defs/seconds", "$defs": SCHEMA["$defs"]}, number) is is_time


def test_suites_of_several_workers_may_overlap(tmp_path: Path) -> None:
    first, second = streams.EVERY_OUTCOME[1:9], streams.EVERY_OUTCOME[9:12]
    mixed = [streams.EVERY_OUTCOME[0], first[0], second[0], *first[1:3], *second[1:], *first[3:], RunFinished(1.0)]

    document = written(tmp_path / "report.json", mixed)

    jsonschema.validate(document, SCHEMA)
    assert [(one["path"], len(one["results"])) for one in document["suites"]] == [
        (streams.NAT, 1),
        (streams.FIREWALL, 6),
    ]


def test_a_run_that_is_killed_leaves_the_report_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    before = written(path, streams.ALL_PASSED)
    reporter = json_report(str(path))
    for event in streams.EVERY_OUTCOME[:-1]:
        reporter(event)

    assert json.loads(path.read_bytes()) == before
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    reporter(streams.EVERY_OUTCOME[-1])
    assert json.loads(path.read_bytes()) != before


def test_a_name_that_is_not_utf_8_is_written_as_its_escape(tmp_path: Path) -> None:
    document = written(tmp_path / "report.json", streams.run_of(streams.case("\udcff é", 3)))
    assert [case["name"] for case in document["suites"][0]["results"]] == ["\\udcff é"]


@settings(max_examples=60, deadline=None)
@given(st.lists(arbitrary.cases(), max_size=4))
def test_whatever_a_case_holds_its_report_is_read_by_strict_readers(
    tmp_path_factory: pytest.TempPathFactory, cases: list[CaseFinished]
) -> None:
    path = tmp_path_factory.mktemp("any") / "report.json"
    stream = [
        streams.started(1, len(cases)),
        SuiteStarted(streams.FIREWALL, "", len(cases), streams.NOON),
        *cases,
        SuiteFinished(streams.FIREWALL, 0.5),
        RunFinished(0.6),
    ]

    document = written(path, stream)

    jsonschema_rs.validate(SCHEMA, document)
    json.dumps(document, ensure_ascii=False).encode("utf-8")  # fails at a lone surrogate, as many readers do
    assert list(record.replayed(document)) == unlike(stream)
    for line in lines(stream)[:-1]:
        assert line.isprintable()
        assert line.isascii()
        assert "##[" not in line
        jsonschema_rs.validate(EVENT, json.loads(line))


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_has_a_line_for_each_event(stream: list[Event]) -> None:
    *texts, last = lines(stream)

    assert last == ""
    plain = [json.loads(text) for text in texts]
    for one in plain:
        jsonschema.validate(one, EVENT)
    kinds = {name: kind for kind, name in record.NAMES.items()}
    assert [record.value_of(kinds[one["event"]], one) for one in plain] == unlike(stream)
