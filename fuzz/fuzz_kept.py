"""What bpftest has kept between runs, and others may have written since: cases that failed, bytes of packets."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from bpftest import last_run
from bpftest.packets.cache import Cache, version
from fuzz.scratch import folder, written

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = ("a", "b", "c")


def seeds() -> Iterator[bytes]:
    """What it writes."""
    yield json.dumps({"format": last_run.FORMAT, "failed": {"suites/a.yaml": ["one", "two"], "b.yaml": []}}).encode()
    entries = {"a": "ethernet/Ether/IP 00ff", "b": " 00", "c": "ip 0"}
    yield json.dumps({"version": version(), "entries": entries}).encode()


def one(data: bytes) -> None:
    """Names by suite, or that they cannot be read; packets, or none."""
    written(last_run.PATH, data)
    cache = Cache(written("cache.json", data))
    for key in KEYS:
        cache.get(key)
    with _inside(folder()), contextlib.suppress(last_run.UnreadableError):
        for suite, names in last_run.read().items():
            assert isinstance(suite, str)
            assert names


@contextlib.contextmanager
def _inside(there: str) -> Iterator[None]:
    """As contextlib.chdir, which comes with Python 3.11."""
    before = os.getcwd()
    os.chdir(there)
    try:
        yield
    finally:
        os.chdir(before)
