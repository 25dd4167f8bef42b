"""The report formats there are: file name and renderer of each (no JAX)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import reports.cyclonedx
import reports.html
import reports.intoto
import reports.junit
import reports.markdown
import reports.measurements
import reports.model_card
import reports.sarif
from audit.evidence import Record

RENDER: Mapping[str, tuple[str, Callable[[Record], bytes]]] = {
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
