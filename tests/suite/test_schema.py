from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from bpftest.suite import schema
from bpftest.suite.document import document, read
from bpftest.suite.document_build import MAX_DEPTH
from bpftest.suite.schema import faults, schema_text
from bpftest.suite.schema_breaches import breaches
from bpftest.suite.schema_faults import EXPLANATIONS, schema_faults
from bpftest.suite.wording import MAX_FAULTS
from tests.golden import GOLDEN, assert_golden
from tests.suite.mistakes import report

ROOT = Path(__file__).parent.parent.parent
SUITES = sorted((ROOT / "suites").glob("*.yaml"))
MISTAKES = sorted(path.stem for path in (GOLDEN / "mistakes/schema").glob("*.yaml"))
SCHEMA: dict[str, Any] = json.loads(schema_text())

# Keywords that hold other schemas, or say nothing about values.
STRUCTURE = {"$schema", "$defs", "$ref", "title", "description", "properties", "items", "propertyNames", "allOf", "if"}
STRUCTURE |= {"then", "else", "x-says", "x-says-empty", "x-unknown"}


def schemas(one: Any) -> Iterator[dict[str, Any]]:
    """*one*, and all schemas inside it."""
    if not isinstance(one, dict):
        return
    yield one
    for keyword in ("properties", "$defs"):
        for inner in one.get(keyword, {}).values():
            yield from schemas(inner)
    for keyword in ("items", "propertyNames", "additionalProperties", "if", "then", "else", "not"):
        yield from schemas(one.get(keyword))
    for inner in one.get("allOf", ()):
        yield from schemas(inner)


# --- the file -----------------------------------------------------------------------------------------------------


def test_the_schema_is_that_of_the_checkout() -> None:
    assert schema_text() == (ROOT / "schemas/suite.schema.json").read_text(encoding="utf-8")


def test_an_installed_package_has_the_schema_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, beside = tmp_path / "bpftest/schemas", tmp_path / "schemas"
    monkeypatch.setattr(schema, "_FOLDERS", (str(inside), str(beside)))
    for folder, text in ((beside, "beside"), (inside, "inside")):
        folder.mkdir(parents=True)
        (folder / "suite.schema.json").write_text(text)
        schema_text.cache_clear()
        assert schema_text() == text
    schema_text.cache_clear()


def test_without_its_schema_the_installation_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_FOLDERS", ("/nowhere",))
    schema_text.cache_clear()
    with pytest.raises(FileNotFoundError, match="/nowhere"):
        schema_text()


def test_every_keyword_of_the_schema_has_its_explanation() -> None:
    used = {keyword for one in schemas(SCHEMA) for keyword in one}
    assert used - STRUCTURE - set(EXPLANATIONS) == set()


def test_what_the_schema_says_itself_is_used() -> None:
    """x-says is one text for a whole schema, so beside a pattern nothing else may need one of its own."""
    alone = {"type", "description", "pattern", "minLength", "x-says"}
    assert [one for one in schemas(SCHEMA) if "x-says" in one and "pattern" in one and set(one) - alone] == []


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_suites_of_the_project_are_valid(path: Path) -> None:
    assert faults(read(str(path))) == ()


def test_a_case_that_checks_nothing_is_refused() -> None:
    (fault,) = faults(document("f", "version: 1\ncases: [{name: x, expect: {}}]\n"))
    assert str(fault) == "f:2:27: a case that checks nothing is no test"
    assert fault.hint.startswith("known here: retval, never, output, ctx,")


# --- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_what_to_write(name: str) -> None:
    found = document(f"{name}.yaml", (GOLDEN / "mistakes/schema" / f"{name}.yaml").read_bytes())
    assert_golden(f"mistakes/schema/{name}.txt", report(faults(found), found.lines))


def told(rules: object, text: str) -> list[str]:
    """What is wrong with *text* by the schema *rules*, each with its hint."""
    found = document("f", text)
    assert jsonschema_rs.validator_for(rules).is_valid(found.data) == (not schema_faults(found, rules))
    return [f"{fault} | {fault.hint}".removeprefix("f:") for fault in schema_faults(found, rules)]


def key(rules: object) -> dict[str, Any]:
    """A mapping with one key."""
    return {"properties": {"k": rules}}


@pytest.mark.parametrize(
    ("rules", "text", "messages"),
    [
        # type
        (key({"type": "string"}), "k: 1", ["1:4: 'k' must be text, not a number | put it in quotes: \"1\""]),
        (key({"type": "string"}), "k: x", []),
        (key({"type": "integer"}), "k: 1.0", []),
        (key({"type": "integer"}), "k: 1.5", ["1:4: 'k' must be a whole number, not a number with a fraction | "]),
        (key({"type": "integer"}), "k: true", ["1:4: 'k' must be a whole number, not a boolean | "]),
        (key({"type": "integer"}), "k: x", ["1:4: 'k' must be a whole number, not text | "]),
        (key({"type": "number"}), "k: '0x10'", ["1:4: 'k' must be a number, not text | write 16"]),
        (key({"type": ["integer", "number"]}), "k: []", ["1:4: 'k' must be a number, not a list | "]),
        (key({"type": "boolean"}), "k: On", ["1:4: 'k' must be true or false, not text | write true"]),
        (key({"type": "boolean"}), "k: 'false'", ["1:4: 'k' must be true or false, not text | write false"]),
        (key({"type": "boolean"}), "k: maybe", ["1:4: 'k' must be true or false, not text | "]),
        (key({"type": "array"}), "k: {}", ["1:4: 'k' must be a list, not a mapping | begin each entry with '- '"]),
        (key({"type": "array"}), "k: x", ["1:4: 'k' must be a list, not text | write a list: [x]"]),
        (key({"type": ["string", "array"]}), "k: {}", ["1:4: 'k' must be text or a list, not a mapping | "]),
        (
            key({"type": "object"}),
            "k: a:1",
            ["1:4: 'k' must be a mapping, not text | a blank is missing after the ':'"],
        ),
        (key({"type": "object"}), "k: a", ["1:4: 'k' must be a mapping, not text | "]),
        (key({"type": "object"}), "k: 1", ["1:4: 'k' must be a mapping, not a number | "]),
        (key({"type": "object"}), "k:", ["1:1: 'k' is empty; it must be a mapping | "]),
        (key({"type": "null"}), "k: 1", ["1:4: 'k' must be empty, not a number | "]),
        (
            key({"type": ["string", "integer", "boolean"]}),
            "k: []",
            ["1:4: 'k' must be text, a whole number or true or false, not a list | "],
        ),
        (
            key({"type": "string", "enum": ["1", "2"]}),
            "k: 1",
            [
                "1:4: 'k' must be text, not a number | put it in quotes: \"1\"",
            ],
        ),
        (key({"type": "string", "enum": ["a"]}), "k: 1", ["1:4: 'k' must be text, not a number | "]),
        (
            key({"type": "string", "x-says": "'k' is what it is"}),
            "k: 1",
            ["1:4: 'k' is what it is | put it in quotes: \"1\""],
        ),
        # enum, const
        (key({"enum": ["xdp", "tc"]}), "k: xdb", ["1:4: 'k' cannot be 'xdb' | did you mean 'xdp'?"]),
        (key({"enum": ["xdp", "tc"]}), "k: XDP", ["1:4: 'k' cannot be 'XDP' | did you mean 'xdp'?"]),
        (key({"enum": ["xdp", "tc"]}), "k: nothing", ["1:4: 'k' cannot be 'nothing' | one of xdp, tc"]),
        (key({"enum": ["xdp"]}), "k: [x]", ["1:4: 'k' cannot be a list | it can only be 'xdp'"]),
        (key({"enum": [1, 2]}), "k: '2'", ["1:4: 'k' cannot be '2' | write 2, without quotes"]),
        (key({"enum": [1, True]}), "k: 1.0", []),
        (key({"enum": [1]}), "k: true", ["1:4: 'k' cannot be true | it can only be '1'"]),
        (key({"const": 1}), "k: 2", ["1:4: 'k' must be 1, not 2 | "]),
        (key({"const": True}), "k: 'true'", ["1:4: 'k' must be true, not 'true' | write true, without quotes"]),
        (key({"const": 1, "x-says": "'k' is 1"}), "k: 2", ["1:4: 'k' is 1 | "]),
        # pattern
        (key({"pattern": "^[0-9]+ns$"}), "k: 5", []),
        (key({"pattern": "^[0-9]+ns$"}), "k: 5ns", []),
        (key({"pattern": "^[0-9]+ns$"}), "k: 5s", ["1:4: 'k' cannot be '5s' | "]),
        (key({"pattern": "^[0-9]+ns$"}), 'k: "5ns\\n"', ["1:4: 'k' cannot be '5ns\\n' | "]),
        (key({"pattern": r"^\d+$"}), "k: ٣", ["1:4: 'k' cannot be '٣' | "]),
        (key({"pattern": r"^\w+$"}), "k: é", ["1:4: 'k' cannot be 'é' | "]),
        (key({"pattern": r"^a\$$"}), "k: a$", []),
        (key({"pattern": r"\$"}), "k: a$b", []),
        (
            key({"pattern": "^[0-9]+ns$", "x-says": "a time, such as 5ns"}),
            "k: 5s",
            ["1:4: 'k' must be a time, such as 5ns | "],
        ),
        (
            key({"type": "string", "pattern": "^[0-9]$", "x-says": "a digit in quotes"}),
            "k: 5",
            ["1:4: 'k' must be a digit in quotes | put it in quotes: \"5\""],
        ),
        (key({"type": "string", "pattern": "^[a-z]$"}), "k: 5", ["1:4: 'k' must be text, not a number | "]),
        # ranges
        (key({"minimum": 1, "maximum": 9}), "k: 0", ["1:4: 'k' must be from 1 to 9, not 0 | "]),
        (key({"minimum": 1}), "k: 0", ["1:4: 'k' must be at least 1, not 0 | "]),
        (key({"maximum": 9}), "k: 0x10", ["1:4: 'k' must be at most 9, not 16 | "]),
        (key({"maximum": 2**64 - 1}), f"k: {2**64}", [f"1:4: 'k' must be at most {2**64 - 1}, not {2**64} | "]),
        (key({"minimum": -(2**31), "maximum": 2**32 - 1}), f"k: [{2**32 - 1}]", []),
        # sizes
        (key({"minLength": 1}), "k: ''", ["1:4: 'k' is empty | "]),
        (key({"minLength": 3}), "k: ab", ["1:4: 'k' must have at least 3 characters | "]),
        (key({"maxLength": 1}), "k: 😀", []),
        (key({"maxLength": 1}), "k: ab", ["1:4: 'k' must have at most 1 characters | "]),
        (key({"minItems": 1}), "k: []", ["1:4: 'k' is empty | "]),
        (key({"minItems": 2, "x-says-empty": "nothing here"}), "k: []", ["1:4: nothing here | "]),
        (key({"minItems": 2, "x-says-empty": "nothing here"}), "k: [a]", ["1:4: 'k' must have at least 2 entries | "]),
        (key({"maxItems": 1}), "k: [a, b]", ["1:4: 'k' must have at most 1 entries | "]),
        (key({"minProperties": 1}), "k: {}", ["1:4: 'k' is empty | "]),
        (key({"minProperties": 1, **key({})}), "k: {}", ["1:4: 'k' is empty | known here: k"]),
        (
            {"minProperties": 1, "maxProperties": 1, "properties": {"a": {}, "b": {}}},
            "{a: 1, b: 2}",
            ["1:1: a suite takes exactly one key | give one of a, b"],
        ),
        (
            key({"minProperties": 1, "maxProperties": 1, "properties": {"a": {}, "b": {}}}),
            "k: {}",
            ["1:4: 'k' takes exactly one key | give one of a, b"],
        ),
        (
            key({"uniqueItems": True}),
            "k: [a, [b], a, [b], a]",
            ["1:13: 'k' has 'a' twice | ", "1:16: 'k' has a list twice | ", "1:21: 'k' has 'a' twice | "],
        ),
        (key({"uniqueItems": True}), "k: [1, true, '1']", []),
        (key({"uniqueItems": True}), "k: [{a: 1, b: 2}, {b: 2, a: 1}]", ["1:19: 'k' has a mapping twice | "]),
        # items
        (
            {"items": {"type": "string"}},
            "- a\n- 1",
            ['2:3: entry 2 of the list must be text, not a number | put it in quotes: "1"'],
        ),
        (
            key({"items": {"items": {"type": "string"}}}),
            "k: [[1]]",
            ["1:6: entry 1 of 'k' must be text, not a number | put it in quotes: \"1\""],
        ),
        # keys
        (
            {"additionalProperties": False, "properties": {"repeat": {}, "cpu": {}}},
            "repaet: 1\nfoo: 2",
            ["1:1: unknown key 'repaet' | did you mean 'repeat'?", "2:1: unknown key 'foo' | known here: repeat, cpu"],
        ),
        (
            {"additionalProperties": False, "properties": {"repeat": {}}, "x-unknown": {"times": "say 'repeat'"}},
            "times: 1",
            ["1:1: unknown key 'times' | say 'repeat'"],
        ),
        (
            {"additionalProperties": {"type": "string"}},
            "a: 1",
            ["1:4: 'a' must be text, not a number | put it in quotes: \"1\""],
        ),
        ({"propertyNames": {"pattern": "^[a-z]$"}}, "1a: 1\nb: 2", ["1:1: the key '1a' is not valid | "]),
        (
            {"propertyNames": {"pattern": "^[a-z]$", "x-says": "a letter"}},
            "b: 1\nab: 2",
            ["2:1: the key 'ab' must be a letter | "],
        ),
        (
            {"propertyNames": {"enum": ["left", "right"]}},
            "lfet: 1",
            ["1:1: the key 'lfet' is not valid | did you mean 'left'?"],
        ),
        (
            key({"propertyNames": {"maxLength": 1}}),
            "k: {ab: 2}",
            ["1:5: the key 'ab' must have at most 1 characters | "],
        ),
        ({"required": ["a", "b"]}, "c: 1", ["1:1: missing key 'a' | ", "1:1: missing key 'b' | "]),
        (
            {"required": ["a"], "properties": {"a": {"description": "The first. It is."}}},
            "c: 1",
            ["1:1: missing key 'a' | The first."],
        ),
        (
            {"required": ["expect"], "properties": {"expect": {}}, "additionalProperties": False},
            "expct: 1",
            ["1:1: unknown key 'expct' | did you mean 'expect'?"],
        ),
        (
            {"dependentRequired": {"a": ["b", "c"]}, "properties": {"b": {}}},
            "{b: 1, a: 1}",
            ["1:8: 'a' needs 'c' beside it | "],
        ),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["c"]}},
            "{b: 1, a: 1}",
            ["1:8: 'a' needs 'c' beside it | "],
        ),
        (
            {"propertyNames": {"not": {"const": "none"}, "x-says": "a name other than none"}},
            "none: 1",
            ["1:1: the key 'none' must be a name other than none | "],
        ),
        ({"propertyNames": {"not": {"const": "none"}}}, "none: 1", ["1:1: the key 'none' is not valid | "]),
        (
            key({"minProperties": 1, "x-says-empty": "nothing here", **key({})}),
            "k: {}",
            ["1:4: nothing here | known here: k"],
        ),
        # not, false
        ({"not": {"required": ["a", "b"]}}, "a: 1\nb: 2", ["2:1: 'a' and 'b' do not go together | "]),
        ({"not": {"required": ["a", "b"]}, "x-says": "a or b"}, "a: 1\nb: 2", ["2:1: a or b | "]),
        ({"not": {"required": ["a"]}}, "b: 1\na: 2", ["2:1: 'a' cannot be given here | "]),
        (key({"not": {"const": False}}), "k: false", ["1:4: 'k' is not valid | "]),
        (key({"not": {"const": False}, "x-says": "'k' is true"}), "k: false", ["1:4: 'k' is true | "]),
        (key({"not": {}}), "k: false", ["1:1: 'k' cannot be given here | "]),
        (key({"not": {}, "x-says": "no 'k' please"}), "k: false", ["1:1: no 'k' please | "]),
        (key(False), "k: 1", ["1:1: 'k' cannot be given here | "]),
        (False, "k: 1", ["1:1: a suite cannot be given here | "]),
        # if, allOf, $ref
        (
            {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"properties": {"b": False}}},
            "a: 1",
            ["1:1: missing key 'b' | "],
        ),
        (
            {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"properties": {"b": False}}},
            "c: 1\nb: 2",
            ["2:1: 'b' cannot be given here | "],
        ),
        (
            {"allOf": [key({"minimum": 2}), {"required": ["a"]}]},
            "k: 1",
            ["1:1: missing key 'a' | ", "1:4: 'k' must be at least 2, not 1 | "],
        ),
        (
            {"$defs": {"n": {"type": "integer"}}, **key({"$ref": "#/$defs/n"})},
            "k: x",
            ["1:4: 'k' must be a whole number, not text | "],
        ),
        (
            {"allOf": [key({"type": "string"}), key({"type": "string"})]},
            "k: 1",
            ["1:4: 'k' must be text, not a number | put it in quotes: \"1\""],
        ),
        # what no explanation knows
        (key({"multipleOf": 4}), "k: 3", ["1:4: 'k' is not valid | "]),
        (key({"multipleOf": 4, "x-says": "'k' is a multiple of 4"}), "k: 3", ["1:4: 'k' is a multiple of 4 | "]),
    ],
)
def test_a_broken_rule_is_told_in_the_words_of_a_suite(rules: object, text: str, messages: list[str]) -> None:
    assert told(rules, text) == messages


def test_what_follows_from_a_wrong_type_is_left_out() -> None:
    rules = {"properties": {"k": {"type": "string", "enum": ["a"], "not": {"const": 1}, "minimum": 2}}}
    assert told(rules, "k: 1") == ["1:4: 'k' must be text, not a number | "]


def test_the_same_mistake_in_an_aliased_value_is_told_once() -> None:
    rules = {"additionalProperties": {"additionalProperties": False, "properties": {"b": {"type": "string"}}}}
    assert told(rules, "x: &x {b: 1, c: 2}\ny: *x\nz: *x\n") == [
        "1:11: 'b' must be text, not a number | put it in quotes: \"1\"",
        "1:14: unknown key 'c' | known here: ",
    ]


def test_a_value_that_a_variable_gave_is_told_by_its_name() -> None:
    found = document("f", "k: $n\n")
    found.data["k"] = "x"
    (fault,) = schema_faults(found, key({"type": "integer"}))
    assert (str(fault), fault.hint) == ("f:1:4: 'k' must be a whole number, not text", "$n stands for x")


def test_mistakes_come_in_the_order_of_the_file_and_not_without_end() -> None:
    rules = {"properties": {"b": {"items": {"type": "string"}}, "a": {"type": "string"}}}
    found = told(rules, f"a: 1\nb: [{'2, ' * (MAX_FAULTS + 50)}]\n")
    assert [line.partition(" ")[0] for line in found[:3]] == ["1:4:", "2:5:", "2:8:"]
    assert found[MAX_FAULTS - 1 :] == [
        f"2:{5 + 3 * 98}: entry 99 of 'b' must be text, not a number | put it in quotes: \"2\"",
        f"2:{5 + 3 * 99}: there are more mistakes from here on | ",
    ]


def test_a_mistake_at_the_deepest_level_is_told() -> None:
    rules = {
        "$ref": "#/$defs/v",
        "$defs": {
            "v": {"allOf": [{"if": True, "then": {"additionalProperties": {"$ref": "#/$defs/v"}}}], "type": "object"}
        },
    }
    (found,) = told(rules, "{a: " * (MAX_DEPTH) + "1" + "}" * MAX_DEPTH)
    assert found == f"1:{4 * MAX_DEPTH + 1}: 'a' must be a mapping, not a number | "


def test_a_document_that_only_one_validator_refuses_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    found = document("f", "a: 1")
    found.data["a"] = float(
        2**64
    )  # which no document holds: jsonschema takes it for the integer, jsonschema_rs does not
    monkeypatch.setattr(schema, "schema_text", lambda: json.dumps({"properties": {"a": {"enum": [2**64]}}}))
    schema._validator.cache_clear()
    with pytest.raises(RuntimeError, match="jsonschema_rs refuses what jsonschema accepts"):
        faults(found)


@pytest.fixture(autouse=True)
def _real_schema_afterwards() -> Iterator[None]:
    yield
    schema_text.cache_clear()
    schema._validator.cache_clear()


# --- the two validators agree -------------------------------------------------------------------------------------

VALUES = [
    *(None, True, False, 0, 1, -1, 255, 4096, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 2**127, 1.5, -0.25, 1e-9),
    *("", " ", "x", "5", "5s", "5s\n", "1.5ms", "٣s", ">=6.4", " >= 6.4 , <7", "XDP_PASS", "xdp", "true", "yes", "$x"),
    *("Ether()/IP()", "NET_SCH_INGRESS", "IP.ttl", "IP[2].dst", "a b", "é", "😀", "\0", "\x7f", "a\n", "valid"),
    *([], [[]], {}, {"": None}, ["x", "x"], [1, 1.5, True], {"x": 1}, ["any_alignment"], {"file": "x"}, {"hex": "00"}),
]


def holders(data: Any) -> Iterator[Any]:
    """Each mapping and list in *data* that is not empty."""
    if isinstance(data, (dict, list)) and data:
        yield data
        for inner in data.values() if isinstance(data, dict) else data:
            yield from holders(inner)


def mutated(data: Any, names: list[str], chance: random.Random) -> Any:
    """*data* with one to three changes: a value replaced, a key renamed, an entry lost, doubled or moved elsewhere."""
    data = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        all_holders = list(holders(data))
        if not all_holders:
            break
        holder, other = chance.choice(all_holders), chance.choice(all_holders)
        where = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        what = copy.deepcopy(holder[where])
        change = chance.randrange(5)
        if change < 2:
            holder[where] = copy.deepcopy(chance.choice(VALUES))
        elif change == 2:
            del holder[where]
        elif isinstance(other, dict):
            other[chance.choice(names)] = what
        else:
            other.append(what)
    return data


def test_both_validators_agree_about_thousands_of_changed_suites() -> None:
    chance = random.Random(1)  # noqa: S311 - the same changes each time
    accept = jsonschema_rs.validator_for(SCHEMA).is_valid
    names = sorted({name for one in schemas(SCHEMA) for name in one.get("properties", ())} | {"", "x", "é"})
    suites = [read(str(path)).data for path in SUITES]
    small = [{**suite, "cases": [case]} for suite in suites for case in suite["cases"]]
    verdicts = []
    for _ in range(3000):
        found = document("f", "a: 1")
        found.data = mutated(chance.choice(small), names, chance)
        verdicts.append(accept(found.data))
        assert verdicts[-1] == (not any(breaches(found, SCHEMA))), found.data
    assert min(verdicts.count(True), verdicts.count(False)) > 300


def test_every_mistake_in_a_changed_suite_is_told_at_a_place_and_in_our_words() -> None:
    chance = random.Random(2)  # noqa: S311 - the same changes each time
    names = sorted({name for one in schemas(SCHEMA) for name in one.get("properties", ())} | {"x"})
    suites = [read(str(path)).data for path in SUITES]
    foreign = re.compile(r"schema|propert|valid under|does not match|required|\bNone\b|\bTrue\b|instance|[{}]")
    for _ in range(300):
        text = yaml.dump(mutated(chance.choice(suites), names, chance), Dumper=yaml.CSafeDumper, allow_unicode=True)
        found = document("f", text.replace("\x7f", "").replace("\0", ""))
        for fault in faults(found):
            assert fault.place
            assert found.lines(fault.place.line, fault.place.line)
            assert not foreign.search(re.sub(r"'.*'", "", fault.what)), fault.what
