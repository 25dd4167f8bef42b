"""The section of remedies tried: verdicts side by side, hostile text shown as text, links only to what is ours."""

import pytest
import report_records as records

from audit.evidence import Column, Remedied, Table
from reports import html, markdown, summary

NAMES = ("measure", "verdict before", "before", "verdict after", "after", "change", "change low", "change high",
         "rows", "word")  # fmt: skip
TEXT = {"measure", "verdict before", "verdict after", "rows", "word"}
COLUMNS = tuple(Column(name=n, label=n, kind="text" if n in TEXT else "number") for n in NAMES)
ROW = ("Accuracy under PGD", "FAIL", 0.5, "PASS", 0.75, 0.25, 0.2, 0.3, "not paired", "better")
LOST = ("Recall", "PASS, FAIL", 0.5, None, None, None, None, None, "", "not comparable: gone")


def remedied(**changes):
    table = Table(name="before_after", title="Before and after", columns=COLUMNS, rows=(ROW, LOST))
    given = {
        "remedy": "adversarial_training",
        "title": "Adversarial training",
        "status": "audited",
        "says": "TRADES, eps 0.1",
        "rule": "The best on 80 validation rows.",
        "verdict": "PASS",
        "exit_code": 0,
        "record": "0" * 64,
        "folder": "remedies/1-adversarial-training",
        "tables": (table,),
        "notes": ("These test rows judged 2 models.",),
    }
    return Remedied(**{**given, **changes})


def page(*tried, **changes):
    record = records.failing().model_copy(update={"remedies": tried, **changes})
    text = html.render(record).decode()
    return text[text.index('<section id="remedies"') :].partition("</section>")[0]


def test_both_verdicts_stand_side_by_side_and_the_report_keeps_its_own():
    text = page(remedied(), config={"formats": ["html"]})
    assert text.index("FAIL") < text.index("PASS")
    assert 'href="remedies/1-adversarial-training/report.html"' in text
    assert "0.500" in text and "0.750" in text and "0.250" in text and "[0.200, 0.300]" in text
    assert "PASS, FAIL" in text and "not comparable: gone" in text and "no estimate" in text
    whole = html.render(records.failing().model_copy(update={"remedies": (remedied(),)})).decode()
    assert whole.index("Verdict: </span>FAIL") > 0


def test_a_record_without_remedies_has_no_such_section():
    assert 'id="remedies"' not in html.render(records.failing()).decode()


@pytest.mark.parametrize("status", ["none chosen", "skipped", "error"])
def test_without_a_remedied_model_the_reason_is_said_everywhere(status):
    tried = remedied(status=status, verdict=None, exit_code=None, record="", folder="", tables=(), says="",
                     reason="no candidate is fit")  # fmt: skip
    assert "no candidate is fit." in page(tried)
    record = records.failing().model_copy(update={"remedies": (tried,)})
    assert "no candidate is fit." in summary.summary(record)
    assert "no candidate is fit." in markdown.render(record).decode()


def test_the_terminal_and_markdown_name_the_remedied_verdict():
    record = records.failing().model_copy(update={"remedies": (remedied(),)})
    line = "Remedy tried: Adversarial training (TRADES, eps 0.1); the remedied model: PASS."
    assert line in summary.summary(record)
    assert summary.summary(record).startswith("FAIL")
    assert "the remedied model: PASS" in markdown.render(record).decode()


@pytest.mark.parametrize(
    "folder", ["javascript:alert(1)", "../..", "remedies/../../x", 'remedies/"onload=', ""]
)
def test_a_link_leads_only_into_the_runs_own_folder(folder):
    assert "<a href" not in page(remedied(folder=folder), config={"formats": ["html"]})


def test_hostile_text_is_escaped():
    bad = records.HOSTILE
    table = Table(
        name="before_after", title=bad, columns=COLUMNS, rows=((bad, bad, *ROW[2:8], bad, bad),), note=bad
    )
    text = page(remedied(title=bad, says=bad, rule=bad, notes=(bad,), tables=(table,)))
    assert "<script>alert" not in text and "<img" not in text and "\u202e" not in text
