from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpftest.artifacts import slug, with_artifacts
from bpftest.errors import Place
from bpftest.events import CaseFinished, Outcome, Packet, RunFinished
from bpftest.packets.captures import Frame, frames

PLACE = Place("suites/fw.yaml", 4, 3)
PACKETS = (Packet("input", "ff00", "ethernet"), Packet("expected", "4501", "ip"), Packet("actual", "", "ip"))
FAILED = CaseFinished("suites/fw.yaml", "drops telnet", PLACE, Outcome.FAILED, 0.1, packets=PACKETS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_packets_of_a_failed_case_are_kept_and_the_event_says_where(here: Path) -> None:
    (event,) = with_artifacts([FAILED])

    folder = ".bpftest/artifacts/suites/fw/drops-telnet"
    assert event == FAILED._replace(saved=(f"{folder}/{{input,expected,actual}}.pcap",))
    assert files(here / ".bpftest") == [".gitignore"] + [
        f"artifacts/suites/fw/drops-telnet/{name}.pcap" for name in ("actual", "expected", "input")
    ]
    assert frames(folder, "input.pcap") == (Frame(b"\xff\0", 1, 2),)
    assert frames(folder, "expected.pcap") == (Frame(b"E\1", 101, 2),)
    assert frames(folder, "actual.pcap") == (Frame(b"", 101, 0),)
    assert (here / ".bpftest/.gitignore").read_text() == "*\n"


def test_what_an_earlier_run_left_of_the_case_goes(here: Path) -> None:
    list(with_artifacts([FAILED]))
    (event,) = with_artifacts([FAILED._replace(packets=PACKETS[:1])])

    assert event.saved == (".bpftest/artifacts/suites/fw/drops-telnet/input.pcap",)  # type: ignore[union-attr]
    assert files(here / ".bpftest/artifacts") == ["suites/fw/drops-telnet/input.pcap"]


def test_each_step_has_a_folder() -> None:
    steps = tuple(Packet("input", "00", "ip", step) for step in ("first", "the/second"))
    (event,) = with_artifacts([FAILED._replace(packets=steps)])

    assert event.saved == (  # type: ignore[union-attr]
        ".bpftest/artifacts/suites/fw/drops-telnet/first/input.pcap",
        f".bpftest/artifacts/suites/fw/drops-telnet/{slug('the/second')}/input.pcap",
    )


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.FAILED])
def test_nothing_is_kept_of_cases_that_did_not_fail(here: Path, outcome: Outcome) -> None:
    events = [FAILED._replace(outcome=outcome), RunFinished(1.0)]
    assert list(with_artifacts(events)) == events
    assert files(here) == []


def test_where_nothing_can_be_written_the_case_says_so(here: Path) -> None:
    (here / ".bpftest").write_text("a file")
    (event,) = with_artifacts([FAILED])
    assert event == FAILED._replace(notes=("the packets could not be kept: .bpftest: File exists",))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("drops telnet", "drops-telnet"),
        ("port=22", "port=22"),
        ("drops-telnet", "drops-telnet-170f1b91"),
        ("../../etc/passwd", "etc-passwd-df406b03"),
        ("..", "9608161c"),
        ("/", "79d3d2d4"),
        ("ä" * 200, "3e78851b"),
        ("x" * 200, "x" * 80 + "-7ecb6ba6"),
        ("\ud800", "1dc4a528"),
    ],
)
def test_a_name_becomes_one_part_of_a_path(name: str, part: str) -> None:
    assert (slug(name), os.path.basename(slug(name))) == (part, part)


def test_suites_outside_of_here_are_kept_below_it_too() -> None:
    (event,) = with_artifacts([FAILED._replace(path="../other/fw.yaml", packets=PACKETS[:1])])
    assert event.saved == (".bpftest/artifacts/other/fw/drops-telnet/input.pcap",)  # type: ignore[union-attr]


@pytest.mark.parametrize("link", [".bpftest", ".bpftest/artifacts", ".bpftest/artifacts/suites/fw/drops-telnet"])
def test_no_link_of_a_checkout_is_followed(here: Path, tmp_path_factory: pytest.TempPathFactory, link: str) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "actual.pcap").write_text("somebody's")
    (here / link).parent.mkdir(parents=True, exist_ok=True)
    (here / link).symlink_to(outside)

    (event,) = with_artifacts([FAILED])

    assert files(outside) == ["actual.pcap"]
    assert (outside / "actual.pcap").read_text() == "somebody's"
    assert event == FAILED._replace(
        notes=(
            f"the packets could not be kept: {link}: it is a symbolic link, which bpftest does not follow: remove it",
        )
    )


def test_no_link_in_the_place_of_a_file_is_followed(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "theirs"
    outside.write_text("somebody's")
    folder = here / ".bpftest/artifacts/suites/fw/drops-telnet"
    folder.mkdir(parents=True)
    for name in ("input.pcap", f"expected.pcap.{os.getpid()}.tmp"):
        (folder / name).symlink_to(outside)

    list(with_artifacts([FAILED]))

    assert outside.read_text() == "somebody's"
