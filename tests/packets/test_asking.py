"""Scapy works in a process of its own, and whatever comes of that is an answer, or an error at its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from bpftest.errors import ProgramError, SuiteError
from bpftest.packets import answering, asking, expression, fields, layers, making, named, snapshots
from bpftest.packets.cache import Cache
from bpftest.packets.headers import chain
from bpftest.packets.sources import Scope, SourceError, packet
from tests.packets.corpus import TEXTS
from tests.processes import PROJECT, environment

PROBE = {"Probe": [{"name": "magic", "type": "u16", "default": 48879}, {"name": "vip", "type": "ip4"}]}
PACKETS = {
    "inner": "IP()/UDP(dport=port)",
    "frame": {"hex": "00 ff"},
    "lost": {"file": "nowhere.bin"},
    "around": "around/Raw(b'')",
    "padded": {"scapy": "Raw(filled)", "pad_to": 4},
    "filled": {"scapy": "Raw(padded)", "pad_to": 8},
}
SUITE = Scope({"port": 53, "name": "text", "sizes": [1, 2]}, PACKETS, PROBE)
FRAME = packet("Ether()/IP(ttl=64)/UDP()/Raw(b'hello!')", Scope()).data
OTHER = packet("Ether()/IP(ttl=63)/UDP()/Raw(b'hallo!')", Scope()).data
SILENCE = "this cannot be built: "


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    asking.close()
    yield
    asking.close()


def process() -> asking._Process:
    assert asking._process is not None
    return asking._process


def outcome(build: Callable[[], object]) -> object:
    """What it gives, or the parts of its error."""
    try:
        return build()
    except SuiteError as error:
        return error.what, error.hint, error.span


def asked(text: str, scope: Scope) -> object:
    return outcome(lambda: asking.built(text, {}, scope))


MISTAKEN = [
    "IP(",
    "",
    "Ether(type=)",
    "IP(dst='example.com')",
    "IP()/NTP()",
    "1/0",
    "()",
    "é",
    "IP(b'')",
    "Raw('A' * 10**9)",
]


def test_what_is_asked_for_is_what_is_built_here() -> None:
    texts = [*TEXTS, *MISTAKEN]
    scope = Scope()

    assert [asked(text, scope) for text in texts] == [
        outcome(lambda text=text: expression.built(text, Scope()))
        for text in texts  # type: ignore[misc]
    ]


def test_scapy_is_imported_elsewhere() -> None:
    lines = (
        "import sys",
        "from bpftest.packets.sources import *",
        "packet('IP()', Scope())",
        "print('scapy' in sys.modules)",
    )

    done = subprocess.run(
        [sys.executable, "-c", "; ".join(lines)], cwd=PROJECT, env=environment(), capture_output=True, check=True
    )

    assert done.stdout == b"False\n"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("Raw(name)", b"text".hex()),
        ("bytes(sizes)", "0102"),
        ("bytes(frame)+b'1'", "00ff31"),
        ("Probe(vip='10.0.0.1')", "beef0a000001"),
        ("bytes(inner)[20:24]", "00350035"),
    ],
)
def test_names_of_the_suite_go_along(text: str, data: str) -> None:
    assert packet(text, SUITE).data.hex() == data


@pytest.mark.parametrize(
    ("text", "what", "span"),
    [
        ("Ether()/Raw(lost)", "packet lost: cannot read nowhere.bin: No such file or directory", (12, 4)),
        ("around/IP()", "packet around: packet around is made of itself: around → around", (0, 6)),
        (
            "Raw(padded)",
            "packet padded: packet filled: packet padded: it is made of itself: padded → filled → padded",
            (4, 6),
        ),
        ("Raw(nam)", "there is nothing called nam", (4, 3)),
    ],
)
def test_what_is_wrong_with_them_stands_at_their_place(text: str, what: str, span: tuple[int, int]) -> None:
    with pytest.raises(SourceError) as refused:
        packet(text, SUITE)

    assert (refused.value.what, refused.value.span) == (what, span)


def test_what_comes_is_built_together_with_what_is_asked_for() -> None:
    texts = [f"IP(ttl={ttl})/UDP()" for ttl in range(200)]
    texts[50:50] = ["IP(", "VXLAN()", "IP(b'E')"]
    scope = Scope()
    scope.coming = iter(texts)

    built = [asked(text, scope) for text in texts]

    assert process().child.answered <= 6
    assert built == [outcome(lambda text=text: expression.built(text, Scope())) for text in texts]  # type: ignore[misc]


def test_what_comes_and_does_harm_does_none_to_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression, "built", harmed)
    scope = Scope()
    scope.coming = iter(["IP()", "dies", "UDP()"])

    assert [asked(text, scope) for text in ("IP()", "UDP()")] == [(b"IP()", "", ()), (b"UDP()", "", ())]
    assert asked("dies", scope) == (f"{SILENCE}its process ended with SIGSEGV", "make the packet smaller", None)


# --- harm ---------------------------------------------------------------------------------------------------------


def harmed(text: str, _scope: Scope) -> tuple[bytes, str, tuple[str, ...]]:
    """A stand-in for expression.built that does what *text* says."""
    if text == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    while text == "loops":
        pass
    if text == "takes":
        bytes(2 << 30)
    if text == "breaks":
        raise LookupError("a bug of ours")
    if text == "imports":
        import this  # noqa: F401
    return text.encode(), "", ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("dies", "its process ended with SIGSEGV"),
        ("loops", "it took longer than 1 s"),
        ("takes", "its process ended with a lack of memory: it may take 1,024 MiB"),
    ],
)
def test_an_expression_that_does_harm_is_refused_and_the_next_one_is_built(
    monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setattr(expression, "built", harmed)
    scope = Scope()
    scope.seconds = 0.1

    assert asked("before", scope) == (b"before", "", ())
    assert asked(text, scope) == (SILENCE + why, "make the packet smaller", None)
    assert asked("behind", scope) == (b"behind", "", ())


def test_nothing_is_left_of_it_when_its_parent_ends() -> None:
    code = "from bpftest.packets.asking import *; from bpftest.packets.sources import Scope; begin('', Scope()); "
    code += "import bpftest.packets.asking as asking; print(asking._process.child._pid)"

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment(), capture_output=True, check=True)

    assert not os.path.exists(f"/proc/{int(done.stdout)}")


def test_scapy_itself_may_run_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "made", lambda *_, **__: bytes(2 << 30))

    assert asked("IP()", Scope()) == (
        f"{SILENCE}its process ended with a lack of memory: it may take 1,024 MiB",
        "make the packet smaller",
        None,
    )


@pytest.mark.parametrize(("text", "why"), [("breaks", "a bug of ours"), ("imports", "Too many open files")])
def test_a_bug_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    monkeypatch.setattr(expression, "built", harmed)

    with pytest.raises(RuntimeError, match=f"in harmed(?s:.*){why}"):
        asking.built(text, {}, Scope())


def test_an_expression_is_not_blamed_for_what_an_older_process_dies_of() -> None:
    scope = Scope()
    asked("IP()", scope)
    os.kill(process().child._pid, signal.SIGKILL)

    assert asked("IP()", scope) == expression.built("IP()", scope)


NESTED = b"[" * 100_000
NONSENSE = [b"", b"{", b"\xff", NESTED, b"null", b"[]", b'["made"]', b'["made", 5]', b'["made", ["zz", "", []]]']
NONSENSE += [b'["made", ["00", "", [1]]]', b'["made", ["00", 0, []]]', b'["mistake", ["what"]]', b'["other", ""]']
NONSENSE += [
    b'["made", ["%s", "", []]]' % (b"00" * 100_000),
    b'["mistake", ["", "", "", ["0", 1], null]]',
    b'["unloaded", null]',
]


@pytest.mark.parametrize("answer", NONSENSE)
def test_nonsense_is_not_believed(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(answering.Answers, "answer", lambda *_: answer)

    assert asked("VXLAN()", Scope()) == (f"{SILENCE}its process answers nonsense", "make the packet smaller", None)


# --- packets that are read ----------------------------------------------------------------------------------------


def test_packets_are_compared_as_they_are_here() -> None:
    own = packet("Ether()/Probe()/IP()", SUITE)
    mask = b"\xff" * 40 + b"\0" * 8

    assert asking.differences(FRAME, OTHER, "ethernet", None, (), SUITE) == fields.differences(FRAME, OTHER, "ethernet")
    assert asking.differences(FRAME, OTHER, "ethernet", mask, (), SUITE) == fields.differences(
        FRAME, OTHER, "ethernet", mask
    )
    changed = own.data[:-1] + b"\1"
    assert asking.differences(own.data, changed, own.link, None, own.chain, SUITE) == fields.differences(
        own.data, changed, own.link, None, chain(own.chain, PROBE)
    )
    assert asking.snapshot_lines(own.data, own.link, own.chain, SUITE) == tuple(
        snapshots.lines(own.data, own.link, chain(own.chain, PROBE))
    )


def test_named_fields_are_checked_as_they_are_here() -> None:
    own = packet("Ether()/Probe()/IP()", SUITE)
    wanted = {"Probe.vip": "10.0.0.1", "IP.ttl": 3}
    made = own.data, own.link, own.chain

    assert asking.field_checks(wanted, SUITE)(*made) == named.field_checks(wanted, SUITE)(*made) != ()
    assert asking.mask_without(["IP.ttl", "Probe"], own, SUITE) == named.mask_without(["IP.ttl", "Probe"], own, SUITE)


def test_names_that_there_are_not_are_refused_as_they_are_here() -> None:
    with pytest.raises(SourceError) as refused:
        asking.field_checks({"IP.ttl": 3, "IP.tl": 3}, SUITE)
    assert (refused.value.what, refused.value.hint, refused.value.key) == (
        "IP has no field tl",
        "did you mean IP.ttl?",
        "IP.tl",
    )
    with pytest.raises(SourceError) as refused:
        asking.mask_without(["IP.ttl", "TCP"], packet("IP()", SUITE), SUITE)
    assert (refused.value.what, refused.value.key, refused.value.index) == ("the packet has no TCP", "ignore", 1)


def test_where_scapy_cannot_read_a_packet_there_are_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = asking.field_checks({"IP.ttl": 3}, SUITE)
    for function in (fields, named):
        monkeypatch.setattr(function, "headers", lambda *_: os.abort())
    monkeypatch.setattr(snapshots, "lines", lambda *_: os.abort())
    asking.close()

    assert asking.differences(FRAME, OTHER, "ethernet", None, (), SUITE) == fields.first_byte(FRAME, OTHER)
    assert asking.snapshot_lines(b"as it is", "ethernet", (), SUITE) == (f"{b'as it is'.hex(' '):<47} # as.it.is",)
    with pytest.raises(
        ProgramError, match=r"^the fields of the packet cannot be told: its process ended with SIGABRT$"
    ):
        checks(FRAME, "ethernet", ())
    with pytest.raises(
        SourceError, match=r"^where they are in the packet cannot be told: its process ended with SIGABRT$"
    ):
        asking.mask_without(["IP.ttl"], packet("IP()", SUITE), SUITE)


@pytest.mark.parametrize(
    "lines", [[], ["00"], ["[other]", "00 01"], ["00 01\n[other]"], ["00 01 x"], ["00 01", "# \n"]]
)
def test_lines_that_say_another_packet_are_not_kept(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(snapshots, "lines", lambda *_: lines)

    assert asking.snapshot_lines(b"\0\1", "", (), Scope()) == snapshots.plain_lines(b"\0\1")


def test_the_core_alone_is_imported_where_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_ready", set())  # other tests have imported them here
    scope = Scope()
    asked("Ether()/IP()", scope)
    assert not process().everything

    scope.coming = iter(["IP(b'E')"])
    assert [asked(text, scope) for text in ("Ether()", "IP(b'E')")] == [
        outcome(lambda text=text: expression.built(text, Scope()))  # type: ignore[misc]
        for text in ("Ether()", "IP(b'E')")
    ]
    assert process().everything


def test_what_is_in_the_cache_is_not_asked_for(tmp_path: object) -> None:
    cache = Cache(f"{tmp_path}/cache.json")
    first = packet("IP()/UDP()", Scope(cache=cache))
    asking.close()

    assert packet("IP()/UDP()", Scope(cache=cache)) == first
    assert asking._process is None
