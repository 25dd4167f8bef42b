"""`report --audience`: one reader's sections with the whole page's numbers, and what is left out said."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from audit import gate_again, rendering, store
from audit.errors import ConfigError
from reports import html, page

NUMBER = re.compile(r"\d+\.\d{2,}")


@pytest.mark.parametrize(("audience", "key"), rendering.READERS.items())
def test_a_readers_page_holds_its_sections_word_for_word(make, audience, key):
    record = make.failing()
    whole, alone = html.render(record).decode(), html.render(record, key).decode()
    for section in page.sections(record):
        found = re.search(rf'<section id="{section.id}".*?</section>', whole, re.S)
        assert found
        assert (found[0] in alone) == (key in section.readers.split())
        if key not in section.readers.split():
            assert f"{section.number} {section.title}" in alone.split("</nav>")[0]
            assert f'href="#{section.id}"' not in alone
    assert set(NUMBER.findall(alone.split("<main")[1])) <= set(NUMBER.findall(whole.split("<main")[1]))
    assert f"Audit report for the {audience}" in alone and 'type="radio"' not in alone
    assert re.search(r'class="front".*?</div>\n<nav', alone, re.S)[0] in whole  # type: ignore[index]


def test_links_of_a_readers_page_lead_somewhere(make):
    for record in (make.failing(), make.passing(), make.empty_policy()):
        for key in page.READERS:
            text = html.render(record, key).decode()
            ids = set(re.findall(r'\bid="([^"]+)"', text))
            assert set(re.findall(r'href="#([^"]+)"', text)) <= ids


@pytest.mark.parametrize(
    ("format_", "audience", "says"),
    [
        ("html", "executiv", "perhaps 'executive'"),
        ("sarif", "regulator", "--format=html, which has readers"),
        ("htm", None, "perhaps 'html'"),
    ],
)
def test_what_is_no_page_for_a_reader_is_refused(format_, audience, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        rendering.chosen(format_, audience)


def test_the_command_writes_a_file_of_its_own(make, tmp_path):
    from audit.cli import app

    record = make.failing()
    record = gate_again.judged(record, record.policy, record.volatile.judged.date(), record.concerns)
    folder = store.write(tmp_path, record, {})
    done = CliRunner().invoke(app, ["report", str(folder), "--audience", "executive"])
    assert done.exit_code == 0, done.output
    assert (folder / "report-executive.html").read_bytes() == html.render(record, "exec")
    assert not (folder / "report.html").exists()
