"""Whether a step is measured, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.kernel.door import Benchmark

if TYPE_CHECKING:
    from bpftest.progtypes import ProgType
    from bpftest.suite.model import Step, Written


def benchmark_of(step: Step, prog_type: ProgType, is_last: bool) -> Benchmark | None:  # noqa: FBT001 - see Faults.of
    """The measurement that `benchmark` says, or that an expected `duration` needs. Raises SuiteError, at its place.

    What the case and the defaults say of it is for the last step, and for a run that is not to be refused.
    """
    where = _wanted(step, is_last)
    if where is None or "errno" in step.expect:
        return None
    if step.live is not None:
        if "benchmark" not in step.here:
            return None  # that a rate is expected in place of a duration is said elsewhere
        hint = "leave it out: how many frames go through in a second is told of every run, and 'rate' sets bounds to it"
        raise SuiteError("live frames are not measured apart from the run that is judged", hint, where.key_place())
    if not is_last:
        what = "only the last step can be measured: the steps after it would see what thousands of runs have left"
        raise SuiteError(what, "make a case of it", where.key_place())
    if not prog_type.repeats:
        what = f"{prog_type.name} takes no repeat, and the time of a single run tells nothing"
        raise SuiteError(what, "leave it out; other types can be measured", where.key_place())
    return Benchmark(**step.benchmark.value) if step.benchmark is not None else Benchmark()


def _wanted(step: Step, is_last: bool) -> Written | None:  # noqa: FBT001
    """Where the suite asks for it."""
    if "duration" in step.expect:
        return step.expect["duration"]
    if "benchmark" in step.here:
        return step.here["benchmark"]
    return step.benchmark if is_last else None
