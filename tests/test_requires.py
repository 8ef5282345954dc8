"""What becomes of a case by what it requires, on a machine that the test makes up."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bpftest.commands.exits import BAD
from bpftest.events import Outcome
from bpftest.executors.local import RunningKernel
from bpftest.kernel import probes, requirements
from bpftest.progtypes import PROG_TYPES
from bpftest.reporters.console import console
from tests.reporters import streams
from tests.test_runner import RUNS, FakeKernel, verdict


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the kernel says of itself; what it has, and which types it does not run, and why."""
    said = SimpleNamespace(release="6.12.117", machine="x86_64", features=set(), lacks={}, config={"BPF": "y"})
    monkeypatch.setattr(os, "uname", lambda: said)
    monkeypatch.setattr(probes, "has", lambda feature: feature in said.features)
    monkeypatch.setattr(probes, "type_lack", lambda number: said.lacks.get(number, ""))
    monkeypatch.setattr(requirements, "_config", lambda: said.config)
    return said


def end(requires: str) -> tuple[str, str]:
    """(outcome, message) of a case that would pass."""
    kernel = FakeKernel()
    kernel.lacks = RunningKernel().lacks  # type: ignore[method-assign]
    case = verdict(kernel, f"{RUNS}, requires: {requires}")
    assert (case.outcome is Outcome.PASSED) == bool(kernel.requests), "what is not there is found out before the run"
    return case.outcome.value, case.message


ALL = (
    '{kernel: ">=6.4", arch: [x86_64], types: [netfilter], features: [live_frames, "kfunc:bpf_ct_lookup"], '
    "config: [BPF, CONFIG_NET]}"
)


def test_a_case_whose_requirements_are_met_runs(machine: SimpleNamespace) -> None:
    machine.features |= {"live_frames", "kfunc:bpf_ct_lookup"}
    machine.config["NET"] = "m"

    assert end(ALL) == ("PASS", "")


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ('{kernel: ">=6.18"}', "needs kernel >=6.18, this is 6.12.117"),
        ("{arch: [aarch64]}", "needs aarch64, this is x86_64"),
        ("{types: [xdp, tracing]}", "needs program type tracing: this kernel refuses to load programs of this type"),
        ('{features: ["kfunc:bpf_ct_lookup"]}', "needs kfunc:bpf_ct_lookup, which this kernel has not"),
        (
            "{features: [xdp_partial_linear]}",
            "needs xdp_partial_linear, which this kernel has not: xdp_md.data_end may leave the rest to fragments",
        ),
        ("{config: [BPF, NETFILTER_BPF_LINK]}", "needs CONFIG_NETFILTER_BPF_LINK, which this kernel has not"),
    ],
)
def test_a_case_is_skipped_with_the_first_thing_that_is_missing(
    machine: SimpleNamespace, requires: str, message: str
) -> None:
    machine.lacks[PROG_TYPES["tracing"].number] = "this kernel refuses to load programs of this type"

    assert end(requires) == ("SKIP", message)


@pytest.mark.parametrize("name", probes.FEATURES)
def test_a_feature_is_an_error_where_it_ought_to_be_and_a_skip_where_it_cannot(
    machine: SimpleNamespace, name: str
) -> None:
    feature = probes.FEATURES[name]
    major, minor = map(int, feature.since.split("."))

    machine.release = f"{major}.{minor}.1"
    new = end(f"{{features: [{name}]}}")
    machine.release = f"{major}.{minor - 1}.99"
    old = end(f"{{features: [{name}]}}")

    assert new == ("ERROR", f"this kernel lacks {name} ({feature.text}), which Linux has had since {feature.since}")
    assert old == ("SKIP", f"needs {name}, which this kernel has not: {feature.text}")


# --- --fail-on-skip -----------------------------------------------------------------------------------------------

SUITE = """
version: 1
source: plain.bpf.c
program: pass
defaults: {packet: {zeros: 60}}
cases:
  - {name: passes, expect: {retval: XDP_PASS}}
  - {name: is left out, skip: not today, expect: {retval: XDP_DROP}}
  - {name: needs what is not there, requires: {kernel: "<1"}, expect: {retval: XDP_DROP}}
"""


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("options", "code", "summary"),
    [
        ([], 0, "1 passed, 2 skipped"),
        (["--fail-on-skip"], 1, "1 passed, 2 skipped; none may be skipped"),
        (["--fail-on-skip", "-k", "passes"], 0, "1 passed"),
    ],
)
def test_a_skipped_case_fails_the_run_on_request(tmp_path: Path, options: list[str], code: int, summary: str) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE, encoding="utf-8")
    source = Path(__file__).parent / "programs/plain.bpf.c"
    (tmp_path / "plain.bpf.c").write_bytes(source.read_bytes())

    command = [sys.executable, "-m", "bpftest", "run", str(tmp_path / "suite.yaml"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (code, "")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Summary"))
    assert line.partition(" s: ")[2] == summary


@pytest.mark.parametrize("per_case", [True, False])
def test_the_summary_lists_the_cases_that_must_not_be_skipped(per_case: bool) -> None:
    skipped = streams.case("knows IPv6", 12, Outcome.SKIPPED, message="no IPv6 here")
    suite = streams.SuiteStarted(streams.FIREWALL, "", 2, streams.NOON)
    events = [
        *(streams.started(1, 2), suite, streams.PASSED, skipped),
        *(streams.SuiteFinished(streams.FIREWALL, 0.002), streams.RunFinished(0.01)),
    ]
    said = {}
    for bad in (BAD, (*BAD, Outcome.SKIPPED)):
        out = io.StringIO()
        report = console(out, color=False, unicode=True, per_case=per_case, bad=bad)
        for event in events:
            report(event)
        said[bad] = out.getvalue()

    allowed, forbidden = said.values()
    assert allowed.endswith("Summary  2 cases in 0.01 s: 1 passed, 1 skipped\n")
    assert forbidden.endswith(
        "Summary  2 cases in 0.01 s: 1 passed, 1 skipped; none may be skipped\n"
        "  SKIP   suites/firewall.yaml:12  knows IPv6\n"
    )
    assert ("PASS  [  2.0 ms] suites/firewall.yaml" in allowed) == (not per_case)
    assert ("SKIP  [  2.0 ms] suites/firewall.yaml" in forbidden) == (not per_case)
