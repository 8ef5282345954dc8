"""What `bpftest run` leaves in files beside its reports: packets of failed cases, and snapshots."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bpftest.errors import HostError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from bpftest.events import Event
    from bpftest.packets.snapshots import Snapshots
    from bpftest.plan import Plan

SHOWN = 5  # names of snapshots in a note


def arguments(parser: ArgumentParser) -> None:
    """What is kept."""
    parser.add_argument(
        "--update-snapshots",
        choices=("new", "all"),
        default="",
        metavar="[=new|all]",
        help="keep the packets of `snapshot` expectations that have none yet; all: also replace those that differ, "
        "and drop those that no case names. Not where CI is set",
    )
    parser.add_argument(
        "--no-artifacts", action="store_true", help="keep no packets of failed cases below .bpftest/artifacts"
    )


def refuse_in_ci(options: Namespace) -> None:
    """Raises UsageError where snapshots would be written by a job that nobody watches."""
    if options.update_snapshots and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        hint = "write them where you can review them, and commit them; or unset CI"
        raise UsageError("with CI set, --update-snapshots writes nothing", hint)


def kept(events: Iterable[Event], options: Namespace) -> Iterable[Event]:
    """*events*, with the packets of failed cases in files if *options* want that."""
    if options.no_artifacts:
        return events
    from bpftest.artifacts import with_artifacts

    return with_artifacts(events)


def keep_snapshots(planned: Iterable[tuple[Plan, frozenset[str]]]) -> None:
    """Writes the snapshots that a run has made, and tells of them and of those that no case names.

    Raises HostError where they cannot be written.
    """
    for plan, names in planned:
        content = plan.snapshots.content()
        unused = plan.snapshots.unused if len(names) == len(plan.jobs) or content is not None else ()
        if content is not None:
            _write(plan.snapshots, content)
        if unused and not plan.snapshots.drops:
            _tell(f"{plan.snapshots.path}: no case names {_listed(unused)}; --update-snapshots=all drops them")


def _write(snapshots: Snapshots, content: bytes) -> None:
    from bpftest.kernel.files import make_folder, write_file

    try:
        if content:
            make_folder(os.path.dirname(snapshots.path))
            write_file(snapshots.path, content)
        else:
            os.unlink(snapshots.path)
    except OSError as error:
        raise HostError(f"{snapshots.path} cannot be written: {error.strerror}") from None
    if snapshots.made:
        _tell(f"{snapshots.path}: wrote {_listed(snapshots.made)}; read it before you commit it")
    if snapshots.drops and snapshots.unused:
        _tell(f"{snapshots.path}: dropped {_listed(snapshots.unused)}")


def _listed(names: Iterable[str]) -> str:
    """The *names*, of many the first ones."""
    known = list(names)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


def _tell(what: str) -> None:
    print(f"note: {what}", file=sys.stderr)
