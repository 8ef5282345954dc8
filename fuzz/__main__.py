"""`python -m fuzz`: runs the targets one after the other, each for its part of the time. Needs Atheris."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from hashlib import sha1

from fuzz import TARGETS, target

LIMITS = (
    "-timeout=20",  # seconds for one input: twice what a packet may take that is built
    "-rss_limit_mb=2048",
    "-max_len=65536",
)
FOUND = ("crash-", "timeout-", "oom-", "slow-unit-")  # how libFuzzer names what it found


def main() -> int:
    """1 where anything was found."""
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (%(default)s)")
    parser.add_argument("--folder", default="build/fuzz", help="for corpora and findings, kept (%(default)s)")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    found: list[str] = []
    for name in options.targets or TARGETS:
        found += findings(name, f"{options.folder}/{name}", options.seconds)
    print("\n".join(f"found: {one}" for one in found) or "nothing found")
    return bool(found)


def findings(name: str, folder: str, seconds: int) -> list[str]:
    """Runs the target *name*. Gives the files, below *folder*, with inputs that it has stumbled over; one ends it."""
    corpus, seeds = f"{folder}/corpus", f"{folder}/seeds"
    for each in (corpus, seeds):
        os.makedirs(each, exist_ok=True)
    for seed in target(name).seeds():
        with open(f"{seeds}/{sha1(seed, usedforsecurity=False).hexdigest()}", "wb") as file:
            file.write(seed)
    before = set(os.listdir(folder))
    print(f"--- {name}", flush=True)
    command = [sys.executable, "-m", "fuzz.engine", name, *LIMITS, f"-max_total_time={seconds}"]
    subprocess.run([*command, f"-artifact_prefix={folder}/", "-print_final_stats=1", corpus, seeds], check=False)
    return sorted(f"{folder}/{one}" for one in set(os.listdir(folder)) - before if one.startswith(FOUND))


if __name__ == "__main__":
    sys.exit(main())
