"""The types that are called without a packet: raw_tracepoint, syscall, struct_ops, tracing."""

from __future__ import annotations

from bpftest.progtypes.entry import ProgType, Rule, Run

ARGS_MAX = 12  # MAX_BPF_FUNC_ARGS: u64 each
CTX_MAX = 65535  # bytes: U16_MAX, bpf_prog_test_run_syscall


def _many_args(run: Run) -> str:
    count = run.ctx_size // 8
    return f"{count} arguments, and there are at most {ARGS_MAX}" if count > ARGS_MAX else ""


def _few_args(run: Run) -> str:
    return f"the program reads more than the {run.ctx_size // 8} arguments that it is given"


def _long_ctx(run: Run) -> str:
    return f"the ctx has {run.ctx_size} bytes, and at most {CTX_MAX} are taken" if run.ctx_size > CTX_MAX else ""


def _short_ctx(run: Run) -> str:
    return f"the program reads beyond the {run.ctx_size} bytes of ctx that it is given"


def _wrong_args(run: Run) -> str:
    return (
        f"the state and {run.ctx_size // 8 - 1} arguments are not what this function of bpf_dummy_ops takes "
        "(test_1: none, test_2: 4, test_sleepable: none), or there is no state where one is needed"
    )


def _not_dummy(_run: Run) -> str:
    return "of struct_ops, the kernel test-runs bpf_dummy_ops only: attach others, and trigger what they do"


RAW_TRACEPOINT = ProgType(
    "raw_tracepoint",
    17,
    ctx_kind="args",
    rules=(Rule("EINVAL", "ctx.args", _many_args), Rule("EINVAL", "ctx", _few_args, everywhere=False)),
    repeats=False,
    since="5.10",
    note="Arguments are numbers: a pointer would be an address in the kernel, so a program that follows one reads 0.",
)
SYSCALL = ProgType(
    "syscall",
    31,
    ctx_kind="btf",
    rules=(Rule("EINVAL", "ctx", _long_ctx), Rule("EINVAL", "ctx", _short_ctx, everywhere=False)),
    repeats=False,
    load_flags=1 << 4,  # BPF_F_SLEEPABLE: the verifier refuses it without
    since="5.14",
    note="The kernel writes ctx back after the run. A negative return value is the program's own, no errno.",
)
STRUCT_OPS = ProgType(
    "struct_ops",
    27,
    ctx_kind="state",
    rules=(
        Rule("EINVAL", "ctx", _wrong_args, everywhere=False),
        Rule("EOPNOTSUPP", "program", _not_dummy, everywhere=False),
    ),
    repeats=False,
    since="5.16",
    note="Only bpf_dummy_ops has a test run; its state is written back.",
)
TRACING = ProgType(
    "tracing",
    26,
    attach_types={"trace_fentry": 24, "trace_fexit": 25, "modify_return": 26},
    repeats=False,
    attached=True,
    since="5.5",
    note="The run calls the kernel's bpf_fentry_test functions, to which the program is attached.",
)
TYPES = (RAW_TRACEPOINT, SYSCALL, STRUCT_OPS, TRACING)
