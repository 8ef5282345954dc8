"""What is done before a step and looked at around it; the ways there are imported by suites that say such a thing."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import both
from bpftest.kernel.door import Handle, Patch, Setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.expectations import Check, Context
    from bpftest.suite.model import Case, Step

# Expectations that look at what each run gives back, and at nothing else.
PLAIN = {"retval", "never", "output", "ctx", "socket", "errno", "loads", "load_error", "limits", "duration", "rate"}


class State(NamedTuple):
    """What is done before a step and looked at around it, as far as the suite says it."""

    setup: Setup = Setup()
    constants: tuple[Patch, ...] = ()  # of .rodata: they are set before the program is loaded
    programs: tuple[str, ...] = ()  # programs that must be loaded too: maps name them
    counted: tuple[str, ...] = ()  # programs whose runs are counted
    named: tuple[Handle, ...] = ()  # what of maps the suite has a name for: reports tell it by that
    checks: Mapping[str, Check] = MappingProxyType({})  # of the expectations that look at something, by their keys

    def then(self, later: State) -> State:
        """What is done for this state and, behind it, all of *later*."""
        if self is NO_STATE and later is NO_STATE:
            return NO_STATE
        first, second = self.setup, later.setup
        named = tuple(dict.fromkeys(later.named + self.named))
        setup = second._replace(
            patches=first.patches + second.patches,
            writes=first.writes + second.writes,
            handles=named if second.reads else (),
        )
        constants, programs = self.constants + later.constants, self.programs + later.programs
        return State(setup, constants, programs, self.counted + later.counted, named, later.checks)

    def of_step(self, last: State) -> State:
        """What of this state, which ends with that of a step, is that of the step: *last*, with all names."""
        return last._replace(setup=last.setup._replace(handles=self.setup.handles))


NO_STATE = State()


def initial_state(case: Case, context: Context) -> State:
    """What *case* says of maps and globals before the first of its steps. Raises SuiteError."""
    if case.maps is None and case.globals is None:
        return NO_STATE
    from bpftest.plan.setup import said

    return said(case.maps, case.globals, context)


def step_state(step: Step, context: Context) -> State:
    """What *step* says of maps and globals, and what its expectations look at. Raises SuiteError."""
    if step.maps is None and step.globals is None and PLAIN.issuperset(step.expect):
        return NO_STATE
    from bpftest.plan.setup import looked_at, said

    first, behind = both(lambda: said(step.maps, step.globals, context), lambda: looked_at(step.expect, context))
    return first.then(behind)
