"""Event streams as runs send them, small enough to read; each shows what its name says."""

from __future__ import annotations

from bpftest.errors import Place
from bpftest.events import (
    CaseFinished,
    Event,
    Excerpt,
    Finding,
    HexRow,
    InvalidSuite,
    Mismatch,
    Mistake,
    Outcome,
    Problem,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)

FIREWALL, NAT, BAD = "suites/firewall.yaml", "suites/nat.yaml", "suites/bad.yaml"
NOON = "2026-03-01T12:00:00Z"


def started(suites: int, cases: int) -> RunStarted:
    return RunStarted("0.1.0", "Linux 6.18.44", "x86_64", "buildhost", NOON, suites, cases, (("jit", "on"),))


def case(
    name: str, line: int, outcome: Outcome = Outcome.PASSED, *, path: str = FIREWALL, **more: object
) -> CaseFinished:
    return CaseFinished(path, name, Place(path, line, 5), outcome, more.pop("seconds", 0.0007), **more)  # type: ignore[arg-type]


def source(line: int, text: str, part: str, path: str = FIREWALL) -> Excerpt:
    """The line *text* with *part* of it marked."""
    return Excerpt(Place(path, line, text.index(part) + 1, len(part)), ((line, text),))


PASSED = case(
    "drops telnet",
    9,
    findings=(Finding("retval", "XDP_DROP (1)"), Finding("output", "unchanged")),
    notes=("the program ran 3 times over the same packet",),
    properties=(("program", "firewall"), ("retval", "XDP_DROP (1)")),
)
FAILED = case(
    "forwards and decrements the TTL",
    24,
    Outcome.FAILED,
    seconds=0.00051,
    kind="bpftest.OutputMismatch",
    message="output: IP.ttl 63 != 64 (and 1 more)",
    findings=(
        Finding("retval", "XDP_TX (3)"),
        Finding(
            "output",
            "length 42",
            (Mismatch("IP.chksum", "0x67ce", "0x66ce", 24, derived=True), Mismatch("IP.ttl", "63", "64", 22)),
            (
                HexRow(
                    16,
                    "00 1c 00 01 00 00 3f 11 67 ce 0a 00 00 01 0a 00",
                    "00 1c 00 01 00 00 40 11 66 ce 0a 00 00 01 0a 00",
                    "                  ^^    ^^",
                ),
            ),
            source(30, "      output: Ether()/IP(ttl=63)/UDP()", "output"),
        ),
    ),
    notes=('printk "ttl path: slow"',),
    properties=(("program", "firewall"), ("type", "xdp")),
)
SKIPPED = case(
    "reflects what it gets", 40, Outcome.SKIPPED, seconds=0.0, message="needs live_frames, this kernel has none"
)
XFAILED = case(
    "keeps VLAN tags",
    60,
    Outcome.XFAILED,
    message="not written yet",
    findings=(Finding("retval", "", (Mismatch("retval", "XDP_TX (3)", "XDP_DROP (1)"),)),),
)
VERIFIER_LOG = "\n".join(
    [f"{line}: (b7) r{line % 10} = {line}" for line in range(30)]
    + ["invalid access to packet, off=30 size=1, R1(id=0,off=30,r=0)", "processed 30 insns (limit 1000000)", ""]
)
REFUSED = Problem(
    "bpftest.LoadError",
    "the verifier refuses 'firewall': invalid access to packet",
    "compare with data_end before the access",
    VERIFIER_LOG,
    source(3, "program: firewall", "firewall"),
)
ERROR = case(
    "does not load", 50, Outcome.ERROR, seconds=0.0213, kind=REFUSED.kind, message=REFUSED.message, problem=REFUSED
)
SAME_ERROR = case(
    "does not load either", 55, Outcome.ERROR, kind=REFUSED.kind, message=REFUSED.message, problem=REFUSED
)
TRANSLATES = case("translates", 9, path=NAT, seconds=1.2345)


def run_of(*cases: CaseFinished) -> list[Event]:
    suite = SuiteStarted(FIREWALL, "", len(cases), NOON)
    return [started(1, len(cases)), suite, *cases, SuiteFinished(FIREWALL, 0.1), RunFinished(0.2)]


EVERY_OUTCOME: list[Event] = [
    started(2, 7),
    SuiteStarted(FIREWALL, "firewall", 6, NOON),
    PASSED,
    FAILED,
    SKIPPED,
    ERROR,
    SAME_ERROR,
    XFAILED,
    SuiteFinished(FIREWALL, 0.031),
    SuiteStarted(NAT, "", 1, NOON),
    TRANSLATES,
    SuiteFinished(NAT, 1.24),
    RunFinished(1.3),
]

ALL_PASSED: list[Event] = [
    started(1, 1),
    SuiteStarted(FIREWALL, "", 1, NOON),
    PASSED,
    SuiteFinished(FIREWALL, 0.0012),
    RunFinished(0.004),
]

INTERRUPTED: list[Event] = [
    started(2, 7),
    SuiteStarted(FIREWALL, "firewall", 6, NOON),
    PASSED,
    FAILED,
    RunFinished(0.2, "SIGINT"),
]

NOTHING: list[Event] = [started(0, 0), RunFinished(0.0)]

INVALID: list[Event] = [
    started(2, 0),
    InvalidSuite(
        BAD,
        (
            Mistake(
                "unknown key 'repaet'",
                "did you mean 'repeat'?",
                Excerpt(Place(BAD, 7, 5, 6), ((6, "  - name: drops a runt frame"), (7, "    repaet: 3"))),
            ),
            Mistake("'expect' is required", "", Excerpt(Place(BAD, 10, 5))),
        ),
    ),
    InvalidSuite(
        "my suites/tabs.yaml",
        (
            Mistake(
                "a tab\tcannot indent\x1b[31m",
                "YAML indents with blanks:\nuse them",
                Excerpt(
                    Place("my suites/tabs.yaml", 9, 7, 4),
                    (
                        (8, "\t- name: 'drops 数据包'"),
                        (9, "\t\t漢é: dröp\x07: 1"),
                        (10, "    expect: {}"),
                    ),
                ),
            ),
        ),
    ),
    RunFinished(0.01),
]

LONG = "packets: 100, bytes: 6400, last_seen: 1234567890"
DETAILED: list[Event] = [
    started(1, 6),
    SuiteStarted(FIREWALL, "", 6, NOON),
    case(
        "several expectations fail",
        20,
        Outcome.FAILED,
        kind="bpftest.RetvalMismatch",
        message="retval XDP_TX (3) != XDP_DROP (1) (and 2 more)",
        findings=(
            Finding(
                "retval",
                mismatches=(Mismatch("retval", "XDP_TX (3)", "XDP_DROP (1)"),),
                excerpt=source(99, "    expect: {retval: XDP_TX, maps: {seen: []}}", "retval"),
            ),
            Finding("globals", "2 variables"),
            Finding(
                "maps",
                mismatches=(
                    Mismatch("seen[10.0.0.9]", f"{{{LONG}}}", f"{{{LONG}1}}"),
                    Mismatch("seen", "1 entry", "2"),
                ),
                excerpt=source(100, "    expect: {retval: XDP_TX, maps: {seen: []}}", "maps"),
            ),
            Finding("ctx", "mark 0x2a"),
        ),
    ),
    case(
        "the output is too short",
        30,
        Outcome.FAILED,
        kind="bpftest.OutputMismatch",
        message="output: length 40 != 34",
        findings=(
            Finding(
                "output",
                mismatches=(Mismatch("length", "40", "34"),),
                rows=(
                    HexRow(16, "45 00 00 14", "45 00 00 14", ""),
                    HexRow(32, "0a 00 ** ** de ad be ef", "0a 00", "            ^^ ^^ ^^ ^^"),
                    HexRow(48, "", "ff", "^^"),
                ),
            ),
        ),
    ),
    case(
        "passes though it should not",
        40,
        Outcome.FAILED,
        kind="bpftest.UnexpectedPass",
        message="passes, although its xfail says: known bug",
        findings=(Finding("retval", "XDP_TX (3)"),),
    ),
    case(
        "does not compile",
        50,
        Outcome.ERROR,
        kind="bpftest.CompileError",
        message="clang refuses firewall.bpf.c",
        problem=Problem(
            "bpftest.CompileError",
            "clang refuses firewall.bpf.c",
            "mend the source",
            "\n".join(f"\x1b[1mfirewall.bpf.c:{line}:1: \x1b[31merror:\x1b[0m bad line" for line in range(1, 21)),
        ),
    ),
    case(
        "a very long line of the suite",
        60,
        Outcome.FAILED,
        kind="bpftest.OutputMismatch",
        message="output: hex",
        findings=(
            Finding(
                "output",
                mismatches=(Mismatch("byte", "0x**", "0x01", 150),),
                excerpt=source(61, f"      output: {{hex: '{'00' * 200}**{'00' * 200}'}}", "**"),
            ),
        ),
    ),
    case(
        'it\'s a "name" with\x1b[31m colour\x07 and \\',
        70,
        Outcome.ERROR,
        kind="bpftest.CaseTimeout",
        message="took 5 s",
    ),
    SuiteFinished(FIREWALL, 61.5),
    RunFinished(61.7),
]
