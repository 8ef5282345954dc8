"""The types that are called without a packet: raw_tracepoint, syscall, struct_ops, tracing."""

from __future__ import annotations

from bpftest.progtypes.entry import ProgType, Rule, Run

ARGS_MAX = 12  # MAX_BPF_FUNC_ARGS: u64 each
CTX_MAX = 65535  # bytes: U16_MAX, bpf_prog_test_run_syscall


def _many_args(run: Run) -> str:
    count = run.ctx_size // 8
    return f"{count} arguments, and there are at most {ARGS_MAX}" if count > ARGS_MAX else ""


def _few_args(run: Run) -> str:
    given = run.ctx_size // 8
    if given == 0:
        return "the program reads arguments, and none are given"
    return f"the program reads more arguments than the {given} that are given"


def _no_cpu(run: Run) -> str:
    return f"this machine has no CPU {run.cpu}, or it is offline" if run.cpu is not None else ""


def _long_ctx(run: Run) -> str:
    return f"the ctx has {run.ctx_size} bytes, and at most {CTX_MAX} are taken" if run.ctx_size > CTX_MAX else ""


def _short_ctx(run: Run) -> str:
    if run.ctx_size == 0:
        return "the program reads a ctx, and none is given"
    return f"the program reads beyond the {run.ctx_size} bytes of ctx that are given"


def _wrong_args(run: Run) -> str:
    return (
        f"{run.ctx_size // 8 - 1} args beside the state are not what this function of bpf_dummy_ops takes "
        "(test_1 and test_sleepable: none, test_2: 4), or there is no state, which only test_1 can do without"
    )


def _not_dummy(_run: Run) -> str:
    return "of all struct_ops, the kernel test-runs bpf_dummy_ops alone: attach others, and trigger what they do"


RAW_TRACEPOINT = ProgType(
    "raw_tracepoint",
    17,
    ctx_kind="args",
    sizes=f"up to {ARGS_MAX} arguments",
    rules=(
        Rule("EINVAL", "ctx.args", _many_args),
        Rule("EINVAL", "ctx", _few_args, everywhere=False),
        Rule("ENXIO", "cpu", _no_cpu, everywhere=False),
    ),
    repeats=False,
    since="5.10",
    notes=(
        "Arguments are numbers of 64 bits. A pointer would be an address of the kernel's memory, which no suite knows: "
        "a program that follows one reads 0.\n"
        "With `cpu`, the program interrupts that CPU: the current task is not bpftest then.\n"
    ),
)
SYSCALL = ProgType(
    "syscall",
    31,
    ctx_kind="btf",
    sizes=f"a ctx of up to {CTX_MAX:,} bytes",
    rules=(Rule("EINVAL", "ctx", _long_ctx), Rule("EINVAL", "ctx", _short_ctx, everywhere=False)),
    repeats=False,
    load_flags=1 << 4,  # BPF_F_SLEEPABLE: the verifier refuses it without
    since="5.14",
    notes=(
        "The program gets a pointer to its ctx and may write to it; the kernel writes it back after the run.\n"
        "A negative return value is the program's own. An errno of the run is another thing.\n"
        "It is loaded as sleepable: the verifier accepts no other.\n"
    ),
)
STRUCT_OPS = ProgType(
    "struct_ops",
    27,
    ctx_kind="state",
    sizes="up to 4 arguments beside the state",
    rules=(
        Rule("EINVAL", "ctx", _wrong_args, everywhere=False),
        Rule("EOPNOTSUPP", "program", _not_dummy, everywhere=False),
    ),
    repeats=False,
    since="5.16",
    notes=(
        "Of all struct_ops, the kernel test-runs `bpf_dummy_ops` alone, which is there for this purpose. Its functions "
        "are `test_1(state)`, `test_2(state, int, unsigned short, char, unsigned long)` and `test_sleepable(state)`.\n"
        "The state is a number, `val` of struct bpf_dummy_ops_state; it is written back. Without one the pointer is "
        "NULL, which `test_1` alone can take.\n"
    ),
)
# What the run of a program calls, by its attach type: all kernel functions whose names begin like this
# (bpf_prog_test_run_tracing, net/bpf/test_run.c).
CALLED = {
    "trace_fentry": "bpf_fentry_test",
    "trace_fexit": "bpf_fentry_test",
    "modify_return": "bpf_modify_return_test",
}
TRACING = ProgType(
    "tracing",
    26,
    sizes="the arguments of the function, which the kernel chooses",
    attach_types={"trace_fentry": 24, "trace_fexit": 25, "modify_return": 26},
    repeats=False,
    attached=True,
    since="5.7",
    notes=(
        "The run does not call the program. It calls functions that the kernel has for this purpose, with arguments of "
        "its own, and the program is attached to one: `bpf_fentry_test1(1)`, `bpf_fentry_test2(2, 3)` and so on for "
        "fentry and fexit, `bpf_modify_return_test(1, &b)` for fmod_ret.\n"
        "What comes back is 0 for fentry and fexit. For fmod_ret it is how many functions were really called, times "
        "65,536, and the 16 bits of the sum of what they returned.\n"
        "Some kernels refuse to load such programs (EPERM): there, such cases are skipped.\n"
    ),
)
TYPES = (RAW_TRACEPOINT, SYSCALL, STRUCT_OPS, TRACING)
