"""What `expect:` can say: a table of functions, each called while planning, each giving a check.

An expectation looks names up and may raise a SuiteError; its check is called when the case has run, with what the
kernel gave back. To add one: its function, a line in EXPECTATIONS, a property in the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bpftest.expectations.context import Check, Context
from bpftest.expectations.ctx import ctx, socket
from bpftest.expectations.output import output
from bpftest.expectations.result import never, retval, run_errno

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bpftest.suite.model import Written

__all__ = ["EXPECTATIONS", "Check", "Context"]

Expectation = Callable[["Written", Context], Check]


def late(module: str, name: str) -> Expectation:
    """The expectation *name* of a module beside this one, which is imported by the first suite that says it."""

    def expectation(want: Written, context: Context) -> Check:
        from importlib import import_module

        found: Expectation = getattr(import_module(f"bpftest.expectations.{module}"), name)
        return found(want, context)

    return expectation


EXPECTATIONS: Mapping[str, Expectation] = {
    "retval": retval,
    "never": never,
    "output": output,
    "ctx": ctx,
    "socket": socket,
    "frames": late("frames", "frames"),
    "sockets": late("received", "sockets"),
    "rate": late("rate", "rate"),
    "maps": late("maps", "maps"),
    "globals": late("globals", "globals_"),
    "limits": late("limits", "limits"),
    "duration": late("duration", "duration"),
    "printk": late("printed", "printk"),
    "streams": late("printed", "streams"),
    "runs": late("runs", "runs"),
    "errno": run_errno,
    "loads": late("loading", "loads"),
    "load_error": late("loading", "load_error"),
}
