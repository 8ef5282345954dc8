"""`limits`: what the kernel says of a loaded program, against what the suite allows."""

from __future__ import annotations

import errno

import pytest

from bpftest.kernel.door import LoadReport, Observation
from tests.expecting import Broken, check, context

LOG = """\
verification time 1 usec
stack depth 24+40
processed 826 insns (limit 1000000) max_states_per_insn 4 total_states 11 peak_states 10 mark_read 0
"""
COSTLY = LoadReport(0, LOG, "", 826, 4100, 464)
NEWER = COSTLY._replace(log=LOG.replace("24+40", "24+40 max 64"))
SILENT = LoadReport()
UNTOLD = "none: this kernel does not tell it"
NO_JIT = "none: the program was not compiled to machine code (net.core.bpf_jit_enable)"


@pytest.mark.parametrize(
    ("text", "said", "held", "broken"),
    [
        ("{verified_insns: 826}", COSTLY, "verified_insns 826", []),
        ("{verified_insns: 825}", COSTLY, "", [("verified_insns", "at most 825", "826")]),
        ("{jited_bytes: 4096}", COSTLY, "", [("jited_bytes", "at most 4,096", "4,100")]),
        ("{xlated_bytes: 0}", COSTLY, "", [("xlated_bytes", "at most 0", "464")]),
        ("{max_states: 4, total_states: 11}", COSTLY, "max_states 4, total_states 11", []),
        (
            "{max_states: 3, xlated_bytes: 464, total_states: 10, peak_states: 9}",
            COSTLY,
            "xlated_bytes 464",
            [
                ("max_states", "at most 3", "4"),
                ("total_states", "at most 10", "11"),
                ("peak_states", "at most 9", "10"),
            ],
        ),
        ("{stack_bytes: 80}", COSTLY, "stack_bytes 80", []),
        ("{stack_bytes: 79}", COSTLY, "", [("stack_bytes", "at most 79", "80, of all functions together: 24+40")]),
        ("{stack_bytes: 64}", NEWER, "stack_bytes 64", []),
        ("{stack_bytes: 63}", NEWER, "", [("stack_bytes", "at most 63", "64")]),
        ("{verified_insns: 826}", LoadReport(0, LOG), "verified_insns 826", []),
    ],
)
def test_each_figure_has_a_limit(text: str, said: LoadReport, held: str, broken: Broken) -> None:
    assert check(f"limits: {text}", context("xdp"), Observation(said)) == (held, broken)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("verified_insns", UNTOLD),
        ("jited_bytes", NO_JIT),
        ("xlated_bytes", UNTOLD),
        ("stack_bytes", UNTOLD),
        ("max_states", UNTOLD),
        ("total_states", UNTOLD),
        ("peak_states", UNTOLD),
    ],
)
def test_what_the_kernel_does_not_tell_does_not_hold(name: str, said: str) -> None:
    found = check(f"limits: {{{name}: 1000000}}", context("xdp"), Observation(SILENT))

    assert found == ("", [(name, "at most 1,000,000", said)])


def test_a_program_that_is_refused_has_no_figures() -> None:
    refused = Observation(LoadReport(errno.EACCES, LOG))

    expected = [("limits", "a program that is loaded", "none: the kernel refuses it")]
    assert check("limits: {verified_insns: 1000}", context("xdp"), refused) == ("", expected)
