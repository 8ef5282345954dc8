"""IPv4, IPv6 and MAC literals ⇄ bytes in network order."""

from __future__ import annotations

import functools

ADDRESS_NAMES = {4: "an IPv4 address", 6: "a MAC address", 16: "an IPv6 address"}  # by size in bytes

HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@functools.lru_cache(maxsize=1024)
def address_bytes(text: str) -> bytes | None:
    """4, 6 or 16 bytes, or None if *text* is no address."""
    groups = text.split(":")
    if len(groups) == 6 and all(len(group) == 2 and HEX_DIGITS.issuperset(group) for group in groups):
        return bytes.fromhex("".join(groups))
    if "%" in text:  # an IPv6 address with a zone, which is not in the bytes
        return None
    from ipaddress import ip_address

    try:
        return ip_address(text).packed
    except ValueError:
        return None


def address_text(data: bytes) -> str:
    """The literal for *data*: 4, 6 or 16 bytes."""
    if len(data) == 6:
        return data.hex(":")
    from ipaddress import ip_address

    return str(ip_address(data))
