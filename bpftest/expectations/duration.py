"""`duration`: how long a run takes, as the benchmark of the case has measured it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import RunError, SuiteError
from bpftest.events import Finding, Mismatch
from bpftest.expectations.context import excerpt, reply_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bpftest.expectations.context import Check, Context
    from bpftest.kernel.door import Benchmark, Observation
    from bpftest.suite.model import Written

NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}  # "s" last: the others end with it


def mean(durations_ns: Sequence[int]) -> float:
    """The arithmetic mean."""
    return sum(durations_ns) / len(durations_ns)


def median(durations_ns: Sequence[int]) -> float:
    """The one in the middle; between the two in the middle, where their number is even."""
    ordered, half = sorted(durations_ns), len(durations_ns) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def p90(durations_ns: Sequence[int]) -> float:
    """The least that nine tenths do not exceed."""
    return sorted(durations_ns)[(len(durations_ns) * 9 + 9) // 10 - 1]


STATISTICS: Mapping[str, Callable[[Sequence[int]], float]] = {
    "median": median,
    "mean": mean,
    "min": min,
    "max": max,
    "p90": p90,
}


def duration(want: Written, _context: Context) -> Check:
    """A statistic of the samples is within the bounds."""
    name = want.value.get("statistic", "median")
    least, most = _bound(want, "min"), _bound(want, "max")
    if least is None and most is None:
        raise SuiteError("the duration has no bound", "give it a 'max' or a 'min', such as max: 150ns", want.place())
    if least is not None and most is not None and least > most:
        raise SuiteError("no duration is within these bounds: 'min' is above 'max'", "", want["min"].place())
    expected = _bounds_text(least, most)

    def check(observation: Observation) -> Finding:
        durations_ns = reply_of(observation).durations_ns
        if not all(durations_ns):
            raise unreadable()
        actual = STATISTICS[name](durations_ns)
        if (least is None or least <= actual) and (most is None or actual <= most):
            return Finding("duration", f"{name} {ns(actual)}")
        spread = f"{ns(actual)} (min {min(durations_ns):,}, max {max(durations_ns):,})"
        mismatch = Mismatch(f"duration ({name} of {len(durations_ns)})", expected, spread)
        return Finding("duration", mismatches=(mismatch,), excerpt=excerpt(want))

    return check


def unreadable() -> RunError:
    """There is no verdict from a mean of 0 ns."""
    what = "the kernel measures 0 ns for a run: it gives the mean in whole nanoseconds, and its clock saw no time pass"
    return RunError(what, "raise 'benchmark.repeat'")


def ns(duration: float) -> str:
    """A duration for people: "25 ns", "212.5 ns", "1,250 ns"."""
    return f"{duration:,.1f} ns".replace(".0 ", " ")


def duration_figures(durations_ns: Sequence[int], benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    """(name, value) of what reports tell of a measurement."""
    yield "duration_ns", f"{median(durations_ns):.1f}".removesuffix(".0")
    yield "duration_min_ns", str(min(durations_ns))
    yield "duration_max_ns", str(max(durations_ns))
    yield "duration_samples", str(len(durations_ns))
    yield "duration_repeat", str(benchmark.repeat)


def samples_note(durations_ns: Sequence[int], benchmark: Benchmark) -> str:
    """All samples, for a case that fails."""
    samples = " ".join(str(one) for one in durations_ns)
    return (
        f"each sample is the mean of {benchmark.repeat:,} runs, in ns: {samples}; "
        "whatever else the machine does makes them longer"
    )


def _bound(want: Written, key: str) -> float | None:
    """A bound in nanoseconds."""
    if key not in want:
        return None
    text: str = want[key].value
    unit = next(unit for unit in NS if text.endswith(unit))
    return float(text[: -len(unit)]) * NS[unit]


def _bounds_text(least: float | None, most: float | None) -> str:
    if least is None:
        return f"at most {ns(most or 0)}"
    return f"at least {ns(least)}" if most is None else f"from {ns(least)} to {ns(most)}"
