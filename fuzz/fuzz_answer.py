"""What a confined process says that somebody has taken over: it is believed to be no more than an answer."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from bpftest.errors import ProgramError
from bpftest.packets import asking
from bpftest.packets.sources import Packet, Scope, SourceError
from fuzz.mutation import Trees
from fuzz.process import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

PACKET = Packet(b"\0" * 20, link="ip")


def seeds() -> Iterator[bytes]:
    """Answers as they should be."""
    difference = ["IP.ttl", 8, "64", "63", False]
    made = (["00ff", "ip", ["IP"]], "00ff", ["00"], [difference], ["IP()", "nothing"], None)
    for said in (*(["made", one] for one in made), ["mistake", ["what", "hint", "key", [0, 1], 1]], ["unloaded", None]):
        yield json.dumps(said).encode()
        yield json.dumps(["made", [said, said]]).encode()


def one(data: bytes) -> None:
    """Each question gets a value of its own form, or an error of bpftest; what the answer calls a bug, a traceback."""
    with answering(lambda _request: data):
        for ask in _questions(Scope(), iter(("IP()", "IP()/UDP()"))):
            try:
                ask()
            except (SourceError, ProgramError) as error:
                assert error.what
            except RuntimeError as error:
                assert b"bug" in data, error


def _questions(scope: Scope, coming: Iterator[str]) -> Iterator[functools.partial[object]]:
    scope.coming = coming
    yield functools.partial(asking.built, "IP()", {}, scope)
    yield functools.partial(asking.built, "c", {"c": b""}, scope)
    yield functools.partial(asking.replaced, PACKET, "IP.ttl", 1, scope)
    yield functools.partial(asking.mask_without, ("IP.ttl",), PACKET, scope)
    yield functools.partial(asking.differences, b"a", b"b", "", None, (), scope)
    yield functools.partial(asking.snapshot_lines, b"a", "", (), scope)
    yield functools.partial(asking.view, PACKET, scope)
    yield functools.partial(asking.written, PACKET, scope)
    yield functools.partial(_checked, scope)


def _checked(scope: Scope) -> object:
    return asking.field_checks({"IP.ttl": 1}, scope)(b"a", "", ())


@functools.cache
def _trees() -> Trees:
    return Trees(seeds())


def mutated(data: bytes, random: Random) -> bytes:
    """An answer with a piece changed."""
    return _trees().mutated(data, random)
