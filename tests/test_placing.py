"""Which Dask workers a suite goes to, and which are left out."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bpftest import __version__
from bpftest.errors import BpftestError
from bpftest.executors import dask_worker
from bpftest.executors.dask_worker import Question
from bpftest.executors.errand import digest
from bpftest.executors.placing import Candidate, Placing, placing
from bpftest.suite.model import Requires

ANY, ARM, NEW = Requires(), Requires(arch=("aarch64",)), Requires(kernel=">=6.12")
OLD = Candidate("old", frozenset({ANY}), frozenset())
PHONE = Candidate("phone", frozenset({ANY, ARM}), frozenset({"radio"}))
SERVER = Candidate("server", frozenset({ANY, NEW}), frozenset({"nic", "gpu"}))
ALL = (OLD, PHONE, SERVER)


@pytest.mark.parametrize(
    ("needs", "hosts", "resources"),
    [
        ({(ANY, ()): 3}, {"old", "phone", "server"}, {}),
        ({(ARM, ()): 1}, {"phone"}, {}),
        ({(ARM, ()): 1, (NEW, ()): 2, (ANY, ()): 5}, {"server"}, {}),  # most cases
        ({(Requires(arch=("s390x",)), ()): 1}, {"old", "phone", "server"}, {}),  # skipped, wherever
        ({(ANY, ("smoke",)): 1}, {"old", "phone", "server"}, {}),  # no worker's resource
        ({(ANY, ("nic", "smoke")): 1}, {"server"}, {"nic": 1}),
        ({(ANY, ("nic",)): 1, (ANY, ("gpu",)): 1}, {"server"}, {"gpu": 1, "nic": 1}),
        (
            {(ANY, ("nic",)): 1, (ANY, ("radio",)): 1},
            {"phone", "server"},
            {},
        ),  # none has both: Dask would wait for ever
    ],
)
def test_a_suite_goes_where_most_of_its_cases_can_run(
    needs: dict[tuple[Requires, tuple[str, ...]], int], hosts: set[str], resources: dict[str, int]
) -> None:
    assert placing(needs, ALL) == Placing(frozenset(hosts), resources)


def question(folder: Path) -> Question:
    """What is asked of a Dask worker about the suite one.yaml in *folder*."""
    (folder / "one.yaml").write_text("version: 1\n", encoding="utf-8")
    digests = {"one.yaml": digest(str(folder / "one.yaml"))}
    return Question(__version__, sys.version_info[:2], str(folder), digests, ())


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"version": "0.0.1"}, f"it has bpftest {__version__}, and 0.0.1 has been called"),
        ({"python": (3, 9)}, "it has Python {}.{}, and bpftest has been called with 3.9".format(*sys.version_info)),
        ({"folder": "/nonexistent"}, "/nonexistent is no folder there: No such file or directory"),
        ({"digests": {"one.yaml": "0"}}, "FOLDER/one.yaml is another file there"),
        ({"digests": {"two.yaml": "0"}}, "FOLDER/two.yaml cannot be read there: No such file or directory"),
    ],
)
def test_a_dask_worker_that_is_not_alike_says_why(tmp_path: Path, changed: dict[str, object], refusal: str) -> None:
    told = asyncio.run(dask_worker.answer(question(tmp_path)._replace(**changed)))

    assert isinstance(told, BpftestError)
    assert told.what == refusal.replace("FOLDER", str(tmp_path))
