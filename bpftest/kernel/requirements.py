"""`requires:`: what of it this machine lacks."""

from __future__ import annotations

import functools
import operator
import os
import re

from bpftest.errors import HostError
from bpftest.kernel import probes

COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*([0-9.]+)")


def kernel(wanted: str) -> str:
    """Why the running kernel's release does not meet *wanted*, such as ">=6.4,<7"; "" if it does.

    As many numbers are compared as *wanted* has: 6.18.44 is ==6.18.
    """
    release = os.uname().release
    have = (*_numbers(release), 0, 0)  # 7.0-rc1 is 7.0.0
    for comparison, version in _COMPARISON.findall(wanted):
        numbers = _numbers(version)
        if not COMPARISONS[comparison](have[: len(numbers)], numbers):
            return f"needs kernel {comparison}{version}, this is {release}"
    return ""


def _numbers(release: str) -> tuple[int, ...]:
    """(6, 18, 44) of "6.18.44-generic", (7, 0) of "7.0-rc1"."""
    found = re.match(r"\d+(\.\d+)*", release)
    return tuple(map(int, found[0].split("."))) if found else ()


def arch(machines: tuple[str, ...]) -> str:
    """Why this machine is none of *machines*."""
    machine = os.uname().machine
    return "" if not machines or machine in machines else f"needs {' or '.join(machines)}, this is {machine}"


def types(numbers: tuple[tuple[str, int], ...]) -> str:
    """Which of the program types (name, number) this kernel cannot test-run."""
    for name, number in numbers:
        lack = probes.type_lack(number)
        if lack:
            return f"needs program type {name}: {lack}"
    return ""


def features(names: tuple[str, ...]) -> str:
    """Which of *names* this kernel has not.

    Raises HostError where its release is new enough to have it: a test that is skipped there would hide a fault.
    """
    for name in names:
        if probes.has(name):
            continue
        feature = probes.FEATURES.get(name)
        if feature and not kernel(f">={feature.since}"):
            raise HostError(
                f"this kernel lacks {name} ({feature.text}), which Linux has had since {feature.since}",
                "bpftest doctor says what it finds; `requires: {kernel: ..}` or `skip` leaves the case out",
            )
        return f"needs {name}, which this kernel has not" + (f": {feature.text}" if feature else "")
    return ""


def config(options: tuple[str, ...]) -> str:
    """Which of *options* is neither y nor m in the running kernel's configuration."""
    if not options:
        return ""
    known = _config()
    for option in options:
        name = option.removeprefix("CONFIG_")
        if known.get(name) not in ("y", "m"):
            return f"needs CONFIG_{name}, which this kernel has not"
    return ""


@functools.cache
def _config() -> dict[str, str]:
    """The running kernel's configuration: from /proc/config.gz, else from /boot."""
    text = ""
    if os.path.exists("/proc/config.gz"):
        import gzip

        with gzip.open("/proc/config.gz", "rt", encoding="utf-8") as packed:
            text = packed.read()
    else:
        path = f"/boot/config-{os.uname().release}"
        try:
            with open(path, encoding="utf-8") as plain:
                text = plain.read()
        except OSError:
            raise HostError(
                f"the kernel's configuration cannot be read: neither /proc/config.gz nor {path} is there",
                "without it, leave out requires.config",
            ) from None
    return dict(re.findall(r"^CONFIG_(\w+)=(\S+)$", text, re.MULTILINE))
