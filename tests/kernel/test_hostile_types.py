"""Objects whose types somebody has damaged, taken the whole way: each case has a verdict, or an error that says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.conftest import Build
from tests.processes import environment

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(("cflags", "count"), [((), 3_000), (("-DRELOCATED",), 200)], ids=["plain", "relocated"])
def test_each_damage_ends_in_a_verdict_or_an_error(build: Build, cflags: tuple[str, ...], count: int) -> None:
    words = [sys.executable, str(Path(__file__).with_name("damaging.py")), build("damaged", *cflags), str(count)]

    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said.keys() == {"PASS", "ERROR", "INVALID"}
    assert sum(said.values()) == count
