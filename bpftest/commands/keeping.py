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
    from bpftest.executors.worker import Keepsake

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
        "--no-artifacts",
        action="store_true",
        help="keep nothing below .bpftest: no packets of failed cases, and not which cases failed",
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


def keep_snapshots(keepsakes: Iterable[Keepsake]) -> None:
    """Writes the snapshots that a run has made, and tells of them and of those that no case names.

    Raises HostError where they cannot be written.
    """
    for one in keepsakes:
        if one.content is not None:
            _write(one, one.content)
        if one.unused and not one.drops:
            _tell(f"{one.path}: no case names {_listed(one.unused)}; --update-snapshots=all drops them")


def _write(one: Keepsake, content: bytes) -> None:
    from bpftest.kernel.files import make_folder, write_file

    folder = os.path.dirname(one.path)
    if os.path.islink(folder):  # a checkout may hold one that leads out of it, and bpftest may be root
        raise HostError(f"{folder} is a symbolic link, which bpftest does not follow", "remove it")
    try:
        if content:
            make_folder(folder)
            write_file(one.path, content)
        else:
            os.unlink(one.path)
    except OSError as error:
        raise HostError(f"{one.path} cannot be written: {error.strerror}") from None
    if one.made:
        _tell(f"{one.path}: wrote {_listed(one.made)}; read it before you commit it")
    if one.drops and one.unused:
        _tell(f"{one.path}: dropped {_listed(one.unused)}")


def _listed(names: Iterable[str]) -> str:
    """The *names*, of many the first ones."""
    known = list(names)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


def _tell(what: str) -> None:
    print(f"note: {what}", file=sys.stderr)
