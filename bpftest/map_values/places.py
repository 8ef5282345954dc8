"""Where in a value of several parts a mistake stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpftest.errors import Place, SuiteError
    from bpftest.suite.model import Written

STEP = re.compile(r"\.([^.\[\]:]+)|\[(\d+)\]")  # of a path: ".limit", "[3]"
NO_FIELD = re.compile(r'has no field "(.+?)"')


def blamed(here: Written, error: SuiteError, path: str) -> SuiteError:
    """*error*, each mistake of it at the part of the value *here* that it is about.

    *path*: what errors call the value; "cfg.ports[3]: .." is about a part of "cfg".
    """
    for mistake in error.mistakes:
        mistake.at(_place(here, mistake, path))
    return error


def _place(here: Written, error: SuiteError, path: str) -> Place:
    if error.what.startswith(path):
        at = len(path)
        while step := STEP.match(error.what, at):
            key: str | int = step[1] or int(step[2])
            value = here.value
            is_there = key in value if isinstance(value, dict) else isinstance(value, list) and step[2] is not None
            if not is_there or (isinstance(key, int) and key >= len(value)):
                break
            here, at = here[key], step.end()
    unknown = NO_FIELD.search(error.what)
    if unknown and unknown[1] in here:
        return here[unknown[1]].key_place()
    return here.place()
