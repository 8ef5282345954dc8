"""The command line: argv in, exit code out."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from bpftest import __version__
from bpftest.commands import COMMANDS
from bpftest.errors import BpftestError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = """\
exit codes:
  0    everything selected passed, was skipped with a reason, or failed as its xfail says
  1    a case failed or errored
  2    wrong command line
  3    a suite file is invalid; nothing ran
  4    this machine cannot run BPF tests
  5    no case selected
  70   internal error
  130  interrupted (143: terminated); what ran so far is reported
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that *argv* (without the program's name) says. Gives the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser(arguments).parse_args(arguments)
        command = import_module(f"bpftest.commands.{options.command}")
        code: int = command.run(options)
    except BpftestError as error:
        print(_message(error), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # what reads our output has gone: `bpftest list | head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt as signal:
        return 143 if str(signal) == "SIGTERM" else 130
    return code


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is called adds its arguments, so that no other is imported."""
    parser = argparse.ArgumentParser(
        "bpftest",
        description="Declarative test suites for eBPF programs, run on the real kernel through BPF_PROG_RUN.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bpftest {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    called = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == called:
            import_module(f"bpftest.commands.{name}").arguments(command)
    return parser


def _message(error: BpftestError) -> str:
    text = f"error: {error}"
    return f"{text}\n  = help: {error.hint}" if error.hint else text
