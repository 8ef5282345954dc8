"""`limits`: what the program costs the verifier, and how large it is, once it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import LoadReport, Observation
    from bpftest.suite.model import Written
    from bpftest.verifier_log import Statistics


def _counted(load: LoadReport) -> Statistics:
    from bpftest.verifier_log import statistics  # only for suites with limits

    return statistics(load.log)


# What the kernel says of a loaded program; None: it does not tell.
FIGURES: Mapping[str, Callable[[LoadReport], int | None]] = {
    "verified_insns": lambda load: load.verified_insns or _counted(load).verified_insns,
    "jited_bytes": lambda load: load.jited_bytes or None,
    "xlated_bytes": lambda load: load.xlated_bytes or None,
    "stack_bytes": lambda load: _counted(load).stack_bytes,
    "max_states": lambda load: _counted(load).max_states,
    "total_states": lambda load: _counted(load).total_states,
    "peak_states": lambda load: _counted(load).peak_states,
}
UNTOLD = {  # why there may be no such figure
    "jited_bytes": "none: the program was not compiled to machine code (net.core.bpf_jit_enable)",
}


def limits(want: Written, _context: Context) -> Check:
    """None of the figures is above its limit; one that the kernel does not tell is."""
    bounds: dict[str, int] = {name: want[name].value for name in want}

    def check(observation: Observation) -> Finding:
        load = observation.load
        if load.errno:
            mismatch = Mismatch("limits", "a program that is loaded", "none: the kernel refuses it")
            return Finding("limits", mismatches=(mismatch,), excerpt=excerpt(want))
        figures = {name: FIGURES[name](load) for name in bounds}
        held, mismatches = [], []
        for name, bound in bounds.items():
            figure = figures[name]
            if figure is not None and figure <= bound:
                held.append(f"{name} {figure:,}")
            else:
                mismatches.append(Mismatch(name, f"at most {bound:,}", _shown(name, figure, load)))
        return Finding("limits", ", ".join(held), tuple(mismatches), excerpt=excerpt(want) if mismatches else None)

    return check


def _shown(name: str, figure: int | None, load: LoadReport) -> str:
    if figure is None:
        return UNTOLD.get(name, "none: this kernel does not tell it")
    counted = _counted(load)
    if name == "stack_bytes" and counted.stack_max is None and len(counted.depths) > 1:
        return f"{figure:,}, of all functions together: {'+'.join(map(str, counted.depths))}"
    return f"{figure:,}"
