"""A suite's `packet:` → bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from bpftest.packets.cache import Cache
    from bpftest.packets.snapshots import Snapshots

    Contents = Mapping[str, bytes | tuple[str, str]]  # by name: the bytes, or (what is wrong, hint)

PACKET_MAX = 73_152  # bytes: what XDP takes with all its fragments
FILE_MAX = 128 << 10  # bytes
BUILD_SECONDS = 10.0

NOT_HEX = re.compile(r"[^0-9A-Fa-f\s:]")
COMMENT = re.compile(r"#[^\n]*")
WORDS = re.compile(r"[A-Za-z_]\w*")

_NONE: Mapping[str, Any] = MappingProxyType({})


class SourceError(SuiteError):
    """A mistake in a packet source; *key*: the sub-key that is wrong ("hex", "scapy", ...), "" for plain text.

    ``span`` is inside the text of that key's value; *index*: of the entry, where the value is a list.
    """

    def __init__(
        self, what: str, hint: str = "", key: str = "", span: tuple[int, int] | None = None, index: int | None = None
    ) -> None:
        super().__init__(what, hint, span=span)
        self.key = key
        self.index = index


class Packet(NamedTuple):
    """The bytes of a packet, as the program is to see them."""

    data: bytes  # without metadata
    metadata: bytes = b""  # XDP metadata, before the packet
    link: str = ""  # the first header, if the source tells it: "ethernet", "ip" (IPv4 or IPv6), "" not known
    chain: tuple[str, ...] = ()  # its headers, where the suite declares one of them: only so they can be read again


class Scope:
    """What a packet source of one suite may name."""

    __slots__ = (
        "cache",
        "coming",
        "contents",
        "folder",
        "headers",
        "making",
        "names",
        "packets",
        "seconds",
        "snapshots",
        "told",
        "variables",
    )

    def __init__(
        self,
        variables: Mapping[str, Any] = _NONE,
        packets: Mapping[str, Any] = _NONE,
        headers: Mapping[str, list[dict[str, Any]]] = _NONE,
        folder: str = ".",
        cache: Cache | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.variables = variables  # `vars:` by name
        self.packets = packets  # `packets:`: sources by name, as the suite has them
        self.headers = headers  # `headers:`: fields by name
        self.folder = folder  # of the suite: what `file:` is relative to
        self.cache = cache  # built bytes of the runs before; the caller saves it
        self.snapshots = snapshots  # of the suite; the caller saves them
        self.names = frozenset((*variables, *packets, *headers))  # all of them
        self.seconds = BUILD_SECONDS  # in which a packet is to be built: the `timeout` of the case that is planned
        self.making: list[str] = []  # packets that are no expressions and are being made
        self.contents: Contents = {}  # of packets that are no expressions, where others than this process make them
        self.coming: Iterator[str] = iter(())  # expressions that are likely to be built soon
        self.told: dict[str, object] = {}  # answers for some of them, as asking has them

    def named(self, text: str) -> set[str]:
        """The names of the suite that occur in the expression *text*."""
        return {word for word in WORDS.findall(text) if word in self.names} if self.names else set()


def packet(source: str | Mapping[str, Any], scope: Scope) -> Packet:
    """The bytes that *source* stands for; it has passed the schema. Raises SourceError."""
    if isinstance(source, str):
        if source in scope.packets:
            return _named(source, scope)
        return _expression(source, "", scope)
    if len(source) == 1:
        ((key, value),) = source.items()
        if key in SOURCES:
            return SOURCES[key](value, key, scope)
    return _detailed(source, scope)


def _named(name: str, scope: Scope) -> Packet:
    """The packet *name* of the suite, with its metadata."""
    source = scope.packets[name]
    if isinstance(source, str):
        return _expression(name, "", scope)  # says where a cycle goes
    try:
        return packet(source, scope)
    except SourceError as error:
        raise SourceError(f"packet {name}: {error.what}", error.hint) from error


def _detailed(source: Mapping[str, Any], scope: Scope) -> Packet:
    """A source with `pad_to` or `metadata` beside it."""
    key = next((key for key in source if key in SOURCES), "")
    if not key:
        raise SourceError("this says no packet", f"give one of: {', '.join(SOURCES)}", key=next(iter(source), ""))
    companion = COMPANIONS.get(key, "")
    value = (source[key], source[companion]) if companion in source else source[key]
    made = SOURCES[key](value, key, scope)
    length = source.get("pad_to", 0)
    if length > PACKET_MAX:
        raise SourceError(_too_long(length), key="pad_to")
    if length and length < len(made.data):
        raise SourceError(f"the packet has {len(made.data)} bytes already", key="pad_to")
    metadata = hex_bytes(source["metadata"], "metadata") if "metadata" in source else b""
    return Packet(made.data.ljust(length, b"\0"), metadata, made.link, made.chain)


def _too_long(size: int) -> str:
    return f"the packet would have {size} bytes, {PACKET_MAX} are allowed"


def hex_bytes(text: str, key: str) -> bytes:
    """The bytes of hex *text*, with blanks, colons and # comments. Raises SourceError with *key*."""
    bare = COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    wrong = NOT_HEX.search(bare)
    if wrong:
        raise SourceError(f"'{wrong[0]}' is not a hex digit", key=key, span=(wrong.start(), 1))
    digits = re.sub(r"[\s:]", "", bare)
    if len(digits) % 2:
        raise SourceError(
            f"{len(digits)} hex digits are not whole bytes", "two digits a byte", key=key, span=_odd_digit(bare)
        )
    return bytes.fromhex(digits)


def _odd_digit(text: str) -> tuple[int, int]:
    """The first group of an odd number of digits, or all of *text*."""
    for group in re.finditer(r"[0-9A-Fa-f]+", text):
        if len(group[0]) % 2:
            return group.start(), len(group[0])
    return 0, len(text)


def _hex(text: str, key: str, _scope: Scope) -> Packet:
    try:
        data = bytes.fromhex(text)  # spares a call: suites have ten thousands of these
    except ValueError:
        data = hex_bytes(text, key)
    if len(data) > PACKET_MAX:
        raise SourceError(_too_long(len(data)), key=key)
    return Packet(data)


def _base64(text: str, key: str, _scope: Scope) -> Packet:
    from base64 import b64decode

    wrong = re.search(r"[^A-Za-z0-9+/=\s]", text)
    if wrong:
        raise SourceError(f"'{wrong[0]}' is not a base64 character", key=key, span=(wrong.start(), 1))
    try:
        data = b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise SourceError(f"this is not base64: {error}", key=key) from None
    if len(data) > PACKET_MAX:
        raise SourceError(_too_long(len(data)), key=key)
    return Packet(data)


def _file(name: str, key: str, scope: Scope) -> Packet:
    import os
    import stat

    path = os.path.join(scope.folder, name)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{name} is not a regular file", key=key)
        with open(path, "rb") as opened:
            data = opened.read(FILE_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {name}: {reason}", "paths are relative to the suite", key=key) from None
    if len(data) > PACKET_MAX:
        raise SourceError(f"{name} has {found.st_size} bytes, {PACKET_MAX} are allowed", key=key)
    return Packet(data)


def _zeros(length: int, key: str, _scope: Scope) -> Packet:
    if not 0 <= length <= PACKET_MAX:
        raise SourceError(_too_long(length), key=key)
    return Packet(bytes(length))


def _fill(value: tuple[int, int] | int, key: str, _scope: Scope) -> Packet:
    if not isinstance(value, tuple):
        raise SourceError("`fill` needs a `length`", "such as {fill: 0x5a, length: 64}", key=key)
    byte, length = value
    if not 0 <= byte <= 255:
        raise SourceError(f"`fill` is a byte, from 0 to 255, not {byte}", key=key)
    if not 0 <= length <= PACKET_MAX:
        raise SourceError(_too_long(length), key="length")
    return Packet(bytes([byte]) * length)


def _pcap(value: tuple[str, int | str] | str, key: str, scope: Scope) -> Packet:
    from bpftest.packets.captures import frame

    name, index = value if isinstance(value, tuple) else (value, None)
    if isinstance(index, str):
        raise SourceError("'index' must be a whole number, not text", key="index")
    try:
        data, link = frame(scope.folder, name, index)
    except SuiteError as error:
        raise SourceError(error.what, error.hint, key=key) from None
    if len(data) > PACKET_MAX:
        raise SourceError(_too_long(len(data)), key=key)
    return Packet(data, link=link)


def _expression(text: str, key: str, scope: Scope) -> Packet:
    names = _used(text, scope)
    contents = _contents(names, scope)
    cached = _key(text, names, contents, scope)
    known = scope.cache.get(cached) if scope.cache else None
    if known is None:
        from bpftest.packets.asking import built

        try:
            known = built(text, contents, scope)
        except SourceError as error:
            error.key = key
            raise
        if scope.cache:
            scope.cache.put(cached, *known)
    data, link, chain = known
    return Packet(data, b"", link, chain)


def expression_text(source: str | Mapping[str, Any]) -> str | None:
    """The text of a source that is an expression and nothing else."""
    if isinstance(source, str):
        return source
    return source["scapy"] if list(source) == ["scapy"] else None


def cache_key(text: str, scope: Scope) -> str:
    """*text* and what the names in it stand for."""
    names = _used(text, scope)
    return _key(text, names, _contents(names, scope), scope)


def contents(text: str, scope: Scope) -> Contents:
    """Of the packets that the expression *text* names, those that are no expressions."""
    return _contents(_used(text, scope), scope)


def is_new(text: str, scope: Scope) -> bool:
    """Whether the expression *text* has to be built, and stands alone: it names no packet that is no expression."""
    names = _used(text, scope)
    if any(expression_text(scope.packets[name]) is None for name in names if name in scope.packets):
        return False
    return scope.cache is None or scope.cache.get(_key(text, names, {}, scope)) is None


def _key(text: str, names: Sequence[str], contents: Contents, scope: Scope) -> str:
    definitions = []
    for name in names:
        content: object = contents.get(name)
        if content is None:
            source = scope.packets.get(name)
            own = None if source is None else expression_text(source)
            content = (own, scope.variables.get(name), scope.headers.get(name))
        definitions.append(f"{name}={content.hex() if isinstance(content, bytes) else repr(content)}")
    return "\0".join((text, *definitions))


def _used(text: str, scope: Scope) -> list[str]:
    """The names of the suite that the expression *text* uses, itself or in other packets."""
    if not scope.names:
        return []
    found: set[str] = set()
    left = [text]
    while left:
        new = scope.names.intersection(WORDS.findall(left.pop())) - found
        found |= new
        left += filter(None, [expression_text(scope.packets[name]) for name in new & scope.packets.keys()])
    return sorted(found)


def _contents(names: Sequence[str], scope: Scope) -> Contents:
    """Of those of *names* that are packets and no expressions."""
    contents: dict[str, bytes | tuple[str, str]] = {}
    for name in names:
        source = scope.packets.get(name)
        if source is None or expression_text(source) is not None:
            continue
        if name in scope.making:
            contents[name] = (f"it is made of itself: {' → '.join((*scope.making, name))}", "")
            continue
        scope.making.append(name)
        try:
            contents[name] = packet(source, scope).data
        except SourceError as error:
            contents[name] = (error.what, error.hint)
        finally:
            scope.making.pop()
    return contents


SOURCES: dict[str, Callable[[Any, str, Scope], Packet]] = {
    "scapy": _expression,
    "hex": _hex,
    "base64": _base64,
    "file": _file,
    "pcap": _pcap,
    "zeros": _zeros,
    "fill": _fill,
}

COMPANIONS = {"fill": "length", "pcap": "index"}  # keys that stand beside one of SOURCES and are a part of it
