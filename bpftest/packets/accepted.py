"""What a field can accept: a value that Scapy would guess at, look up or cut is refused.

An `Accept` takes a value out of an expression and gives the value for Scapy, or raises SuiteError without a
span. *name* is always that of the field, for the message: "IP.ttl".
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bpftest.errors import SuiteError
from bpftest.wording import meant

Accept = Callable[[Any], Any]

NAMES_SHOWN = 8
ONE_VALUE = "write one value here; several values are rows of a table (`rows:`)"
MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")


def number(name: str, low: int, high: int, names: Mapping[str, Any]) -> Accept:
    """A whole number from *low* to *high*, or one of *names*, which stand for what Scapy is to get."""

    def accept(value: Any) -> Any:
        if isinstance(value, int):
            if low <= value <= high:
                return int(value)
            raise SuiteError(f"{name} takes a number from {low} to {high}, not {value}")
        if isinstance(value, str) and value in names:
            return names[value]
        raise _not_a_number(name, value, names)

    return accept


def _not_a_number(name: str, value: Any, names: Collection[str]) -> SuiteError:
    if isinstance(value, (list, tuple)):
        return SuiteError(f"{name} takes one number, not {_shown(value)}", ONE_VALUE)
    if not isinstance(value, str) or not names:
        return SuiteError(f"{name} takes a number, not {_shown(value)}", "leave it out" if value is None else "")
    close = meant(value, names)
    some = ", ".join(list(names)[:NAMES_SHOWN])
    hint = f"did you mean '{close}'?" if close else f"write the number, or a name such as {some}"
    return SuiteError(f"{name} has no value called '{value}'", hint)


def flags(name: str, names: str | Collection[str], bits: int) -> Accept:
    """A number of *bits*, or names: letters ("SA") if *names* is a text, else words joined by + ("DF+MF")."""
    as_number = number(name, 0, (1 << bits) - 1, {})

    def accept(value: Any) -> Any:
        if isinstance(value, int):
            return as_number(value)
        parts = _flag_names(value, letters=isinstance(names, str))
        for part in parts or ():
            if part not in names:
                known = names if isinstance(names, str) else ", ".join(names)
                raise SuiteError(f"{name} has no flag '{part}'", f"flags are: {known}")
        if parts is None:
            raise SuiteError(f"{name} takes flags as text or a number, not {_shown(value)}")
        return value

    return accept


def _flag_names(value: Any, *, letters: bool) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if not isinstance(value, str):
        return None
    return list(value) if letters else [part for part in value.split("+") if part]


def address(name: str, version: int) -> Accept:
    """One IPv4 or IPv6 address (*version* 4 or 6), as text."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    example = "10.0.0.1" if version == 4 else "2001:db8::1"

    def accept(value: Any) -> Any:
        if isinstance(value, str):
            try:
                socket.inet_pton(family, value)
            except (OSError, ValueError):
                hint = ONE_VALUE if re.search(r"[/*,]|\d-\d", value) else f'write an address, such as "{example}"'
                raise SuiteError(f"{name} takes an IPv{version} address, not '{value}'", hint) from None
            return value
        hint = ONE_VALUE if isinstance(value, (list, tuple)) else f'write it in quotes: "{example}"'
        raise SuiteError(f"{name} takes an IPv{version} address, not {_shown(value)}", hint)

    return accept


def mac(name: str) -> Accept:
    """One MAC address, as text or 6 bytes."""

    def accept(value: Any) -> Any:
        if isinstance(value, str) and MAC.fullmatch(value):
            return value
        if isinstance(value, bytes) and len(value) == 6:
            return value
        hint = ONE_VALUE if isinstance(value, (list, tuple)) else 'write an address, such as "02:00:00:00:00:01"'
        raise SuiteError(f"{name} takes a MAC address, not {_shown(value)}", hint)

    return accept


def text(name: str, most: int | None = None) -> Accept:
    """Bytes or ASCII text, at most *most* bytes, or a layer, whose bytes are taken."""

    def accept(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            raise SuiteError(f"{name} takes text or bytes, not {_shown(value)}", ONE_VALUE)
        if not isinstance(value, (str, bytes)):
            if not hasattr(value, "build"):
                raise SuiteError(
                    f"{name} takes text or bytes, not {_shown(value)}", f'write b"..." or bytes({value!r})'
                )
            value = bytes(value)
        if isinstance(value, str):
            ascii_only(value)
        if most is not None and len(value) > most:
            raise SuiteError(f"{name} takes {most} bytes at most, not {len(value)}")
        return value

    return accept


def layers(name: str, *, several: bool) -> Accept:
    """A layer or bytes; also a list of them if *several*."""

    def accept(value: Any) -> Any:
        if several and value is None:
            return []
        if several and isinstance(value, (list, tuple)):
            return [accept(one) for one in value]
        if isinstance(value, bytes) or hasattr(value, "build"):
            return value
        raise SuiteError(f"{name} takes {'layers' if several else 'a layer'}, not {_shown(value)}")

    return accept


def each(name: str, accept_one: Accept) -> Accept:
    """A list, every item of it accepted by *accept_one*, or one item."""

    def accept(value: Any) -> Any:
        if isinstance(value, tuple):
            raise SuiteError(f"{name} takes a list, not {_shown(value)}", "write it in [ ]")
        return [accept_one(one) for one in value] if isinstance(value, list) else [accept_one(value)]

    return accept


def tcp_options(numbers: Mapping[str, int]) -> Accept:
    """[("MSS", 1460), ("NOP", None), (254, b"..")]; *numbers*: the kinds that have a name."""

    def accept(value: Any) -> Any:
        if isinstance(value, bytes):
            raise SuiteError("TCP.options takes a list, not bytes", 'write [(number, b"value"), ...]')
        for one in _pairs("TCP.options", value):
            kind, content = one
            if isinstance(kind, str):
                _known("TCP.options", kind, {*numbers, "NOP", "EOL"})
            elif kind not in (0, 1) and not isinstance(content, (str, bytes)):
                raise SuiteError(f"option {kind} of TCP.options takes bytes, not {_shown(content)}")
            if isinstance(content, str):
                ascii_only(content)
        return value

    return accept


def _pairs(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise SuiteError(f"{name} takes a list, not {_shown(value)}", 'such as [("MSS", 1460), ("NOP", None)]')
    for one in value:
        if not isinstance(one, tuple) or len(one) != 2 or not isinstance(one[0], (str, int)):
            raise SuiteError(f"{name} takes pairs, not {_shown(one)}", 'such as ("MSS", 1460)')
    return value


def dhcp_options(accepts: Mapping[str, Accept | None]) -> Accept:
    """[("message-type", "discover"), (82, b".."), "end"]; *accepts*: by option, None for plain bytes."""

    def one(value: Any) -> Any:
        if isinstance(value, (str, bytes)):
            if isinstance(value, str):
                _known("DHCP.options", value, accepts)
            return value
        if not isinstance(value, tuple) or len(value) < 2:
            raise SuiteError(f"DHCP.options takes pairs, not {_shown(value)}", 'such as ("message-type", "discover")')
        kind, *content = value
        if isinstance(kind, str):
            _known("DHCP.options", kind, accepts)
        accept_one = (accepts.get(kind) if isinstance(kind, str) else None) or text(f"option {kind} of DHCP.options")
        return (kind, *(accept_one(part) for part in content))

    def accept(value: Any) -> Any:
        if not isinstance(value, list):
            raise SuiteError(
                f"DHCP.options takes a list, not {_shown(value)}", 'such as [("router", "10.0.0.1"), "end"]'
            )
        return [one(option) for option in value]

    return accept


def _known(name: str, option: str, known: Collection[str]) -> None:
    if option not in known:
        close = meant(option, known)
        raise SuiteError(f"{name} has no option '{option}'", f"did you mean '{close}'?" if close else "")


def plain() -> Accept:
    """Whatever an expression can write; Scapy has the last word."""

    def accept(value: Any) -> Any:
        if isinstance(value, str):
            ascii_only(value)
        elif isinstance(value, (list, tuple)):
            for one in value:
                accept(one)
        return value

    return accept


def ascii_only(value: str) -> None:
    """Refuse text that Scapy would encode by a rule of its own."""
    if not value.isascii():
        encoded = "".join(f"\\x{byte:02x}" for byte in value.encode())
        raise SuiteError("text that is not ASCII has no bytes of its own", f'write b"{encoded[:40]}"')


def _shown(value: Any) -> str:
    if hasattr(value, "build"):
        return f"a layer ({type(value).__name__})"
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
