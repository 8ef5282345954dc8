"""`rate`: how many live frames go through a program in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import RunError, SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, reply_of

if TYPE_CHECKING:
    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written

UNITS = {"kpps": 1_000, "Mpps": 1_000_000, "pps": 1}  # "pps" last: the others end with it


def rate(want: Written, context: Context) -> Check:
    """Frames went through at a rate within the bounds, by the mean time that the kernel tells of one."""
    if context.live is None:
        hint = "say 'live: {ingress: NAME}', or expect a 'duration'"
        raise SuiteError("without 'live' there is no rate of frames", hint, want.key_place())
    least, most = (_bound(want, key) for key in ("min", "max"))
    if least is not None and most is not None and least > most:
        raise SuiteError("no rate is within these bounds: 'min' is above 'max'", "", want["min"].place())
    expected = _text(least, most)

    def check(observation: Observation) -> Finding:
        duration_ns = reply_of(observation).duration_ns
        if not duration_ns:
            what = "the kernel measures 0 ns a frame: its clock saw no time pass"
            raise RunError(what, "raise 'repeat'")
        actual = per_second(duration_ns)
        if (least is None or least <= actual) and (most is None or actual <= most):
            return Finding("rate", f"{actual:,} pps")
        return Finding("rate", mismatches=(Mismatch("rate", expected, f"{actual:,} pps"),), excerpt=excerpt(want))

    return check


def per_second(duration_ns: int) -> int:
    """How many packets a second these are that take *duration_ns* each."""
    return round(1_000_000_000 / duration_ns)


def _bound(want: Written, key: str) -> float | None:
    """A bound in packets a second."""
    if key not in want:
        return None
    text: str = want[key].value
    unit = next(unit for unit in UNITS if text.endswith(unit))
    return float(text[: -len(unit)]) * UNITS[unit]


def _text(least: float | None, most: float | None) -> str:
    if least is None:
        return f"at most {most:,.0f} pps"
    return f"at least {least:,.0f} pps" if most is None else f"from {least:,.0f} to {most:,.0f} pps"
