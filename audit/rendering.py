"""The report formats there are: file name and renderer of each (no JAX)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import reports.cyclonedx
import reports.html
import reports.intoto
import reports.junit
import reports.markdown
import reports.measurements
import reports.model_card
import reports.sarif
from audit.errors import ConfigError
from audit.evidence import Record
from audit.registry import nearest

Renderer = tuple[str, Callable[[Record], bytes]]
RENDER: Mapping[str, Renderer] = {
    "html": ("report.html", reports.html.render),
    "markdown": ("summary.md", reports.markdown.render),
    "sarif": ("audit.sarif", reports.sarif.render),
    "junit": ("junit.xml", reports.junit.render),
    "model_card": ("model_card.md", reports.model_card.render),
    "cyclonedx": ("bom.cdx.json", reports.cyclonedx.render),
    "intoto": ("statement.intoto.json", reports.intoto.render),
    "csv": ("measurements.csv", reports.measurements.render_csv),
    "parquet": ("measurements.parquet", reports.measurements.render_parquet),
}
READERS = {"executive": "exec", "regulator": "reg", "engineer": "eng"}
PAGES: Mapping[str, Callable[[Record], bytes]] = {  # every file that `report` writes, by its name
    **dict(RENDER.values()),
    **{f"report-{name}.html": partial(reports.html.render, reader=key) for name, key in READERS.items()},
}


def chosen(format_: str, audience: str | None = None) -> Renderer:
    """Return file name and renderer of a format, or of the page for one audience; ConfigError for an unknown one."""
    if format_ not in RENDER:
        raise ConfigError(f"--format={format_!r}", nearest(format_, RENDER))
    if audience is None:
        return RENDER[format_]
    if audience not in READERS:
        raise ConfigError(f"--audience={audience!r}", nearest(audience, READERS))
    if format_ != "html":
        raise ConfigError(
            f"--audience={audience!r} with --format={format_!r}", "--format=html, which has readers"
        )
    name = f"report-{audience}.html"
    return name, PAGES[name]
