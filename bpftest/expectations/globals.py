"""`globals`: what the program left in its global variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest import maps as declarations
from bpftest.errors import SuiteError, each
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import Looking, Looks, excerpt, reply_of
from bpftest.kernel.door import Read
from bpftest.map_values import blamed, refuse_special
from bpftest.values import differences, plainly, refuse_misfit

if TYPE_CHECKING:
    from bpftest.expectations.context import Context
    from bpftest.kernel.door import Observation
    from bpftest.maps import Global
    from bpftest.suite.model import Written

SECTION_KEY = bytes(4)  # a section of global variables is the only element of an array


def globals_(want: Written, context: Context) -> Looking:
    """Global variables have these values."""
    variables = each(lambda one: _variable(one, context), want.parts())

    def check(observation: Observation) -> Finding:
        sections = {
            one.map: dict(one.entries)[SECTION_KEY] for one in reply_of(observation).contents if one.map[0] == "."
        }
        found = {}
        for one in variables:
            content = (sections[one.section] or b"")[one.offset :][: len(one.initial)]
            found[one.name] = differences(context.types(), one.type, want[one.name].value, content, one.name)
        wrong = next((name for name in found if found[name]), None)
        if wrong is not None:
            mismatches = (Mismatch(one.path, one.expected, one.actual) for name in found for one in found[name])
            return Finding("globals", mismatches=tuple(mismatches), excerpt=excerpt(want[wrong]))
        return Finding("globals", ", ".join(f"{name} {plainly(want[name].value)}" for name in want))

    reads = (Read(section, (SECTION_KEY,)) for section in dict.fromkeys(one.section for one in variables))
    return Looking(check, Looks(reads=tuple(reads)))


def global_variable(here: Written, context: Context) -> Global:
    """The variable that the key of *here* names. Raises SuiteError, at its place."""
    try:
        return declarations.variable(context.types(), context.variables, str(here.key))
    except SuiteError as error:
        raise error.at(here.key_place()) from None


def _variable(want: Written, context: Context) -> Global:
    """The variable that the key of *want* names. Raises SuiteError, at its place, where *want* cannot be its value."""
    variable = global_variable(want, context)
    try:
        refuse_special(context.types(), variable.type, want.value, variable.name)
        refuse_misfit(context.types(), variable.type, want.value, variable.name)
    except SuiteError as error:
        raise blamed(want, error, variable.name) from None
    return variable
