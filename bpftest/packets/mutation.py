"""A packet with one of its fields set to another value.

Of an expression it is what the same expression gives with that field written into it: checksums and lengths that it
leaves to Scapy are computed of the changed packet. Of bytes (a capture, hex, bytes(..)) the bits of the field are
replaced where Scapy reads it, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.packets.sources import Packet, cache_key, contents, expression_text, hex_bytes, packet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.packets.sources import Scope

BESIDE = ("pad_to", "metadata")  # keys beside an expression


class Mutation(NamedTuple):
    """A field that gets another value."""

    field: str  # "IP.ihl", "IP[2].ttl"
    value: int | str  # as an expression would have it


def mutated(source: str | Mapping[str, Any], mutation: Mutation, scope: Scope) -> Packet:
    """The packet of *source* with *mutation*.

    Raises SourceError with the key "field" for a field that the packet does not have, SuiteError for a value that the
    field does not take.
    """
    text = _expression(source, scope)
    given = packet(source, scope) if text is None else None
    of = cache_key(text or "", scope) if given is None else repr((given, scope.headers if given.chain else None))
    key = "\0".join(("set", mutation.field, repr(mutation.value), of))
    known = scope.cache.get(key) if scope.cache else None
    if known is None:
        from bpftest.packets import asking

        if given is None:
            known = asking.built_with(text or "", contents(text or "", scope), *mutation, scope)
        else:
            known = asking.replaced(given, *mutation, scope)
        if scope.cache:
            scope.cache.put(key, *known)
    data, link, names = known
    if given is not None:
        return given._replace(data=data)
    return _completed(Packet(data, b"", link, names), source)


def _expression(source: str | Mapping[str, Any], scope: Scope) -> str | None:
    """The expression that *source* is, maybe with keys beside it; None if it is bytes."""
    if isinstance(source, str):
        named = scope.packets.get(source)
        return source if named is None or expression_text(named) is not None else None
    return expression_text({key: value for key, value in source.items() if key not in BESIDE})


def _completed(made: Packet, source: str | Mapping[str, Any]) -> Packet:
    """*made* with what stands beside the expression of *source*, which has been read once and is right."""
    if isinstance(source, str):
        return made
    metadata = hex_bytes(source["metadata"], "metadata") if "metadata" in source else b""
    return made._replace(data=made.data.ljust(source.get("pad_to", 0), b"\0"), metadata=metadata)
