"""Keys and values of maps, as suites write them → bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpftest.btf import Btf
    from bpftest.maps import Declared
    from bpftest.suite.model import Written


def key_bytes(want: Written, declared: Declared, types: Callable[[], Btf]) -> bytes:
    """The key that *want* says, a prefix such as 10.0.0.0/8 for an LPM trie. Raises SuiteError, at its place."""
    try:
        if declared.type == "lpm_trie" and isinstance(want.value, str):
            return _prefix(want.value, declared.key_size)
        return value_bytes(want.value, declared.key, declared.key_size, types, f"{declared.name} key")
    except SuiteError as error:
        raise error.at(want.place()) from None


def value_bytes(value: Any, type_id: int | None, size: int, types: Callable[[], Btf], path: str) -> bytes:
    """The bytes of *value* by its BTF type, or without one as *size* bytes. Raises SuiteError."""
    from bpftest.values import encode, without_btf

    return without_btf(value, size, path=path) if type_id is None else encode(types(), type_id, value, path=path)


def key_text(key: bytes, declared: Declared, types: Callable[[], Btf]) -> str:
    """A key as a suite would write it."""
    from bpftest.values import decode

    if declared.type == "lpm_trie" and len(key) in (8, 20):
        from socket import AF_INET, AF_INET6, inet_ntop

        length = int.from_bytes(key[:4], sys.byteorder)
        return f"{inet_ntop(AF_INET if len(key) == 8 else AF_INET6, key[4:])}/{length}"
    return str(decode(types(), declared.key, key)) if declared.key is not None else key.hex(" ")


def _prefix(text: str, key_size: int) -> bytes:
    """struct bpf_lpm_trie_key: the length of the prefix in bits, then the address."""
    from socket import AF_INET, AF_INET6, inet_pton

    address, _, length = text.partition("/")
    try:
        data = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        raise SuiteError(f"'{address}' is no IPv4 or IPv6 address", "such as 10.0.0.0/8 or 2001:db8::/32") from None
    if not length.isdecimal() or int(length) > 8 * len(data):
        raise SuiteError(f"'{text}' is no prefix", f"write its length in bits behind it: /0 to /{8 * len(data)}")
    if 4 + len(data) != key_size:
        raise SuiteError(f"'{text}' makes a key of {4 + len(data)} bytes, and the map's keys have {key_size}")
    return int(length).to_bytes(4, sys.byteorder) + data
