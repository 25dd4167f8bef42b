"""The page in a real browser: no errors, no overflow, verdict first, readers, dark scheme, without scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import html

pytestmark = pytest.mark.browser
WIDTHS = (360, 1280, 3840)
NAMES = ("passing", "failing", "empty_policy", "hostile", "many_groups")


@pytest.fixture(scope="module")
def urls(make, tmp_path_factory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("pages")
    found = {}
    for name in NAMES:
        path = folder / f"{name}.html"
        path.write_bytes(html.render(make.EVERY[name]()))
        found[name] = path.as_uri()
    return found


@pytest.fixture
def open_page(chromium):
    contexts = []

    def opened(url: str, **options):
        options.setdefault("viewport", {"width": 1280, "height": 800})
        context = chromium.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.on("dialog", lambda d: (page.problems.append(d.message), d.dismiss()))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", NAMES)
def test_quiet_and_never_wider_than_the_window(open_page, urls, name):
    page = open_page(urls[name])
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    assert page.problems == []


@pytest.mark.parametrize("name", ["passing", "failing", "empty_policy"])
def test_verdict_reasons_and_cards_in_the_first_screen(open_page, urls, name):
    page = open_page(urls[name])
    for place in (".big", ".lead", ".do li:last-child", ".card:last-child .ib"):
        box = page.locator(place).last.bounding_box()
        assert box and box["y"] + box["height"] <= 800, place


def test_readable_without_scripts(open_page, urls):
    page = open_page(urls["failing"], java_script_enabled=False)
    assert page.locator("main > section").count() == 12
    assert page.locator("main > section:visible").count() == 12
    assert page.locator(".tools").is_hidden()
    page.locator("label[for=v-exec]").first.click()
    assert page.locator("main > section:visible").count() == 3
    assert page.locator("#methods").is_hidden() and page.locator("#attestation").is_visible()


def test_readers_hide_and_links_bring_back(open_page, urls):
    page = open_page(urls["failing"] + "#view-eng")
    assert page.locator("#v-eng").is_checked()
    assert page.locator("#robustness").is_visible() and page.locator("#system").is_hidden()
    assert page.locator(".v-eng").is_visible() and "3" in page.locator(".v-eng").inner_text()
    page.evaluate("location.hash = '#system'")
    assert page.locator("#system").is_visible()


def test_sorting_the_requirements(open_page, urls):
    page = open_page(urls["failing"])
    first = page.locator(".req tbody tr").first
    assert "FAIL" in first.inner_text()
    page.locator(".req thead button").nth(1).click()
    assert "Accuracy" in first.inner_text()


def test_dark_scheme_has_its_own_contrast(open_page, urls):
    colours = {}
    for scheme in ("light", "dark"):
        page = open_page(urls["failing"], color_scheme=scheme)
        style = "getComputedStyle(document.querySelector('{}')).{}"
        paper = page.evaluate(style.format("body", "backgroundColor"))
        verdict = page.evaluate(style.format(".big", "color"))
        colours[scheme] = (paper, verdict)
        assert _contrast(paper, verdict) >= 4.5
        assert _contrast(paper, page.evaluate(style.format(".side p", "color"))) >= 4.5
    assert colours["light"] == ("rgb(253, 252, 250)", "rgb(158, 31, 8)")
    assert colours["dark"] == ("rgb(20, 23, 26)", "rgb(255, 138, 107)")


def test_prints_every_section_in_light(open_page, urls, tmp_path):
    page = open_page(urls["failing"], color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".readers").is_hidden()
    assert len(page.pdf(prefer_css_page_size=True)) > 10_000


def _contrast(a: str, b: str) -> float:
    """Return the WCAG contrast ratio of two colours 'rgb(r, g, b)'."""
    lights = sorted(_luminance([int(v) for v in c[4:-1].split(",")]) for c in (a, b))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(rgb: list[int]) -> float:
    """Return the WCAG relative luminance."""
    linear = [(v / 255 / 12.92) if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
