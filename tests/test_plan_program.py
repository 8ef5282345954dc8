"""What is loaded beside a program, and programs that a run would not call."""

from __future__ import annotations

import pytest

from bpftest.elf import ElfProgram
from bpftest.errors import SuiteError
from bpftest.kernel.door import Also
from bpftest.plan.program import Object, Target, refuse_uncalled, target
from bpftest.suite.model import Load, Program

XDP, TRACING, TRACE_FENTRY = 6, 26, 24  # enum bpf_prog_type, enum bpf_attach_type
PROGRAMS = (
    ElfProgram("main", "xdp"),
    ElfProgram("next", "xdp.frags"),
    ElfProgram("last", "unknown"),
    ElfProgram("traced", "fentry/bpf_fentry_test1"),
)


def also(name: str, *held: str, asked: tuple[str, ...] = ()) -> tuple[Also, ...]:
    found = target(Program(name=name, load=Load(also=asked)), Object("x.bpf.o", PROGRAMS, held=held))
    assert found.loading is not None
    return found.loading.also


def test_programs_that_maps_hold_are_loaded_with_every_program_of_the_object() -> None:
    assert also("main", "main", "next", "last") == (Also("next", XDP), Also("last", XDP))
    assert also("next", "main", "next", "last") == (Also("main", XDP), Also("last", XDP))


def test_a_program_that_a_map_holds_runs_where_it_is_called_and_nowhere_else() -> None:
    attached = Also("traced", TRACING, TRACE_FENTRY, attached=True)

    assert also("main", "traced") == (attached._replace(attached=False),)
    assert also("main", "traced", asked=("traced",)) == (attached,)


@pytest.mark.parametrize(
    ("attach_type", "section"),
    [
        ("trace_fentry", "fentry/bpf_fentry_test1"),
        ("trace_fexit", "fexit.s/bpf_fentry_test7"),
        ("modify_return", "fmod_ret/bpf_modify_return_test"),
        ("modify_return", "fmod_ret/bpf_modify_return_test2"),
        ("", "xdp"),
    ],
)
def test_a_program_on_a_function_that_the_run_calls_is_run(attach_type: str, section: str) -> None:
    refuse_uncalled(Target(attach_type=attach_type, section=section))


@pytest.mark.parametrize(
    ("attach_type", "section", "message"),
    [
        (
            "trace_fentry",
            "fentry/do_unlinkat",
            "the run does not call 'do_unlinkat', to which the program is attached, but bpf_fentry_test*",
        ),
        (
            "modify_return",
            "fmod_ret/bpf_fentry_test1",
            "the run does not call 'bpf_fentry_test1', to which the program is attached, but bpf_modify_return_test*",
        ),
    ],
)
def test_a_program_that_would_never_run_is_refused_since_the_run_would_succeed(
    attach_type: str, section: str, message: str
) -> None:
    with pytest.raises(SuiteError) as raised:
        refuse_uncalled(Target(attach_type=attach_type, section=section))

    assert raised.value.what == message
    assert raised.value.hint == "attach it to one of these, or expect 'loads: true'"
