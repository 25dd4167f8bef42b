"""The report formats there are: file name and renderer of each (no JAX)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import reports.html
import reports.markdown
from audit.evidence import Record

RENDER: Mapping[str, tuple[str, Callable[[Record], bytes]]] = {
    "html": ("report.html", reports.html.render),
    "markdown": ("summary.md", reports.markdown.render),
}
