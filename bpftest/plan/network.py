"""`interfaces:`, `routes:` and `neighbours:` → the network namespace of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import SuiteError
from bpftest.expectations.frames import STACK
from bpftest.kernel.door import Interface, Neighbour, Network, Route
from bpftest.values.addresses import address_bytes
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bpftest.plan.faults import Faults
    from bpftest.suite.model import Case, Written

FIRST = 2  # ifindex of the first interface of a case: lo is 1
NAME_MAX = 15  # bytes: IFNAMSIZ with its NUL is 16, linux/if.h
PEER = ".peer"  # what the other end of a veth has behind its name
# What no interface can be called, and why.
TAKEN = {
    "lo": "every network namespace has it",
    "all": "the kernel has a folder of settings of this name",
    "default": "the kernel has a folder of settings of this name",
    STACK: "under 'frames' it stands for the network stack",
    ".": "the kernel does not take it",
    "..": "the kernel does not take it",
}
IP4, IP6, MAC = 4, 16, 6  # bytes of addresses
IP6_MTU = 1280  # IPV6_MIN_MTU, linux/ipv6.h: with less the kernel has no IPv6 there


class Prefix(NamedTuple):
    """A network, or an address in one."""

    address: str
    packed: bytes
    bits: int  # of the network's prefix

    def holds(self, packed: bytes) -> bool:
        """Whether the address *packed* is in the network."""
        if len(packed) != len(self.packed):
            return False
        return _number(packed) >> self.behind == _number(self.packed) >> self.behind

    @property
    def behind(self) -> int:
        """How many bits are behind the prefix."""
        return 8 * len(self.packed) - self.bits


def indices(case: Case) -> dict[str, int]:
    """The indices of the case's interfaces by their names, right or wrong."""
    return {name: index for index, name in enumerate(case.interfaces.value if case.interfaces else (), FIRST)}


def network_of(case: Case, faults: Faults) -> Network:
    """The network namespace of *case*; what cannot be is among the *faults*."""
    if case.interfaces is None:
        for said in (case.routes, case.neighbours):
            if said is not None:
                faults.add(SuiteError(f"'{said.key}' needs interfaces", "say 'interfaces: [left]'", said.key_place()))
        return Network()
    said = case.interfaces
    places = [said[name] for name in said] if isinstance(said.value, dict) else _entries(said)
    found = [faults.of(here, _interface, here, index) for index, here in enumerate(places, FIRST)]
    interfaces = tuple(one for one in found if one is not None)
    if len(interfaces) < len(places):
        return Network(interfaces)  # what is wrong with a route may only follow from it
    routes: list[Route] = []
    for here in _entries(case.routes):
        routes += filter(None, [faults.of(here, _route, here, interfaces, routes)])
    neighbours = [faults.of(here, _neighbour, here, interfaces) for here in _entries(case.neighbours)]
    return Network(interfaces, tuple(routes), tuple(one for one in neighbours if one is not None))


def _entries(said: Written | None) -> list[Written]:
    return [said[index] for index in range(len(said.value))] if said is not None else []


def _interface(here: Written, index: int) -> Interface:
    is_detailed = isinstance(here.value, dict)
    name, details = (str(here.key), here.value) if is_detailed else (here.value, {})
    made = Interface(name, index, **{key: details[key] for key in ("kind", "mtu", "up") if key in details})
    try:
        _refuse_name(name, made.kind)
    except SuiteError as error:
        raise error.at(here.key_place() if is_detailed else here.place()) from None
    addresses = _addresses(here["ip"]) if "ip" in details else ()
    if made.mtu < IP6_MTU and any(len(one.packed) == IP6 for one in addresses):
        hint = f"{IP6_MTU} or more"
        raise SuiteError(f"with an mtu of {made.mtu} the kernel has no IPv6 there", hint, here["mtu"].place())
    mac = _mac(here["mac"]) if "mac" in details else ""
    return made._replace(mac=mac, addresses=tuple((one.address, one.bits) for one in addresses))


def _refuse_name(name: str, kind: str) -> None:
    """Raises SuiteError for a name that the kernel does not take: dev_valid_name, net/core/dev.c."""
    if name in TAKEN:
        raise SuiteError(f"no interface can be called '{name}': {TAKEN[name]}", "such as left, or eth0")
    wrong = next((one for one in name if one in "/:%" or one.isspace() or not one.isprintable()), "")
    if wrong:
        raise SuiteError(f"the name of an interface has no {wrong!r} in it", "such as left, or eth0")
    longest = NAME_MAX - len(PEER) if kind == "veth" else NAME_MAX
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > longest:
        why = f" of a veth, whose other end is called NAME{PEER}," if kind == "veth" else ""
        raise SuiteError(f"'{name}' has {size} bytes, and the name{why} at most {longest}", "give it a shorter one")


def _addresses(here: Written) -> tuple[Prefix, ...]:
    places = _entries(here) if isinstance(here.value, list) else [here]
    found: list[Prefix] = []
    for place in places:
        one = _prefix(place)
        if "/" not in place.value:
            hint = f"write {one.address}/{24 if len(one.packed) == IP4 else 64}, or as long as it is"
            raise SuiteError(f"'{place.value}' does not say how long the prefix of its network is", hint, place.place())
        if any(one.packed == other.packed for other in found):
            raise SuiteError(f"the interface has {one.address} already", "", place.place())
        found.append(one)
    return tuple(found)


def _prefix(here: Written) -> Prefix:
    """What ADDRESS/BITS, or an address alone, says. Raises SuiteError, at its place."""
    text: str = here.value
    address, slash, length = text.partition("/")
    packed = _ip(address)
    if packed is None:
        hint = "such as 10.0.0.0/24 or 2001:db8::/64"
        raise SuiteError(f"'{address}' is no IPv4 or IPv6 address", hint, here.place())
    most = 8 * len(packed)
    if not slash:
        return Prefix(address, packed, most)
    if not (length.isascii() and length.isdecimal() and int(length) <= most):
        raise SuiteError(f"'{length}' is no length of a prefix", f"0 to {most}", here.place())
    return Prefix(address, packed, int(length))


def _ip(text: str) -> bytes | None:
    packed = address_bytes(text)
    return packed if packed is not None and len(packed) in (IP4, IP6) else None


def _mac(here: Written) -> str:
    """A MAC address that a device can have: is_valid_ether_addr, linux/etherdevice.h."""
    text: str = here.value
    packed = address_bytes(text)
    if packed is None or len(packed) != MAC:
        raise SuiteError(f"'{text}' is no MAC address", 'such as "02:00:00:00:00:01"', here.place())
    if packed[0] & 1 or not any(packed):
        what = "is that of a group" if packed[0] & 1 else "is nobody's"
        raise SuiteError(f"'{text}' {what}: no device can have it", 'such as "02:00:00:00:00:01"', here.place())
    return text.lower()


def _route(here: Written, interfaces: Sequence[Interface], before: Sequence[Route]) -> Route:
    interface = _known(here["interface"], interfaces) if "interface" in here else None
    if interface is not None and not interface.up:
        raise SuiteError(f"'{interface.name}' is down: no route leads through it", "", here["interface"].place())
    via = _address(here["via"]) if "via" in here else None
    if via is None and interface is None:
        raise SuiteError("this route leads nowhere", "give it a 'via', an 'interface' or both", here["to"].key_place())
    if here["to"].value == "default":
        if via is None:
            hint = "write 0.0.0.0/0 or ::/0, or give it a 'via'"
            raise SuiteError("'default' alone does not say whether it is IPv4 or IPv6", hint, here["to"].place())
        to = Prefix("default", bytes(len(via.packed)), 0)
    else:
        to = _network(here["to"])
    if via is not None:
        _refuse_unreachable(here["via"], via, to, interface, interfaces, before)
    text = to.address if to.address == "default" else f"{to.address}/{to.bits}"
    return Route(text, via.address if via else "", interface.name if interface else "")


def _network(here: Written) -> Prefix:
    """The network that a route leads to. Raises SuiteError, at its place."""
    to = _prefix(here)
    if _number(to.packed) & ((1 << to.behind) - 1):
        start = (_number(to.packed) >> to.behind << to.behind).to_bytes(len(to.packed), "big")
        from bpftest.values.addresses import address_text

        hint = f"write {address_text(start)}/{to.bits}"
        raise SuiteError(f"'{here.value}' is no network: bits behind its prefix are set", hint, here.place())
    return to


def _refuse_unreachable(
    here: Written,
    via: Prefix,
    to: Prefix,
    interface: Interface | None,
    interfaces: Sequence[Interface],
    before: Sequence[Route],
) -> None:
    """Raises SuiteError for a router that the kernel would not find: fib_check_nh, net/ipv4/fib_semantics.c."""
    if len(via.packed) != len(to.packed):
        raise SuiteError("'to' and 'via' are of one family, IPv4 or IPv6", "", here.place())
    there = [one for one in interfaces if interface in (None, one) and one.up]
    at_hand = [_known_prefix(f"{address}/{bits}") for one in there for address, bits in one.addresses]
    names = [one.name for one in there]
    at_hand += [_known_prefix(one.to) for one in before if not one.via and one.interface in names]
    is_local = len(via.packed) == IP6 and via.packed[0] == 0xFE and via.packed[1] >> 6 == 2  # fe80::/10
    if is_local and interface is not None:
        return
    if not any(one.holds(via.packed) for one in at_hand):
        where = f"'{interface.name}'" if interface else "an interface of the case that is up"
        hint = "give the interface an 'ip' in the network of the router"
        raise SuiteError(f"{via.address} is in no network of {where}", hint, here.place())


def _known_prefix(text: str) -> Prefix:
    address, _, bits = text.partition("/")
    packed = _ip(address)
    assert packed is not None
    return Prefix(address, packed, int(bits))


def _neighbour(here: Written, interfaces: Sequence[Interface]) -> Neighbour:
    interface = _known(here["interface"], interfaces)
    return Neighbour(_address(here["ip"]).address, _mac(here["mac"]), interface.name)


def _address(here: Written) -> Prefix:
    """An address alone. Raises SuiteError, at its place."""
    found = _prefix(here)
    if "/" in here.value:
        raise SuiteError(f"'{here.value}' is to be an address, not a network", f"write {found.address}", here.place())
    return found


def _known(here: Written, interfaces: Sequence[Interface]) -> Interface:
    for one in interfaces:
        if one.name == here.value:
            return one
    hint = suggestion(here.value, [one.name for one in interfaces])
    raise SuiteError(f"no interface '{here.value}' in this case", hint, here.place())


def _number(packed: bytes) -> int:
    return int.from_bytes(packed, "big")
