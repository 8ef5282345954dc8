"""What pages of docs/ show is what happens: their files are written, their commands run, their outputs compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.pages import replayed, runs

pytestmark = pytest.mark.kernel

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if runs(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])
def test_a_page_shows_what_its_commands_print(path: Path, tmp_path: Path) -> None:
    page = path.read_text(encoding="utf-8")

    assert replayed(page, str(tmp_path)) == page, f"write it again, as root: python -m tools.pages {path}"
