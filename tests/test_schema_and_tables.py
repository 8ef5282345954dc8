"""The schema is written by hand: where it lists what a table of the code holds, both are the same."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from bpftest.expectations import EXPECTATIONS, records
from bpftest.expectations.ctx import KINDS
from bpftest.expectations.duration import STATISTICS
from bpftest.expectations.map_forms import FORMS
from bpftest.expectations.output import OUTPUT_PARTS, PACKET_KEYS
from bpftest.expectations.record_forms import COMPANIONS
from bpftest.kernel.door import Benchmark
from bpftest.kernel.probes import FEATURES
from bpftest.packets.headers import TYPES
from bpftest.packets.sources import COMPANIONS as COMPANIONS_OF_SOURCES
from bpftest.packets.sources import PACKET_MAX, SOURCES
from bpftest.plan.ctx import KEYS
from bpftest.plan.program import LOAD_FLAGS
from bpftest.progtypes import PROG_TYPES, RUN_FLAGS
from bpftest.progtypes.flow_dissector import FLOW_KEYS
from bpftest.progtypes.hooks import HOOKS
from bpftest.suite.model import Load, Requires, Source
from bpftest.suite.parse import NETWORK, OF_A_RUN, PROGRAM_KEYS
from bpftest.suite.schema import schema_text
from bpftest.suite.tables import TABLE_KEYS
from bpftest.values.forms import ADDRESSES, NUMBERS

SCHEMA: dict[str, Any] = json.loads(schema_text())
DEFS: dict[str, Any] = SCHEMA["$defs"]
EXPECT = DEFS["expect"]["properties"]
FEATURE = DEFS["requires"]["properties"]["features"]

CONTEXTS = {entry.ctx.struct: entry.ctx for entry in PROG_TYPES.values() if entry.ctx is not None}

# What the schema says, and what the code has.
PAIRS: dict[str, tuple[Any, Any]] = {
    "type": (DEFS["type"]["enum"], PROG_TYPES),
    "load": (DEFS["load"]["properties"], Load._fields),
    "load.flags": (DEFS["load"]["properties"]["flags"]["items"]["enum"], LOAD_FLAGS),
    "source": (DEFS["source"]["properties"], Source._fields),
    "flags": (DEFS["flags"]["items"]["enum"], RUN_FLAGS),
    "requires": (DEFS["requires"]["properties"], Requires._fields),
    "requires.features": (
        FEATURE["items"]["pattern"].removeprefix("^(").partition("|kfunc:")[0].split("|"),
        FEATURES,
    ),
    "packet": (DEFS["packet"]["properties"], {*SOURCES, *COMPANIONS_OF_SOURCES.values(), "pad_to", "metadata", "from"}),
    "header_field.type": (DEFS["header_field"]["properties"]["type"]["enum"], TYPES),
    "benchmark": (DEFS["benchmark"]["properties"], Benchmark._fields),
    "live.hook": (DEFS["live"]["properties"]["hook"]["enum"], HOOKS),
    "expect": (EXPECT, EXPECTATIONS),
    "expect.duration.statistic": (EXPECT["duration"]["properties"]["statistic"]["enum"], STATISTICS),
    "expect.output": (
        EXPECT["output"]["properties"],
        {*PACKET_KEYS, *OUTPUT_PARTS, "index", "pad_to", "metadata", "ignore", "prefix"},
    ),
    "expect.output.flow_keys": (EXPECT["output"]["properties"]["flow_keys"]["properties"], FLOW_KEYS.members),
    "expect.maps": (EXPECT["maps"]["additionalProperties"]["properties"], {*FORMS, *records.KEYS}),
    "expect.ctx": (
        {*EXPECT["ctx"]["properties"]},
        {name for ctx in CONTEXTS.values() for name in ctx.returned} | {"state", "hex"},
    ),
    "expected_record": (
        DEFS["expected_record"]["properties"],
        {*COMPANIONS, *itertools.chain(*COMPANIONS.values()), *NUMBERS, *ADDRESSES},
    ),
    "defaults": (
        {*SCHEMA["properties"]["defaults"]["properties"]},
        {*DEFS["case"]["properties"]} - {"name", "expect", "steps", "sweep", *TABLE_KEYS},
    ),
    "step": (
        {*DEFS["step"]["properties"]},
        {"name", "program", "type", "attach_type", "expect", "benchmark", *OF_A_RUN} - {"sockets", *NETWORK},
    ),
}


@pytest.mark.parametrize("key", PAIRS)
def test_a_list_of_the_schema_is_that_of_the_code(key: str) -> None:
    said, there = set(PAIRS[key][0]), set(PAIRS[key][1])

    assert said - there == set(), f"{key}: the schema knows what the code does not"
    assert there - said == set(), f"{key}: the schema lacks what the code has"


def test_the_ctx_knows_every_member_that_can_be_set() -> None:
    settable = {name for ctx in CONTEXTS.values() for name in ctx.settable} | {
        key for keys in KEYS.values() for key in keys
    }
    members = {name for ctx in CONTEXTS.values() for name in ctx.members}
    known = set(DEFS["ctx"]["properties"])

    assert settable - known == set(), "the schema lacks these"
    assert known - settable - members == set(), "no type has these"


@pytest.mark.parametrize("struct", ["struct xdp_md", "struct __sk_buff"])
def test_a_member_that_the_kernel_refuses_is_known_for_cases_that_expect_an_errno(struct: str) -> None:
    assert CONTEXTS[struct].members.keys() - DEFS["ctx"]["properties"].keys() == set()


@pytest.mark.parametrize("struct", CONTEXTS)
def test_no_number_of_the_ctx_is_larger_than_its_member(struct: str) -> None:
    for name in CONTEXTS[struct].settable:
        said, member = DEFS["ctx"]["properties"][name], CONTEXTS[struct].members[name]
        maximum = said.get("maximum", said.get("items", {}).get("maximum"))
        assert (maximum is None) == bool(member.form in ("ip4", "ip6")), name
        assert maximum is None or maximum < 1 << 8 * member.size, name


@pytest.mark.parametrize("text", [FEATURE["description"], FEATURE["items"]["x-says"]])
def test_the_texts_on_features_name_them_all(text: str) -> None:
    assert re.findall(r"\w+_\w+", text) == list(FEATURES)


def test_the_description_of_the_run_flags_names_them_all() -> None:
    assert [flag for flag in RUN_FLAGS if flag not in DEFS["flags"]["description"]] == []


def test_constants_that_descriptions_name_are_known() -> None:
    for name, said in DEFS["ctx"]["properties"].items():
        named = set(re.findall(r"\b(?:AF|IPPROTO|NF_INET|NFPROTO|BPF_FLOW_DISSECTOR_F)_\w+", said["description"]))
        constants = {one for ctx in CONTEXTS.values() if name in ctx.members for one in ctx.members[name].names}
        assert named <= constants, name


def test_packets_have_the_same_largest_size_everywhere() -> None:
    of_packets = [DEFS["packet"]["properties"], EXPECT["output"]["properties"]]

    assert {one[key]["maximum"] for one in of_packets for key in ("zeros", "length", "pad_to")} == {PACKET_MAX}


def test_the_keys_that_name_a_program_are_those_of_a_case() -> None:
    assert set(PROGRAM_KEYS) - DEFS["case"]["properties"].keys() == set()
    assert set(PROGRAM_KEYS) - SCHEMA["properties"].keys() == set()


def test_every_kind_of_ctx_is_read_and_those_that_come_back_are_checked() -> None:
    kinds = {entry.ctx_kind for entry in PROG_TYPES.values() if entry.ctx_kind}

    assert kinds == {"struct", *KEYS}
    assert {entry.ctx_kind for entry in PROG_TYPES.values() if "ctx" in entry.gives_back} == KINDS.keys()
