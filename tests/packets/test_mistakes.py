"""What a user reads about a mistake in a packet, and that nothing hostile gets further than that."""

from __future__ import annotations

import pytest

from bpftest.packets.sources import PACKET_MAX, Scope, SourceError, packet
from tests.golden import assert_golden

SCOPE = Scope(
    variables={"port": 53, "text": "é", "nested": {"a": 1}},
    packets={
        "base": "Ether()/IP()",
        "broken": "IP(ttl=300)",
        "chain_a": "chain_b/UDP()",
        "chain_b": "chain_a/UDP()",
        "blob": {"hex": "00 11"},
        **{f"big_{n}": f"Raw(bytes(big_{n - 1}) + bytes(big_{n - 1}))" for n in range(1, 30)},
        "big_0": "Raw(b'A' * 1000)",
        **{f"tower_{n}": f"tower_{n - 1}/tower_{n - 1}" for n in range(1, 30)},
        "tower_0": "IP()",
    },
    headers={"Probe": [{"name": "magic", "type": "u16", "default": 0xBEEF}], "Bad": [{"name": "x", "type": "u99"}]},
)
MISTAKES = [
    "",
    "  ",
    "Ether())",
    "Ethr()/IP()",
    "Ether()/IP6()",
    "IP/TCP()",
    "IP()/prot",
    "portt",
    "IP(tll=64)",
    "IP(ttl=64, ttl=65)",
    "IP(ttl=300)",
    "IP(ttl=-1)",
    'IP(ttl="64")',
    "IP(ttl=None)",
    "IP(ttl=1.5)",
    "IP(ttl=b'x')",
    "IP(ttl=IP())",
    'IP(src="256.1.1.1")',
    "IP(src=10)",
    'IPv6(src="10.0.0.1")',
    'Ether(src="02:00:00:00:00")',
    "TCP(dport=70000)",
    'TCP(dport="httpx")',
    'TCP(flags="SYN")',
    'IP(flags="DF+XX")',
    "Dot1Q(vlan=4096)",
    "Dot1Q(id=1)",
    'ICMP(type="echo")',
    'ICMP(type=3, code="nonsense")',
    "VXLAN(vni=1 << 24)",
    'TCP(options=[("MSX", 1)])',
    'TCP(options=[("MSS", 70000)])',
    'TCP(options=["MSS"])',
    'TCP(options=b"\\x01")',
    "TCP(options=[(200, 5)])",
    'DHCP(options=[("message-typo", 1)])',
    'DHCP(options=[("router", "example.com")])',
    'DHCP(options=["fin"])',
    'IP(options="x")',
    'IP(options=[IPOption_RR(routers=["1.2.3"])])',
    "DNS(qd=5)",
    'Raw(load=["a"])',
    "Raw(5)",
    'Raw("é")',
    "text/IP()",
    "nested",
    'BOOTP(sname="' + "x" * 65 + '")',
    "IP(IP())",
    'IP(b"\\x45", ttl=3)',
    "Ether(b'')",
    "Ether(b'short')",
    "IP()/5",
    "5/6",
    "b'a'/b'b'",
    "IP()*2",
    "IP()+UDP()",
    "IP()|UDP()",
    "5",
    "'text'",
    "[IP()]",
    "None",
    "IP()[UDP]",
    "(IP()/UDP())[UDP:2]",
    "IP()[0:4]",
    "b'abc'[0]",
    "b'abc'[::2]",
    "bytes('abc')",
    "bytes(-1)",
    "bytes([256])",
    "bytes.fromhex('0g')",
    "raw()",
    "raw(IP(), 2)",
    "Net('10.0.0.0/8')",
    "RandShort()",
    "broken/UDP()",
    "chain_a",
    "blob/IP()/nothing",
    "Probe(magic=70000)",
    "Probe(seq=1)",
    "Probe",
    "Bad()",
    "IP(options=[IPOption_NOP()] * 41)",
    'TCP(options=[("NOP", None)] * 41)',
    "GENEVE(options=[GeneveOptions(data=bytes(124))] * 2)",
    "GeneveOptions(data=bytes(128))",
    "NSHTLV(metadata=[1] * 70)",
    "IP(len=None)/UDP()/bytes(65536)",
    "ICMP(code=None)",
    "LLDPDUChassisID()",
    "Ether()/IP(\n  src=10.0,\n  dst='x')",
    "IP(src='é')",
]
SYNTAX = {  # the words are Python's, and not the same in every version
    "Ether()/": (7, 1),
    "Ether()/IP(": (0, 1),
    "Ether() IP()": (0, 1),
    "Ether()/IP()/TCP(dport=)": (23, 1),
    "'open": (0, 1),
}
HOSTILE = [
    '__import__("os").system("x")',
    '__import__("os")',
    "open('/etc/passwd')",
    "eval('1')",
    "exec('1')",
    "IP.__class__",
    "IP().__class__",
    "IP().payload",
    "IP.fields_desc",
    "().__class__.__bases__[0].__subclasses__()",
    "''.join",
    "'%s' % 1",
    "'{0.__class__}'.format(1)",
    "f'{1}'",
    "lambda: 1",
    "(lambda: 1)()",
    "[x for x in (1, 2)]",
    "{x: 1 for x in (1, 2)}",
    "{x for x in (1, 2)}",
    "(x for x in (1, 2))",
    "(x := 1)",
    "IP(ttl=(x := 1))",
    "IP(*[1])",
    "IP(**{'ttl': 1})",
    "IP(_pkt=b'x')",
    "IP(_internal=1)",
    "IP(post_transform=1)",
    "IP(stop_dissection_after=IP)",
    "Ether()[IP]()",
    "IP()()",
    "1 if 1 else 2",
    "1 and 2",
    "not 1",
    "+1",
    "1 < 2",
    "1 == 2",
    "2 ** 100",
    "1 // 1",
    "1 % 1",
    "1 @ 1",
    "{'a': 1}",
    "{1, 2}",
    "...",
    "1j",
    "await x",
    "yield x",
    "x = 1",
    "import os",
    "IP(); UDP()",
    "bytes.fromhex.__call__('00')",
    "str.fromhex('00')",
    "bytes.maketrans(b'', b'')",
    "bytes(bytes)",
    "Packet()",
    "Packet(b'')",
    "_IPv6ExtHdr()",
    "NoPayload()",
    "conf",
    "scapy.all.IP()",
    "sr1(IP())",
    "send(IP())",
    "wrpcap('/tmp/x', IP())",
    "\x00",
    "IP(\x00)",
    "IP()\r\nUDP()",
    "IP(ttl=1_000)",
    "IP(ttl=" + "9" * 5_000 + ")",
    "IP(ttl=0x" + "f" * 5_000 + ")",
    "1 << 10 ** 9",
    "1 << 1000000",
    "1 >> -1",
    "(1 << 2000) * (1 << 2000)",
    "'A' * 10000000000",
    "b'A' * (1 << 70)",
    "[b'A' * 70000] * 70000",
    "[[[[0] * 10000] * 10000] * 10000] * 10000",
    "Raw(bytes(99999999999))",
    "Raw(b'A' * 73153)",
    "(" * 1_000 + ")" * 1_000,
    "(" * 100_000,
    "[" * 100_000,
    "-" * 100_000 + "1",
    "~" * 400 + "1",
    "IP()" + "/IP()" * 100,
    "IP()" + "/IP()" * 100_000,
    "IP(" * 40 + ")" * 40,
    "Raw(" * 30 + "b''" + ")" * 30,
    "/".join(["Dot3()"] * 9),
    "/".join(["Dot3()"] * 60),
    "/".join(["EAPOL_KEY()"] * 60),
    "DNS(qd=" * 20 + "b''" + ")" * 20,
    "Raw('" + "x" * 400_000 + "')",
    "1" + "+1" * 499,
    "[" + "1," * 100_000 + "]",
    "big_29",
    "tower_29",
    "'" * 3 + "(" * 100 + "'" * 3 + "'" + "(" * 300,
]


def said(text: str) -> str:
    """The expression, carets under what is wrong, the message and the hint."""
    with pytest.raises(SourceError) as mistake:
        packet(text, SCOPE)
    error = mistake.value
    offset, width = error.span or (0, 0)
    line = text.count("\n", 0, offset)
    start = offset - (text.rfind("\n", 0, offset) + 1)
    shown = text.split("\n")
    shown.insert(line + 1, " " * start + "^" * width)
    return "\n".join([*(f"  {one}".rstrip() for one in shown), f"{error.what}", f"  {error.hint}".rstrip(), ""])


def test_mistakes_are_explained_at_their_place() -> None:
    assert_golden("packets/mistakes.txt", "\n".join(map(said, MISTAKES)))


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:40].encode("unicode_escape").decode() for text in HOSTILE])
def test_what_is_not_a_packet_is_refused_at_once(text: str) -> None:
    with pytest.raises(SourceError) as refused:
        packet(text, SCOPE)

    assert len(refused.value.what) < 400


@pytest.mark.parametrize("text", MISTAKES)
def test_the_span_lies_inside_the_text(text: str) -> None:
    with pytest.raises(SourceError) as refused:
        packet(text, SCOPE)

    offset, width = refused.value.span or (0, 0)
    assert offset >= 0
    assert offset + width <= max(len(text), 1)


@pytest.mark.parametrize(("text", "span"), SYNTAX.items())
def test_what_is_no_python_is_no_expression(text: str, span: tuple[int, int]) -> None:
    with pytest.raises(SourceError, match=r"^not an expression: \S") as refused:
        packet(text, SCOPE)

    assert refused.value.span == span


def test_eight_layers_that_measure_their_payload_are_built_in_time() -> None:
    assert len(packet("/".join(["EAPOL_KEY()"] * 8), SCOPE).data) > 8 * 80


def test_the_longest_packet_is_allowed_in_every_form() -> None:
    sources = [
        f"Raw(b'A' * {PACKET_MAX})",
        {"zeros": PACKET_MAX},
        {"fill": 1, "length": PACKET_MAX},
        {"hex": "00" * PACKET_MAX},
    ]

    assert [len(packet(source, SCOPE).data) for source in sources] == [PACKET_MAX] * 4
