"""A Scapy expression, as the confined process computes it, and what is then told of the packet; here unconfined."""

from __future__ import annotations

import functools
import json
import marshal
from typing import TYPE_CHECKING, Any

from bpftest.packets import layers
from bpftest.packets.answering import Answers
from fuzz.mutation import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

VARIABLES = {"a": 1, "b": "text", "ttl": 64}
PACKETS = {"c": "IP()/UDP()", "d": "c/Raw(b'x')/c", "circle": "Ether()/circle"}
HEADERS = {"H": [{"name": "x", "type": "u8"}, {"name": "y", "type": "u16"}]}
EXTRA = ("H(x=1)/c", "d[UDP]", "bytes(d)[4:8]", "c/H()/Raw('x'*3)", "circle")


@functools.cache
def answers() -> Answers:
    """What computes; it knows the names above."""
    layers.load_all()
    made = Answers()
    made.answer(marshal.dumps(((VARIABLES, PACKETS, HEADERS), "all_built", ((),))))
    return made


def asked(function: str, *arguments: object) -> Any:
    """What *function* of the confined process gives; None where that is a mistake."""
    kind, said = json.loads(answers().answer(marshal.dumps((None, function, arguments))))
    assert kind in {"made", "mistake"}, said
    if kind == "mistake":
        what, _, _, span, _ = said
        assert what
        assert span is None or span[0] >= 0 < span[1], said
    return said if kind == "made" else None


def seeds() -> Iterator[bytes]:
    """The expressions of the tests."""
    from tests.packets.corpus import TEXTS

    yield from (text.encode() for text in (*TEXTS, *EXTRA))


def one(data: bytes) -> None:
    """The same bytes twice, or the same mistake."""
    text = data.decode("utf-8", "replace")
    made = asked("built", text, {})
    assert made == asked("built", text, {})


@functools.cache
def _texts() -> Texts:
    return Texts(seeds())


def mutated(data: bytes, random: Random) -> bytes:
    """An expression with words of another one."""
    return _texts().mutated(data, random)
