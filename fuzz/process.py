"""Stands in for the confined process that `bpftest.packets.asking` asks."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

from bpftest.packets import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[None]:
    """While the block runs, *answer* is asked, which gets a request and gives what the process would write."""
    child = SimpleNamespace(
        can_answer=True, answered=1, ask=lambda request, _seconds: answer(request), close=lambda: ""
    )
    before = asking._process
    asking._process = SimpleNamespace(everything=True, scope=None, child=child)
    try:
        yield
    finally:
        asking._process = before
