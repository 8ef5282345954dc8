"""Runs suites of cases with state in this process, and prints what the stages took.

    python -m benchmarks.stateful {reset|fresh} FOLDER

reset: as bpftest runs them. fresh: the object is loaded again for each case, whatever its maps hold.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpftest.kernel.door import Loading
    from bpftest.kernel.session import Session


def main(how: str, folder: str) -> None:
    """Prints {"whole": seconds, "run": seconds, "verdicts": [[outcome, message], ..]} as JSON."""
    started = time.perf_counter()
    from argparse import Namespace

    from bpftest.collect import collect, plans
    from bpftest.events import CaseFinished
    from bpftest.executors import local
    from bpftest.runner import run_suite

    class Fresh(local.RunningKernel):
        """Forgets that the maps could be reset."""

        def open(self, loading: Loading, timeout_s: float = 10.0) -> Session:
            return super().open(loading._replace(plain=False), timeout_s)

    collection = collect(Namespace(paths=[folder], keyword=None, tag=None))
    made, invalid = plans(collection.chosen)
    if collection.invalid or invalid:
        sys.exit(f"invalid: {collection.invalid or invalid}")
    local.prepare()
    kernel = Fresh() if how == "fresh" else local.RunningKernel()
    run_started = time.perf_counter()
    events = [
        event for plan, one in zip(made, collection.chosen, strict=True) for event in run_suite(plan, one.names, kernel)
    ]
    ended = time.perf_counter()
    verdicts = [(event.outcome.value, event.message) for event in events if isinstance(event, CaseFinished)]
    json.dump({"whole": ended - started, "run": ended - run_started, "verdicts": verdicts}, sys.stdout)


def write_suites(folder: str, built: str, cases: int) -> None:
    """*cases* cases on stateful.bpf.o, in suites; each seeds three maps and a global, and checks all of them."""
    for first in range(0, cases, CASES_OF_A_SUITE):
        with open(os.path.join(folder, f"from{first:05}.yaml"), "w", encoding="utf-8") as file:
            file.write(f"version: 1\nobject: {os.path.abspath(built)}\ncases:\n")
            file.writelines(map(_case, range(first, min(cases, first + CASES_OF_A_SUITE))))


CASES_OF_A_SUITE = 1000  # a suite holds at most 100,000 values, and each of these cases has 82
CASE = """  - name: flow {index}
    packet: {{hex: "{frame}"}}
    globals: {{settings: {{first_limited_class: 2, byte_overhead: 4}}, passed: {index}}}
    maps:
      flows:
        - key: {{saddr: {source}, daddr: 10.0.0.1, sport: {{be16: 53}}, dport: {{be16: 80}}, protocol: 17}}
          value: {{packets: {before}, bytes: 500, class: {klass}}}
        - key: {{saddr: 10.9.9.9, daddr: 10.0.0.1, sport: {{be16: 53}}, dport: {{be16: 80}}, protocol: 17}}
          value: {{packets: 1, bytes: 2}}
      limits: [{{key: {klass}, value: {{packets: 10}}}}]
      hits: [{{key: 1, value: {{percpu: [{before}]}}}}]
    expect:
      retval: {retval}
      maps:
        flows:
          - key: {{saddr: {source}, daddr: 10.0.0.1, sport: {{be16: 53}}, dport: {{be16: 80}}, protocol: 17}}
            value: {{packets: {after}, bytes: 568}}
        limits: [{{key: {klass}, value: {{packets: 10, dropped: {drops}}}}}]
        hits: [{{key: 1, value: {{sum: {hits}}}}}, {{key: 2, value: {{sum: {drops}}}}}]
      globals: {{passed: {passed}, dropped: {drops}}}
"""


def _case(index: int) -> str:
    before, klass = index % 20, 1 + index % 4
    source = bytes((10, 0, index // 256, index % 256))
    drops = int(klass > 1 and before + 1 > 10)
    if index % 1000 == 999:  # some fail, the same ones however the state is made
        drops = 1 - drops
    frame = bytes(12) + b"\x08\x00" + bytes(9) + b"\x11\0\0" + source + bytes((10, 0, 0, 1, 0, 53, 0, 80)) + bytes(26)
    return CASE.format(
        index=index,
        frame=frame.hex(),
        source=".".join(map(str, source)),
        before=before,
        after=before + 1,
        klass=klass,
        retval="XDP_DROP" if drops else "XDP_PASS",
        drops=drops,
        hits=before + 1 - drops,
        passed=index + 1 - drops,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
