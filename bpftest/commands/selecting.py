"""The arguments that say which cases are meant; run, validate and list share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def arguments(parser: ArgumentParser) -> None:
    """Adds paths, -k, -t and variables."""
    parser.add_argument(
        "paths",
        nargs="*",
        default=["suites"],
        metavar="PATH",
        help="a suite, a folder of suites, FILE::CASE or FILE:LINE (default: suites)",
    )
    parser.add_argument(
        "-k", dest="keyword", metavar="EXPR", help="cases whose name holds these words; with and, or, not and brackets"
    )
    parser.add_argument("-t", "--tag", metavar="EXPR", help="cases with these tags; with and, or, not and brackets")
    parser.add_argument(
        "--var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the suites, stronger than their `vars` and than BPFTEST_VAR_NAME; may be repeated",
    )
    parser.add_argument(
        "--vars-file",
        action="append",
        default=[],
        metavar="PATH",
        help="variables from a YAML file, stronger than `vars`; may be repeated, the last one is the strongest",
    )
