"""The blocks that explain a mistake or a failure, as every report shows them: lines without colour.

FAIL  suites/firewall.yaml::forwards and decrements the TTL
  --> suites/firewall.yaml:30:9
   |
30 |         output: Ether()/IP(ttl=63)/UDP()
   |         ^^^^^^
   = IP.ttl   @22   expected 63   got 64
   = retval   XDP_TX (3) as expected
     0010 - 00 1c 00 01 00 00 3f 11
          + 00 1c 00 01 00 00 40 11
                              ^^
   = again    bpftest run 'suites/firewall.yaml::forwards and decrements the TTL'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.events import CaseFinished, Excerpt, Finding, HexRow, Mismatch, Mistake, Outcome, Problem
from bpftest.reporters.printable import clip, columns, padded, plain, plain_lines, shell_word, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.errors import Place

# What a line shows, and its text: title, place, frame, source, caret, mismatch, held, expected, actual, marks,
# help, note, log or again. A report may colour a line by the first; the text alone says everything.
Line = tuple[str, str]

GAP = "   "
SOURCE_WIDTH = 120  # characters of a source line that are shown, around the caret
VALUE_WIDTH = 1_000  # characters of a value that are shown
LABEL_WIDTH = 60  # characters of a name that are shown before its value
STEP = "step"  # the label of a step's name
BESIDE = 40  # columns; what was got stands below what was expected if that is longer

# What the kernel's verifier says last, whatever it found.
_VERIFIER_STATISTICS = ("processed ", "verification time ", "stack depth ", "insns processed ", "subprog ")


class _Widths(NamedTuple):
    """Columns of a terminal that the parts of a block take."""

    gutter: int  # line numbers
    label: int
    offset: int = 0  # 0: no mismatch has an offset
    expected: int = 0


def mistake(found: Mistake) -> list[Line]:
    """What is wrong with a suite file, where, and what to write instead."""
    gutter = _gutter([found.excerpt])
    return [
        ("title", f"error: {plain(found.what)}"),
        *_excerpt(found.excerpt, gutter),
        *_help(found.hint, gutter),
    ]


def title(case: CaseFinished) -> Line:
    """The outcome and the id of *case*."""
    return "title", f"{case.outcome.value:<5} {visible(case.id)}"


def explained(case: CaseFinished) -> bool:
    """Whether the details of *case* say by themselves why it did not pass; if not, its message does."""
    return any(finding.mismatches for finding in case.telling.findings)


def details(case: CaseFinished, extra: Iterable[tuple[str, str]] = (), log_lines: int | None = None) -> list[Line]:
    """What *case* found, in the order of the suite, and how to repeat it; everything but its title and message.

    Of a flaky case that is what the last run found that failed. *extra*: further names and values to show; *log_lines*:
    how many lines to show of a compiler's or verifier's output, None for all.
    """
    case = case.telling
    saved = [("pcap", path) for path in case.saved]
    facts = [*(("note", note) for note in case.notes), *case.printed, *saved, *extra]
    widths = _widths(case, facts)
    to_repeat = case.outcome in {Outcome.FAILED, Outcome.ERROR}
    lines: list[Line] = []
    if case.problem:
        lines += _problem(case.problem, case.place, widths, log_lines)
    elif to_repeat and not explained(case):
        lines += _excerpt(Excerpt(case.place), widths.gutter)
    for step in dict.fromkeys(finding.step for finding in case.findings):
        lines += _findings([finding for finding in case.findings if finding.step == step], case.place, widths)
    lines += [_fact("note", name, _value(value), widths) for name, value in facts]
    if to_repeat:
        lines.append(_fact("again", "again", f"bpftest run {shell_word(case.id)}", widths))
    return lines


def _findings(findings: list[Finding], place: Place, widths: _Widths) -> Iterator[Line]:
    """What the expectations of one step found; of a step among others nothing where all is as expected."""
    step = findings[0].step
    for finding in findings:
        if finding.mismatches:
            yield from _excerpt(finding.excerpt or Excerpt(place), widths.gutter)
            if step:
                yield _fact("note", STEP, _value(step), widths)
                step = ""  # it is told once
            yield from _mismatches(finding.mismatches, widths)
            yield from _hex_rows(finding.rows, widths)
    if not findings[0].step or any(finding.mismatches for finding in findings):
        yield from _held(findings, widths)


def _widths(case: CaseFinished, facts: list[tuple[str, str]]) -> _Widths:
    mismatches = [mismatch for finding in case.findings for mismatch in finding.mismatches]
    labels = ["again", *(name for name, _ in facts), *(mismatch.what for mismatch in mismatches)]
    labels += [finding.key for finding in case.findings if _holds(finding)][:1]
    labels += [STEP for finding in case.findings if finding.step and finding.mismatches][:1]
    labels += [name for name, _ in case.problem.facts] if case.problem else []
    expected = [columns(_value(mismatch.expected)) for mismatch in mismatches]
    return _Widths(
        gutter=_gutter(
            [finding.excerpt or Excerpt(case.place) for finding in case.findings if finding.mismatches]
            + [case.problem.excerpt if case.problem and case.problem.excerpt else Excerpt(case.place)]
        ),
        label=max(columns(_label(label)) for label in labels),
        offset=max((len(f"@{m.offset}") for m in mismatches if m.offset is not None), default=0),
        expected=max((width for width in expected if width <= BESIDE), default=0),
    )


def _gutter(excerpts: Iterable[Excerpt]) -> int:
    """Columns of the longest line number in *excerpts*."""
    return max(len(str(number)) for it in excerpts for number in [it.place.line, *(n for n, _ in it.lines)])


def _excerpt(excerpt: Excerpt, gutter: int) -> Iterator[Line]:
    blank = " " * gutter
    yield "place", f"{blank}--> {visible(str(excerpt.place))}"
    if excerpt.lines:
        yield "frame", f"{blank} |"
    for number, text in excerpt.lines:
        if number == excerpt.place.line:
            source, caret = _marked(text, excerpt.place)
            yield "source", f"{number:>{gutter}} | {source}".rstrip()
            yield "caret", f"{blank} | {caret}"
        else:
            yield "source", f"{number:>{gutter}} | {visible(clip(text, SOURCE_WIDTH))}".rstrip()


def _marked(text: str, place: Place) -> tuple[str, str]:
    """The part of the source line around *place* as it is shown, and the carets that stand below it."""
    at = place.column - 1
    first = at - SOURCE_WIDTH // 2 if at > SOURCE_WIDTH * 3 // 4 else 0
    last = first + SOURCE_WIDTH
    left, right = "..." if first else "", "..." if len(text) > last else ""
    before = left + visible(text[first:at].ljust(at - first))
    marked = visible(text[at : min(at + place.width, last)])
    source = before + visible(text[at:last]) + right
    return source, " " * columns(before) + "^" * max(1, columns(marked))


def _label(name: str) -> str:
    """The name, cut in the middle: it ends with the field that differs."""
    name = plain(name)
    kept = LABEL_WIDTH - len("...")
    return name if len(name) <= LABEL_WIDTH else f"{name[: kept // 2]}...{name[-(kept - kept // 2) :]}"


def _value(text: str) -> str:
    return clip(plain(text), VALUE_WIDTH)


def _fact(role: str, name: str, value: str, widths: _Widths) -> Line:
    return role, f"{' ' * widths.gutter} = {padded(_label(name), widths.label)}{GAP}{value}".rstrip()


def _mismatches(mismatches: Iterable[Mismatch], widths: _Widths) -> Iterator[Line]:
    """Both sides of each of *mismatches*, those that only follow from another last."""
    for mismatch in sorted(mismatches, key=lambda mismatch: mismatch.derived):
        offset = "" if mismatch.offset is None else f"@{mismatch.offset}"
        offset = f"{offset:<{widths.offset}}{GAP}" if widths.offset else ""
        expected = _value(mismatch.expected)
        actual = _value(mismatch.actual)
        if columns(expected) <= BESIDE:
            beside = f"{offset}expected {padded(expected, widths.expected)}{GAP}got {actual}"
            yield _fact("mismatch", mismatch.what, beside, widths)
        else:
            yield _fact("mismatch", mismatch.what, f"{offset}expected {expected}", widths)
            indent = " " * (widths.gutter + len(" = ") + widths.label + len(GAP) + len(offset))
            yield "mismatch", f"{indent}got      {actual}"


def _hex_rows(rows: Iterable[HexRow], widths: _Widths) -> Iterator[Line]:
    blank = " " * (widths.gutter + 3)
    for row in rows:
        expected, actual, marks = (clip(visible(side), VALUE_WIDTH) for side in (row.expected, row.actual, row.marks))
        number = f"{blank}{row.offset:04x}"
        if expected == actual:
            yield "source", f"{number}   {expected}".rstrip()
            continue
        if expected:
            yield "expected", f"{number} - {expected}".rstrip()
            number = f"{blank}    "
        if actual:
            yield "actual", f"{number} + {actual}".rstrip()
        if marks.strip():
            yield "marks", f"{blank}       {marks.rstrip()}"


def _holds(finding: Finding) -> bool:
    return bool(finding.held) or not finding.mismatches


def _held(findings: Iterable[Finding], widths: _Widths) -> Iterator[Line]:
    """What was as expected, in one line, the first name below the others."""
    held = [finding for finding in findings if _holds(finding)]
    texts = [f"{_value(finding.held)} as expected".lstrip() for finding in held]
    if held:
        rest = [f"{_label(finding.key)} {text}" for finding, text in zip(held[1:], texts[1:], strict=True)]
        yield _fact("held", held[0].key, GAP.join([texts[0], *rest]), widths)


def _problem(problem: Problem, place: Place, widths: _Widths, log_lines: int | None) -> Iterator[Line]:
    yield from _excerpt(problem.excerpt or Excerpt(place), widths.gutter)
    yield from _help(problem.hint, widths.gutter)
    yield from (_fact("note", name, _value(value), widths) for name, value in problem.facts)
    for line in _log(problem, log_lines):
        yield "log", f"{' ' * widths.gutter} | {line}".rstrip()


def _log(problem: Problem, limit: int | None) -> list[str]:
    """The lines of *problem*'s text that tell most: a compiler's first, a verifier's last."""
    lines = problem.text.strip("\r\n").split("\n")
    if limit is None or len(lines) <= limit:
        return _shown(lines)
    if problem.kind.endswith("CompileError"):
        return [*_shown(lines[:limit]), f"... {len(lines) - limit:,} more lines"]
    while len(lines) > limit and lines[-1].startswith(_VERIFIER_STATISTICS):
        lines.pop()
    left = len(lines) - limit
    return [f"... {left:,} earlier lines", *_shown(lines[left:])] if left else _shown(lines)


def _shown(lines: list[str]) -> list[str]:
    return [clip(line, VALUE_WIDTH) for line in plain_lines("\n".join(lines))]


def _help(hint: str, gutter: int) -> Iterator[Line]:
    for number, line in enumerate(plain_lines(hint)):
        yield "help", f"{' ' * gutter} {'= help:' if number == 0 else '       '} {line}"
