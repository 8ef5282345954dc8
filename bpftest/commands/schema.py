"""`bpftest schema`: the JSON Schema of suites or of reports, for editors and other tools."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def arguments(parser: ArgumentParser) -> None:
    """Which schema."""
    parser.add_argument(
        "of", nargs="?", choices=("suite", "report"), default="suite", help="what it describes (default: suite)"
    )


def run(options: Namespace) -> int:
    """Prints the schema as it is shipped."""
    from bpftest.suite.schema import schema_text

    sys.stdout.write(schema_text(f"{options.of}.schema.json"))
    return 0
