"""Bytes as text, in the way that another value of their type is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.maps import declared
from bpftest.values import alike, plainly

FLOW = bytes([10, 0, 0, 1, 2, 0, 0, 0, 0, 1, 3, 0])  # struct flow of kept.bpf.c


@pytest.mark.parametrize(
    ("table", "data", "like", "text"),
    [
        ("flows", FLOW, None, "{packets: 16777226, mac: 02:00:00:00:00:01, flags: 3}"),
        ("flows", FLOW, {"packets": "192.0.2.1"}, "{packets: 10.0.0.1, mac: 02:00:00:00:00:01, flags: 3}"),
        (
            "flows",
            FLOW,
            {"packets": {"be32": 1}, "mac": [0, 0]},
            "{packets: 167772161, mac: [2, 0, 0, 0, 0, 1], flags: 3}",
        ),
        (
            "flows",
            FLOW,
            {"struct": "flow", "fields": {"packets": "192.0.2.1"}},
            "{packets: 10.0.0.1, mac: 02:00:00:00:00:01, flags: 3}",
        ),
        ("flows", FLOW, {"hex": "00"}, "0a 00 00 01 02 00 00 00 00 01 03 00"),
        ("counts", bytes([5, 0, 0, 0, 0, 0, 0, 0]), 1, "5"),
        ("counts", bytes([5, 0, 0, 0, 0, 0, 0, 0]), {"be64": 1}, "360287970189639680"),
    ],
)
def test_what_is_there_is_told_as_the_suite_writes_it(
    build: Callable[..., str], table: str, data: bytes, like: object, text: str
) -> None:
    types = Btf(read_object(build("kept")).btf)
    value = declared(types, table).value
    assert value is not None

    assert alike(types, value, data, like) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"ttl": 5, "peer": "10.0.0.9"}, "{ttl: 5, peer: 10.0.0.9}"),
        ([True, {"percpu": [1, 2]}, 1.5], "[true, {percpu: [1, 2]}, 1.5]"),
    ],
)
def test_a_value_is_written_without_the_quotes_of_yaml(value: object, text: str) -> None:
    assert plainly(value) == text
