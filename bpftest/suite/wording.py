"""What mistakes in suites have in common: how they show the user's text, and guess what was meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

QUOTE = "put the value in quotes"
QUOTE_TEXT = "if this is text, put it in quotes"

MAX_FAULTS = 100  # of a file; after so many it says only that there are more
MAX_SHOWN = 60  # characters of a text of the user's
MAX_GUESSED = 1000  # names to look through


def shown(text: str) -> str:
    """*text* in one line: long ones cut, what cannot be printed escaped."""
    line = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[: MAX_SHOWN + 1])
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 3]}..."


def meant(name: str, known: Collection[str]) -> str:
    """The one of *known* that is written almost like *name*; empty if there is none."""
    if len(known) > MAX_GUESSED or len(name) > MAX_SHOWN:
        return ""
    plain = {_plain(one): one for one in known}
    close = get_close_matches(_plain(name), plain, 1)
    return plain[close[0]] if close else ""


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
