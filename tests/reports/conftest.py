"""What the report tests share: the factory of synthetic records."""

from __future__ import annotations

import os
import shutil
from types import ModuleType

import pytest
import report_records


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The module of record factories."""
    return report_records


@pytest.fixture(scope="session")
def chromium():
    """A Chromium, by CHROMIUM or on the path; absent it skips, unless AUDIT_REQUIRE_BROWSER demands it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if not path:
        lacking = "no Chromium: set CHROMIUM or install one, and playwright"
        pytest.fail(lacking) if os.environ.get("AUDIT_REQUIRE_BROWSER") else pytest.skip(lacking)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
