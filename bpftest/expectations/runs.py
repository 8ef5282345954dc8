"""`runs`: how often programs ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError, each
from bpftest.events import Finding, Mismatch
from bpftest.expectations.bounds import bounds
from bpftest.expectations.context import Looking, Looks, excerpt, reply_of
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.expectations.bounds import Bounds
    from bpftest.expectations.context import Context
    from bpftest.kernel.door import Observation
    from bpftest.suite.model import Written


def runs(want: Written, context: Context) -> Looking:
    """Programs ran so often in the step, by a tail call too."""
    ranges = dict(each(lambda one: _range(one, context), want.parts()))

    def check(observation: Observation) -> Finding:
        ran = dict(reply_of(observation).runs)
        mismatches = tuple(
            Mismatch(f"runs of {name}", wanted.text(), f"{ran[name]:,}")
            for name, wanted in ranges.items()
            if not wanted.hold(ran[name])
        )
        if mismatches:
            return Finding("runs", mismatches=mismatches, excerpt=excerpt(want))
        return Finding("runs", ", ".join(f"{name} {ran[name]}" for name in ranges))

    return Looking(check, Looks(counted=tuple(ranges)))


def _range(here: Written, context: Context) -> tuple[str, Bounds]:
    """The name of a program, and how often it is to run. Raises SuiteError for one that the object has not."""
    name = str(here.key)
    if context.programs and name not in context.programs:
        raise SuiteError(f"no program '{name}' in the object", suggestion(name, context.programs), here.key_place())
    return name, bounds(here)
