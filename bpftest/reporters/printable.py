r"""Text from suites, compilers and programs, made safe to show: on a terminal, and in XML 1.0.

Nothing that comes out of ``visible`` or ``plain`` is a control character, a lone surrogate, a mark that turns
the direction of writing, or a code point that XML 1.0 forbids: each is replaced by its escape, such as ``\x07``.
"""

from __future__ import annotations

import re

TAB = "    "  # tabs are shown as this many blanks, wherever they stand

# C0, DEL, C1, line and paragraph separators, surrogates, the BOM, non-characters, and the marks that let a line
# read as something other than it is (CVE-2021-42574).
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)

# Escape sequences as ECMA-48 has them: CSI, the strings (OSC, DCS ...) with their end, then the short ones.
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]+[0-~]|\x1b[0-Z\\-~]"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)


# What CI systems take for commands to them: GitHub's runner a line that begins with "::" behind any blanks, and "##["
# in any place (ActionCommand.cs); Azure's agent "##[" and "##vso[", TeamCity "##teamcity[".
_COMMANDS = re.compile(r"^(?P<blanks>(?:\s|\x1b\[[0-9;]*m)*):(?=:)|#(?=#\w*\[)")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\t":
        return TAB
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(line: str) -> str:
    """*line* with every character shown; what it gives for a + b is what it gives for a, and then for b."""
    return line if line.isprintable() else _HIDDEN.sub(_escape, line)


def inert(line: str) -> str:
    """*line*, so that no CI system that reads it takes it, or a part of it, for a command."""
    return _COMMANDS.sub(_disarmed, line) if "::" in line or "##" in line else line


def _disarmed(match: re.Match[str]) -> str:
    return "\\x23" if match[0] == "#" else f"{match['blanks']}\\x3a"


def plain(line: str) -> str:
    """*line* without its ANSI sequences, every other character shown: for messages of other programs."""
    return line if line.isprintable() else visible(_ANSI.sub("", line))


def plain_lines(text: str) -> list[str]:
    """The lines of *text*, each ``plain``, without blank ones at its ends."""
    return [plain(line.rstrip("\r")).rstrip() for line in text.strip("\r\n").split("\n")] if text.strip() else []


def columns(line: str) -> int:
    """How many columns of a terminal *line* takes: two for a wide character, none for a combining one."""
    if line.isascii():
        return len(line)
    from unicodedata import category, east_asian_width  # a megabyte of tables

    return sum(
        0 if category(char) in {"Mn", "Me", "Cf"} else 2 if east_asian_width(char) in {"W", "F"} else 1 for char in line
    )


def padded(line: str, width: int) -> str:
    """*line*, filled with blanks up to *width* columns."""
    return line + " " * (width - columns(line))


def clip(line: str, limit: int) -> str:
    """*line*, or its beginning and ``...`` when it is longer than *limit* characters."""
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def cut(text: str, limit: int) -> str:
    """*text*, or its first and last *limit* / 2 characters and a line that says how much is missing between."""
    if len(text) <= limit:
        return text
    head, middle, tail = text[: limit // 2], text[limit // 2 : -(limit // 2)], text[-(limit // 2) :]
    lines = max(1, middle.count("\n"))
    return f"{head}\n... {len(middle):,} characters in {lines:,} lines left out ...\n{tail}"


def shell_word(word: str) -> str:
    """*word* quoted, so that a POSIX shell reads it as one word; bash's ``$'...'`` where a character must not show."""
    from shlex import quote

    if inert(visible(word)) == word:
        return quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{inert(_HIDDEN.sub(_shell_escape, escaped))}'"


def _shell_escape(match: re.Match[str]) -> str:
    if "\udc80" <= match[0] <= "\udcff":  # a byte of a file name that is not UTF-8, as os.fsdecode has it
        return f"\\x{ord(match[0]) - 0xDC00:02x}"
    return _escape(match) if match[0] != "\t" else "\\t"
