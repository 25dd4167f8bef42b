"""A doubt about the subject, and a policy weaker than what it includes, are said wherever the verdict is."""

from __future__ import annotations

import html

import pytest
import report_records as records

from audit.rendering import RENDER
from reports import front, words
from reports.summary import summary

DOUBT = "4,000 test rows are decided to be"
WEAKER = "asks for at least 0.5 here"


@pytest.mark.parametrize("format_", sorted(set(RENDER) - {"parquet", "csv"}))
def test_every_format_says_both(format_):
    text = html.unescape(RENDER[format_][1](records.doubted()).decode()).replace("\\", "")
    assert DOUBT in text and WEAKER in text


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_tables_say_the_doubt_of_the_measures_it_touches(format_):
    import io

    import pandas as pd

    data = io.BytesIO(RENDER[format_][1](records.doubted()))
    rows = pd.read_csv(data) if format_ == "csv" else pd.read_parquet(data)
    told = rows[rows["doubt"].astype(str).str.contains(DOUBT)]
    assert set(told["check"]) == {"fairness.groups"}


def test_the_terminal_says_both_before_the_requirements():
    lines = summary(records.doubted()).splitlines()
    assert DOUBT in lines[1] and "1 requirement inside the limit stay" in lines[1] and WEAKER in lines[2]


def test_the_page_marks_the_policy_s_name():
    page = RENDER["html"][1](records.doubted()).decode()
    assert "1.2 (weaker than what it includes)" in page
    assert "weaker than" not in RENDER["html"][1](records.passing()).decode()


def test_the_finding_gives_the_concern_as_cause():
    record = records.doubted()
    assert DOUBT in words.undecided(record.decisions[0])
    assert DOUBT in front.lead(record)
