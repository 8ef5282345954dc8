"""Logs of real kernels: tests/verifier_logs/ holds what each says of the programs of tests/programs/refused.bpf.c."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bpftest.verifier_hints import HINTS, hint
from bpftest.verifier_log import TAIL, Refusal, SourceLine, Statistics, refusal, statistics
from tests.golden import assert_golden

LOGS = Path(__file__).parent / "verifier_logs"
KERNELS = ("6.1", "6.18", "7.2", "7.3")


def logs(kernel: str) -> dict[str, str]:
    """Each log of *kernel*, by the program's name and the log level."""
    text = (LOGS / f"{kernel}.txt").read_text(encoding="utf-8")
    parts = re.findall(r"^=== \S+ (\w+) level (\d) errno \d+\n((?:(?!===).*\n)*)", text, re.MULTILINE)
    return {f"{name}, log level {level}": log for name, level, log in parts}


def described(said: Refusal, counted: Statistics) -> str:
    """All that was understood, a line each."""
    rows = [("reason", said.reason), ("because", said.because), ("suggestion", said.suggestion), ("at", said.at)]
    rows += [("walked", line) for line in said.walked]
    rows += [("insn", said.insn), ("registers", said.registers), ("hint", hint(said.reason))]
    rows += [("statistics", tuple(counted)), ("stack", counted.stack_bytes)]
    shown = ((name, tuple(value) if isinstance(value, SourceLine) else value) for name, value in rows)
    return "".join(f"  {name:<11} {value}\n" for name, value in shown if value not in ("", None))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_log_of_a_real_kernel_is_understood(kernel: str) -> None:
    found = {name: (refusal(log), statistics(log)) for name, log in logs(kernel).items()}

    text = "".join(f"{name}\n{described(*one)}" for name, one in found.items() if one[0].reason)
    assert_golden(f"verifier_log/{kernel}.txt", text)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_log_level_does_not_change_what_is_understood(kernel: str) -> None:
    every = logs(kernel)
    both = [name for name in every if name.endswith("level 3")]

    for name in both:
        detailed, plain = (refusal(every[name.replace("3", level)]) for level in ("3", "1"))
        # With level 2 and above the paths that were gone before are told too, and more of the registers.
        assert detailed._replace(registers="", walked=()) == plain._replace(registers="", walked=())
    assert both


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_an_accepted_program_has_cost_is_the_same_in_every_form_of_the_statistics(kernel: str) -> None:
    counted = statistics(logs(kernel)["costly, log level 1"])

    assert (counted.verified_insns, counted.max_states, counted.total_states, counted.peak_states) == (833, 4, 11, 11)
    assert counted.stack_bytes == 80


@pytest.mark.parametrize("log", ["", "\n", "processed\n", "stack depth \n", "processed many insns\nstack depth 1+\n"])
def test_what_is_not_told_is_none(log: str) -> None:
    assert (statistics(log), statistics(log).stack_bytes) == (Statistics(), None)


PATHS = """\
; a @ x.c:1
0: (b7) r0 = 0                        ; R0=0
; if (b) @ x.c:2
1: (15) if r1 == 0x0 goto pc+2        ; R1=scalar()
; left @ x.c:3
2: (b7) r0 = 1                        ; R0=1
3: (95) exit

from 1 to 4: R0=0 R1=0 R10=fp0
; right @ x.c:4
4: (71) r0 = *(u8 *)(r1 +0)
R1 invalid mem access 'scalar'
"""


def test_a_path_that_ended_before_is_not_the_way_to_the_refused_line() -> None:
    said = refusal(PATHS)

    assert (said.at, [line.line for line in said.walked]) == (SourceLine("right", "x.c", 4), [1, 2])
    assert said.registers == "R1=0"


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("; x = y; @ fw.c:7", SourceLine("x = y;", "fw.c", 7)),
        ("; x = y; @ /etc/fw.c:7", SourceLine("x = y;", "fw.c", 7)),
        ("; x = y; @ ../../fw.c:7", SourceLine("x = y;", "fw.c", 7)),
        ("; a @ b @ two words.c:7", SourceLine("a @ b", "two words.c", 7)),
        ("; x = y;", SourceLine("x = y;")),
        ("; x = y; @ fw.c", SourceLine("x = y; @ fw.c")),
        ("; x = y; @ fw.c:seven", SourceLine("x = y; @ fw.c:seven")),
        ("; x = y; @ :7", SourceLine("x = y; @ :7")),
        (";  @ fw.c:0", None),
        ("; ", None),
        (";", None),
    ],
)
def test_a_line_of_c_is_read_in_either_form(line: str, at: SourceLine | None) -> None:
    assert refusal(f"{line}\n0: (95) exit\nR0 !read_ok\n").at == at


def test_the_column_of_a_report_belongs_to_its_line_alone() -> None:
    report = "\nVerification failed: Memory Safety: No\n\nAt:\n  f @ x.c:{}:9\n"
    log = "; a @ x.c:4\n0: (95) exit\nR0 !read_ok\n" + report

    same, other = refusal(log.format(4)).at, refusal(log.format(5)).at
    assert (same, other) == (SourceLine("a", "x.c", 4, 9), SourceLine("a", "x.c", 4))


def test_a_report_alone_is_enough() -> None:
    said = refusal("\nVerification failed: Policy: Not here\n\nSuggestion:\n  Go\n  away.\n")

    assert (said.reason, said.suggestion) == ("Verification failed: Policy: Not here", "Go away.")
    assert refusal("\nVerification failed: Policy: No\n\nReason:\n  So it is.\n").reason == "So it is."


@pytest.mark.parametrize(
    "log", ["", "\n\n", "processed 1 insns\n", "; x @ y:1\n", "0: (95) exit\n", "from 1 to 2: R0=\n"]
)
def test_a_log_without_a_message_gives_no_reason(log: str) -> None:
    assert refusal(log).reason == ""


def test_a_log_of_any_length_is_read_from_its_end() -> None:
    steps = "".join(f"{number}: (bf) r1 = r1                       ; R1={number}\n" for number in range(40_000))
    log = f"; far away @ x.c:1\n{steps}R1 !read_ok\nprocessed 40000 insns (limit 1000000)\n"

    said = refusal(log)
    assert len(log) > TAIL
    assert (said.reason, said.at, said.insn) == ("R1 !read_ok", None, "39999: (bf) r1 = r1")


HOSTILE = {
    "open brackets": "R1=" + "(" * 50_000,
    "registers": "R1=(" * 20_000,
    "states": "R1=a(b" * 20_000,
    "depths": "+1" * 50_000,
    "digits": "9" * 5_000,
    "other digits": "\u0663\u00b2",
    "places": " @ x:1" * 20_000,
    "places of a report": "  a @ " * 20_000,
    "sections": "A:\n  " * 20_000,
    "reports": "\nVerification failed: " * 5_000,
    "statistics": "\nprocessed 1 insns (limit 1) max_states_per_insn 1 total_states 1 peak_states 1\nstack depth 1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_lines_of_c_may_say_anything(text: str) -> None:
    end = "stack depth 8\nprocessed 7 insns (limit 9) max_states_per_insn 0 total_states 0 peak_states 0"
    lines = [
        f"; {text} @ {text}:{text}",
        f"; {text} @ x.c:{text}",
        f"0: (95) {text} ; {text}",
        f"R1 !read_ok {text}",
        text,
    ]

    assert refusal("\n".join([*lines, end])).reason
    assert statistics("\n".join([*lines, end])) == Statistics(7, 0, 0, 0, (8,))
    hint(f"invalid access to packet, off={text} size={text}, R1(id=0,off=1,r=1)")


# Of each row of the table its words, as kernels have said them.
SAID = [
    "invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)",
    "invalid access to packet, off=23 size=1, R1(id=7,off=23,r=14)",
    "invalid access to map value, value_size=64 off=64 size=4",
    "R0 invalid mem access 'map_value_or_null'",
    "R7 invalid mem access 'scalar'",
    "R0 invalid mem access 'inv'",
    "R0 unbounded memory access, make sure to bounds check any such access",
    "R2 min value is negative, either use unsigned index or do a if (index >=0) check.",
    "R0 max value is outside of the allowed memory range",
    "R2 invalid zero-sized read: u64=[0,16]",
    "write into map forbidden, value_size=7 off=0 size=4",
    "R0 !read_ok",
    "R2 !read_ok",
    "combined stack size of 2 calls is 608. Too large",
    "invalid write to stack R10 off=-520 size=8",
    "invalid variable-offset write to stack R2 var_off=(0x0; 0xff) off=-40 size=1",
    "invalid indirect read from stack R2 off -8+4 size 8",
    "invalid read from stack R10 off=-37 size=1",
    "BPF program is too large. Processed 1000001 insn",
    "The sequence of 8193 jumps is too complex.",
    "infinite loop detected at insn 0",
    "back-edge from insn 7 to 3",
    "unreachable insn 4",
    "Unreleased reference id=2 alloc_insn=11",
    "cannot call GPL-restricted function from non-GPL compatible program",
    "program of this type cannot use helper bpf_xdp_adjust_head#44",
    "helper call is not allowed in probe",
    "calling kernel function bpf_dynptr_from_xdp is not allowed",
    "unknown func bpf_xdp_adjust_head#44",
    "invalid bpf_context access off=0 size=4",
    "dereference of modified ctx ptr R1 off=4 disallowed",
    "misaligned packet access off 0+(0x0; 0x0)+0+13 size 4",
    "R0 pointer arithmetic on map_value_or_null prohibited, null-check it first",
    "math between pkt pointer and register with unbounded min value is not allowed",
    "R1 pointer arithmetic on pkt_end prohibited",
    "At program exit the register R0 has smin=3 smax=3 should have been in [0, 1]",
    "R1 type=scalar expected=map_ptr",
    "XDP program can be sleepable",
]


def test_hints_are_as_they_are_to_be_read() -> None:
    assert_golden("verifier_log/hints.txt", "".join(f"{said}\n    {hint(said)}\n" for said in SAID))


def test_each_hint_has_words_that_lead_to_it() -> None:
    reached = {next((words for words in HINTS if re.search(words, said)), "") for said in SAID}

    assert HINTS.keys() - reached == set()
    assert "" not in reached
    assert hint("something new") == ""
