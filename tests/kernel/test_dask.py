"""Suites on real Dask workers: the same results, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bpftest.kernel import interfaces
from tests.kernel.test_faults import BEFORE, HEAD, LONG_TICKS, results, signal_of_end, system_ticks
from tests.processes import PATIENCE, PROJECT, environment, ran, started

pytestmark = pytest.mark.kernel

# Two workers, as `dask worker` starts them: each a process, and a nanny that starts it anew.
CLUSTER = """
import sys
from distributed import LocalCluster
with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
                  memory_limit=0, silence_logs=50) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""
SUITES = [str(PROJECT / "suites" / name) for name in ("dummy_ops.yaml", "tail_calls.yaml")]
LONG = """\
  - {name: before, expect: {retval: XDP_DROP}}
  - {name: long, repeat: REPEAT, timeout: 300s, expect: {retval: XDP_PASS}}
  - {name: behind, expect: {retval: XDP_PASS}}
"""
SECOND = 40_000_000  # runs of a program that does nothing, which take about a second
HOURS = 2_000_000_000


class Cluster(NamedTuple):
    """Two Dask workers."""

    address: str  # of the scheduler
    pid: int  # of the process that has started them


@pytest.fixture(scope="module")
def cluster(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Dask workers that find the same bpftest and the same folders."""
    interfaces.bring_up("lo")
    folder = str(tmp_path_factory.mktemp("dask"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            cwd=folder,
            env=environment(DASK_TEMPORARY_DIRECTORY=folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout
    try:
        yield Cluster(process.stdout.readline().strip(), process.pid)
    finally:
        process.communicate(timeout=PATIENCE)


def verdicts(path: Path) -> list[tuple[str, str, str]]:
    """(id, outcome, message) of each case of a JSON report."""
    report = json.loads(path.read_text(encoding="utf-8"))
    return [
        (case["id"], case["outcome"], case.get("message", ""))
        for suite in report["suites"]
        for case in suite["results"]
    ]


def descendants(pid: int) -> list[int]:
    """The processes that *pid*, or one of them, has started."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        pass
    return found


def at_the_long_case(cluster: Cluster, running: subprocess.Popen[str]) -> int:
    """The process below a Dask worker that is in the kernel, in the run that takes long, once there is one."""
    while True:
        assert running.poll() is None
        for pid in descendants(cluster.pid):
            if is_long_in_the_kernel(pid):
                return pid


def is_long_in_the_kernel(pid: int) -> bool:
    """Whether it is a worker that bpftest has forked on a Dask worker, and at the long case."""
    try:
        commands = [Path(f"/proc/{one}/cmdline").read_text() for one in (pid, parent(pid))]
        return all("errand" in command for command in commands) and system_ticks(pid) > LONG_TICKS
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return False


def parent(pid: int) -> int:
    """The process that has started *pid*."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_results_are_those_of_one_process_and_of_two_even_if_a_dask_worker_is_killed(
    cluster: Cluster, folder: Path
) -> None:
    (folder / "long.yaml").write_text(HEAD + LONG.replace("REPEAT", str(SECOND)), encoding="utf-8")
    run = ("run", "long.yaml", *SUITES, "--no-artifacts", "--json")
    running = started(*run, "dask.json", "--dask", cluster.address, cwd=folder)
    process = at_the_long_case(cluster, running)
    ended = os.pidfd_open(process)

    os.kill(
        parent(parent(process)), signal.SIGKILL
    )  # a Dask worker starts a process of bpftest, which forks its worker
    _, err = running.communicate(timeout=PATIENCE)
    ran(*run, "one.json", "-j", "1", cwd=folder)
    ran(*run, "two.json", "-j", "2", cwd=folder)

    assert (running.returncode, err) == (1, "")
    assert verdicts(folder / "dask.json") == verdicts(folder / "one.json") == verdicts(folder / "two.json")
    assert verdicts(folder / "dask.json")[:3] == [
        ("long.yaml::before", "FAIL", "retval XDP_DROP (1) != XDP_PASS (2)"),
        ("long.yaml::long", "PASS", ""),
        ("long.yaml::behind", "PASS", ""),
    ]
    assert signal_of_end(ended)
    os.close(ended)


def test_what_ran_before_ctrl_c_is_reported_and_nothing_runs_on(cluster: Cluster, folder: Path) -> None:
    (folder / "long.yaml").write_text(HEAD + LONG.replace("REPEAT", str(HOURS)), encoding="utf-8")
    running = started("run", "long.yaml", "--dask", cluster.address, "--junit-xml", "out.xml", cwd=folder)
    ended = os.pidfd_open(at_the_long_case(cluster, running))

    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=PATIENCE)

    assert (running.returncode, err) == (130, "")
    assert results(folder / "out.xml") == [BEFORE]
    assert signal_of_end(ended)
    os.close(ended)
