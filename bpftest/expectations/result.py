"""`retval`, `never` and `errno`: how the run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errnos import errno_number, errno_text
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, placed, reply_of

if TYPE_CHECKING:
    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written


def retval(want: Written, context: Context) -> Check:
    """The program returned *want*: a number, a name such as XDP_DROP, or one of a list."""
    prog_type, codes = context.prog_type, _codes(want, context)

    def check(observation: Observation) -> Finding:
        reply = reply_of(observation)
        actual = reply.retval
        if actual in codes:
            return Finding("retval", prog_type.code_text(actual))
        expected = " or ".join(prog_type.code_text(code) for code in codes)
        mismatch = Mismatch("retval", expected, prog_type.code_text(actual))
        return Finding("retval", mismatches=(mismatch,), excerpt=excerpt(want))

    return check


def never(want: Written, context: Context) -> Check:
    """The program did not return *want*, nor one of a list."""
    prog_type, codes = context.prog_type, _codes(want, context)

    def check(observation: Observation) -> Finding:
        actual = reply_of(observation).retval
        if actual not in codes:
            return Finding("never", " or ".join(prog_type.code_text(code) for code in codes))
        code = prog_type.code_text(actual)
        return Finding("never", mismatches=(Mismatch("retval", f"any but {code}", code),), excerpt=excerpt(want))

    return check


def run_errno(want: Written, _context: Context) -> Check:
    """The kernel refuses the run itself, with this errno."""
    number = placed(want, errno_number)

    def check(observation: Observation) -> Finding:
        actual = reply_of(observation).errno
        if actual == number:
            return Finding("errno", errno_text(actual))
        mismatch = Mismatch("errno", errno_text(number), errno_text(actual) if actual else "none: the run went through")
        return Finding("errno", mismatches=(mismatch,), excerpt=excerpt(want))

    return check


def _codes(want: Written, context: Context) -> list[int]:
    """The return codes that *want* says: one, or a list. Raises SuiteError, at its place."""
    values = want.parts() if isinstance(want.value, list) else [want]
    return [placed(one, context.prog_type.return_code) for one in values]


def checksum_complete(want: Written) -> Check:
    """The kernel found skb->csum wrong after a run with BPF_F_TEST_SKB_CHECKSUM_COMPLETE, and gave nothing back."""

    def check(_observation: Observation) -> Finding:
        actual = "wrong: the packet was changed without bpf_csum_* or a helper that keeps skb->csum up to date"
        return Finding(
            "flags", mismatches=(Mismatch("checksum_complete", "skb->csum right", actual),), excerpt=excerpt(want)
        )

    return check
