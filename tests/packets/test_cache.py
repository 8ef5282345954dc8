from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bpftest.packets import cache as cache_room
from bpftest.packets.cache import Cache
from bpftest.packets.patterns import pattern
from bpftest.packets.sources import Scope, packet
from tests.packets.processes import audited


def kept(path: Path) -> dict[str, str]:
    entries: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return entries


def test_what_was_put_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "suite.json"
    first = Cache(str(path))
    first.put("a", b"\x01\x02", "ip")
    first.put("b", b"")
    first.save()

    second = Cache(str(path))
    assert second.get("a") == (b"\x01\x02", "ip", ())
    assert second.get("b") == (b"", "", ())
    assert second.get("c") is None


def test_only_what_was_used_is_kept_and_only_if_something_is_new(tmp_path: Path) -> None:
    path = tmp_path / "suite.json"
    first = Cache(str(path))
    first.put("a", b"\x01")
    first.put("b", b"\x02")
    first.save()
    second = Cache(str(path))
    second.get("a")
    second.save()
    assert set(kept(path)) == {"a", "b"}

    second.put("c", b"\x03")
    second.save()
    assert set(kept(path)) == {"a", "c"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"version": "other", "entries": {"a": " 01"}}',
        b'{"entries": {"a": " 01"}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "suite.json"
    path.write_bytes(content)

    cache = Cache(str(path))
    assert cache.get("a") is None
    cache.put("a", b"\x01")
    cache.save()
    assert kept(path) == {"a": " 01"}


@pytest.mark.parametrize("entry", [" 0g", "ip", "wifi 00", 5, None, ["ip", "00"], " 0"])
def test_a_damaged_entry_is_not_there(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"version": cache_room.version(), "entries": {"a": entry}}), encoding="utf-8")

    found = Cache(str(path)).get("a")
    assert found in (None, (b"", "ip", ()))
    assert (found is None) is (entry != "ip")


def test_a_folder_that_cannot_be_written_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    cache = Cache(str(tmp_path / "file" / "suite.json"))
    cache.put("a", b"\x01")
    cache.save()

    assert os.listdir(tmp_path) == ["file"]


def test_the_version_changes_with_this_room_and_with_scapy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version() -> str:
        return cache_room.version()

    installed = version()
    fake = tmp_path / "scapy"
    fake.mkdir()
    (fake / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert version() != installed
    before = version()
    (fake / "VERSION").write_text("9.9.9")
    assert version() != before


def test_a_key_holds_all_that_its_names_stand_for(tmp_path: Path) -> None:
    path = str(tmp_path / "suite.json")
    (tmp_path / "blob").write_bytes(b"\x01")

    def made(text: str, **names: Any) -> bytes:
        cache = Cache(path)
        data = packet(text, Scope(cache=cache, folder=str(tmp_path), **names)).data
        cache.save()
        return data

    assert made("Raw(a)", variables={"a": "x"}) == b"x"
    assert made("Raw(a)", variables={"a": "y"}) == b"y"
    assert made("b/b'!'", packets={"b": "Raw(c)", "c": "Raw('1')"}) == b"1!"
    assert made("b/b'!'", packets={"b": "Raw(c)", "c": "Raw('2')"}) == b"2!"
    assert made("Raw(f)", packets={"f": {"file": "blob"}}) == b"\x01"
    (tmp_path / "blob").write_bytes(b"\x02")
    assert made("Raw(f)", packets={"f": {"file": "blob"}}) == b"\x02"
    assert made("H()", headers={"H": [{"name": "x", "type": "u8", "default": 1}]}) == b"\x01"
    assert made("H()", headers={"H": [{"name": "x", "type": "u8", "default": 2}]}) == b"\x02"


def test_a_second_run_imports_no_scapy(tmp_path: Path) -> None:
    path = str(tmp_path / "suite.json")
    texts = ["Ether()/IP()/TCP()", "IP()/UDP()/DNS()"]
    cache = Cache(path)
    made = [packet(text, Scope(cache=cache)).data.hex() for text in texts]
    cache.save()

    said = audited(texts, cache=path)
    assert said == {"made": made, "events": [], "scapy": False, "stderr": ""}


def test_an_ignored_field_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "suite.json")
    source = {"scapy": "IP()/UDP()", "ignore": ["IP.id"]}
    cache = Cache(path)
    made = pattern(source, Scope(cache=cache))
    cache.save()
    monkeypatch.setattr("bpftest.packets.named.mask_without", None)
    monkeypatch.setattr("bpftest.packets.expression.built", None)

    assert pattern(source, Scope(cache=Cache(path))) == made
