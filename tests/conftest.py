"""Which tests can run here, and BPF programs for them, compiled once into a cache of the tests' own.

A test marked ``kernel``, ``browser`` or ``editor`` that cannot run fails in CI, and is left out with a word elsewhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bpftest.kernel.compile import compiled
from tests.browser import BROWSERS, browser
from tests.language_server import command

PROGRAMS = Path(__file__).parent / "programs"
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_BPF": 39}  # bits, as in linux/capability.h

DESELECTED = pytest.StashKey[str]()


def obstacle() -> str:
    """Why this process cannot load BPF programs; "" if it can."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    missing = [name for name, bit in CAPABILITIES.items() if not effective >> bit & 1]
    return f"there is no {', '.join(missing)} here; run them as root" if missing else ""


def no_browser() -> str:
    """Why there is no page to look at; "" if there is."""
    return "" if browser() else f"there is none of {', '.join(BROWSERS)} here"


def no_editor() -> str:
    """Why nothing tells what an editor shows; "" if there is what does."""
    return "" if command() else "there is no yaml-language-server here; `make editors` brings it"


OBSTACLES = {"kernel": obstacle, "browser": no_browser, "editor": no_editor}  # by marker


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that were selected and cannot run here, except in CI."""
    said = []
    for marker, why in OBSTACLES.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if not marked or not (reason := why()) or os.environ.get("CI"):
            continue
        said.append(f"left out {len(marked)} tests marked {marker}: {reason}")
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]
    config.stash[DESELECTED] = "\n".join(said)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that cannot run and was not left out is a failure."""
    for marker, why in OBSTACLES.items():
        if item.get_closest_marker(marker) and (reason := why()):
            pytest.fail(f"CI has to run the {marker} tests and cannot: {reason}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end what was left out."""
    if line := config.stash.get(DESELECTED, ""):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def build() -> Callable[..., str]:
    """The object of a program of tests/programs, as: build("state", "-DGLOBAL")."""
    return lambda name, *cflags: compiled(str(PROGRAMS / f"{name}.bpf.c"), cflags)


@pytest.fixture
def folder(tmp_path: Path, build: Callable[..., str]) -> Path:
    """A folder with plain.o, for suites of a test's own."""
    shutil.copy(build("plain"), tmp_path / "plain.o")
    return tmp_path
