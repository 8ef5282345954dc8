"""What `bpftest run --reproduce` prints, run by a shell and bpftool, gives what bpftest's own runs give."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpftest.collect import collect, plans
from bpftest.kernel.session import Session
from bpftest.plan import Job
from tests.processes import PATIENCE, PROJECT, environment, ran
from tests.reproduced import SUITE

pytestmark = pytest.mark.kernel

# The commands, each line of theirs as it is, in namespaces of their own: nothing is pinned in the machine's bpffs.
ALONE = ["unshare", "--mount", "--net", "sh", "-c", "mount -t bpf bpf /sys/fs/bpf && sh commands.sh && ls /sys/fs/bpf"]
LEFT = "maps.debug\nprogs.debug\n"  # of the kernel itself, in every bpffs

CASES = [  # a program type each, or a kind of state
    ("xdp_firewall", "drops telnet"),
    ("cgroup_policy", "may not talk to the outside"),
    ("flow_dissector", "tells the keys of a TCP segment"),
    ("token_bucket", "takes the kernel's clock for a packet that has none"),
    ("lwt", "takes a packet for a host of the site"),
]

Given = tuple[str, list[tuple[int, bytes | None]]]  # a case, and (retval, data_out) of its runs


def of_bpftool(folder: Path, script: str) -> Iterator[Given]:
    """What bpftool gives for each case of *script* whose commands do all that bpftest does."""
    for part in script.split("\n\n# ")[1:]:
        name, _, commands = part.partition("\n")
        if "# not done" in commands or "# not run" in commands or "bpftool prog run" not in commands:
            continue
        (folder / "commands.sh").write_text(f"set -e\n{commands}", encoding="utf-8")
        done = subprocess.run(
            ALONE, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stdout[-len(LEFT) :]) == (0, LEFT), f"{name}: {done.stdout}{done.stderr}"
        files = re.findall(r"bpftool prog run .*?(?=\n\S)", commands, re.DOTALL)
        outputs = [re.search(r"data_out (\S+)", one) for one in files]
        data = [(folder / one[1]).read_bytes() if one else None for one in outputs]
        retvals = [int(one) for one in re.findall(r"^Return value: (\d+)", done.stdout, re.MULTILINE)]
        yield shlex.split(name)[0].partition("::")[2], list(zip(retvals, data, strict=True))


def of_bpftest(job: Job) -> Given:
    assert job.loading is not None
    session = Session(job.loading)
    try:
        session.begin(job.sockets, job.network)
        replies = [session.run(step.ask(()).request) for step in job.steps if step.ask]
    finally:
        session.close()
    gives = [bool(step.context.prog_type.gives) for step in job.steps]
    return job.case.name, [
        (reply.retval & 0xFFFFFFFF, reply.data_out if has else None) for reply, has in zip(replies, gives, strict=True)
    ]


def compared(folder: Path, *arguments: str) -> set[str]:
    """Both give the same; the names of the cases that have been compared."""
    done = ran("run", "--reproduce", *arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    theirs = dict(of_bpftool(folder, done.stdout))
    made, invalid = plans(collect(Namespace(paths=list(arguments), keyword=None, tag=None)).chosen)
    assert invalid == ()

    ours = dict(of_bpftest(job) for plan in made for job in plan.jobs if job.case.name in theirs)

    assert theirs == ours
    return set(theirs)


def test_bpftool_gives_the_same_for_packets_contexts_maps_and_globals(
    tmp_path: Path, build: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(build("reproduced"), tmp_path / "reproduced.o")
    (tmp_path / "cases.yaml").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert compared(tmp_path, "cases.yaml") == {
        "a packet",
        "metadata, a context and a number of runs",
        "globals and constants",
        "maps",
        "many entries",
        "a tail call",
        "a context",
        "without a context",
        "a system call",
        "on a CPU",
        "on another CPU",
        "is skipped; $(false)",
    }


def test_bpftool_gives_the_same_for_suites_that_people_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PROJECT / "suites", tmp_path / "suites")
    monkeypatch.chdir(tmp_path)

    found = compared(tmp_path, *(f"suites/{suite}.yaml::{case}" for suite, case in CASES))

    assert found == {case for _, case in CASES}
