"""Sweeps on the kernel: what they find, what they leave out, and the state in which each run begins."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.kernel.door import Loading, Request
from bpftest.kernel.session import Session
from bpftest.kernel.sweep import QuickSweep
from bpftest.progtypes.xdp import XDP_MD
from tests.golden import assert_golden
from tests.processes import ran

pytestmark = pytest.mark.kernel

PACKET = bytes(60)
CTX = XDP_MD.encoded({"data_end": len(PACKET)})
SUITE = """\
version: 1
object: sweep.o
program: careless
cases:
  - name: telnet is dropped, however short the packet is cut
    packet: Ether()/IP()/TCP(dport=23)/b"login"
    sweep: {truncate: true, fields: {TCP.dataofs: [0, 15]}}
    expect: {retval: XDP_DROP, output: {unchanged: true}}

  - name: a port is dropped, $port
    program: two_ports
    rows: [{port: 0..65535}]
    packet: Ether()/IP()/TCP(dport=$port)
    expect: {never: XDP_DROP}

  - name: what is expected of each port
    program: two_ports
    rows: [{port: 21..30}]
    packet: Ether()/IP()/TCP(dport=$port)
    expect: {retval: XDP_PASS, output: Ether()/IP()/TCP(dport=$port)}

  - name: no packet of tc is longer than 60 bytes
    program: tc_length
    packet: Ether()/IP()/UDP()/b"123456"
    sweep: {truncate: {min: 34}, fields: {Ether.type: [0x0800, 0x9000]}}
    expect: {retval: TC_ACT_OK, output: {length: {max: 48}}}

  - name: the mark is never 1000, $mark
    program: tc_mark
    rows: [{mark: 0..2000}]
    packet: Ether()/IP()/UDP()
    ctx: {mark: $mark}
    expect: {never: [1000, 1001]}

  - name: each run starts from the state of the case
    program: counts
    packet: Ether()/IP()/UDP()
    globals: {counted: 6}
    sweep: {fields: {UDP.dport: 0..2000}}
    expect: {retval: 7, globals: {counted: 7}}

  - name: there is not time enough
    program: counts
    packet: Ether()/IP()/UDP()
    timeout: 1ms
    sweep: {fields: {UDP.dport: 0..65535}}
    expect: {retval: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, build: Callable[..., str]) -> Path:
    """A folder with sweep.o and the suite."""
    (tmp_path / "sweep.o").write_bytes(Path(build("sweep")).read_bytes())
    (tmp_path / "sweep.yaml").write_text(SUITE, encoding="utf-8")
    return tmp_path


def test_the_first_run_that_is_not_as_expected_is_reported_and_the_others_are_counted(folder: Path) -> None:
    done = ran("run", "-v", "sweep.yaml", cwd=folder)

    text = re.sub(r"\[ *[0-9.]+ m?s\]", "[time]", done.stdout.partition("\n\n")[2])
    text = re.sub(r" in [0-9.]+ s:", " in some time:", text).replace("SLOW", "").replace(" \n", "\n")
    text = re.sub(r"and [0-9,]+ of", "and some of", text)
    assert_golden("sweep.txt", re.sub(r" +\n", "\n", text))
    kept = sorted(path.parent.name for path in folder.glob(".bpftest/artifacts/sweep/*/*/input.pcap"))
    assert kept == ["mark-=-1000", "port-=-23", "port-=-23", "truncated-to-34-bytes"]


@pytest.fixture
def session(build: Callable[..., str]) -> Session:
    found = Session(Loading(build("sweep"), "counts", 6, plain=True))
    found.begin()
    return found


@pytest.mark.parametrize("alike", [True, False])
def test_each_run_finds_the_state_of_the_first(session: Session, alike: bool) -> None:
    request = Request(PACKET, CTX, ctx_size_out=len(CTX))
    with session.sweep(request, alike=alike) as runs:
        assert isinstance(runs, QuickSweep) == alike
        assert [runs.run(PACKET, CTX) for _ in range(3)] == [1, 1, 1]
        assert (runs.reply().retval, runs.reply().data_out, runs.reply().ctx_out) == (1, PACKET, CTX)
    session.end()
    session.close()


@pytest.mark.parametrize("alike", [True, False])
def test_a_refusal_is_its_errno_and_the_next_run_is_none(build: Callable[..., str], alike: bool) -> None:
    session = Session(Loading(build("sweep"), "two_ports", 6))
    session.begin()
    with session.sweep(Request(PACKET, CTX, ctx_size_out=len(CTX)), alike=alike) as runs:
        short = XDP_MD.encoded({"data_end": 13})
        assert [runs.run(PACKET[:13], short), runs.run(PACKET, CTX)] == [-22, 2]
    session.end()
    session.close()
