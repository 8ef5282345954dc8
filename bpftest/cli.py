"""The command line: argv in, exit code out."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from bpftest import __version__
from bpftest.commands import COMMANDS
from bpftest.commands.exits import BROKEN_PIPE, INTERNAL, SIGNALS, message
from bpftest.errors import BpftestError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = """\
exit codes:
  0    everything selected passed, was skipped with a reason, or failed as its xfail says
  1    a case failed or errored; with --fail-on-skip, also when one was skipped
  2    wrong command line
  3    a suite file is invalid; nothing ran
  4    this machine cannot run BPF tests
  5    no case selected
  70   internal error
  130  interrupted (143: terminated); what ran so far is reported
"""

# Options with a value that may be left out: argparse would take the word behind them for it.
NO_VALUE = {"--update-snapshots": "--update-snapshots=new", "--shuffle": "--shuffle=", "--durations": "--durations="}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that *argv* (without the program's name) says. Gives the exit code."""
    try:
        code = _called(list(sys.argv[1:] if argv is None else argv))
    except BrokenPipeError:  # what reads our output has gone: `bpftest list | head`
        _silence()
        return BROKEN_PIPE
    except KeyboardInterrupt as signal:
        return SIGNALS.get(str(signal), SIGNALS["SIGINT"])
    except Exception:  # noqa: BLE001 - whatever else comes up here is a bug
        return _bug()
    return code


def _called(arguments: list[str]) -> int:
    try:
        options = _parser(arguments).parse_args([NO_VALUE.get(argument, argument) for argument in arguments])
        code: int = import_module(f"bpftest.commands.{options.command}").run(options)
    except BpftestError as error:
        print(message(error), file=sys.stderr)
        code = error.exit_code
    finally:
        sys.stdout.flush()
    return code


def _silence() -> None:
    """Nothing is written any more, at the end of the process too, where Python would say that it cannot."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _bug() -> int:
    import traceback

    traceback.print_exc()
    print("error: internal error; please report it with what stands above", file=sys.stderr)
    return INTERNAL


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. To find that out argparse would import shutil, at every call of bpftest."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 2:
        return int(given)
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 80


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is called adds its arguments, so that no other is imported."""
    parser = argparse.ArgumentParser(
        "bpftest",
        description="Declarative test suites for eBPF programs, run on the real kernel through BPF_PROG_RUN.",
        epilog=EXIT_CODES,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"bpftest {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    called = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, text in COMMANDS.items():
        description = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(
            name, help=text, description=description, formatter_class=_Help, allow_abbrev=False
        )
        if name == called:
            import_module(f"bpftest.commands.{name}").arguments(command)
    return parser
