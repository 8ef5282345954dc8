"""The way in: `bpftest`, and `python -m bpftest`."""

import gc
import sys

INTERRUPTED = 130  # commands.exits.SIGNALS; nothing is imported yet


def main() -> int:
    """Runs the command that was typed; a Ctrl-C while bpftest is still being imported ends it without a word."""
    try:
        from bpftest.cli import main as run
    except KeyboardInterrupt:
        return INTERRUPTED
    code = run()
    gc.freeze()  # the process ends: for the collector to look once more takes a tenth of a short run
    return code


if __name__ == "__main__":
    sys.exit(main())
