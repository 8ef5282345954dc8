from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from bpftest.errors import SuiteError
from bpftest.packets.snapshots import Snapshots, lines
from bpftest.packets.sources import Scope, packet
from tests.golden import assert_golden

FRAME = packet(
    'Ether()/IP(options=[IPOption_RR(routers=["1.2.3.4"])])/UDP(dport=53)/Raw(b"no DNS, but text")', Scope()
).data


def saved(folder: Path, update: str, **packets: bytes) -> Snapshots:
    """What a run gives whose cases leave *packets*, once its snapshots are written."""
    found = Snapshots(f"{folder}/fw.yaml", update)
    for name in packets:
        found.name(name)
    for name, data in packets.items():
        found.expected(name, data, partial(lines, data, "ethernet", ()))
    path = Path(found.path)
    if content := found.content():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    elif content == b"":
        path.unlink()
    return found


def kept(folder: Path) -> str:
    return (folder / "__snapshots__/fw.yaml.snap").read_text()


def expected(folder: Path, name: str) -> bytes | None:
    """What a run that writes nothing compares with."""
    found = Snapshots(f"{folder}/fw.yaml")
    found.name(name)
    return found.expected(name, b"what comes", lambda: ())


def test_a_snapshot_is_hex_with_a_line_a_field(tmp_path: Path) -> None:
    saved(tmp_path, "new", plain=FRAME, short=b"\x01\x02", empty=b"", text=bytes(range(256)))
    assert_golden("packets/snapshots.txt", kept(tmp_path))


@pytest.mark.parametrize("data", [FRAME, FRAME[:37], FRAME[:-4], b"", b"\0", bytes(range(256)), FRAME * 3])
def test_what_is_kept_is_what_is_compared(tmp_path: Path, data: bytes) -> None:
    saved(tmp_path, "new", it=data)
    assert expected(tmp_path, "it") == data


def test_without_update_nothing_is_kept(tmp_path: Path) -> None:
    assert expected(tmp_path, "it") is None
    assert saved(tmp_path, "", it=FRAME).content() is None


def test_new_ones_are_added_and_those_that_differ_stay(tmp_path: Path) -> None:
    saved(tmp_path, "new", one=b"\1", two=b"\2")
    found = saved(tmp_path, "new", one=b"\x11", three=b"\3")

    assert [expected(tmp_path, name) for name in ("one", "two", "three")] == [b"\1", b"\2", b"\3"]
    assert (found.made, found.unused) == (["three"], ("two",))


def test_all_replaces_those_that_differ_and_drops_those_that_nobody_names(tmp_path: Path) -> None:
    saved(tmp_path, "new", one=b"\1", two=b"\2", three=b"\3")
    found = saved(tmp_path, "all", one=b"\x11", three=b"\3")

    assert [expected(tmp_path, name) for name in ("one", "two", "three")] == [b"\x11", None, b"\3"]
    assert found.made == ["one"]


def test_the_file_goes_with_its_last_snapshot(tmp_path: Path) -> None:
    found = saved(tmp_path, "new", one=b"\1")
    assert saved(tmp_path, "all").unused == ("one",)
    assert not Path(found.path).exists()


def test_what_does_not_change_keeps_its_comments(tmp_path: Path) -> None:
    saved(tmp_path, "new", b=b"\1\2")
    path = tmp_path / "__snapshots__/fw.yaml.snap"
    path.write_text("[b]\n01  # mine\n\n02\n\n")
    saved(tmp_path, "all", a=b"\3", b=b"\1\2")

    assert kept(tmp_path).endswith("[b]\n01  # mine\n\n02\n")


def test_a_frame_after_the_first_is_compared_with_it(tmp_path: Path) -> None:
    found = Snapshots(f"{tmp_path}/fw.yaml", "all")
    found.name("it")
    assert [found.expected("it", data, lambda: ()) for data in (b"\1", b"\2", b"\1")] == [b"\1"] * 3


def test_a_name_is_there_once(tmp_path: Path) -> None:
    found = Snapshots(f"{tmp_path}/fw.yaml")
    found.name("it")
    with pytest.raises(SuiteError, match=r"^a second snapshot 'it'$"):
        found.name("it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"00\n", "1:1: this is no line of a file of snapshots"),
        (b"[a]\n0\n", "2:1: this is no line of a file of snapshots"),
        (b"[a]\n00\n<<<<<<< HEAD\n", "3:1: this is no line of a file of snapshots"),
        (b"[a]\n00\x1f\n", "2:1: this is no line of a file of snapshots"),  # blank, but not to bytes.fromhex
        (b"[a]\n00\n[a]\n", "3:1: a second snapshot 'a'"),
        (b"[a]\n\xff\n", "1:1: this is no file of snapshots: it is not UTF-8"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "__snapshots__/fw.yaml.snap"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(SuiteError) as raised:
        Snapshots(f"{tmp_path}/fw.yaml").name("it")
    assert str(raised.value) == f"{path}:{message}"
