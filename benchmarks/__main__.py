"""Runs the benchmarks, prints their tables, and puts them into docs/benchmarks.md. Needs root, clang and bpftool.

    python -m benchmarks [--quick]

--quick: with small numbers, to see that all of it works; the page stays as it is.
"""

from __future__ import annotations

import shutil
import sys
import tempfile

from benchmarks import page
from benchmarks.bench import QUICK, Bench, Size


def main() -> None:
    """Measures, prints, writes."""
    size = QUICK if "--quick" in sys.argv[1:] else Size()
    folder = tempfile.mkdtemp(prefix="bpftest-bench-")
    figures = []
    try:
        bench = Bench(folder, size)
        for measured in bench.all():
            figures.append(measured)
            print(f"{measured.what}: {measured.found.value:.3g} {measured.unit}; {measured.detail}", file=sys.stderr)
    finally:
        shutil.rmtree(folder)
    rounds = (
        f"Each ratio is the median of {size.rounds} rounds, of what is short {size.short_rounds}, in which all that is "
        "compared runs in turn; in brackets the quartiles."
    )
    text = page.tables(figures, rounds)
    print(text)
    if size is not QUICK:
        page.write(text)


main()
