"""The tables of program types, held against the C compiler, the kernel's own types, libbpf, and the kernel itself."""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from bpftest.errors import SuiteError
from bpftest.kernel.compile import bpftool_path, clang_path
from bpftest.plan.program import LOAD_FLAGS
from bpftest.progtypes import PROG_TYPES, ProgType, of_section, untestable_section
from bpftest.progtypes.constants import ETHERTYPES, FAMILIES, PROTOCOLS
from bpftest.progtypes.flow_dissector import FLAGS as FLOW_FLAGS
from bpftest.progtypes.netfilter import FAMILIES as NETFILTER_FAMILIES
from bpftest.progtypes.netfilter import HOOKS
from bpftest.progtypes.sections import SECTIONS, UNTESTABLE
from bpftest.progtypes.skb import SKB_FLAGS

# sys/socket.h stands before those of linux/, which leave out what it has.
HEADERS = """
    stddef.h stdio.h sys/socket.h linux/in.h linux/in6.h linux/if_ether.h linux/bpf.h linux/pkt_cls.h linux/netfilter.h
"""

# What the headers of Debian 12 (Linux 6.1) do not have yet; the kernel's own types are asked for those of them that are
# enumerators, and the macros among them are given here as include/uapi/linux/bpf.h has them since the release beside.
NEWER_MACROS = {
    "BPF_F_TEST_SKB_CHECKSUM_COMPLETE": 1 << 2,  # 6.11
    "BPF_F_TEST_REG_INVARIANTS": 1 << 7,  # 6.8
}
NEWER_ENUMERATORS = {"BPF_TCX_INGRESS", "BPF_TCX_EGRESS", "TCX_NEXT", "TCX_PASS", "TCX_DROP", "TCX_REDIRECT"}  # 6.6
NEWER_ENUMERATORS |= {"BPF_PROG_TYPE_NETFILTER", "BPF_NETFILTER"}  # 6.4


def constants() -> dict[str, int]:
    """Every number in the tables by the name that C has for it."""
    found = {f"BPF_PROG_TYPE_{name.upper()}": one.number for name, one in PROG_TYPES.items()}
    for one in PROG_TYPES.values():
        found |= dict(one.codes)
        found |= {f"BPF_{name.upper()}": number for name, number in one.attach_types.items()}
    found |= {f"BPF_F_{name.upper()}": number for name, number in LOAD_FLAGS.items()}
    found |= {f"BPF_F_TEST_SKB_{name.upper()}": number for name, number in SKB_FLAGS.items()}
    for table in (ETHERTYPES, FAMILIES, PROTOCOLS, FLOW_FLAGS, HOOKS, NETFILTER_FAMILIES):
        found |= table
    return found


def layouts() -> dict[str, int]:
    """Every offset and size of a context struct in the tables, as C asks for it."""
    found = {}
    for ctx in {one.ctx.struct: one.ctx for one in PROG_TYPES.values() if one.ctx}.values():
        found[f"sizeof({ctx.struct})"] = ctx.size
        for name, member in ctx.members.items():
            found[f"offsetof({ctx.struct}, {name})"] = member.offset
            found[f"sizeof((({ctx.struct} *)0)->{name})"] = member.size * member.elements
    return found


def computed(folder: Path, prelude: str, expressions: Iterable[str]) -> dict[str, int]:
    """What each C expression comes to by the compiler."""
    lines = "".join(f'  printf("%s\\t%lld\\n", "{one}", (long long)({one}));\n' for one in expressions)
    source, program = folder / "computed.c", folder / "computed"
    source.write_text(f"{prelude}\nint main(void) {{\n{lines}}}\n", encoding="utf-8")
    subprocess.run([clang_path(), "-Wno-everything", source, "-o", program], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split("\t") for line in said.splitlines())}


def of_the_headers() -> str:
    return "".join(f"#include <{name}>\n" for name in HEADERS.split())


def known(folder: Path, names: Iterable[str]) -> set[str]:
    """Those of *names* that the headers have: a name that C does not know is an error for each use of it."""
    wanted = list(names)
    source = folder / "known.c"
    uses = "".join(f"long long v{number} = (long long)({name});\n" for number, name in enumerate(wanted))
    source.write_text(f"{of_the_headers()}{uses}", encoding="ascii")
    command = [clang_path(), "-fsyntax-only", "-ferror-limit=0", "-Wno-everything", source]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return set(wanted) - set(re.findall(r"undeclared identifier '(\w+)'", said))


def test_every_number_is_that_of_the_headers(tmp_path: Path) -> None:
    ours = constants()
    there = known(tmp_path, ours)

    assert ours.keys() - there <= NEWER_ENUMERATORS | NEWER_MACROS.keys(), "no header has these"
    assert {name: ours[name] for name in there} == computed(tmp_path, of_the_headers(), sorted(there))
    assert {name: ours[name] for name in NEWER_MACROS} == NEWER_MACROS


def test_every_member_of_a_context_is_where_c_has_it(tmp_path: Path) -> None:
    ours = {place: value for place, value in layouts().items() if "nf_hook_state" not in place}  # not for user space

    assert len(ours) > 100
    assert ours == computed(tmp_path, of_the_headers(), ours)


@pytest.fixture(scope="module")
def vmlinux() -> str:
    """The running kernel's types, in C."""
    command = [bpftool_path(), "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.kernel
def test_the_running_kernel_has_the_same_numbers(vmlinux: str) -> None:
    enumerators = {name: int(value) for name, value in re.findall(r"^\t(\w+) = (-?\d+),?$", vmlinux, re.MULTILINE)}
    # TC_ACT_* and so on are macros, of which the kernel's types know nothing.
    ours = {name: number for name, number in constants().items() if name in enumerators}

    assert ours.keys() > {"BPF_PROG_TYPE_XDP", "XDP_TX", "SK_PASS", "BPF_XDP"}
    assert ours == {name: enumerators[name] for name in ours}


@pytest.mark.kernel
def test_what_only_the_kernel_has_is_where_it_has_it(tmp_path: Path, vmlinux: str) -> None:
    ours = {place: value for place, value in layouts().items() if "offsetof(struct nf_hook_state" in place}
    prelude = (
        "#define BPF_NO_PRESERVE_ACCESS_INDEX\n"
        f"{vmlinux}\n"
        "#define offsetof(type, member) __builtin_offsetof(type, member)\n"
        "int printf(const char *, ...);\n"
    )

    assert len(ours) == 2
    assert ours == computed(tmp_path, prelude, ours)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROG_TYPES)
def test_every_type_is_found_by_its_own_name(name: str) -> None:
    assert PROG_TYPES[name].name == name


@pytest.mark.parametrize("prog_type", PROG_TYPES.values(), ids=PROG_TYPES)
def test_what_can_be_set_or_comes_back_is_a_member(prog_type: ProgType) -> None:
    if prog_type.ctx:
        assert set(prog_type.ctx.settable) | set(prog_type.ctx.returned) <= prog_type.ctx.members.keys()
    assert (prog_type.ctx is not None) == (prog_type.ctx_kind == "struct")


@pytest.mark.parametrize("prog_type", PROG_TYPES.values(), ids=PROG_TYPES)
def test_every_return_code_is_read_and_shown(prog_type: ProgType) -> None:
    for name, number in prog_type.codes:
        assert prog_type.return_code(name) == number
        assert prog_type.code_text(number).endswith(f" ({number})")
    assert prog_type.code_text(-12345) == "-12345"


@pytest.mark.parametrize(
    ("name", "want", "number", "text"),
    [
        ("xdp", "XDP_TX", 3, "XDP_TX (3)"),
        ("xdp", 77, 77, "77"),
        ("xdp", 4294967295, -1, "-1"),
        ("xdp", 2147483647, 2147483647, "2147483647"),
        ("xdp", 2147483648, -2147483648, "-2147483648"),
        ("sched_cls", "TC_ACT_SHOT", 2, "TC_ACT_SHOT (2)"),
        ("sched_cls", "TCX_DROP", 2, "TC_ACT_SHOT (2)"),
        ("sched_cls", -1, -1, "TC_ACT_UNSPEC (-1)"),
        ("sched_cls", 4294967295, -1, "TC_ACT_UNSPEC (-1)"),
        ("cgroup_skb", 1, 1, "1 (allow)"),
        ("cgroup_skb", 7, 7, "7"),
        ("socket_filter", 0, 0, "0 (drop)"),
        ("sk_lookup", "SK_PASS", 1, "SK_PASS (1)"),
        ("netfilter", "NF_DROP", 0, "NF_DROP (0)"),
    ],
)
def test_a_return_code_is_a_name_or_32_bits_with_a_sign(name: str, want: int | str, number: int, text: str) -> None:
    prog_type = PROG_TYPES[name]

    assert (prog_type.return_code(want), prog_type.code_text(number)) == (number, text)


@pytest.mark.parametrize(
    ("name", "want", "what", "hint"),
    [
        ("xdp", "XDP_DORP", "'XDP_DORP' is no return code of xdp", "did you mean 'XDP_DROP'?"),
        (
            "sk_lookup",
            "nonsense",
            "'nonsense' is no return code of sk_lookup",
            "one of: SK_DROP, SK_PASS",
        ),
        ("socket_filter", "XDP_PASS", "the return codes of socket_filter have no names", "write the number"),
    ],
)
def test_a_return_code_that_does_not_exist_is_told(name: str, want: str, what: str, hint: str) -> None:
    with pytest.raises(SuiteError) as raised:
        PROG_TYPES[name].return_code(want)

    assert (raised.value.what, raised.value.hint) == (what, hint)


# --- sections -----------------------------------------------------------------------------------------------------


class Libbpf:
    """What libbpf takes a section for."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libbpf.so.1")
        self._library.libbpf_set_print(None)

    def types(self, section: str) -> tuple[int, int] | None:
        """(program type, attach type), None for a section that this version of libbpf does not know."""
        prog_type, attach_type = ctypes.c_int(), ctypes.c_int()
        found = self._library.libbpf_prog_type_by_name(
            section.encode(), ctypes.byref(prog_type), ctypes.byref(attach_type)
        )
        return None if found else (prog_type.value, attach_type.value)


@pytest.fixture(scope="module")
def libbpf() -> Libbpf:
    return Libbpf()


def number_of(prog_type: str) -> str:
    """The enumerator of a type that has no entry, such as "tracing (iter)"."""
    return f"BPF_PROG_TYPE_{prog_type.partition(' ')[0].upper()}"


def test_a_section_stands_for_the_type_that_libbpf_takes_it_for(libbpf: Libbpf) -> None:
    agreed = 0
    for section, (name, attach_type) in SECTIONS.items():
        prog_type = PROG_TYPES[name]
        for said in filter(None, map(libbpf.types, (section, f"{section}/x"))):
            assert said[0] == prog_type.number, section
            assert attach_type is None or said[1] == prog_type.attach_types[attach_type], section
            agreed += 1
    assert agreed > 25, "libbpf 1.0 knows so many"


def test_a_section_that_cannot_be_tested_is_of_the_type_that_libbpf_takes_it_for(
    libbpf: Libbpf, tmp_path: Path
) -> None:
    numbers = computed(tmp_path, of_the_headers(), sorted({number_of(name) for name, _ in UNTESTABLE.values()}))

    agreed = 0
    for section, (name, _) in UNTESTABLE.items():
        for said in filter(None, map(libbpf.types, (section, f"{section}/x", f"{section}4", f"{section}/connect4"))):
            assert said[0] == numbers[number_of(name)], section
            agreed += 1
    assert agreed > 25, "libbpf 1.0 knows so many"


@pytest.mark.parametrize(
    ("section", "meant"),
    [
        ("xdp", ("xdp", "xdp")),
        ("?xdp", ("xdp", "xdp")),
        ("xdp_firewall", ("xdp", "xdp")),
        ("xdp/filter", ("xdp", "xdp")),
        ("xdp.frags", ("xdp", "xdp")),
        ("xdp/devmap", ("xdp", "xdp_devmap")),
        ("xdp.frags/cpumap", ("xdp", "xdp_cpumap")),
        ("xdp1", (None, None)),
        ("xdpfilter", (None, None)),
        ("tc", ("sched_cls", None)),
        ("tc/ingress", ("sched_cls", "tcx_ingress")),
        ("tcx/egress", ("sched_cls", "tcx_egress")),
        ("cgroup_skb/egress", ("cgroup_skb", "cgroup_inet_egress")),
        ("cgroup_skb/egress/counter", ("cgroup_skb", "cgroup_inet_egress")),
        ("cgroup/skb", ("cgroup_skb", None)),
        ("raw_tp/sys_enter", ("raw_tracepoint", None)),
        ("fentry/tcp_connect", ("tracing", "trace_fentry")),
        ("tp_btf/sys_enter", (None, None)),
        ("", (None, None)),
        ("?", (None, None)),
        (".text", (None, None)),
        ("license", (None, None)),
    ],
)
def test_a_section_is_taken_by_the_longest_name_that_it_begins_with(
    section: str, meant: tuple[str | None, str | None]
) -> None:
    assert of_section(section) == meant


@pytest.mark.parametrize("section", ["kprobe/tcp_connect", "tp/syscalls/sys_enter_open", "cgroup/connect4", "?lsm/x"])
def test_a_section_whose_type_has_no_test_run_says_what_to_do_instead(section: str) -> None:
    name, instead = untestable_section(section) or ("", "")

    assert name
    assert instead
    assert of_section(section) == (None, None)


@pytest.mark.parametrize("section", ["xdp", "tc", "cgroup/skb", "cgroup_skb/ingress", "raw_tp/x", "socket", "", "any"])
def test_a_section_that_can_be_tested_says_nothing_of_the_kind(section: str) -> None:
    assert untestable_section(section) is None


def test_members_of_a_context_do_not_lie_upon_each_other_unless_they_are_of_a_union() -> None:
    unions = {"ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"}
    for prog_type in PROG_TYPES.values():
        if not prog_type.ctx:
            continue
        members = [one for name, one in prog_type.ctx.members.items() if name not in unions]
        ends = [0]
        for member in sorted(members, key=lambda one: one.offset):
            assert ends[-1] <= member.offset
            ends.append(member.offset + member.size * member.elements)
        assert ends[-1] <= prog_type.ctx.size


def test_a_struct_is_made_of_its_members() -> None:
    ctx = PROG_TYPES["sk_lookup"].ctx
    assert ctx

    made = ctx.encoded({"family": "AF_INET6", "remote_ip6": "::1", "remote_port": 80, "local_port": 80})

    assert made == struct.pack("=Q II 4x 16s H 2x 4x 16x I 8x", *(0, 10, 0, bytes(15) + b"\1", 80 << 8, 80))
