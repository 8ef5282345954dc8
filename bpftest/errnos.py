"""errno, by name and in words; the kernel has one that the C library does not know."""

from __future__ import annotations

import errno
import os

from bpftest.errors import SuiteError
from bpftest.wording import suggestion

ENOTSUPP = 524  # include/linux/errno.h
LIBBPF_ERRNO_START = 4000  # __LIBBPF_ERRNO__START, bpf/libbpf_legacy.h: from here on they are libbpf's own
# Where Python knows two names of a number, it has others than the kernel.
NAMES = {**errno.errorcode, errno.EDEADLK: "EDEADLK", errno.EOPNOTSUPP: "EOPNOTSUPP", ENOTSUPP: "ENOTSUPP"}


def errno_number(want: int | str) -> int:
    """The number of an errno. Raises SuiteError for a name that there is not."""
    if isinstance(want, int):
        return want
    number = ENOTSUPP if want == "ENOTSUPP" else getattr(errno, want, None)
    if not isinstance(number, int):
        raise SuiteError(f"'{want}' is no errno", suggestion(want, NAMES.values()))
    return number


def errno_text(number: int) -> str:
    """An errno for people: the name before the number."""
    if number == ENOTSUPP:
        return f"ENOTSUPP ({number}): this kernel has no test run for the type"
    if number >= LIBBPF_ERRNO_START:
        return f"error {number} of libbpf"
    return f"{NAMES.get(number, 'errno')} ({number}): {os.strerror(number)}"


def errno_name(number: int) -> str:
    """The name of an errno, or its number."""
    return NAMES.get(number, str(number))
