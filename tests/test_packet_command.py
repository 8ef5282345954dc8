"""`bpftest packet`: what it takes, what it gives, and what it says of what it cannot read."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.artifacts import pcap
from bpftest.cli import main
from bpftest.packets.sources import Scope, packet
from tests.processes import BPFTEST, environment

TEXT = 'Ether()/IP(dst="10.0.0.1")/UDP(dport=9)'
DATA = packet(TEXT, Scope()).data
OTHER = packet("Ether()/ARP()", Scope()).data
IP = packet("IP()/UDP()", Scope()).data

SUITE = """\
version: 1
object: plain.o
program: pass
packets: {base: Ether()/IP()}
headers: {Probe: [{name: seq, type: u8}]}
cases:
  - name: asks for $name
    rows: [{name: one, port: 1}, {name: two, port: 2}]
    packet: base/UDP(dport=$port)/Probe(seq=7)
    expect: {retval: XDP_PASS}
  - name: has metadata
    packet: {scapy: base, metadata: "01 02 03 04"}
    expect: {retval: XDP_PASS}
  - name: in steps
    steps:
      - {name: first, packet: base/TCP(), expect: {retval: XDP_PASS}}
      - {packet: {from: first}, expect: {retval: XDP_PASS}}
      - {packet: {hex: "00"}, expect: {retval: XDP_PASS}}
"""

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Called:
    """`bpftest packet` in a folder with captures and a suite: (code, stdout, stderr). *stdin*: what it is given."""
    monkeypatch.chdir(tmp_path)
    Path("one.pcap").write_bytes(pcap([DATA], "ethernet"))
    Path("two.pcap").write_bytes(pcap([DATA, OTHER], "ethernet"))
    Path("two.pcap.gz").write_bytes(gzip.compress(pcap([DATA, OTHER], "ethernet")))
    Path("ip.pcap").write_bytes(pcap([IP], "ip"))
    Path("bytes.bin").write_bytes(DATA)
    Path("text.hex").write_text(f"# a packet\n{DATA.hex(' ')}\n", encoding="utf-8")
    Path("suite.yaml").write_text(SUITE, encoding="utf-8")

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = main(["packet", *arguments])
        except SystemExit as ended:  # argparse
            code = ended.code  # type: ignore[assignment]
        said = capsysbinary.readouterr()
        return code, said.out.decode("utf-8", "surrogateescape"), said.err.decode()

    return call


@pytest.mark.parametrize(
    "source",
    [
        TEXT,
        DATA.hex(),
        DATA.hex(":"),
        f"{DATA[:14].hex(' ')} # Ethernet\n{DATA[14:].hex(' ')}",
        "one.pcap",
        "two.pcap:1",
        "two.pcap.gz:1",
        "bytes.bin",
        "text.hex",
    ],
)
def test_a_packet_can_be_said_in_many_ways(called: Called, source: str) -> None:
    assert called(source, "--to", "hex") == (0, f"{DATA.hex()}\n", "")


@pytest.mark.parametrize(
    "stdin",
    [TEXT.encode(), DATA.hex().encode(), DATA, pcap([DATA], "ethernet"), gzip.compress(pcap([DATA], ""), mtime=0)],
)
def test_and_each_of_them_on_stdin(called: Called, stdin: bytes) -> None:
    assert called("-", "--to", "hex", stdin=stdin) == (0, f"{DATA.hex()}\n", "")


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ("hex", f"{DATA.hex()}\n{OTHER.hex()}\n"),
        ("scapy", f"{TEXT}\nEther()/ARP()\n"),
        ("yaml", f"packets:\n  frame_1: {TEXT}\n  frame_2: Ether()/ARP()\n"),
        ("pcap", pcap([DATA, OTHER], "ethernet").decode("utf-8", "surrogateescape")),
    ],
)
def test_all_frames_of_a_capture_are_written(called: Called, form: str, output: str) -> None:
    assert called("two.pcap", "--to", form) == (0, output, "")


def test_a_view_is_what_is_shown_unless_something_else_is_asked_for(called: Called) -> None:
    code, out, err = called("two.pcap")

    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [lines[0], lines[1], lines[3]] == ["# frame 1", "42 bytes: Ether / IP / UDP", "Ether       @0   14 bytes"]
    assert "# frame 2" in lines


@pytest.mark.parametrize(
    ("case", "expressions"),
    [
        ("suite.yaml::asks for one", ["Ether()/IP()/UDP(dport=1)/Probe(seq=7)"]),
        ("suite.yaml::in steps", ["Ether()/IP()/TCP()", 'Raw(bytes.fromhex("00"))']),
        ("suite.yaml:11", ["Ether()/IP()"]),
    ],
)
def test_the_packets_of_cases_are_taken_as_the_suite_gives_them(
    called: Called, case: str, expressions: list[str]
) -> None:
    assert called(case, "--to", "scapy")[1].splitlines() == expressions


def test_metadata_is_shown_and_kept_where_there_is_room_for_it(called: Called) -> None:
    note = "note: has metadata: without its metadata, 01 02 03 04: only view and yaml have a place for it\n"

    assert called("suite.yaml::has metadata")[1].splitlines()[:2] == ["# has metadata", "metadata: 01 02 03 04"]
    assert called("suite.yaml::has metadata", "--to", "scapy") == (0, "Ether()/IP()\n", note)
    assert called("suite.yaml::has metadata", "--to", "yaml")[1] == (
        "packet:\n  scapy: Ether()/IP()\n  metadata: '01020304'\n"
    )


@pytest.mark.parametrize("name", ["out.pcap", "out.yaml", "out.hex"])
def test_the_name_of_the_output_says_its_form(called: Called, name: str) -> None:
    assert called("one.pcap", "-o", name) == (0, "", "")
    assert called("one.pcap", "--to", name[4:])[1].encode("utf-8", "surrogateescape") == Path(name).read_bytes()


def test_what_yaml_says_is_a_packet_of_a_suite(called: Called) -> None:
    """A dollar sign, too."""
    text = called('Ether()/IP()/UDP(dport=9)/b"$HOME is: {a} # b"', "--to", "yaml")[1]
    Path("made.yaml").write_text(
        f"version: 1\nobject: x.o\ncases:\n  - name: a\n    {text}    expect: {{retval: 1}}\n", encoding="utf-8"
    )

    assert (
        called("made.yaml::a", "--to", "hex")[1]
        == called('Ether()/IP()/UDP(dport=9)/b"$HOME is: {a} # b"', "--to", "hex")[1]
    )


def test_the_link_decides_what_bytes_are(called: Called) -> None:
    assert called(IP.hex(), "--to", "scapy")[1] == "IP()/UDP()\n"
    assert called(IP.hex(), "--to", "scapy", "--link", "ethernet")[1].startswith("Ether(")
    assert called(IP.hex(), "--to", "pcap")[1].encode("utf-8", "surrogateescape") == pcap([IP], "ip")


CUT = pcap([DATA], "ethernet")[:-42] + DATA[:20]
SHORT = struct.pack("<IIII", 0, 0, 20, 42)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Ehter()"], "error: there is no layer Ehter\n --> PACKET:1:1\n  |\n1 | Ehter()\n  | ^^^^^\n"),
        (["45 0"], "error: 3 hex digits are not whole bytes\n --> PACKET:1:4\n"),
        (["IP(dst="], "error: not an expression: "),
        (["__import__('os').system('id')"], "error: only layers, bytes(), raw() and bytes.fromhex() can be called"),
        ([" "], "error: PACKET is empty\n"),
        (["no.pcap"], "error: no such file: no.pcap\n"),
        (["no.pcap:3"], "error: no such file: no.pcap\n"),
        (["no/suite.yaml::a case"], "error: no such file: no/suite.yaml\n"),
        (["one.pcap:2"], "error: one.pcap has no frame 2, but 1\n"),
        (["one.pcap:0"], "error: one.pcap has no frame 0, but 1\n"),
        (["bytes.bin:1"], "error: bytes.bin is no capture, and has no frame 1\n"),
        (["damaged.pcap"], "error: damaged.pcap is damaged: it ends in frame 1\n"),
        (["short.pcap"], "error: frame 1 of short.pcap was cut off when it was captured: 20 of 42 bytes\n"),
        (["none.pcap"], "error: there is no packet in none.pcap\n"),
        (["pipe"], "error: cannot read pipe: Not a regular file\n"),
        (["suite.yaml::no such case"], "error: no case 'no such case' in suite.yaml\n"),
        (["mixed.yaml", "--to", "pcap"], "error: some of the packets begin with Ethernet, others with IP"),
        (["one.pcap", "-o", "x.pcapng"], "error: bpftest writes no .pcapng files\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_written_is_told(called: Called, arguments: list[str], message: str) -> None:
    Path("damaged.pcap").write_bytes(CUT)
    Path("short.pcap").write_bytes(pcap([], "ethernet") + SHORT + DATA[:20])
    Path("none.pcap").write_bytes(pcap([], "ethernet"))
    Path("mixed.yaml").write_text(SUITE.replace("base/TCP()", "IP()/TCP()"), encoding="utf-8")
    os.mkfifo("pipe")

    code, out, err = called(*arguments)

    assert (code, out) == (2, "")
    assert message in err


def test_an_invalid_suite_is_told_as_elsewhere(called: Called) -> None:
    Path("bad.yaml").write_text(SUITE.replace("retval: XDP_PASS", "retvla: XDP_PASS", 1), encoding="utf-8")

    code, _, err = called("bad.yaml")

    assert (code, "unknown key 'retvla'" in err) == (3, True)


@pytest.mark.usefixtures("called")
def test_a_capture_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    command = [*BPFTEST, "packet", "one.pcap", "--to", "pcap"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(theirs)
    os.close(ours)

    assert (done.returncode, done.stderr) == (
        2,
        "error: a capture is nothing for a terminal\n  = help: -o FILE.pcap, or | tcpdump -r -\n",
    )
