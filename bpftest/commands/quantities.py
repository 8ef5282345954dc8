"""Numbers and times on the command line, as types for argparse: text in, value out, ArgumentTypeError for others."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from bpftest.suite.model import TIMEOUT_MAX_S

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS_MAX = 1024
TIMES_MAX = 1_000_000
SEED_DIGITS = 19


def number(least: int, most: int) -> Callable[[str], int]:
    """A whole number from *least* to *most*."""

    def parsed(text: str) -> int:
        found = _whole(text)
        if found is None or not least <= found <= most:
            raise ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return found

    return parsed


def jobs(text: str) -> int:
    """How many suites run at a time: a number, or auto."""
    if text == "auto":
        return len(os.sched_getaffinity(0))
    found = _whole(text)
    if found is None or not 0 < found <= JOBS_MAX:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {JOBS_MAX}, and not auto")
    return found


def seed(text: str) -> int:
    """The seed of an order; of "" one of our choice that is easy to type."""
    if not text:
        import random

        return random.randrange(100_000)  # noqa: S311 - an order, no secret
    found = _whole(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no whole number")
    return found


def timeout(text: str) -> float:
    """A time in seconds."""
    from bpftest.suite.parse import seconds

    try:
        found = seconds(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= TIMEOUT_MAX_S:
        raise ArgumentTypeError(f"{text!r} is no time such as 30s or 500ms, an hour at most")
    return found


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= SEED_DIGITS else None
