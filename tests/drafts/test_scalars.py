from __future__ import annotations

import pytest
import yaml

from bpftest.drafts.scalars import flow, key, scalar
from bpftest.suite.document import document
from bpftest.suite.variables import substitute

TEXTS = [
    *("plain", "two words", "a-b_c.d", "10.0.0.0/8", "::", "02:00:00:00:00:01", "a: b", "a #b", "#", "- a", "-", "? a"),
    *("'", '"', "\\", "a, b", "[a]", "{a}", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "", " ", " a", "a ", "..."),
    *("$", "$$", "$name", "${name}", "a$", "null", "~", "true", "No", "on", "y", "1", "1.5", "0x10", "007", "1e3"),
    *("línea", "数据包", "\x07", "\x1b[31m", "a\nb: c", "\u2028", "\x85", "\u202e", "😀"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_back_as_it_is_wherever_it_stands(text: str) -> None:
    where = f"block: {scalar(text)}\nflow: {{value: {scalar(text)}, list: [{scalar(text)}]}}\n{key(text)}: 1\n"

    read = document("suite.yaml", where)
    substitute(read)

    assert read.data == {"block": text, "flow": {"value": text, "list": [text]}, text: 1}


@pytest.mark.parametrize("text", TEXTS)
def test_readers_of_yaml_1_1_take_it_for_the_same(text: str) -> None:
    assert yaml.safe_load(f"{key(text)}: {key(text)}") == {text: text}


@pytest.mark.parametrize(
    "text", ["firewall", "XDP_PASS", "10.0.0.1", "cap tures/a-b.pcap", "READ|WRITE", "frame $number"]
)
def test_what_needs_no_quotes_has_none(text: str) -> None:
    assert key(text) == text


def test_values_of_any_kind_are_written_in_a_line() -> None:
    value = {"a": [1, -2, True, 1.5], "b": {"hex": "00 ff", "on": "$x"}, "c": ()}

    assert flow(value) == '{a: [1, -2, true, 1.5], b: {hex: 00 ff, "on": $$x}, c: []}'
