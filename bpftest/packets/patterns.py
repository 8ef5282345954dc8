"""What an expected packet is when it is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.packets.sources import COMMENT, NOT_HEX, SourceError, hex_bytes, packet

if TYPE_CHECKING:
    from bpftest.packets.sources import Packet, Scope


class Pattern(NamedTuple):
    """Bytes to compare with, and which of their bits count."""

    value: bytes  # where bits do not count, whatever the source says or 0
    mask: bytes | None = None  # as long as value: a bit 1 counts; None: all bits count
    prefix: bool = False  # what follows value may be anything
    metadata: bytes | None = None  # expected XDP metadata, if the source gives one
    link: str = ""  # as in sources.Packet
    chain: tuple[str, ...] = ()  # as in sources.Packet

    def compared(self, data: bytes) -> bytes:
        """The part of *data* that is compared: all of it, or for a prefix as many bytes as value has."""
        return data[: len(self.value)] if self.prefix else data

    def matches(self, data: bytes) -> bool:
        """Whether *data*, a packet without its metadata, is what is expected."""
        if self.mask is None:
            return data.startswith(self.value) if self.prefix else data == self.value
        compared = self.compared(data)
        if len(compared) != len(self.value):
            return False
        different = int.from_bytes(compared, "big") ^ int.from_bytes(self.value, "big")
        return not different & int.from_bytes(self.mask, "big")


def pattern(source: str | Mapping[str, Any], scope: Scope) -> Pattern:
    """The pattern of an expected packet: every packet source; `*` nibbles in `hex`; `prefix`; `ignore`.

    Raises SourceError.
    """
    if isinstance(source, str):
        made = packet(source, scope)
        return Pattern(made.data, metadata=made.metadata or None, link=made.link, chain=made.chain)
    plain = {key: value for key, value in source.items() if key not in ("prefix", "ignore")}
    mask = None
    if "*" in str(plain.get("hex", "")):
        plain["hex"], mask = _starred(plain["hex"])
    made = packet(plain, scope)
    if mask is not None:
        mask = mask.ljust(len(made.data), b"\xff")
    if source.get("ignore"):
        mask = _and(mask, _ignoring(source["ignore"], made, scope))
    metadata = made.metadata if "metadata" in source else made.metadata or None
    return Pattern(made.data, mask, bool(source.get("prefix")), metadata, made.link, made.chain)


def _starred(text: str) -> tuple[str, bytes]:
    """(hex with 0 for each *, mask that is 0 there)."""
    bare = COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    wrong = NOT_HEX.search(bare.replace("*", "0"))
    if wrong:
        raise SourceError(f"'{wrong[0]}' is not a hex digit", "* is any nibble", key="hex", span=(wrong.start(), 1))
    zeroed = bare.replace("*", "0")
    as_mask = "".join("0" if one == "*" else "f" if one.isalnum() else one for one in bare)
    hex_bytes(zeroed, "hex")
    return zeroed, hex_bytes(as_mask, "hex")


def _and(left: bytes | None, right: bytes) -> bytes:
    """The bits that are 1 in both; *left* None is all ones."""
    if left is None:
        return right
    return (int.from_bytes(left, "big") & int.from_bytes(right, "big")).to_bytes(len(right), "big")


def _ignoring(names: Sequence[str], made: Packet, scope: Scope) -> bytes:
    """The mask of the packet in which the fields *names* do not count; out of the cache, if it is there."""
    declared = repr(scope.headers) if made.chain else ""
    key = "\0".join(("ignore", made.link, *made.chain, declared, made.data.hex(), *names))
    known = scope.cache.get(key) if scope.cache else None
    if known:
        return known[0]
    from bpftest.packets.asking import mask_without

    mask = mask_without(names, made, scope)
    if scope.cache:
        scope.cache.put(key, mask)
    return mask
