"""Whether this process may do what a run needs."""

from __future__ import annotations

# linux/capability.h. CAP_SYS_ADMIN is for the network namespace of bpftest's own; it includes what loading needs.
CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}


def missing() -> tuple[str, ...]:
    """The capabilities that a run needs and this process has not."""
    effective = 0
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapEff:"):
                effective = int(line.split()[1], 16)
    return tuple(name for name, number in CAPABILITIES.items() if not effective >> number & 1)
