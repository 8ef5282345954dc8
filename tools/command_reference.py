"""docs/reference/commands.md, made from the parsers of the command line.

To be written again: python -m tools.command_reference > docs/reference/commands.md
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bpftest.cli import _parser as parser_of
from bpftest.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
# The command line

`bpftest COMMAND --help` prints the same. Options may stand before and behind paths. How a command ends is told by its
[exit code](exit-codes.md).

<!-- Made from the parsers of the commands by: python -m tools.command_reference -->
"""


def page() -> str:
    """The page, in Markdown."""
    rows = ((f"[`bpftest {name}`](#bpftest-{name})", text) for name, text in COMMANDS.items())
    parts = [HEAD, _table(("command", "what it does"), rows)]
    for name, text in COMMANDS.items():
        parts += _command(f"bpftest {name}", text, parser(name), "##")
    return "\n".join(parts)


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of a command, with all its arguments."""
    return next(command for known, command in _below(parser_of([name])) if known == name)


def options(name: str) -> frozenset[str]:
    """All options of a command and of its actions, as they are written."""
    command = parser(name)
    parsers = (command, *(action for _, action in _below(command)))
    return frozenset(text for one in parsers for action in one._actions for text in action.option_strings)  # noqa: SLF001


def _command(title: str, text: str, parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    """A heading, what the command does, and its arguments; then the actions that it has."""
    yield f"{level} {title}\n\n{text[0].upper()}{text[1:]}.\n"
    rows = [(_spelling(one), _text(one)) for one in _arguments(parser)]
    if rows:
        yield _table(("argument", ""), rows)
    texts = _texts(parser)
    for name, action in _below(parser):
        yield from _command(f"{title} {name}", texts[name], action, "###")


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to list them
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):  # noqa: SLF001
            yield action


def _below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands, or actions, of a parser."""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.items()


def _texts(parser: argparse.ArgumentParser) -> dict[str, str]:
    """What each action of a parser does."""
    return {
        choice.dest: choice.help or ""
        for action in parser._actions  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        for choice in action._choices_actions  # noqa: SLF001
    }


def _spelling(action: argparse.Action) -> str:
    """How an argument is written: -k EXPR, --durations[=N], PATH."""
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{value}`"
    if action.nargs == 0:
        value = ""
    gap = "" if not value or str(value).startswith("[=") else " "
    return ", ".join(f"`{option}{gap}{value}`" for option in action.option_strings)


def _text(action: argparse.Action) -> str:
    return (action.help or "").replace("|", "\\|") % {"default": action.default, "prog": "bpftest"}


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *((spelling.replace("|", "\\|"), text) for spelling, text in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
