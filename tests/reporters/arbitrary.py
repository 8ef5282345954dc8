"""Cases that no run would send: any text in every field that holds text from elsewhere."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import strategies as st

from bpftest.errors import Place
from bpftest.events import (
    CaseFinished,
    Event,
    Excerpt,
    Finding,
    HexRow,
    InvalidSuite,
    Mismatch,
    Mistake,
    Outcome,
    Packet,
    Problem,
    RunFinished,
    RunStarted,
    SuiteFinished,
    SuiteStarted,
)
from tests.reporters import streams

# Any code point, lone surrogates and non-characters too, and those that have done harm more often than the rest.
ANY = st.text(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from("\x00\x07\t\n\r\x1b[]m\x7f\x9b\u202e\udc80\ufffe"))
)
FORBIDDEN_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def hidden(text: str) -> list[str]:
    """What *text* holds that does not show, or that XML 1.0 forbids."""
    if text.isprintable():
        return []
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return [
        char
        for char in text
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(char) in bidi
        or FORBIDDEN_IN_XML.match(char)
    ]


def everywhere(text: str) -> list[Event]:
    """A run with *text* in each field that holds text from elsewhere."""
    place = Place(text, 7, 2, 3)
    excerpt = Excerpt(place, ((6, text), (7, text)))
    finding = Finding(text, text, (Mismatch(text, text, text, 5),), (HexRow(0, text, text + "0", text),), excerpt)
    problem = Problem(text, text, text, f"{text}\n{text}", excerpt)
    cases = [
        CaseFinished(
            *(text, text, place, outcome, 0.1, text, text, (finding,), problem, (text,), ((text, text),)),
            printed=((text, text),),
            packets=(Packet("input", text, "", text),),
            saved=(text,),
        )
        for outcome in Outcome
    ]
    cases[-1] = cases[-1]._replace(earlier=(cases[1],))
    return [
        RunStarted(text, text, text, text, streams.NOON, 1, 5, ((text, text),)),
        InvalidSuite(text, (Mistake(text, text, excerpt), Mistake(text, "", excerpt))),
        InvalidSuite(text, (Mistake(text, text, excerpt),)),
        SuiteStarted(text, text, 5, streams.NOON),
        *cases,
        SuiteFinished(text, 0.5),
        RunFinished(0.6, text, text),
    ]


def cases() -> st.SearchStrategy[CaseFinished]:
    """Any case that a run could send, and many that none would; now and then one that was run again."""
    again = st.builds(lambda it, earlier: it._replace(earlier=earlier), _cases(), st.tuples(_cases()))
    return st.one_of(_cases(), _cases(), again)


def _cases() -> st.SearchStrategy[CaseFinished]:
    places = st.builds(Place, ANY, st.integers(1, 10**6), st.integers(1, 300), st.integers(1, 300))
    numbered = st.lists(st.tuples(st.integers(1, 10**6), ANY), max_size=3).map(tuple)
    excerpts = st.builds(Excerpt, places, numbered)
    # The place's own line is among those of an excerpt.
    marked = st.builds(lambda it, line: it._replace(lines=(*it.lines, (it.place.line, line))), excerpts, ANY)
    offsets = st.none() | st.integers(0, 70_000)
    mismatches = st.lists(st.builds(Mismatch, ANY, ANY, ANY, offsets, st.booleans()), max_size=3).map(tuple)
    rows = st.lists(st.builds(HexRow, st.integers(0, 70_000), ANY, ANY, ANY), max_size=2).map(tuple)
    findings = st.lists(st.builds(Finding, ANY, ANY, mismatches, rows, st.none() | marked), max_size=3).map(tuple)
    problems = st.builds(Problem, ANY, ANY, ANY, ANY, st.none() | marked)
    packets = st.builds(
        Packet, st.sampled_from(["input", "expected", "actual"]), ANY, st.sampled_from(["ethernet", "ip", ""]), ANY
    )
    pairs = st.lists(st.tuples(ANY, ANY), max_size=2).map(tuple)
    return st.builds(
        CaseFinished,
        path=st.just(streams.FIREWALL),
        name=ANY,
        place=places,
        outcome=st.sampled_from(Outcome),
        seconds=st.floats(0, 10**6),
        kind=ANY,
        message=ANY,
        findings=findings,
        problem=st.none() | problems,
        notes=st.lists(ANY, max_size=2).map(tuple),
        printed=st.lists(st.tuples(st.sampled_from(["printk", "stdout"]), ANY), max_size=2).map(tuple),
        properties=pairs,
        packets=st.lists(packets, max_size=2).map(tuple),
        saved=st.lists(ANY, max_size=2).map(tuple),
        earlier=st.just(()),
    )
