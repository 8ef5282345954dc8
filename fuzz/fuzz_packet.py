"""Bytes that a program gave back, read in all the ways that the confined process reads them; here unconfined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.packets.snapshots import data_of
from fuzz.fuzz_expression import asked

if TYPE_CHECKING:
    from collections.abc import Iterator

LINKS = ("", "ethernet", "ip")
CHAINS = ((), ("Ether", "IP", "UDP", "H"), ("H", "H"))
FIELDS = ("IP.ttl", "TCP.options", "IPv6.dst", "H.x", "Ether.type", "IP[2].chksum")


def seeds() -> Iterator[bytes]:
    """The packets of the tests, each as what a link may hold."""
    from tests.packets.corpus import TEXTS

    for number, text in enumerate(TEXTS):
        if made := asked("built", text, {}):
            yield bytes([number % len(LINKS), 0]) + bytes.fromhex(made[0])


def one(data: bytes) -> None:
    """What is told of them is about the same bytes."""
    link, chain = LINKS[data[0] % len(LINKS)] if data else "", CHAINS[data[1] % len(CHAINS)] if data[1:] else ()
    packet, changed = data[2:], data[2:20] + data[22:]
    lines = asked("snapshot_lines", packet, link, chain)
    assert data_of(lines) == packet, lines
    assert asked("view", packet, link, chain) is not None
    assert asked("written", packet, link, chain) is not None
    assert bool(asked("differences", packet, changed, link, None, chain)) == (packet != changed)
    field = FIELDS[len(packet) % len(FIELDS)]
    asked("mask_without", (field,), packet, link, chain)
    asked("replaced", packet, link, chain, field, 7)
