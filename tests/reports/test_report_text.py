"""reports.summary and reports.markdown: the same verdict, numbers and gaps as the page, harmless as text."""

from __future__ import annotations

import pytest

from reports import markdown
from reports.summary import summary


@pytest.mark.parametrize("name", ["passing", "failing", "inconclusive", "empty_policy", "waived", "quick"])
def test_summary_begins_with_the_verdict_and_has_a_line_a_rule(make, name):
    record = make.EVERY[name]()
    lines = summary(record).splitlines()
    assert lines[0] == f"{record.verdict}: adult-income, exit code {record.exit_code}" + (
        ", 1 waived" if name == "waived" else ""
    )
    judged = [line.strip() for line in lines[1:] if line.startswith("  ")][: len(record.decisions)]
    assert sorted(line.split(" ")[0] for line in judged) == sorted(d.verdict for d in record.decisions)


def test_summary_numbers_and_lost_checks(make):
    text = summary(make.failing())
    assert "FAIL          Impact ratio by sex: 0.418 [0.384, 0.455], at least 0.80" in text
    assert "(advisory)" in text
    assert "Group fairness (fairness.groups): Crashed: ValueError: no group has two rows." in summary(
        make.empty_policy()
    )


def test_summary_of_hostile_names_has_no_control_characters(make):
    text = summary(make.hostile("\x1b[31mred\u202e\nnext"))
    assert "\x1b" not in text and "\u202e" not in text
    assert all(not line.startswith("next") for line in text.splitlines())


def test_markdown_tells_verdict_rows_and_gaps(make):
    text = markdown.render(make.failing()).decode()
    assert text.startswith("# FAIL: adult-income\n\n23 November 2026, policy hiring-screen 1.2, exit code 1.")
    assert "| FAIL | Impact ratio by sex | 0.418 \\[0.384, 0.455\\] | 15,060 | at least 0.80 |  |" in text
    assert "- Privacy: Privacy (membership inference) was not measured" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}


def test_markdown_says_from_which_truths_on_a_word_is_shown(make):
    record = make.failing()
    first = record.decisions[0].model_copy(update={"passes_at": 0.861, "fails_at": 0.7921})
    record = record.model_copy(update={"decisions": (first, *record.decisions[1:])})
    assert "| PASS 0.861, FAIL 0.792 |" in markdown.render(record).decode()


def test_markdown_of_hostile_names_is_no_markup(make):
    text = markdown.render(make.hostile()).decode()
    assert "<script" not in text.replace("\\<", "") and "\u202e" not in text
    assert markdown.render(make.hostile()) == markdown.render(make.hostile())
