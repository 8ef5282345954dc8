"""What each program type does not take is refused while it is planned: before anything is loaded, at its place."""

from __future__ import annotations

import pytest

from bpftest.elf import ElfProgram
from bpftest.errors import ObjectError
from bpftest.kernel.door import Request
from bpftest.plan import Job, Object, plan
from bpftest.progtypes import PROG_TYPES, ProgType, Rule, Run
from bpftest.suite.document import document
from bpftest.suite.parse import InvalidSuiteFile, suite
from tests.golden import assert_golden
from tests.suite.mistakes import report

IP = bytes.fromhex("4500001400000000401100007f0000017f000001")  # no header is put before it where none is known
SECTIONS = {"tracing": "fentry/bpf_fentry_test1"}  # the others do not need one where `type` is said

# A case that every kernel takes, by what the type sees, or by its name.
TAKEN = {
    "ethernet": {"packet": "{zeros: 60}"},
    "ip": {"packet": "{zeros: 60}"},
    "hook": {"packet": "{zeros: 60}"},
    "": {},
    "sk_lookup": {"ctx": "{family: AF_INET}"},
}

# What makes the frames of a case live.
LIVE = {"interfaces": "[left]", "live": "{ingress: left}", "expect": "{frames: {left: {count: 0}}}"}

# What a case says, and only some types take.
OPTIONS = [
    {"packet": ""},
    {"packet": "{zeros: 60}"},
    {"packet": "{zeros: 13}"},
    {"packet": "{zeros: 73153}"},
    {"packet": '{zeros: 60, metadata: "01020304"}'},
    {"ctx": "{ingress_ifindex: 1}"},
    {"ctx": "{mark: 1}"},
    {"ctx": "{len: 60}"},
    {"ctx": "{family: AF_INET}"},
    {"ctx": "{hook: NF_INET_LOCAL_OUT}"},
    {"ctx": "{flags: 1}"},
    {"ctx": "{args: [1]}"},
    {"ctx": "{state: 1}"},
    {"ctx": '{hex: "00"}'},
    {"repeat": "2"},
    {"cpu": "0"},
    {"flags": "[checksum_complete]"},
    {"attach_type": "nowhere"},
    {"expect": "{retval: NO_SUCH_CODE}"},
    {"expect": "{output: {unchanged: true}}"},
    {"expect": "{output: {flow_keys: {dport: 80}}}"},
    {"expect": '{output: {hex: "00", metadata: "01020304"}}'},
    {"expect": "{ctx: {mark: 1}}"},
    {"expect": "{ctx: {cookie: 1}}"},
    {"expect": "{ctx: {state: 1}}"},
    {"expect": "{socket: none}"},
    LIVE,
]

# What breaks the rules of the types; the kernel's answer can be tested where it is a refusal.
BREAKING = {
    "xdp": [
        {"packet": "{zeros: 0}"},
        {"packet": '{zeros: 60, metadata: "010203"}'},
        {"packet": f'{{zeros: 60, metadata: "{"00" * 220}"}}'},
        {"ctx": "{data_end: 61}"},
        {"packet": '{zeros: 60, metadata: "01020304"}', "ctx": "{data_end: 3}"},
        {"ctx": "{rx_queue_index: 1}"},
        {"attach_type": "xdp_devmap"},
        {"attach_type": "xdp_cpumap"},
        {**LIVE, "packet": "{zeros: 3409}"},
        {**LIVE, "ctx": "{data_end: 59}"},
        {**LIVE, "live": "{ingress: left, batch_size: 257}"},
    ],
    **{
        name: [{"packet": "{zeros: 0}"}, {"ctx": "{wire_len: 45}"}]
        for name, one in PROG_TYPES.items()
        if one.rules and one.flags
    },
    "flow_dissector": [{"packet": "{zeros: 0}"}],
    "sk_lookup": [
        {"ctx": ""},
        {"ctx": "{protocol: IPPROTO_TCP}"},
        {"ctx": "{family: 3}"},
        {"ctx": "{family: AF_INET, local_port: 65536}"},
        {"ctx": "{family: AF_INET, protocol: 65542}"},
        {"ctx": '{family: AF_INET, remote_ip6: "::1"}'},
        {"ctx": '{family: AF_INET, local_ip6: "::1"}'},
        {"ctx": "{family: AF_INET6, remote_ip4: 10.0.0.1}"},
        {"ctx": "{family: AF_INET6, local_ip4: 10.0.0.1}"},
    ],
    "netfilter": [
        {"packet": "{zeros: 19}"},
        {"packet": "{zeros: 33}", "ctx": "{hook: NF_INET_LOCAL_IN}"},
        {"packet": 'Ether(type=0x0806)/Raw(b"." * 46)', "ctx": "{hook: NF_INET_LOCAL_IN}"},
        {"packet": "Ether()/IP()/UDP()", "ctx": "{hook: NF_INET_LOCAL_IN, pf: NFPROTO_IPV6}"},
        {"packet": "IPv6()/UDP()", "ctx": "{hook: NF_INET_LOCAL_IN, pf: NFPROTO_IPV4}"},
        {"ctx": "{pf: 7}"},
    ],
    "raw_tracepoint": [{"ctx": f"{{args: [{', '.join('0' * 13)}]}}"}],
    "syscall": [{"ctx": f'{{hex: "{"00" * 65_536}"}}'}],
}


def text(prog_type: ProgType, said: dict[str, str]) -> str:
    """A suite of one case, which *said* makes different from one that is taken."""
    case = {**TAKEN.get(prog_type.name, TAKEN[prog_type.sees]), "expect": "{retval: 1}", **said}
    lines = [f"    {key}: {value}\n" for key, value in case.items() if value]
    return f"version: 1\nobject: x.bpf.o\ntype: {prog_type.name}\ncases:\n  - name: x\n{''.join(lines)}"


def job(prog_type: ProgType, said: dict[str, str]) -> Job:
    section = SECTIONS.get(prog_type.name, "")
    objects = {("x.bpf.o", ()): Object("x.bpf.o", (ElfProgram("x", section),))}
    return plan(suite(document("suite.yaml", text(prog_type, said))), objects).jobs[0]


def request(prog_type: ProgType, said: dict[str, str]) -> Request:
    (step,) = job(prog_type, said).steps
    assert step.ask is not None
    return step.ask(()).request


def answer(prog_type: ProgType, said: dict[str, str]) -> str:
    """What is said of the case: its mistakes, or that it is taken."""
    try:
        job(prog_type, said)
    except InvalidSuiteFile as invalid:
        lines = document("suite.yaml", text(prog_type, said)).lines
        return report(invalid.faults, lines)
    return "taken\n"


def told(prog_type: ProgType, cases: list[dict[str, str]]) -> str:
    """The answer to each case, long lines cut."""
    parts = []
    for said in cases:
        title = ", ".join(f"{key}: {value}" if value else f"no {key}" for key, value in said.items())
        parts.append(f"--- {title}\n{answer(prog_type, said)}")
    return "".join(f"{line[:150]}\n" for line in "\n".join(parts).splitlines())


@pytest.mark.parametrize("name", PROG_TYPES)
def test_what_a_type_does_not_take_is_told_with_what_it_takes(name: str) -> None:
    assert_golden(f"program_types/{name}.txt", told(PROG_TYPES[name], OPTIONS))


@pytest.mark.parametrize("name", BREAKING)
def test_what_every_kernel_refuses_or_ignores_is_told(name: str) -> None:
    said = told(PROG_TYPES[name], BREAKING[name])

    assert "taken" not in said.splitlines()
    assert_golden(f"program_types/{name}.rules.txt", said)


@pytest.mark.parametrize("name", PROG_TYPES)
def test_every_rule_is_broken_by_one_of_these_cases(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    prog_type, unbroken = PROG_TYPES[name], {rule for rule in PROG_TYPES[name].rules if rule.everywhere}

    def recorded(rule: Rule) -> Rule:
        def broken(run: Run) -> str:
            wrong = rule.broken(run)
            if wrong:
                unbroken.discard(rule)
            return wrong

        return rule._replace(broken=broken)

    monkeypatch.setitem(PROG_TYPES, name, prog_type._replace(rules=tuple(map(recorded, prog_type.rules))))
    told(prog_type, [*BREAKING.get(name, ()), *OPTIONS])

    assert unbroken == set()


@pytest.mark.parametrize(
    ("name", "said"), [(name, said) for name, cases in BREAKING.items() for said in cases], ids=str
)
def test_a_case_that_expects_an_errno_is_let_through_to_the_kernel(name: str, said: dict[str, str]) -> None:
    assert request(PROG_TYPES[name], said | {"expect": "{errno: EINVAL}"})


@pytest.mark.parametrize(
    ("name", "said", "sent"),
    [
        ("raw_tracepoint", {"packet": "{zeros: 60}"}, {"data_in": bytes(60)}),
        ("raw_tracepoint", {"packet": f"{{hex: {IP.hex()}}}"}, {"data_in": IP}),
        ("raw_tracepoint", {"repeat": "2"}, {"repeat": 2}),
        ("syscall", {"packet": "{zeros: 60}"}, {"data_in": bytes(60)}),
        ("syscall", {"flags": "[checksum_complete]"}, {"flags": 4}),
        ("sk_lookup", {"packet": "{zeros: 60}"}, {"data_in": bytes(60)}),
        ("xdp", {"flags": "[checksum_complete]"}, {"flags": 4}),
        ("xdp", {"ctx": "{egress_ifindex: 1}"}, {"ctx_in": bytes([*bytes(4), 60, *bytes(15), 1, 0, 0, 0])}),
        ("sched_cls", {"ctx": "{len: 60}"}, {"ctx_in": bytes([60]) + bytes(191)}),
    ],
)
def test_the_kernel_gets_what_the_type_does_not_take_where_its_errno_is_expected(
    name: str, said: dict[str, str], sent: dict[str, object]
) -> None:
    asked = request(PROG_TYPES[name], said | {"expect": "{errno: EINVAL}"})

    assert {key: getattr(asked, key) for key in sent} == sent


TP_BTF = 'no kernel has a test run for tracing (tp_btf) programs (SEC("tp_btf/sched_switch"))'


@pytest.mark.parametrize(
    ("section", "line", "what", "hint"),
    [
        (
            "tp_btf/sched_switch",
            "",
            TP_BTF,
            'SEC("raw_tp/...") has a test run: call the same code from there',
        ),
        (
            "tp_btf/sched_switch",
            "type: tracing",
            TP_BTF,
            'SEC("raw_tp/...") has a test run: call the same code from there',
        ),
        (
            "iter/task",
            "type: tracing",
            'no kernel has a test run for tracing (iter) programs (SEC("iter/task"))',
            "attach it and read the iterator",
        ),
        (
            "kprobe/tcp_connect",
            "",
            'no kernel has a test run for kprobe programs (SEC("kprobe/tcp_connect"))',
            "attach the program and trigger what it waits for",
        ),
        (
            "cgroup/connect4",
            "",
            'no kernel has a test run for cgroup_sock_addr programs (SEC("cgroup/connect4"))',
            "attach it to a cgroup and connect, bind or send",
        ),
        (
            "xdp",
            "type: tracing",
            "the section \"xdp\" of 'x' does not say what it is to be attached to",
            'SEC("fentry/bpf_fentry_test1") or the like: BPF_PROG_RUN calls these functions, and no program',
        ),
        (
            "xdp/devmap",
            "",
            "no kernel test-runs XDP programs for a devmap (xdp_devmap)",
            "the kernel refuses the run with EINVAL; to test that, expect 'errno: EINVAL'",
        ),
        (
            "beyond/the/sea",
            "",
            "the section \"beyond/the/sea\" of 'x' tells no program type that bpftest runs",
            f"say 'type:', one of: {', '.join(PROG_TYPES)}",
        ),
    ],
)
def test_a_section_that_cannot_be_run_is_told_with_what_can_be_done(
    section: str, line: str, what: str, hint: str
) -> None:
    case = "{name: x, packet: {zeros: 60}, expect: {retval: 1}}"
    said = document("suite.yaml", f"version: 1\nobject: x.bpf.o\n{line}\ncases: [{case}]\n")

    with pytest.raises(InvalidSuiteFile) as raised:
        plan(suite(said), {("x.bpf.o", ()): Object("x.bpf.o", (ElfProgram("x", section),))})

    assert [(fault.what, fault.hint) for fault in raised.value.faults] == [(what, hint)]


@pytest.mark.parametrize("said", ["maps: {m: [{key: 1, value: 1}]}", "globals: {g: 1}", "ctx: {struct: s, fields: {}}"])
def test_what_only_a_missing_object_could_tell_is_no_mistake_of_the_suite(said: str) -> None:
    missing = ObjectError("x.bpf.o: No such file or directory")
    text = f"version: 1\nobject: x.bpf.o\ntype: syscall\ncases: [{{name: x, {said}, expect: {{retval: 1}}}}]\n"

    (job,) = plan(suite(document("suite.yaml", text)), {("x.bpf.o", ()): missing}).jobs

    assert job.problem is missing
