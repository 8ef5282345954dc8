"""Texts that are compared as a whole with a file beside the tests."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def assert_golden(path: str | Path, text: str) -> None:
    """*text* is what the file at *path*, below tests/golden, says; with BPFTEST_UPDATE_GOLDEN=1 it will be."""
    file = GOLDEN / path
    if os.environ.get("BPFTEST_UPDATE_GOLDEN") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"no {file}: write it with BPFTEST_UPDATE_GOLDEN=1, and read it"
    assert text == file.read_text(encoding="utf-8")
