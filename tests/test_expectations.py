"""Each expectation against what a kernel might have said."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bpftest.errors import Place
from bpftest.events import Excerpt, HexRow, Mismatch
from bpftest.expectations import EXPECTATIONS, Context
from bpftest.kernel.door import LoadReport, Observation
from bpftest.packets.sources import Scope, packet
from bpftest.progtypes import PROG_TYPES
from tests.expecting import Broken, check, context, ran, refused, written
from tests.golden import assert_golden


def built(expression: str) -> bytes:
    return packet(expression, Scope()).data


# --- retval -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "actual", "held", "broken"),
    [
        ("xdp", "XDP_PASS", 2, "XDP_PASS (2)", []),
        ("xdp", "2", 2, "XDP_PASS (2)", []),
        ("xdp", "XDP_PASS", 1, "", [("retval", "XDP_PASS (2)", "XDP_DROP (1)")]),
        ("xdp", "XDP_PASS", 99, "", [("retval", "XDP_PASS (2)", "99")]),
        ("xdp", "[XDP_TX, 4]", 4, "XDP_REDIRECT (4)", []),
        ("xdp", "[XDP_TX, 4]", 1, "", [("retval", "XDP_TX (3) or XDP_REDIRECT (4)", "XDP_DROP (1)")]),
        ("xdp", "-1", -1, "-1", []),
        ("xdp", "4294967295", -1, "-1", []),  # the same 32 bits
        ("xdp", "4294967294", -1, "", [("retval", "-2", "-1")]),
        ("xdp", "-2147483648", -(2**31), "-2147483648", []),
        ("sched_cls", "TC_ACT_UNSPEC", -1, "TC_ACT_UNSPEC (-1)", []),
        ("sched_cls", "TCX_DROP", 2, "TC_ACT_SHOT (2)", []),
        ("sched_cls", "4294967295", 0, "", [("retval", "TC_ACT_UNSPEC (-1)", "TC_ACT_OK (0)")]),
        ("socket_filter", "64", 0, "", [("retval", "64", "0 (drop)")]),
        ("cgroup_skb", "1", 0, "", [("retval", "1 (allow)", "0 (drop)")]),
    ],
)
def test_a_retval_is_a_name_or_a_number_or_one_of_several(
    name: str, text: str, actual: int, held: str, broken: Broken
) -> None:
    assert check(f"retval: {text}", context(name), ran(retval=actual)) == (held, broken)


@pytest.mark.parametrize(
    ("text", "actual", "held", "broken"),
    [
        ("XDP_ABORTED", 2, "XDP_ABORTED (0)", []),
        ("XDP_ABORTED", 0, "", [("retval", "any but XDP_ABORTED (0)", "XDP_ABORTED (0)")]),
        ("[XDP_ABORTED, 4]", 1, "XDP_ABORTED (0) or XDP_REDIRECT (4)", []),
        ("[XDP_ABORTED, 4]", 4, "", [("retval", "any but XDP_REDIRECT (4)", "XDP_REDIRECT (4)")]),
        ("4294967295", -1, "", [("retval", "any but -1", "-1")]),
    ],
)
def test_what_is_never_returned_is_a_name_or_a_number_or_several(
    text: str, actual: int, held: str, broken: Broken
) -> None:
    assert check(f"never: {text}", context("xdp"), ran(retval=actual)) == (held, broken)


# --- output: Ethernet ---------------------------------------------------------------------------------------------

HEADERS = 'Ether()/IP(src="10.0.0.1", dst="10.0.0.2", ttl={})/UDP(sport=1, dport=53)/Raw(b"hello")'
SENT, GOT = built(HEADERS.format(64)), built(HEADERS.format(63))
NOT_UPDATED = SENT[:22] + b"\x3f" + SENT[23:]
ARP = bytes(12) + b"\x08\x06" + bytes(28)
XDP = context("xdp", link="ethernet")
TTL = ("IP.ttl", "64", "63", 22, False)
SUM = ("IP.chksum", "0x66c9", "0x67c9", 24, True)  # follows from the TTL
SUM_ALONE = ("IP.chksum", "0x66c9", "0x67c9", 24, False)


def xdp(data: bytes, metadata: bytes = b"") -> Observation:
    """What comes back of an XDP run: xdp_md.data is the length of the metadata before the packet."""
    came = ran(data_out=metadata + data, ctx_out=len(metadata).to_bytes(4, "little") + bytes(20))
    return came._replace(packet=SENT)


@pytest.mark.parametrize(
    ("text", "held", "broken"),
    [
        (HEADERS.format(63), "length 47", []),
        (HEADERS.format(64), "length 47", [TTL, SUM]),
        (f"{{scapy: '{HEADERS.format(63)}'}}", "length 47", []),
        (f"{{scapy: '{HEADERS.format(64)}', ignore: [IP.ttl, IP.chksum]}}", "length 47", []),
        (f"{{scapy: '{HEADERS.format(64)}', ignore: [IP.ttl]}}", "length 47", [SUM_ALONE]),
        (f'{{hex: "{GOT.hex(" ")}"}}', "length 47", []),
        (f'{{hex: "{SENT.hex(":")}"}}', "length 47", [TTL, SUM]),
        (f'{{hex: "{GOT[:22].hex()}**{GOT[23:].hex()}"}}', "length 47", []),
        (f'{{hex: "{GOT[:22].hex()}4*{GOT[23:].hex()}"}}', "length 47", [("IP.ttl", "79", "63", 22, False)]),
        ('{hex: "ffff ffff ff**", prefix: true}', "length 47", []),
        (
            '{hex: "ffff ffff fe**", prefix: true}',
            "length 47",
            [("Raw.load", "fffffffffeff", "ffffffffffff", 4, False)],
        ),
        (
            f'{{hex: "{GOT.hex()}00", prefix: true}}',
            "",
            [
                ("layers", "Ether / IP / UDP / Raw / Padding", "Ether / IP / UDP / Raw", 47, False),
                ("length", "48", "47", None, True),
            ],
        ),
        ("{zeros: 47}", "length 47", [("layers", "Dot3 / Padding", "Ether / IP / UDP / Raw", 0, False)]),
        ("{fill: 255, length: 6, prefix: true}", "length 47", []),
        ("{unchanged: true}", "length 47", [TTL, SUM]),
        ("{length: 47}", "length 47", []),
        ("{length: 48}", "", [("length", "48", "47")]),
        ("{length: {max: 47}}", "length 47", []),
        ("{length: {max: 46}}", "", [("length", "0 to 46", "47")]),
        ("{length: {min: 48}}", "", [("length", "at least 48", "47")]),
        ("{length: {min: 40, max: 50}}", "length 47", []),
        ("{checksums: valid}", "2 checksums valid", []),
        ("{fields: {IP.ttl: 63}}", "1 field", []),
        ("{fields: {IP.ttl: 63, UDP.dport: 53}}", "2 fields", []),
        ("{fields: {IP.ttl: 64, UDP.dport: 53}}", "", [TTL]),
        ("{fields: {IP.src: 10.0.0.2}}", "", [("IP.src", "10.0.0.2", "10.0.0.1", 26, False)]),
        (
            "{fields: {TCP.dport: 53}}",
            "",
            [("TCP.dport", "53", "no TCP header: Ether / IP / UDP / Raw", 0, False)],
        ),
        ("{fields: {IP.ttl: 63}, checksums: valid, length: 47}", "1 field, length 47, 2 checksums valid", []),
        ("{fields: {IP.ttl: 64}, checksums: valid, length: 4}", "2 checksums valid", [TTL, ("length", "4", "47")]),
    ],
)
def test_an_output_is_said_as_a_whole_or_in_part(text: str, held: str, broken: Broken) -> None:
    assert check(f"output: {text}", XDP, xdp(GOT)) == (held, broken)


def test_a_whole_packet_of_another_length_is_told_with_both_lengths() -> None:
    held, broken = check(f"output: {HEADERS.format(63)}", XDP, xdp(GOT[:-2]))

    assert held == ""
    assert ("length", "47", "45") in [mismatch[:3] for mismatch in broken]


def test_a_packet_that_may_go_on_and_does_not_is_too_short() -> None:
    held, broken = check(f'output: {{hex: "{GOT.hex()}", prefix: true}}', XDP, xdp(GOT[:10]))

    assert held == ""
    assert broken[-1] == ("length", "47", "10", None, True)


@pytest.mark.parametrize(
    ("data", "held", "broken"),
    [
        (GOT, "2 checksums valid", []),
        (NOT_UPDATED, "", [("IP.chksum", "0x67c9", "0x66c9", 24, False)]),
        (GOT[:-1] + b"!", "", [("UDP.chksum", "0xf5c9", "0xa7c9", 40, False)]),
        (ARP, "", [("checksums", "valid", "the packet has none")]),
        (b"", "", [("checksums", "valid", "the packet has none")]),
    ],
)
def test_checksums_are_valid_only_where_there_are_some(data: bytes, held: str, broken: Broken) -> None:
    assert check("output: {checksums: valid}", XDP, xdp(data)) == (held, broken)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (f'{{hex: "{SENT.hex()}", metadata: "01 02 03 04"}}', []),
        (f'{{hex: "{SENT.hex()}", metadata: "01 02 03 05"}}', [("metadata", "01 02 03 05", "01 02 03 04")]),
        (f'{{hex: "{SENT.hex()}", metadata: ""}}', [("metadata", "none", "01 02 03 04")]),
        (f'{{hex: "{SENT.hex()}"}}', []),
        ("{unchanged: true}", []),
        ("{length: 47}", []),
    ],
)
def test_metadata_is_compared_where_it_is_said_and_is_no_part_of_the_packet(text: str, broken: Broken) -> None:
    assert check(f"output: {text}", XDP, xdp(SENT, b"\1\2\3\4"))[1] == broken


def test_a_file_is_relative_to_the_suite(tmp_path: Path) -> None:
    (tmp_path / "frame.bin").write_bytes(GOT)
    beside = XDP._replace(scope=Scope(folder=str(tmp_path)))

    assert check("output: {file: frame.bin}", beside, xdp(GOT)) == ("length 47", [])


def test_bytes_that_differ_are_shown_in_rows() -> None:
    want = written("output: {unchanged: true}")

    found = EXPECTATIONS["output"](want, XDP)(xdp(GOT))

    assert found.rows == (
        HexRow(
            16,
            "00 21 00 01 00 00 40 11 66 c9 0a 00 00 01 0a 00",
            "00 21 00 01 00 00 3f 11 67 c9 0a 00 00 01 0a 00",
            "                  ^^    ^^",
        ),
    )
    assert found.excerpt == Excerpt(Place("fw.yaml", 2, 3, 6), ((2, "  output: {unchanged: true}"),))
    assert [Mismatch(*mismatch) for mismatch in found.mismatches] == [Mismatch(*TTL), Mismatch(*SUM)]


# --- output: without Ethernet -------------------------------------------------------------------------------------

IP_SENT = SENT[14:]
IP_HEADERS = HEADERS.removeprefix("Ether()/")
MACS = "02:00:00:00:00:02"
FRAMED = context("socket_filter", link="ethernet")
BARE = context("socket_filter", link="ip")
AT_22, AT_8 = [TTL, SUM], [("IP.ttl", "64", "63", 8, False), ("IP.chksum", "0x66c9", "0x67c9", 10, True)]
SUM_AT_10 = ("IP.chksum", "0x66c9", "0x67c9", 10, False)


@pytest.mark.parametrize(
    ("text", "framed", "bare"),
    [
        ("{unchanged: true}", AT_22, AT_8),
        (HEADERS.format(63), [], []),
        (IP_HEADERS.format(63), [], []),
        (f'Ether(dst="{MACS}")/{IP_HEADERS.format(63)}', [], []),  # the kernel does not show MAC addresses
        (HEADERS.format(64), AT_22, AT_8),
        (IP_HEADERS.format(64), AT_22, AT_8),
        (f'{{hex: "{SENT.hex()}"}}', AT_22, AT_8),
        (f'{{hex: "{IP_SENT.hex()}"}}', AT_22, AT_8),
        (f'{{hex: "{SENT[:22].hex()}**{SENT[23:].hex()}"}}', [SUM_ALONE], [SUM_AT_10]),
        (f'{{hex: "{IP_SENT[:8].hex()}**{IP_SENT[9:].hex()}"}}', [SUM_ALONE], [SUM_AT_10]),
        ('{hex: "4500", prefix: true}', [], []),
        ('{hex: "4500 0021 0001 0000 3f11 67c9 0a00 0001", prefix: true}', [], []),
        ('{hex: "ffff ffff ffff 0000 0000 0000 0800 4500", prefix: true}', [], []),
        ("{fields: {IP.ttl: 64}}", AT_22[:1], AT_8[:1]),
        ("{length: 47}", [], [("length", "47", "33")]),
        ("{length: 33}", [("length", "33", "47")], []),
        ("{checksums: valid}", [], []),
    ],
)
def test_a_type_without_ethernet_gives_packets_as_the_case_gives_its_own(
    text: str, framed: Broken, bare: Broken
) -> None:
    came = ran(data_out=bytes(14) + GOT[14:])

    assert check(f"output: {text}", FRAMED, came._replace(packet=SENT))[1] == framed
    assert check(f"output: {text}", BARE, came._replace(packet=IP_SENT))[1] == bare


@pytest.mark.parametrize("text", ['{hex: "4600", prefix: true}', '{hex: "ffff ffff ffff", prefix: true}'])
@pytest.mark.parametrize("case", [FRAMED, BARE], ids=["framed", "bare"])
def test_a_beginning_is_compared_where_the_ethernet_header_ends(case: Context, text: str) -> None:
    came = ran(data_out=bytes(14) + GOT[14:])

    assert check(f"output: {text}", case, came._replace(packet=SENT if case is FRAMED else IP_SENT))[1] != []


# --- ctx, socket, errno -------------------------------------------------------------------------------------------


def sk_buff(**members: int) -> bytes:
    """A struct __sk_buff, 192 bytes."""
    struct = PROG_TYPES["sched_cls"].ctx
    assert struct
    return struct.encoded(members)


@pytest.mark.parametrize(
    ("text", "held", "broken"),
    [
        ("{mark: 42}", "mark 42 (0x2a)", []),
        ("{mark: 0x2a, priority: 7}", "mark 42 (0x2a), priority 7", []),
        ("{mark: 1}", "", [("ctx.mark", "1", "42 (0x2a)")]),
        ("{mark: 1, priority: 8}", "", [("ctx.mark", "1", "42 (0x2a)"), ("ctx.priority", "8", "7")]),
        ("{cb: [0, 5]}", "cb [0, 5, 0, 0, 0]", []),
        ("{cb: [1, 5]}", "", [("ctx.cb", "[1, 5]", "[0, 5]")]),
    ],
)
def test_only_the_named_members_of_the_ctx_are_compared(text: str, held: str, broken: Broken) -> None:
    came = ran(ctx_out=sk_buff(mark=42, priority=7, cb=[0, 5, 6, 0, 0]))  # type: ignore[arg-type]

    assert check(f"ctx: {text}", context("sched_cls"), came) == (held, broken)


@pytest.mark.parametrize(
    ("cookie", "text", "held", "broken"),
    [
        (77, "web", "web", []),
        (0, "none", "none", []),
        (0, "web", "", [("socket", "web", "none")]),
        (78, "web", "", [("socket", "web", "dns")]),
        (5, "none", "", [("socket", "none", "a socket that is not of this case (cookie 5)")]),
    ],
)
def test_a_selected_socket_is_found_by_its_cookie(cookie: int, text: str, held: str, broken: Broken) -> None:
    came = ran(ctx_out=cookie.to_bytes(8, "little") + bytes(64), cookies=(("web", 77), ("dns", 78)))

    assert check(f"socket: {text}", context("sk_lookup", sockets=("web", "dns")), came) == (held, broken)


@pytest.mark.parametrize(
    ("text", "number", "held", "broken"),
    [
        ("EINVAL", errno.EINVAL, "EINVAL (22): Invalid argument", []),
        ("22", errno.EINVAL, "EINVAL (22): Invalid argument", []),
        ("ENOTSUPP", 524, "ENOTSUPP (524): this kernel has no test run for the type", []),
        (
            "EINVAL",
            errno.ENOMEM,
            "",
            [("errno", "EINVAL (22): Invalid argument", "ENOMEM (12): Cannot allocate memory")],
        ),
        ("EINVAL", 0, "", [("errno", "EINVAL (22): Invalid argument", "none: the run went through")]),
    ],
)
def test_an_errno_is_a_name_or_a_number(text: str, number: int, held: str, broken: Broken) -> None:
    assert check(f"errno: {text}", context("xdp"), ran(errno=number)) == (held, broken)


# --- loads, load_error --------------------------------------------------------------------------------------------

LOG = """\
0: R1=ctx() R10=fp0
; return *(char *)(long)ctx->data; @ fw.bpf.c:11
0: (61) r1 = *(u32 *)(r1 +0)          ; R1=pkt(r=0)
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
verification time 45 usec
stack depth 0
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
LIBBPF = "libbpf: map 'too_large': failed to create: Cannot allocate memory(-12)\nlibbpf: failed to load object 'fw'\n"
ACCEPTED = Observation(LoadReport(0, "0: R1=ctx()\n0: (b7) r0 = 2\n1: (95) exit\nprocessed 2 insns (limit 1000000)\n"))
BY_VERIFIER = Observation(LoadReport(errno.EACCES, LOG))
BY_KERNEL = Observation(LoadReport(errno.ENOMEM, "", LIBBPF))
DENIED, NO_MEMORY = "EACCES (13): Permission denied", "ENOMEM (12): Cannot allocate memory"
OUTSIDE = "invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)"
TOO_LARGE = "map 'too_large': failed to create: Cannot allocate memory(-12)"


@pytest.mark.parametrize(
    ("text", "said", "held", "broken"),
    [
        ("loads: true", ACCEPTED, "the program loads", []),
        ("loads: true", BY_VERIFIER, "", [("loads", "true", f"{DENIED}: {OUTSIDE}")]),
        ("loads: true", BY_KERNEL, "", [("loads", "true", f"{NO_MEMORY}: {TOO_LARGE}")]),
        ("loads: {log: [r0 = 2, exit]}", ACCEPTED, "the program loads", []),
        ("loads: {log: exit}", ACCEPTED, "the program loads", []),
        (
            "loads: {log: [exit, r0 = 2]}",
            ACCEPTED,
            "the program loads",
            [("log", "'r0 = 2' behind 'exit'", "4 lines without it")],
        ),
        ("load_error: true", BY_VERIFIER, DENIED, []),
        ("load_error: true", BY_KERNEL, NO_MEMORY, []),
        ("load_error: true", ACCEPTED, "", [("load_error", "a refusal", "none: the program loads")]),
        ("load_error: {errno: EACCES}", BY_VERIFIER, DENIED, []),
        ("load_error: {errno: 13}", BY_VERIFIER, DENIED, []),
        ("load_error: {errno: EACCES}", ACCEPTED, "", [("load_error", DENIED, "none: the program loads")]),
        ("load_error: {errno: EPERM}", BY_VERIFIER, "", [("errno", "EPERM (1): Operation not permitted", DENIED)]),
        ("load_error: {log: [invalid access, outside]}", BY_VERIFIER, DENIED, []),
        ("load_error: {log: outside}", BY_VERIFIER, DENIED, []),
        ("load_error: {log: [too_large]}", BY_KERNEL, NO_MEMORY, []),
        (
            "load_error: {log: [outside, invalid access]}",
            BY_VERIFIER,
            DENIED,
            [("log", "'invalid access' behind 'outside'", OUTSIDE)],
        ),
        ("load_error: {log: [R1, R1, R1, R1]}", BY_VERIFIER, DENIED, []),
        (
            "load_error: {log: [outside, packet, outside]}",
            BY_VERIFIER,
            DENIED,
            [("log", "'outside' behind 'packet'", OUTSIDE)],
        ),
        (
            "load_error: {log: [outside, outside]}",
            BY_KERNEL,
            NO_MEMORY,
            [("log", "'outside'", TOO_LARGE)],
        ),
        (
            "load_error: {log: [text]}",
            Observation(LoadReport(errno.EINVAL)),
            "EINVAL (22): Invalid argument",
            [("log", "'text'", "an empty log")],
        ),
        ("load_error: {at: 'fw.bpf.c:11'}", BY_VERIFIER, DENIED, []),
        (
            "load_error: {at: 'fw.bpf.c:12', log: [nowhere]}",
            BY_VERIFIER,
            DENIED,
            [
                ("log", "'nowhere'", OUTSIDE),
                ("at", "fw.bpf.c:12", "fw.bpf.c:11   return *(char *)(long)ctx->data;"),
            ],
        ),
        (
            "load_error: {at: 'fw.bpf.c:11'}",
            BY_KERNEL,
            NO_MEMORY,
            [("at", "fw.bpf.c:11", "none: the log names no line")],
        ),
        ("load_error: {at: 'fw.bpf.c:11'}", ACCEPTED, "", [("load_error", "a refusal", "none: the program loads")]),
        # Regular expressions, by line; what is not between slashes is text
        (r"load_error: {log: ['/off=\d+ size=1/', '/^R1 .* packet$/']}", BY_VERIFIER, DENIED, []),
        (r"load_error: {log: '/off=\d{2,}/'}", BY_VERIFIER, DENIED, [("log", r"'/off=\d{2,}/'", OUTSIDE)]),
        ("load_error: {log: 'R1(id=0,off=0,r=0)'}", BY_VERIFIER, DENIED, []),
        ("load_error: {log: 'off=.'}", BY_VERIFIER, DENIED, [("log", "'off=.'", OUTSIDE)]),
        (
            "load_error: {errno: EPERM, log: [nowhere]}",
            BY_VERIFIER,
            "",
            [("errno", "EPERM (1): Operation not permitted", DENIED), ("log", "'nowhere'", OUTSIDE)],
        ),
    ],
)
def test_the_verifier_is_held_to_its_words(text: str, said: Observation, held: str, broken: Broken) -> None:
    assert check(text, context("xdp"), said) == (held, broken)


# --- what cannot be expected --------------------------------------------------------------------------------------

REFUSED = [
    ("xdp", "retval: XDP_PAS"),
    ("xdp", "retval: [XDP_PASS, TC_ACT_OK]"),
    ("sched_cls", "retval: XDP_PASS"),
    ("socket_filter", "retval: drop"),
    ("xdp", "never: [XDP_ABORTED, XDP_ABORT]"),
    ("xdp", "errno: EINVALID"),
    ("xdp", 'output: Ether()/IP(dst="example.com")'),
    ("xdp", 'output: {hex: "0g"}'),
    ("xdp", 'output: {hex: "0* *", prefix: true}'),
    ("xdp", "output: unchanged"),
    ("xdp", "output: {prefix: true}"),
    ("xdp", "output: {length: {min: 9, max: 7}}"),
    ("xdp", "output: {length: {min: 0}}"),
    ("xdp", "output: {fill: 0, length: {max: 7}}"),
    ("xdp", "output: {ignore: [IP.ttl]}"),
    ("xdp", "output: {fields: {IP.tll: 63}}"),
    ("xdp", "output: {scapy: IP(), ignore: [TCP.dport]}"),
    ("xdp", "output: {flow_keys: {dport: 80}}"),
    ("flow_dissector", "output: {unchanged: true}"),
    ("flow_dissector", "output: {flow_keys: {destination: 80}}"),
    ("raw_tracepoint", "output: {length: 1}"),
    ("xdp", "ctx: {mark: 1}"),
    ("raw_tracepoint", "ctx: {mark: 1}"),
    ("sched_cls", "socket: web"),
    ("sk_lookup", "socket: wbe"),
    ("xdp", "loads: {log: [fine, '/(/']}"),
    ("xdp", "load_error: {errno: EACCESS}"),
    ("xdp", "load_error: {log: '/[/'}"),
]


def test_what_cannot_be_expected_is_refused_at_its_place() -> None:
    told = [f"{name}: {text}\n{refused(text, context(name, sockets=('web', 'dns')))}" for name, text in REFUSED]

    assert_golden("expectations/refused.txt", "\n".join(told))
