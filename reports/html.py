"""The report: one record in, one self-contained HTML page out, byte for byte the same for the same record."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from audit.evidence import Record
from reports import cards, charts, concerns, consistency, front, numbers, page, words
from reports.stored import stored

TEMPLATES = Path(__file__).parent / "templates"


def render(record: Record, reader: str = "") -> bytes:
    """Return the page of a record as UTF-8, whole or for one reader (exec, reg, eng) alone.

    A reader's page has the same numbers and the same section numbers, and says which sections it leaves out.
    ValueError when the record contradicts itself.
    """
    record = stored(record)
    wrong = consistency.contradiction(record)
    if wrong:
        raise ValueError(f"record {record.name}: {wrong}; the record was altered or is incomplete")
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    found = page.sections(record)
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            record=record,
            words=words,
            front=front,
            concerns=concerns,
            numbers=numbers,
            sections=[s for s in found if reader in ("", *s.readers.split())],
            reader=reader,
            absent=[s for s in found if reader and reader not in s.readers.split()],
            cards=cards.cards(record),
            beside=cards.beside(record),
            when=record.volatile.judged or record.volatile.finished,
            left_out=_left_out(found),
            readers=page.READERS,
            letter=charts.LETTER,
            footer=_footer(record),
            style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            csp=csp(script),
        )
    )
    return html.encode("utf-8")


def csp(script: str) -> str:
    """Return the page's content security policy: no network, and no script but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _footer(record: Record) -> Markup:
    """Return the printed pages' footer; every unusual character of a name is a CSS escape."""
    when = record.volatile.judged or record.volatile.finished
    told = f"{record.verdict}, not verified" if record.unverified else record.verdict
    text = f"{numbers.name(record.name, 60)}, {told}, {numbers.date(when)}"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in " ,-") else f"\\{ord(c):06x}" for c in text)
    font = "font:8pt system-ui,sans-serif;color:#444a52"
    return Markup(
        "@page{size:A4;margin:18mm 16mm 20mm;"
        '@bottom-left{content:"' + safe + '";' + font + "}"
        '@bottom-right{content:counter(page) " / " counter(pages);' + font + "}}"
    )


@cache
def _environment() -> Environment:
    """Return the templates' environment: escaping everywhere, an unknown name is an error."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["soft"] = _soft
    return found


def _shown(value: object) -> object:
    """Return text with hidden characters made visible; everything else as it is."""
    return numbers.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _soft(text: str) -> Markup:
    """Return a name that may break after its dots and underscores, so that it need not break inside a word."""
    return Markup(re.sub(r"(?<=\w[._])(?=\w)", "<wbr>", str(escape(_shown(text)))))


def _left_out(sections: list[page.Section]) -> dict[str, str]:
    """Return per reader which sections are left out: '3 to 5 and 8'."""
    return {key: _spans([s.number for s in sections if key not in s.readers.split()]) for key in page.READERS}


def _spans(found: list[int]) -> str:
    """Return numbers as spans in words."""
    spans: list[list[int]] = []
    for n in found:
        if spans and n == spans[-1][-1] + 1:
            spans[-1].append(n)
        else:
            spans.append([n])
    said = [f"{s[0]} to {s[-1]}" if len(s) > 2 else " and ".join(map(str, s)) for s in spans]
    return ", ".join(said) if said else "none"
