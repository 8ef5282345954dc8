"""Scapy, cut off from the machine: nothing of this host or this moment gets into a packet.

Left alone, Scapy reads interfaces and routes when it is imported, makes folders in the home and reads pickles
there, asks ARP and DNS when an address is missing or is a name, and takes source addresses from the routing
table. What it still opens is /etc/protocols, /etc/services, /etc/ethertypes and /etc/resolv.conf: names that
no field of ours accepts or shows.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CORE = ("scapy.layers.l2", "scapy.layers.inet", "scapy.layers.inet6")  # 0.11 s; everything in layers.LAYERS 0.16 s


class _Nowhere:
    """Stands in for conf.route, conf.route6 and conf.neighbor: the same answer for every destination."""

    def __init__(self, address: str) -> None:
        self.address = address

    def route(self, *_args: object, **_options: object) -> tuple[None, str, str]:
        """(no interface, source address, no gateway)."""
        return None, self.address, self.address

    def resolve(self, *_args: object) -> str:
        """The MAC address of every neighbour."""
        return "ff:ff:ff:ff:ff:ff"


def _literal(_net: type[Any], name: str) -> str:
    """Net.name2addr without a resolver: *name* if it is an address."""
    import socket

    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    try:
        socket.inet_pton(family, name)
    except OSError:
        raise ValueError(f"'{name}' is not an address") from None
    return name


@contextmanager
def replaced(*replacements: tuple[Any, str, Any]) -> Iterator[None]:
    """The attributes (object, name, value) while the block runs."""
    before = [(owner, name, vars(owner).get(name, replaced)) for owner, name, _ in replacements]
    for owner, name, value in replacements:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is replaced:  # there was none
                delattr(owner, name)
            else:
                setattr(owner, name, value)


@contextmanager
def _stand_in(name: str, **content: object) -> Iterator[None]:
    """A module *name* with *content* while the block runs, unless the real one has been imported."""
    if name in sys.modules:
        yield
        return
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


def imported(modules: Iterable[str]) -> None:
    """Import Scapy's *modules*, and the layers below them, without touching the machine."""
    from importlib import import_module

    from scapy.base_classes import Net
    from scapy.config import conf

    is_sealed = isinstance(vars(conf).get("route"), _Nowhere)
    if is_sealed:
        raise RuntimeError("what is imported inside the seal is not bound outside of it")
    conf.route_autoload = conf.route6_autoload = False
    with (  # folders and pickles in the home; two long lists of vendors' names
        _stand_in("scapy.main", SCAPY_CACHE_FOLDER=None),
        _stand_in("scapy.libs.manuf", DATA=""),
        _stand_in("scapy.libs.bluetoothids", DATA={}),
        replaced((Net, "name2addr", classmethod(_literal))),
    ):
        import_module("scapy.data")
        interfaces = import_module("scapy.interfaces").ifaces
        with replaced((interfaces, "reload", lambda: None)):
            for name in CORE:
                import_module(name)
        bind_layers = import_module("scapy.packet").bind_layers
        with _stand_in("scapy.all", bind_layers=bind_layers):  # contrib.nsh wants it all for this one function
            for name in modules:
                with suppress(ModuleNotFoundError):  # an older Scapy: layers.layer says which layer is missing
                    import_module(name)


def _own_bindings(field: Any) -> dict[Any, Any]:
    """The destinations that a protocol asks for itself (IGMP), not those that some module gives to UDP ports."""
    return {layer: found for layer, found in field.bindings.items() if layer.__module__ not in CORE}


@contextmanager
def sealed() -> Iterator[list[str]]:
    """While the block runs, missing addresses are constants and names are not looked up.

    Constants: IPv4 127.0.0.1, IPv6 ::1, MAC source 00:00:00:00:00:00 and destination ff:ff:ff:ff:ff:ff; IGMP and
    neighbour discovery keep the multicast destinations of their messages.
    Gives the list of Scapy's warnings, which are not printed. Scapy's layers must have been imported.
    """
    from scapy.base_classes import Net
    from scapy.config import conf
    from scapy.error import log_runtime
    from scapy.fields import DestIP6Field
    from scapy.layers.inet import DestIPField

    warned: list[str] = []

    def warn(message: object, *args: object, **_options: object) -> None:
        text = str(message) % args if args else str(message)
        if "Leaving null" not in text:  # a checksum without an IP header: 0, as for TCP and UDP, which say nothing
            warned.append(text)

    with replaced(
        (conf, "route", _Nowhere("127.0.0.1")),
        (conf, "route6", _Nowhere("::1")),
        (conf, "neighbor", _Nowhere("")),
        (Net, "name2addr", classmethod(_literal)),
        (DestIPField, "bindings", _own_bindings(DestIPField)),
        (DestIP6Field, "bindings", _own_bindings(DestIP6Field)),
        (log_runtime, "warning", warn),
        (log_runtime, "error", warn),
    ):
        yield warned
