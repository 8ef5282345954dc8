"""The way in: `bpftest`, and `python -m bpftest`."""

import sys

INTERRUPTED = 130  # commands.exits.SIGNALS; nothing is imported yet


def main() -> int:
    """Runs the command that was typed; a Ctrl-C while bpftest is still being imported ends it without a word."""
    try:
        from bpftest.cli import main as run
    except KeyboardInterrupt:
        return INTERRUPTED
    return run()


if __name__ == "__main__":
    sys.exit(main())
