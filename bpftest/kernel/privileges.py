"""Whether this process may do what a run needs."""

from __future__ import annotations

from typing import NamedTuple

from bpftest.errors import HostError


class Capability(NamedTuple):
    """One of linux/capability.h."""

    number: int
    for_what: str


CAPABILITIES = {
    "CAP_SYS_ADMIN": Capability(21, "the network namespace of bpftest's own; it includes what loading needs"),
    "CAP_NET_ADMIN": Capability(12, "programs that see packets, interfaces, and attaching"),
}
OF_SOME_CASES = {
    "CAP_NET_RAW": Capability(13, "raw, packet and AF_XDP sockets: many `live` cases"),
    "CAP_NET_BIND_SERVICE": Capability(10, "`sockets` at ports below 1024"),
    "CAP_IPC_LOCK": Capability(14, "AF_XDP `sockets`, or a higher `ulimit -l`"),
    "CAP_DAC_OVERRIDE": Capability(
        1, "for others than root: cgroups, tracing and, where it is root's alone, /dev/net/tun"
    ),
}


def missing() -> tuple[str, ...]:
    """The capabilities that every run needs and this process has not."""
    return _missing(CAPABILITIES)


def missing_for_some_cases() -> tuple[str, ...]:
    """Those that only some cases need."""
    return _missing(OF_SOME_CASES)


def needed(what: str, capability: str) -> HostError:
    """The error of a case that the kernel has refused *what*, since *capability* is not there."""
    return HostError(f"{what} needs {capability}", "run bpftest as root, or with this capability")


def explained(what: str, capability: str, otherwise: Exception) -> Exception:
    """That it takes *capability*, where this process has it not; else the error *otherwise*."""
    return needed(what, capability) if capability in missing_for_some_cases() else otherwise


def _missing(among: dict[str, Capability]) -> tuple[str, ...]:
    effective = 0
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapEff:"):
                effective = int(line.split()[1], 16)
    return tuple(name for name, one in among.items() if not effective >> one.number & 1)
