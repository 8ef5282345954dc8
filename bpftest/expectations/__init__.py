"""What `expect:` can say: a table of functions, each called while planning, each giving a check.

An expectation looks names up and may raise a SuiteError; its check is called when the case has run, with what the
kernel gave back. To add one: its function, a line in EXPECTATIONS, a property in the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.expectations.context import Check, Context
from bpftest.expectations.ctx import ctx, socket
from bpftest.expectations.loading import load_error, loads
from bpftest.expectations.output import output
from bpftest.expectations.result import retval, run_errno
from bpftest.expectations.state import globals_, maps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.suite.model import Written

__all__ = ["EXPECTATIONS", "Check", "Context"]

EXPECTATIONS: Mapping[str, Callable[[Written, Context], Check]] = {
    "retval": retval,
    "output": output,
    "ctx": ctx,
    "socket": socket,
    "maps": maps,
    "globals": globals_,
    "errno": run_errno,
    "loads": loads,
    "load_error": load_error,
}
