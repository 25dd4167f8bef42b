"""The page against axe-core's WCAG 2.2 A and AA rules, and what a keyboard reaches."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from reports import html

pytestmark = pytest.mark.browser
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WORDS = """() => { const broken = [], main = document.querySelector("main");
const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const parent = node.parentElement;
  if (!parent.closest("td, th, dt, dd, p, li, h1, h2") || parent.closest("svg, .vh, .mono, pre")) continue;
  for (const word of node.data.matchAll(/[A-Za-z]{3,}/g)) {
    const range = document.createRange();
    range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
    const lines = new Set([...range.getClientRects()].filter(r => r.width).map(r => Math.round(r.top)));
    if (lines.size > 1) broken.push(word[0]); } }
return broken; }"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, as axe-playwright-python ships it."""
    found = importlib.util.find_spec("axe_playwright_python")
    if not found or not found.origin:
        lacking = "no axe-core: install axe-playwright-python (extra test)"
        pytest.fail(lacking) if os.environ.get("AUDIT_REQUIRE_BROWSER") else pytest.skip(lacking)
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def walked(make):
    """A record of every sample, with a shipped crosswalk in its policy."""
    from audit.policies import load_policy

    walks = load_policy("us_credit", Path.cwd()).crosswalk

    def of(name: str):
        record = make.EVERY[name]()
        return record.model_copy(update={"policy": record.policy.model_copy(update={"crosswalk": walks})})

    return of


@pytest.fixture
def shown(chromium, tmp_path):
    """Open a record's page, everything unfolded."""
    contexts = []

    def opened(record, width: int = 1280, scheme: str = "light", reader: str = ""):
        path = tmp_path / "page.html"
        path.write_bytes(html.render(record, reader))
        size = {"width": width, "height": 800}
        contexts.append(
            chromium.new_context(offline=True, viewport=size, color_scheme=scheme, bypass_csp=True)
        )
        page = contexts[-1].new_page()
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("name", "width", "scheme", "reader"),
    [
        ("passing", 1280, "light", ""),
        ("failing", 1280, "dark", ""),
        ("failing", 390, "light", "exec"),
        ("inconclusive", 390, "dark", "reg"),
        ("empty_policy", 1280, "light", "eng"),
        ("waived", 1280, "light", ""),
        ("quick", 390, "light", ""),
        ("hostile", 1280, "light", ""),
        ("many_classes", 1280, "light", ""),
    ],
)
def test_no_violation_of_wcag(shown, axe, walked, name, width, scheme, reader):
    page = shown(walked(name), width, scheme, reader)
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    assert len(found["passes"]) > 10
    told = [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found["violations"]]
    assert told == []


def test_axe_would_see_a_violation(shown, axe, make):
    page = shown(make.passing())
    page.evaluate("document.querySelector('.lead').style.color = '#ddd'; document.documentElement.lang = ''")
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    assert {v["id"] for v in found["violations"]} == {"color-contrast", "html-has-lang"}


def test_a_keyboard_reaches_everything_that_acts(shown, make):
    page = shown(make.failing())
    acting = "a[href], button, summary, pre, .scroll, input:checked"
    wanted = page.evaluate(
        "s => [...document.querySelectorAll(s)].filter(e => e.checkVisibility()).length", acting
    )
    page.evaluate("window.seen = new Set(); addEventListener('focusin', e => seen.add(e.target))")
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
    reached = page.evaluate("s => [...document.querySelectorAll(s)].filter(e => seen.has(e)).length", acting)
    assert reached == wanted > 20
    page.locator("#v-all").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#v-exec").is_checked() and page.locator("#methods").is_hidden()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["failing", "empty_policy", "many_groups"])
def test_no_word_is_broken_and_nothing_is_too_wide(shown, walked, name, width):
    page = shown(walked(name), width)
    assert page.evaluate(WORDS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
