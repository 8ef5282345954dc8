"""The HTML file, as a strict parser reads it, and as headless Chromium shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given, settings

from bpftest.events import CaseFinished, Event, Outcome
from bpftest.reporters.html import html
from bpftest.reporters.printable import visible
from tests import browser
from tests.reporters import arbitrary, streams

STREAMS = {
    "every_outcome": streams.EVERY_OUTCOME,
    "all_passed": streams.ALL_PASSED,
    "interrupted": streams.INTERRUPTED,
    "nothing": streams.NOTHING,
    "invalid": streams.INVALID,
    "detailed": streams.DETAILED,
}
HOSTILE = "</script></style><script>alert(1)</script><img src=http://e.example/ onerror=alert(2)>\"'& -->"
TAGGED = streams.PASSED._replace(properties=(("tags", "smoke slow"),))


def write(path: Path, events: list[Event]) -> Path:
    reporter = html(str(path))
    for event in events:
        reporter(event)
    return path


def parsed(path: Path) -> Element:
    """The tree; a mistake in the HTML is a failure."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree: Element = parser.parse(path.read_bytes(), transport_encoding="utf-8")
    return tree


def text(element: Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def with_class(tree: Element, name: str) -> list[Element]:
    return [element for element in tree.iter() if name in element.get("class", "").split()]


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
def test_it_is_html_without_a_mistake_and_fetches_nothing(tmp_path: Path, events: list[Event]) -> None:
    tree = parsed(write(tmp_path / "a" / "report.html", events))

    fetching = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping"}
    assert [element.tag for element in tree.iter() if fetching & set(element.keys())] == []
    assert {element.tag for element in tree.iter()} & {"link", "iframe", "object", "embed", "img", "base"} == set()
    targets = [element.get("href", "") for element in tree.iter("a")]
    anchors = {element.get("id") for element in tree.iter() if element.get("id")}
    assert {target.removeprefix("#") for target in targets} <= anchors
    assert not [element for element in tree.iter() if any(name.startswith("on") for name in element.attrib)]


def test_every_case_is_there_with_what_it_found(tmp_path: Path) -> None:
    tree = parsed(write(tmp_path / "report.html", streams.EVERY_OUTCOME))

    cases = [event for event in streams.EVERY_OUTCOME if isinstance(event, CaseFinished)]
    shown = with_class(tree, "case")
    assert [(one.get("data-outcome"), text(one.find(".//span[@class='name']"))) for one in shown] == [
        (case.outcome.value, case.name) for case in cases
    ]
    assert text(tree.find(".//h1")) == "1 failed, 2 errors of 7 cases"
    failed = shown[1]
    rows = [[text(cell) for cell in row] for row in failed.iter("tr")]
    assert rows == [
        ["What", "Byte", "Expected", "Got"],
        ["IP.ttl", "22", "63", "64"],
        ["IP.chksum", "24", "0x67ce", "0x66ce"],
    ]
    assert [[text(one) for one in failed.iter(tag)] for tag in ("del", "ins")] == [["3f", "67"], ["40", "66"]]
    assert text(failed.find(".//mark")) == "output"
    assert [text(row) for row in failed.iter("code")] == [
        "bpftest run 'suites/firewall.yaml::forwards and decrements the TTL'"
    ]


def test_only_its_own_style_and_script_can_run(tmp_path: Path) -> None:
    tree = parsed(write(tmp_path / "report.html", streams.EVERY_OUTCOME))

    (policy,) = [
        element.get("content", "")
        for element in tree.iter("meta")
        if element.get("http-equiv") == "Content-Security-Policy"
    ]
    digests = {
        tag: base64.b64encode(hashlib.sha256("".join(one.itertext()).encode()).digest()).decode()
        for tag in ("style", "script")
        for one in tree.iter(tag)
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("name", [HOSTILE, "javascript:alert(1)", "<b>", "&lt;", "a\u202eb", "\x00\x1b[31m"])
def test_a_strangers_text_is_only_text(tmp_path: Path, name: str) -> None:
    plain_tags = {one.tag for one in parsed(write(tmp_path / "plain.html", arbitrary.everywhere("x"))).iter()}

    tree = parsed(write(tmp_path / "report.html", arbitrary.everywhere(name)))

    assert {one.tag for one in tree.iter()} == plain_tags
    assert [text(one) for one in with_class(tree, "name")] == [" ".join(visible(name).split())] * len(Outcome)


@settings(max_examples=50, deadline=None)
@given(arbitrary.ANY)
def test_whatever_stands_where_the_file_is_html(tmp_path_factory: pytest.TempPathFactory, stuff: str) -> None:
    path = write(tmp_path_factory.mktemp("any") / "report.html", arbitrary.everywhere(stuff))
    parsed(path)
    assert arbitrary.hidden(path.read_text(encoding="utf-8").replace("\n", "")) == []


# --- in a browser -------------------------------------------------------------------------------------------------

CUT_OFF = """[...document.querySelectorAll("body *:not(.unseen)")]
  .filter((it) => it.clientWidth && it.scrollWidth > it.clientWidth && getComputedStyle(it).overflowX !== "auto")
  .map((it) => it.outerHTML.slice(0, 100))"""
SHOWN = "[...document.querySelectorAll('.case')].filter((it) => it.checkVisibility()).map((it) => it.dataset.outcome)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.opened(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def report(tmp_path: Path) -> Path:
    events = [TAGGED if event is streams.PASSED else event for event in streams.EVERY_OUTCOME]
    return write(tmp_path / "report.html", events)


@pytest.mark.browser
@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_its_screen_and_nothing_is_fetched_or_complained_of(
    page: browser.Page, tmp_path: Path, events: list[Event], width: int
) -> None:
    path = write(tmp_path / "report.html", events)
    page.requests.clear()
    page.complaints.clear()
    page.look(width)
    page.open(path)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []
    assert [url for url in page.requests if url != "about:blank"] == [path.as_uri()]
    assert page.complaints == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("fragment", "shown"),
    [
        ("", ["PASS", "FAIL", "SKIP", "ERROR", "ERROR", "XFAIL", "PASS"]),
        ("#outcome=FAIL%2CERROR", ["FAIL", "ERROR", "ERROR"]),
        ("#text=nat.yaml", ["PASS"]),
        ("#text=LOAD+either", ["ERROR"]),
        ("#text=verifier&outcome=FAIL", []),
        ("#tag=smoke", ["PASS"]),
    ],
)
def test_an_address_says_what_is_shown(page: browser.Page, report: Path, fragment: str, shown: list[str]) -> None:
    page.look(1280)
    page.open(report, fragment)
    assert page.evaluate(SHOWN) == shown


@pytest.mark.browser
def test_a_filter_shows_what_fits_says_how_many_and_keeps_it_in_the_address(page: browser.Page, report: Path) -> None:
    page.look(390)
    page.open(report)
    page.evaluate("document.querySelector('[name=outcome][value=PASS]').click()")
    page.evaluate("document.querySelector('[name=text]').focus()")
    page.call("Input.insertText", text="does not")

    assert page.evaluate(SHOWN) == ["ERROR", "ERROR"]
    assert page.evaluate("document.querySelector('output').textContent") == "2 of 7 cases"
    fragment = page.evaluate("location.hash")
    page.open(report, fragment)
    assert page.evaluate(SHOWN) == ["ERROR", "ERROR"]


@pytest.mark.browser
def test_a_link_to_a_case_opens_it(page: browser.Page, report: Path) -> None:
    page.look(390)
    page.open(report)
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = false; })")
    page.evaluate("document.querySelector('.listed a').click()")
    page.evaluate("new Promise((done) => setTimeout(done))")  # the address changes after the click
    assert page.evaluate("document.querySelector('[data-outcome=FAIL] .body').checkVisibility()") is True


@pytest.mark.browser
def test_text_is_readable_in_light_and_in_dark(page: browser.Page, report: Path) -> None:
    """Against its background every text has the contrast that WCAG 2.2 asks for (AA): 4.5 to 1."""
    worst = {}
    for scheme in ("light", "dark"):
        page.look(390, scheme=scheme)
        page.open(report)
        worst[scheme] = page.evaluate(CONTRAST)
    assert {scheme: ratio >= 4.5 for scheme, (ratio, _) in worst.items()} == {"light": True, "dark": True}, worst


CONTRAST = """(() => {
  const part = (it) => (it /= 255) <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4;
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (it) => {
    for (; it; it = it.parentElement) {
      const color = numbers(getComputedStyle(it).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [...document.querySelectorAll("body *:not(.unseen)")]
    .filter((it) => it.checkVisibility() && [...it.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((it) => {
      const [a, b] = [light(numbers(getComputedStyle(it).color)), light(behind(it))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), it.outerHTML.slice(0, 100)];
    });
  return found.sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.mark.browser
def test_the_dark_page_is_dark_and_paper_is_white(page: browser.Page, report: Path) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        page.look(1280, scheme=scheme, media=media)
        page.open(report)
        seen.append((page.evaluate(back), page.evaluate("document.querySelector('.filter').checkVisibility()")))
    assert seen == [("rgb(255, 255, 255)", True), ("rgb(13, 17, 23)", True), ("rgb(255, 255, 255)", False)]


@pytest.mark.browser
def test_controls_have_names_and_the_page_its_landmarks(page: browser.Page, report: Path) -> None:
    page.look(390)
    page.open(report)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    told = [(node.get("role", {}).get("value"), node.get("name", {}).get("value", "")) for node in nodes]
    controls = {"checkbox", "searchbox", "combobox", "link", "DisclosureTriangle", "button"}

    assert [role for role, name in told if role in controls and not name] == []
    assert {"main", "search", "banner", "heading", "table"} <= {role for role, _ in told}
    assert ("checkbox", "FAIL 1") in told


@pytest.mark.browser
def test_no_strangers_script_runs(page: browser.Page, tmp_path: Path) -> None:
    path = write(tmp_path / "report.html", arbitrary.everywhere(HOSTILE))
    page.requests.clear()
    page.complaints.clear()
    page.open(path)
    assert ([url for url in page.requests if url != "about:blank"], page.complaints) == ([path.as_uri()], [])


@pytest.mark.browser
def test_a_screenshot_shows_something(page: browser.Page, report: Path) -> None:
    page.look(390)
    page.open(report)
    picture = page.screenshot()
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (picture[:8], width) == (b"\x89PNG\r\n\x1a\n", 390)
    assert height > 1000
    assert len(re.findall(b"IDAT", picture)) > 0
