"""Keys of maps ⇄ bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import SuiteError
from bpftest.kernel.door import Handle
from bpftest.map_values.places import blamed
from bpftest.map_values.values import named, text_of, value_bytes
from bpftest.maps import INDEXED, INNER

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.btf import Btf
    from bpftest.maps import Declared
    from bpftest.suite.model import Written

PREFIX_SIZES = (8, 20)  # bytes of struct bpf_lpm_trie_key_u8 with an IPv4 or an IPv6 address


class Key(NamedTuple):
    """A key, as the kernel's door takes it."""

    content: bytes
    handle: Handle | None = None  # what of it is a descriptor


def key_of(here: Written, declared: Declared, types: Callable[[], Btf], sockets: tuple[str, ...]) -> Key:
    """The key that *here* says: a prefix such as 10.0.0.0/8 for an LPM trie, {socket: NAME} for an sk_storage.

    *sockets*: the names of the case's. Raises SuiteError, at its place.
    """
    if declared.type == "sk_storage":
        name = named(here, "socket", sockets, f"the keys of '{declared.name}' are sockets")
        return Key(bytes(4), Handle("socket", name))
    try:
        content = _content(here.value, declared, types)
        if declared.type in INDEXED:
            refuse_beyond(int.from_bytes(content, sys.byteorder), declared)
    except SuiteError as error:
        raise blamed(here, error, f"{declared.name} key") from None
    return Key(content)


def refuse_beyond(index: int, declared: Declared) -> None:
    """Raises SuiteError where a map whose keys count from 0 on has no entry *index*."""
    count = declared.max_entries
    if not count or index < count:
        return
    what = f"{declared.name} key: {index} is beyond the {count} entries of the map"
    keys = f"its keys are 0 to {count - 1}" if count > 1 else "its only key is 0"
    raise SuiteError(what, f"{keys}; {larger(declared)}")


def larger(declared: Declared) -> str:
    """How a suite makes room for more entries."""
    outer = declared.name.removesuffix(INNER)
    size = "{max_entries: N}" if outer == declared.name else "{inner: {max_entries: N}}"
    return f"'load: {{maps: {{{outer}: {size}}}}}' makes it larger"


def key_text(key: bytes, declared: Declared, types: Callable[[], Btf], like: object = None) -> str:
    """A key as a suite would write it, with an address where *like*, another key, has one."""
    if declared.type == "lpm_trie" and len(key) in PREFIX_SIZES and not isinstance(like, dict):
        from socket import AF_INET, AF_INET6, inet_ntop

        length = int.from_bytes(key[:4], sys.byteorder)
        return f"{inet_ntop(AF_INET if len(key) == 8 else AF_INET6, key[4:])}/{length}"
    return text_of(key, declared.key, types, like)


def _content(value: Any, declared: Declared, types: Callable[[], Btf]) -> bytes:
    if declared.type == "lpm_trie" and isinstance(value, str):
        return _prefix(value, declared.key_size)
    return value_bytes(value, declared.key, declared.key_size, types, f"{declared.name} key")


def _prefix(text: str, key_size: int) -> bytes:
    """struct bpf_lpm_trie_key: the length of the prefix in bits, then the address."""
    from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    address, _, length = text.partition("/")
    try:
        data = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        raise SuiteError(f"'{address}' is no IPv4 or IPv6 address", "such as 10.0.0.0/8 or 2001:db8::/32") from None
    if not length.isdecimal() or int(length) > 8 * len(data):
        raise SuiteError(f"'{text}' is no prefix", f"write its length in bits behind it: /0 to /{8 * len(data)}")
    if 4 + len(data) != key_size:
        raise SuiteError(f"'{text}' makes a key of {4 + len(data)} bytes, and the map's keys have {key_size}")
    behind = 8 * len(data) - int(length)
    prefix = (int.from_bytes(data, "big") >> behind << behind).to_bytes(len(data), "big")
    if prefix != data:
        shorter = f"{inet_ntop(AF_INET6 if ':' in address else AF_INET, prefix)}/{length}"
        raise SuiteError(f"'{text}' has bits behind its prefix, which the trie does not look at", f"write {shorter}")
    return int(length).to_bytes(4, sys.byteorder) + data
