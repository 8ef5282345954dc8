"""`bpftest init` where programs can be loaded: what it writes passes, and expects what the programs do."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from bpftest.commands import init
from bpftest.errors import ObjectError, ProgramError
from bpftest.events import CaseFinished, Outcome
from bpftest.executors.local import RunningKernel
from bpftest.plan import plan
from bpftest.runner import run_suite
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from tests.golden import assert_golden
from tests.test_init import PROGRAMS, SUITES, options, taken_into_use

pytestmark = pytest.mark.kernel

SOURCES = [
    *sorted(SUITES.glob("*.bpf.c")),
    *(PROGRAMS / f"{name}.bpf.c" for name in ("types", "plain", "records", "state")),
]

NOT_EVERYWHERE = ("lwt_seg6local", "netfilter", "tracing")  # programs of types that some kernels do not run


def written(subject: init.Subject, said: Namespace) -> str:
    blocks = init._blocks(subject, said)
    return init._content(subject, blocks, said, able=True).decode()


def outcomes(subject: init.Subject, text: str) -> list[tuple[str, str, str]]:
    """(name, outcome, message) of each case that neither passes nor is skipped."""
    made = plan(suite(document(subject.path, text)), subject.objects)
    events = run_suite(made, frozenset(job.case.name for job in made.jobs), RunningKernel())
    finished = [event for event in events if isinstance(event, CaseFinished)]
    assert finished
    good = (Outcome.PASSED, Outcome.SKIPPED)
    return [(one.name, one.outcome.value, one.message) for one in finished if one.outcome not in good]


def read(file: Path | str, **others: Any) -> tuple[init.Subject, Namespace]:
    said = options(file, **others)
    return init._subject(said.file, init.PRINTED), said


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_suite_passes_as_it_is_and_so_it_does_when_it_is_recorded(source: Path) -> None:
    subject, said = read(source)

    for record in (False, True):
        said.record = record
        text = written(subject, said)
        assert outcomes(subject, text) == []

    if "\n# defaults:\n" in text:  # what is commented is right once it is taken into use
        plan(suite(document(subject.path, taken_into_use(text))), subject.objects)


def test_what_programs_do_is_recorded_by_the_names_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROGRAMS.parent.parent)

    subject, said = read("tests/programs/types.bpf.c", record=True)
    blocks = written(subject, said).split("\n\n  # ")
    everywhere = [block for block in blocks if not block.startswith(NOT_EVERYWHERE)]

    text = "\n\n  # ".join(everywhere)
    assert_golden("init/recorded.yaml", text.replace(f"Linux {init.kernel_release()}", "Linux X.Y"))


def test_a_capture_is_recorded_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SUITES)
    capture = "frames/connection.pcap"

    subject, said = read("xdp_firewall.bpf.c", record=True, from_pcap=capture)
    text = written(subject, said)

    assert outcomes(subject, text) == []
    assert_golden("init/recorded_capture.yaml", text.replace(f"Linux {init.kernel_release()}", "Linux X.Y"))


def test_frames_that_the_kernel_does_not_take_have_a_remark(tmp_path: Path) -> None:
    captured = (SUITES / "frames/connection.pcap").read_bytes()
    short = captured[24:32] + (10).to_bytes(4, "little") * 2 + bytes(10)
    (tmp_path / "c.pcap").write_bytes(captured + short)

    subject, said = read(SUITES / "xdp_firewall.bpf.c", record=True, from_pcap=str(tmp_path / "c.pcap"))
    text = written(subject, said)

    assert outcomes(subject, text) == []
    remark = "  # No case 'frame 7: 10 bytes': the packet has 10 bytes, and the kernel wants an Ethernet header of 14\n"
    assert text.endswith(f"\n\n{remark}")


def test_what_the_verifier_refuses_is_expected_to_be_refused() -> None:
    subject, said = read(SUITES / "verifier.bpf.c", program="reads_unchecked")

    assert written(subject, said).endswith("""\
  - name: reads_unchecked is refused
    expect: {load_error: {errno: EACCES}}
""")


def test_frames_are_not_recorded_for_a_program_that_the_verifier_refuses() -> None:
    capture = str(SUITES / "frames/connection.pcap")
    subject, said = read(SUITES / "verifier.bpf.c", program="reads_unchecked", from_pcap=capture, record=True)

    with pytest.raises(ProgramError, match="the verifier refuses 'reads_unchecked'"):
        written(subject, said)


RANDOM = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int dice(struct xdp_md *ctx)
{
	return bpf_get_prandom_u32() & 0x7fffffff;
}
"""


def test_what_is_another_thing_in_each_run_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "dice.bpf.c").write_text(RANDOM, encoding="utf-8")
    subject, said = read(tmp_path / "dice.bpf.c", record=True)

    text = written(subject, said)

    assert outcomes(subject, text) == []
    assert "  # Another run of it gave something else: retval " in text
    assert "      runs: {dice: {min: 1}}\n" in text


def test_an_object_that_kills_libbpf_is_an_error_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bpftest.commands.trying.tried", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    target = tmp_path / "suite.yaml"
    file = str(SUITES / "xdp_router.bpf.c")

    with pytest.raises(ObjectError) as raised:
        init.run(options(file, output=str(target), force=False))

    assert raised.value.what == f"{file}: the process that tried it was ended by SIGKILL"
    assert not target.exists()


def test_what_a_trial_finds_out_comes_back_from_its_process(tmp_path: Path) -> None:
    target = tmp_path / "suite.yaml"

    assert init.run(options(SUITES / "xdp_router.bpf.c", output=str(target), force=False)) == 0

    said = options(SUITES / "xdp_router.bpf.c")
    subject = init._subject(said.file, str(target))
    assert target.read_text() == init._content(subject, init._blocks(subject, said), said, able=True).decode()
