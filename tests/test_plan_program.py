"""Programs that a run would not call."""

from __future__ import annotations

import pytest

from bpftest.errors import SuiteError
from bpftest.plan.program import Target, refuse_uncalled


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
