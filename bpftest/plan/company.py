"""Expectations that do not go together, or not with what the case loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from bpftest.kernel.door import Loading
    from bpftest.suite.model import Case, Step

ON_LOADING = ("loads", "load_error")  # expectations for which nothing is run
ALONE = (*ON_LOADING, "errno")  # expectations that leave nothing to expect beside them
MEASURING = ("limits", "duration")  # expectations that hold for a program as it is in the object


def refuse_company(step: Step, case: Case) -> None:
    """Raises SuiteError where something is expected of a run that is refused, or that never is."""
    names = list(step.expect)
    first = next((name for name in names if name in ALONE), None)
    if first in ON_LOADING and "steps" in case.here:
        hint = "a case of its own says whether the program loads"
        raise SuiteError(f"'{first}' is for a case without steps", hint, step.expect[first].key_place())
    fitting = (first, "limits") if first != "load_error" else (first,)
    company = next((name for name in names if name not in fitting), None)
    if first is None or company is None:
        return
    why = "the program is loaded and not run" if first in ON_LOADING else "the kernel gives nothing back"
    raise SuiteError(
        f"'{first}' and '{company}' do not go together: with '{first}' {why}",
        "make two cases of them",
        step.expect[company].key_place(),
    )


def refuse_counters(step: Step, case: Case) -> None:
    """Raises SuiteError where *step* measures programs that *case* loads with counters: for all of its steps."""
    measuring = next((name for name in MEASURING if name in step.expect), None)
    if measuring is None or not case.expects("runs"):
        return
    raise SuiteError(
        f"'runs' and '{measuring}' do not go together: what counts the runs is four instructions more in the program",
        "make two cases of them",
        step.expect[measuring].key_place(),
    )


def refuse_unloaded(step: Step, loading: Loading) -> None:
    """Raises SuiteError, at its place, where `runs` counts a program that the case does not load."""
    if "runs" not in step.expect:
        return
    loaded, runs = {loading.program, *(one.program for one in loading.also)}, step.expect["runs"]
    for name in runs:
        if name not in loaded:
            hint = f"a step that runs it loads it, or an entry of a prog array, or 'load: {{also: [{name}]}}'"
            place = runs[name].key_place()
            raise SuiteError(f"the case does not load '{name}', which cannot run then", hint, place)
