"""How errors show the user's text, and guess what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable

MAX_SHOWN = 60  # characters of a text of the user's
MAX_GUESSED = 5000  # names to look through; beyond, it would take a second


def shown(text: str) -> str:
    """*text* in one line: long ones cut, what cannot be printed escaped."""
    line = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[: MAX_SHOWN + 1])
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 3]}..."


def meant(name: str, known: Collection[str]) -> str:
    """The one of *known* that is written almost like *name*; empty if there is none."""
    from difflib import get_close_matches

    if len(known) > MAX_GUESSED or len(name) > MAX_SHOWN:
        return ""
    # To compare texts takes time that grows with their lengths, and nobody means a name that is longer than this.
    plain = {_plain(one): one for one in known if len(one) <= MAX_SHOWN}
    close = get_close_matches(_plain(name), plain, 1)
    return plain[close[0]] if close else ""


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")


def suggestion(name: str, known: Iterable[str]) -> str:
    """A hint for *name*, which is none of *known*."""
    names = list(known)
    close = meant(name, names)
    return f"did you mean '{close}'?" if close else f"one of: {', '.join(names)}"
