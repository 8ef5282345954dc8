"""Expressions built in a fresh, audited process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent


def audited(texts: list[str], **asked: Any) -> dict[str, Any]:
    """What audited.py says about *texts*."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",  # nothing is to be made there
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "audited.py"],
        input=json.dumps({"before": [], "texts": texts, **asked}),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout) | {"stderr": done.stderr}
    return said
