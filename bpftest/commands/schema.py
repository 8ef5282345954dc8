"""`bpftest schema`: the JSON Schema of suites, for editors and other tools."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def arguments(parser: ArgumentParser) -> None:
    """None."""


def run(_options: Namespace) -> int:
    """Prints the schema as it is shipped."""
    from bpftest.suite.schema import schema_text

    sys.stdout.write(schema_text())
    return 0
