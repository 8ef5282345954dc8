from __future__ import annotations

from pathlib import Path

import pytest

from bpftest.errors import SuiteError
from bpftest.packets import captures
from bpftest.packets.patterns import pattern
from bpftest.packets.sources import Packet, Scope, SourceError, packet
from tests.packets.written import block, enhanced, interface, old, packed, pcap, section, simple

ONE, TWO = b"\xff" * 12 + b"\x90\0one", b"\xff" * 12 + b"\x90\0the second"
PCAPNG = section() + interface() + enhanced(ONE) + enhanced(TWO)

READABLE = {
    "little endian": pcap(ONE, TWO),
    "big endian": pcap(ONE, TWO, order=">"),
    "nanoseconds": pcap(ONE, TWO, magic=0xA1B23C4D),
    "nanoseconds, big endian": pcap(ONE, TWO, order=">", magic=0xA1B23C4D),
    "gzip": packed(pcap(ONE, TWO)),
    "pcapng": PCAPNG,
    "pcapng, big endian": section(">") + interface(order=">") + enhanced(ONE, order=">") + enhanced(TWO, order=">"),
    "pcapng, gzip": packed(PCAPNG),
    "pcapng, simple": section() + interface() + simple(ONE, len(ONE)) + simple(TWO, len(TWO)),
    "pcapng, obsolete": section() + interface() + old(ONE) + old(TWO),
    "pcapng, sections": section()
    + interface()
    + enhanced(ONE)
    + section(">")
    + interface(order=">")
    + enhanced(TWO, order=">"),
    "pcapng, unknown blocks": section()
    + interface()
    + block(0x0BAD, b"whatever")
    + enhanced(ONE)
    + interface(101)
    + enhanced(TWO),
}


def scope(folder: Path, data: bytes) -> Scope:
    (folder / "x.pcap").write_bytes(data)
    return Scope(folder=str(folder))


@pytest.mark.parametrize("kind", READABLE)
def test_frames_are_read_whatever_wrote_the_capture(tmp_path: Path, kind: str) -> None:
    known = scope(tmp_path, READABLE[kind])
    found = [packet({"pcap": "x.pcap", "index": index}, known) for index in (1, 2)]
    assert found == [Packet(ONE, link="ethernet"), Packet(TWO, link="ethernet")]


@pytest.mark.parametrize("link_type", [12, 14, 101, 228, 229])
def test_raw_ip_begins_with_its_ip_header(tmp_path: Path, link_type: int) -> None:
    assert packet({"pcap": "x.pcap"}, scope(tmp_path, pcap(b"E...", link_type=link_type))) == Packet(b"E...", link="ip")


def test_a_frame_can_be_padded_and_expected(tmp_path: Path) -> None:
    known = scope(tmp_path, pcap(ONE, TWO))
    assert packet({"pcap": "x.pcap", "index": 1, "pad_to": 20}, known).data == ONE + b"\0\0\0"
    assert pattern({"pcap": "x.pcap", "index": 2}, known).value == TWO


def test_a_changed_capture_is_read_again(tmp_path: Path) -> None:
    assert packet({"pcap": "x.pcap"}, scope(tmp_path, pcap(ONE))).data == ONE
    assert packet({"pcap": "x.pcap"}, scope(tmp_path, pcap(TWO))).data == TWO


@pytest.mark.parametrize(
    ("data", "index", "message"),
    [
        (pcap(ONE, TWO), None, "x.pcap has 2 frames"),
        (pcap(ONE, TWO), 3, "x.pcap has only 2 frames"),
        (pcap(), 1, "x.pcap has no frame"),
        (pcap(), None, "x.pcap has 0 frames"),
        (pcap(ONE, cut=5), 1, "frame 1 of x.pcap was cut off when it was captured: 17 of 22 bytes"),
        (pcap(ONE, link_type=113), 1, "x.pcap was captured on 'any' (Linux cooked), which loses the Ethernet headers"),
        (pcap(ONE, link_type=276), 1, "x.pcap was captured on 'any' (Linux cooked), which loses the Ethernet headers"),
        (pcap(ONE, link_type=105), 1, "the frames of x.pcap have link type 105"),
        (
            pcap(ONE, link_type=1 | 1 << 26),
            1,
            "the frames of x.pcap end with the checksum of the wire, which no program sees",
        ),
        (pcap(bytes(80_000)), 1, "the packet would have 80000 bytes, 73152 are allowed"),
        (
            section() + interface(limit=8) + simple(ONE[:8], 17),
            1,
            "frame 1 of x.pcap was cut off when it was captured: 8 of 17 bytes",
        ),
        (b"", 1, "x.pcap is no capture"),
        (b"GET / HTTP/1.1", 1, "x.pcap is no capture"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, index: int | None, message: str
) -> None:
    source = {"pcap": "x.pcap"} | ({} if index is None else {"index": index})
    with pytest.raises(SourceError) as raised:
        packet(source, scope(tmp_path, data))
    assert (str(raised.value), raised.value.key) == (message, "pcap")


DAMAGED = {
    "ends in its header": pcap(ONE)[:20],
    "ends in the header of frame 2": pcap(ONE, TWO)[: 24 + 16 + len(ONE) + 7],
    "ends in frame 1": pcap(ONE)[:-1],
    "frame 1 would have 1,048,576 bytes": pcap()[:24] + bytes(8) + b"\0\0\x10\0\0\0\x10\0",
    "the block at byte 0 has no sensible length": section()[:8] + b"\x4d\x3c\x2b\x1a",
    "a section has no byte order": section()[:8] + b"abcd",
    "the block at byte 28 has no sensible length": section() + interface()[:-1],
    "the block at byte 28 has two lengths": section() + interface()[:-4] + b"\x10\0\0\0",
    "frame 1 is of an interface that it does not describe": section() + enhanced(ONE),
    "the block of frame 1 is too short": section() + interface() + b"\x06\0\0\0\x0c\0\0\0\x0c\0\0\0",
    "it ends too early": packed(pcap(ONE))[:-9],
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_capture_is_told_from_a_good_one(tmp_path: Path, what: str) -> None:
    with pytest.raises(SuiteError, match=f"^x.pcap is damaged: .*{what}$"):
        packet({"pcap": "x.pcap", "index": 1}, scope(tmp_path, DAMAGED[what]))


@pytest.mark.parametrize(
    "data", [READABLE["little endian"], PCAPNG, READABLE["pcapng, obsolete"]], ids=["pcap", "ng", "old"]
)
def test_whatever_the_bytes_are_there_are_frames_or_a_mistake(tmp_path: Path, data: bytes) -> None:
    """Every byte is replaced by some others, and every beginning is read."""
    seen = 0
    for at in range(len(data)):
        for byte in (0, 1, 0x7F, 0xFF):
            for changed in (data[:at] + bytes([byte]) + data[at + 1 :], data[:at]):
                known = scope(tmp_path, changed)
                try:
                    captures.frames(known.folder, "x.pcap")
                except SuiteError:
                    seen += 1
    assert seen


def test_a_capture_that_grows_when_it_is_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "CAPTURE_MAX", 1 << 20)
    with pytest.raises(SuiteError, match=r"^x\.pcap has more than 1 MiB when it is unpacked$"):
        packet({"pcap": "x.pcap", "index": 1}, scope(tmp_path, packed(bytes(2 << 20))))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    known = Scope(folder=str(tmp_path))
    for name, reason in (("missing", "No such file or directory"), ("folder", "Is a directory")):
        with pytest.raises(SuiteError, match=f"^cannot read {name}: {reason}$"):
            packet({"pcap": name}, known)
