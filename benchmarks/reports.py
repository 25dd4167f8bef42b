"""Rebuild every report of stored runs from cold, measure it, and show it to the validators of its own field.

    python -m benchmarks.reports RUN [RUN ...]

Every format is made by `jax-audit report` in a process of its own, from the stored record alone: seconds of the whole
process and bytes. The page must be the one in the run folder, byte for byte, and is shown to axe-core (WCAG 2.2 A and
AA, everything unfolded) in headless Chromium, light and dark, 360 and 1280 pixels wide; every export to its outside
validator, and again with something broken, which it must refuse. Prints Markdown tables; exit 1 where any of it fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from audit.rendering import RENDER

ROOT = Path(__file__).parents[1]
VALIDATORS = ROOT / "tests" / "reports" / "validators.py"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VIEWS = ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark"))
AXE = "tags => axe.run(document, {runOnly: tags})"


def outside() -> dict[str, Any]:
    """Return the validators that the tests use, by format."""
    spec = importlib.util.spec_from_file_location("validators", VALIDATORS)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OUTSIDE


def rebuilt(run: Path, format_: str, folder: Path) -> tuple[bytes, float]:
    """Return the file that a fresh process makes of the run's record, and its seconds."""
    target = folder / RENDER[format_][0]
    command = [
        sys.executable,
        "-P",
        "-m",
        "audit",
        "report",
        str(run),
        "--format",
        format_,
        "--out",
        str(target),
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return target.read_bytes(), time.perf_counter() - start


def judged(validator: Any, data: bytes) -> str:
    """Return what an outside validator says of a file and of the same file broken."""
    try:
        validator.check(data)
    except validator.refusal as error:
        return f"REFUSED: {str(error).splitlines()[0][:80]}"
    bad = validator.broken(data)
    try:
        validator.check(bad)
    except validator.refusal:
        return "accepted; broken refused"
    return "accepted; BROKEN NOT SEEN"


def violations(browser: Any, page: Path, axe: str) -> dict[str, list[str]]:
    """Return the rules that the page violates in each view, or is wider than the window."""
    found = {}
    for width, scheme in VIEWS:
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
        )
        tab = context.new_page()
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        tab.evaluate(axe)
        told = [v["id"] for v in tab.evaluate(AXE, TAGS)["violations"]]
        if tab.evaluate("document.documentElement.scrollWidth") > width:
            told.append("wider than the window")
        found[f"{width} {scheme}"] = told
        context.close()
    return found


def main(runs: list[Path]) -> int:
    """Rebuild, validate, print; return the exit code."""
    from playwright.sync_api import sync_playwright

    spec = importlib.util.find_spec("axe_playwright_python")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not runs or not chromium or not spec or not spec.origin:
        raise SystemExit(f"{__doc__}\nneeds run folders, Chromium and the extra `test`")
    axe = (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    pages = [
        "| run | verdict | KiB | seconds, cold | as stored | axe: violations in four views |",
        "|---|---|---|---|---|---|",
    ]
    exports = ["| run | format | KiB | seconds, cold | validator | says |", "|---|---|---|---|---|---|"]
    wrong = 0
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for run in runs:
            name, (data, seconds) = (
                run.name.split("-", 1)[-1].rsplit("-", 1)[0],
                rebuilt(run, "html", Path(folder)),
            )
            same = data == (run / "report.html").read_bytes()
            told = violations(browser, run / "report.html", axe)
            bad = sum(map(len, told.values()))
            wrong += bad + (not same) + (len(data) >= 2**20)
            verdict = (run / "verdict.json").read_text().split('"verdict": "')[1].split('"')[0]
            pages.append(f"| {name} | {verdict} | {len(data) / 1024:.0f} | {seconds:.2f} | "
                         f"{'yes' if same else 'NO'} | {bad or 0}{f' {told}' if bad else ''} |")  # fmt: skip
            print(pages[-1], flush=True)
            for format_, validator in outside().items():
                data, seconds = rebuilt(run, format_, Path(folder))
                says = judged(validator, data)
                wrong += says != "accepted; broken refused"
                exports.append(
                    f"| {name} | {format_} | {len(data) / 1024:.0f} | {seconds:.2f} | {validator.name} | {says} |"
                )
        browser.close()
    for table in (pages, exports):
        print("\n" + "\n".join(table))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main([Path(one) for one in sys.argv[1:]]))
