"""A case as HTML. Whatever comes from a suite, a program or a compiler is escaped, and shows all its characters."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bpftest.events import Outcome
from bpftest.reporters.blocks import VALUE_WIDTH, explained
from bpftest.reporters.printable import clip, cut, plain, plain_lines, shell_word, visible
from bpftest.reporters.words import BAD, SLOW_S, TOLD, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.events import CaseFinished, Excerpt, Finding, HexRow, Mismatch, Mistake, Packet, Problem

REASON_WIDTH = 500  # characters
SOURCE_WIDTH = 300  # characters of a line that are shown
BEFORE_WIDTH = 40  # of them those before what is marked
TEXT_LENGTH = 64 * 1024  # characters of a log
BYTE = '<th scope="col">Byte</th>'
LOG_LINES = 15  # of a log that is shown without being asked for


def safe(text: str) -> str:
    """*text* for the inside of an element or of an attribute's quotes."""
    return escape(plain(text))


def case(it: CaseFinished, anchor: str) -> str:
    """The case, open if it did not pass."""
    tags = next((value for name, value in it.properties if name == "tags"), "")
    slow = ' <span class="word SLOW">SLOW</span>' if it.seconds > SLOW_S else ""
    took = "" if it.outcome is Outcome.SKIPPED else duration(it.seconds).strip()
    return (
        f'<details class="case" id="{anchor}" data-outcome="{it.outcome.value}" data-tags="{safe(tags)}"'
        f"{' open' if it.outcome in BAD else ''}>\n"
        f'<summary><span class="word {it.outcome.value}">{it.outcome.value}</span>'
        f'<span class="name">{escape(visible(it.name))}{slow}</span><span class="time">{took}</span>'
        f'<span class="why">{safe(clip(it.message, REASON_WIDTH))}</span></summary>\n'
        f'<div class="body">\n{"".join(_body(it))}</div>\n</details>\n'
    )


def mistake(it: Mistake) -> str:
    """A mistake of a suite file, and its place."""
    return f'<li><span class="word ERROR">ERROR</span> {safe(it.what)}\n{_excerpt(it.excerpt)}{_hint(it.hint)}</li>\n'


def _body(it: CaseFinished) -> Iterator[str]:
    yield from (_earlier(number, one) for number, one in enumerate(it.earlier, 1))
    yield from _verdict(it)
    saved = [("saved", path) for path in it.saved]
    facts = [*(("note", note) for note in it.notes), *it.printed, *saved, *it.properties, ("place", str(it.place))]
    yield _facts(facts)
    if it.outcome in TOLD:
        yield f"<p>again: <code>bpftest run {escape(shell_word(it.id))}</code></p>\n"


def _earlier(number: int, it: CaseFinished) -> str:
    """A run of a case that was run again."""
    head = clip(f"run {number}: {it.outcome.value}, {it.message}", REASON_WIDTH)
    facts = [*it.printed, *(("saved", path) for path in it.saved)]
    return f"<details><summary>{safe(head)}</summary>\n{''.join(_verdict(it))}{_facts(facts)}</details>\n"


def _verdict(it: CaseFinished) -> Iterator[str]:
    """What one run of the case found."""
    if it.problem:
        yield from _problem(it.problem)
    for step in dict.fromkeys(finding.step for finding in it.findings):
        yield from _findings([finding for finding in it.findings if finding.step == step])
    if it.outcome in BAD and not it.problem and not explained(it):
        yield f'<p class="place">{escape(visible(str(it.place)))}</p>\n'
    yield from (_packet(packet) for packet in it.packets)


def _findings(findings: list[Finding]) -> Iterator[str]:
    """What the expectations of one step found."""
    if findings[0].step:
        yield f'<p class="step">step {safe(findings[0].step)}</p>\n'
    for finding in findings:
        if finding.mismatches:
            if finding.excerpt:
                yield _excerpt(finding.excerpt)
            yield _mismatches(finding.key, finding.mismatches)
            if finding.rows:
                yield _rows(finding.rows)
    held = [(finding.key, finding.held) for finding in findings if finding.held or not finding.mismatches]
    yield _facts((key, f"{value} as expected".lstrip()) for key, value in held)


def _mismatches(key: str, mismatches: tuple[Mismatch, ...]) -> str:
    offsets = any(it.offset is not None for it in mismatches)
    rows = "".join(
        f'<tr><th scope="row">{_value(it.what)}</th>{_offset(it.offset) if offsets else ""}'
        f"<td>{_value(it.expected)}</td><td>{_value(it.actual)}</td></tr>\n"
        for it in sorted(mismatches, key=lambda it: it.derived)  # what only follows from another comes last
    )
    return (
        f'<div class="scroll"><table><caption>{_value(key)} is not as expected</caption>\n'
        f'<thead><tr><th scope="col">What</th>{BYTE if offsets else ""}<th scope="col">Expected</th>'
        f'<th scope="col">Got</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n'
    )


def _offset(offset: int | None) -> str:
    return f'<td class="number">{"" if offset is None else offset}</td>'


def _rows(rows: tuple[HexRow, ...]) -> str:
    """The bytes: what was expected behind a minus sign, what came behind a plus sign, differences underlined."""
    shown = ["<i>     - expected   + got</i>"]
    for row in rows:
        number = f"<i>{row.offset:04x}</i>"
        if row.expected == row.actual:
            shown.append(f"{number}   {_value(row.expected)}")
            continue
        if row.expected:
            shown.append(f"{number} - {_bytes(row.expected, row.marks, 'del')}")
            number = "    "
        if row.actual:
            shown.append(f"{number} + {_bytes(row.actual, row.marks, 'ins')}")
    label = 'class="bytes" tabindex="0" role="group" aria-label="bytes: expected behind -, got behind +"'
    return f"<pre {label}>{''.join([line + chr(10) for line in shown])}</pre>\n"


def _bytes(row: str, marks: str, element: str) -> str:
    """Two characters a byte and a blank between, the marked ones in *element*."""
    parts = [(escape(visible(byte)), marks[3 * at : 3 * at + 2].strip()) for at, byte in enumerate(row.split(" "))]
    return " ".join(f"<{element}>{byte}</{element}>" if marked and byte else byte for byte, marked in parts)


def _packet(packet: Packet) -> str:
    step = f"step {packet.step}: " if packet.step else ""
    head = f"{step}the packet {packet.name}, {len(packet.data) // 2:,} bytes, in hex"
    data = safe(cut(packet.data, TEXT_LENGTH))
    return f'<details><summary>{safe(head)}</summary><p class="place">{data}</p></details>\n'


def _problem(problem: Problem) -> Iterator[str]:
    if problem.excerpt:
        yield _excerpt(problem.excerpt)
    yield _hint(problem.hint)
    yield _facts(problem.facts)
    lines = plain_lines(cut(problem.text, TEXT_LENGTH))
    if not lines:
        return
    log = f'<pre tabindex="0" role="group" aria-label="log">{escape(chr(10).join(lines))}</pre>\n'
    if len(lines) > LOG_LINES:
        yield f"<details><summary>the whole log, {len(lines):,} lines</summary>{log}</details>\n"
    else:
        yield log


def _excerpt(excerpt: Excerpt) -> str:
    place = f'<p class="place">{escape(visible(str(excerpt.place)))}</p>\n'
    if not excerpt.lines:
        return place
    width = max(len(str(number)) for number, _ in excerpt.lines)
    lines = [
        f"<i>{number:>{width}} │</i> {_marked(text, excerpt) if number == excerpt.place.line else _source(text)}\n"
        for number, text in excerpt.lines
    ]
    return f'{place}<pre tabindex="0" role="group" aria-label="source">{"".join(lines)}</pre>\n'


def _hint(text: str) -> str:
    return f'<p class="hint">help: {escape(chr(10).join(plain_lines(text)))}</p>\n' if text.strip() else ""


def _marked(text: str, excerpt: Excerpt) -> str:
    at = excerpt.place.column - 1
    first = max(0, at - BEFORE_WIDTH)
    end = min(at + excerpt.place.width, first + SOURCE_WIDTH)
    before, marked, after = text[first:at], text[at:end], text[end : first + SOURCE_WIDTH]
    shown = f"{escape(visible(before))}<mark>{escape(visible(marked))}</mark>{escape(visible(after))}"
    return f"{'...' if first else ''}{shown}{'...' if len(text) > first + SOURCE_WIDTH else ''}"


def _source(text: str) -> str:
    return escape(visible(clip(text, SOURCE_WIDTH)))


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{_value(name)}</dt><dd>{_value(value)}</dd>\n" for name, value in facts)
    return f"<dl>\n{rows}</dl>\n" if rows else ""


def _value(text: str) -> str:
    return safe(clip(text, VALUE_WIDTH))
