"""`printk`, `streams` and `runs`: lines that programs print, and how often they run."""

from __future__ import annotations

import pytest

from bpftest.elf import ElfProgram
from bpftest.kernel.door import Loading, Setup
from bpftest.plan import Object, plan
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.expecting import Broken, check, context, ran, refused
from tests.golden import assert_golden

LINES = ("packet 1", "ttl path: 63", "drop: port 23", "drop: port 80 (ttl path)")


@pytest.mark.parametrize(
    ("text", "lines", "held", "broken"),
    [
        ("{contains: ttl path}", LINES, "4 lines", []),
        ("{contains: [packet, ttl path, drop]}", LINES, "4 lines", []),
        ("{contains: [drop, 'port 80', ttl]}", LINES, "4 lines", []),  # two of them in one line
        ("{contains: [drop, drop]}", LINES, "4 lines", []),
        ("{contains: [ttl, ttl]}", LINES, "4 lines", []),
        ("{contains: 'drop.*'}", LINES, "", [("contains", "a line with 'drop.*'", "none in 4 lines")]),
        (
            "{contains: [drop, packet, port]}",
            LINES,
            "",
            [("contains", "a line with 'packet' behind 'drop'", "none in 4 lines")],
        ),
        (
            "{contains: ['port 80', drop]}",  # in the same line, and before it
            LINES,
            "",
            [("contains", "a line with 'drop' behind 'port 80'", "none in 4 lines")],
        ),
        ("{contains: '1 ttl'}", LINES, "", [("contains", "a line with '1 ttl'", "none in 4 lines")]),
        ("{contains: any}", (), "", [("contains", "a line with 'any'", "no line")]),
        ("{contains: any}", ("one",), "", [("contains", "a line with 'any'", "none in 1 line")]),
        (r"{matches: ['^drop: port \d+$', '\)$']}", LINES, "4 lines", []),
        (r"{matches: '^port'}", LINES, "", [("matches", "a line that matches '^port'", "none in 4 lines")]),
        (
            r"{matches: [drop, ^packet]}",
            LINES,
            "",
            [("matches", "a line that matches '^packet' behind 'drop'", "none in 4 lines")],
        ),
        ("{count: 4}", LINES, "4 lines", []),
        ("{count: 0}", (), "0 lines", []),
        ("{count: 3}", LINES, "", [("count", "3", "4")]),
        ("{exactly: [one, two]}", ("one", "two"), "2 lines", []),
        ("{exactly: []}", (), "0 lines", []),
        ("{exactly: ['']}", ("",), "1 line", []),
        ("{exactly: [one]}", ("one", "two"), "", [("line 2", "no line", "'two'")]),
        ("{exactly: [one, two]}", ("one",), "", [("line 2", "'two'", "no line")]),
        ("{exactly: [o]}", ("one",), "", [("line 1", "'o'", "'one'")]),
        (
            "{exactly: []}",
            ("x",) * 20,
            "",
            [(f"line {number}", "no line", "'x'") for number in range(1, 11)],  # more would say no more
        ),
        (
            "{count: 1, contains: none, matches: packet}",
            LINES,
            "",
            [("count", "1", "4"), ("contains", "a line with 'none'", "none in 4 lines")],
        ),
    ],
)
def test_what_programs_print_is_looked_through_line_by_line(
    text: str, lines: tuple[str, ...], held: str, broken: Broken
) -> None:
    assert check(f"printk: {text}", context("xdp"), ran(printk=lines)) == (held, broken)


@pytest.mark.parametrize(
    ("text", "streams", "held", "broken"),
    [
        ("{stdout: {contains: b}}", ("a\nb\n", "c"), "stdout: 2 lines", []),
        ("{stdout: {exactly: [a, b]}, stderr: {exactly: [c]}}", ("a\nb\n", "c"), "stdout: 2 lines, stderr: 1 line", []),
        ("{stderr: {count: 0}}", ("a", ""), "stderr: 0 lines", []),
        ("{stdout: {count: 2}}", ("\n\n", ""), "stdout: 2 lines", []),
        ("{stdout: {count: 1}}", ("a\u2028b", ""), "stdout: 1 line", []),
        (
            "{stdout: {contains: c}, stderr: {count: 0, exactly: [d]}}",
            ("a\nb\n", "c"),
            "",
            [
                ("stdout contains", "a line with 'c'", "none in 2 lines"),
                ("stderr count", "0", "1"),
                ("stderr line 1", "'d'", "'c'"),
            ],
        ),
    ],
)
def test_each_stream_is_looked_through_like_that(
    text: str, streams: tuple[str, str], held: str, broken: Broken
) -> None:
    assert check(f"streams: {text}", context("xdp"), ran(streams=streams)) == (held, broken)


RUNS = (("main", 1), ("parse", 3), ("idle", 0))


@pytest.mark.parametrize(
    ("text", "held", "broken"),
    [
        ("{main: 1}", "main 1", []),
        ("{parse: 3, idle: 0}", "parse 3, idle 0", []),
        ("{parse: {min: 3}}", "parse 3", []),
        ("{parse: {max: 3}}", "parse 3", []),
        ("{parse: {min: 3, max: 3}, main: {max: 9}}", "parse 3, main 1", []),
        ("{main: 0}", "", [("runs of main", "0", "1")]),
        ("{parse: {min: 4}}", "", [("runs of parse", "at least 4", "3")]),
        ("{parse: {max: 2}}", "", [("runs of parse", "0 to 2", "3")]),
        (
            "{parse: {min: 4, max: 5}, main: 1, idle: {min: 1, max: 1}}",
            "",
            [("runs of parse", "4 to 5", "3"), ("runs of idle", "1", "0")],
        ),
    ],
)
def test_programs_run_as_often_as_they_are_to(text: str, held: str, broken: Broken) -> None:
    known = context("xdp", programs=("main", "parse", "idle"))

    assert check(f"runs: {text}", known, ran(runs=RUNS)) == (held, broken)


REFUSED = [
    "printk: {contains: fine, matches: [fine, '(']}",
    "streams: {stderr: {matches: '*'}}",
    "runs: {main: 1, pars: 1}",
    "runs: {main: {min: 2, max: 1}}",
]


def test_what_cannot_be_expected_is_refused_at_its_place() -> None:
    told = [refused(text, context("xdp", programs=("main", "parse", "idle"))) for text in REFUSED]

    assert_golden("expectations/printed_and_runs.txt", "\n".join(told))


# --- what the kernel is asked for ---------------------------------------------------------------------------------

PRINTING = Object("fw.bpf.o", tuple(ElfProgram(name, "xdp") for name in ("main", "other")), prints=True, streams=True)


def loading_and_setups(case: str, found: Object) -> tuple[Loading, list[Setup]]:
    """How the programs of a suite's only case are loaded, and what is looked at around each run."""
    head = "version: 1\nobject: fw.bpf.o\nprogram: main\ndefaults: {packet: {zeros: 64}}\ncases:\n"
    (job,) = plan(suite(document("fw.yaml", f"{head}  - {{name: a, {case}}}\n")), {("fw.bpf.o", ()): found}).jobs
    assert job.loading is not None
    return job.loading, [step.ask([]).request.setup for step in job.steps if step.ask is not None]


@pytest.mark.parametrize("found", [PRINTING, PRINTING._replace(prints=False), PRINTING._replace(streams=False)])
def test_programs_that_print_are_loaded_as_such(found: Object) -> None:
    loading, setups = loading_and_setups("expect: {retval: XDP_PASS}", found)

    assert (loading.prints, loading.streams, loading.counted) == (found.prints, found.streams, ())
    assert setups == [Setup()]


@pytest.mark.parametrize(
    ("expectation", "setup"),
    [
        ("printk: {count: 0}", Setup(printk=True)),
        ("streams: {stdout: {count: 0}}", Setup(streams=True)),
        ("runs: {main: 1}", Setup(counted=True)),
    ],
)
def test_only_what_a_step_expects_is_wanted_of_its_run(expectation: str, setup: Setup) -> None:
    steps = f"steps: [{{expect: {{retval: 2}}}}, {{expect: {{{expectation}}}}}]"

    assert loading_and_setups(steps, PRINTING)[1] == [Setup(), setup]


def test_what_any_step_counts_is_loaded_with_a_counter() -> None:
    steps = "steps: [{expect: {runs: {main: 1}}}, {program: other, expect: {runs: {other: 1, main: 0}}}]"

    assert loading_and_setups(steps, PRINTING)[0].counted == ("main", "other")


@pytest.mark.parametrize(
    ("case", "place", "key"),
    [
        ("expect: {runs: {main: 1}, limits: {verified_insns: 9}}", 41, "limits"),
        ("expect: {duration: {max: 1us}, runs: {main: 1}}", 24, "duration"),
        ("steps: [{expect: {limits: {verified_insns: 9}}}, {expect: {runs: {main: 1}}}]", 33, "limits"),
    ],
)
def test_a_program_is_not_measured_in_a_case_that_loads_it_with_a_counter(case: str, place: int, key: str) -> None:
    with pytest.raises(InvalidSuiteFile) as raised:
        loading_and_setups(case, PRINTING)

    told = [(fault.place and fault.place[1:3], fault.what, fault.hint) for fault in raised.value.faults]
    why = "what counts the runs is four instructions more in the program"
    assert told == [((6, place), f"'runs' and '{key}' do not go together: {why}", "make two cases of them")]
