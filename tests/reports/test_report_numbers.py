"""reports.numbers: every number, limit, date and name is written as the record has it, and never rounded away."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence import Estimate, Rate, Rule
from reports import numbers


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=10, method="m", statistic=Rate(k=1, n=10))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "no estimate"),
        (0, "0.000"),
        (0.41849, "0.418"),
        (-0.0521, "−0.052"),
        (0.00042, "0.00042"),
        (-3.2e-9, "−3.2 × 10⁻⁹"),
        (99.9994, "99.999"),
        (123.44, "123.4"),
        (1234567.8, "1,234,568"),
    ],
)
def test_number(x, text):
    assert numbers.number(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.8, "0.80"),
        (0.05, "0.05"),
        (0.125, "0.125"),
        (1.0, "1.00"),
        (5.0, "5"),
        (1500.5, "1,500.50"),
        (-0.1, "−0.10"),
    ],
)
def test_limit(x, text):
    assert numbers.limit(x) == text


def test_limit_side():
    assert numbers.asked(Rule(id="a", measure="c.m", at_least=0.8, because="b")) == "at least 0.80"
    assert numbers.asked(Rule(id="a", measure="c.m", at_most=0.1, because="b")) == "at most 0.10"


def test_value_beside_its_limit_is_never_rounded_onto_it():
    value, interval = numbers.shown(_estimate(0.79996, 0.79, 0.80004), limit=0.8)
    assert (value, interval) == ("0.79996", "[0.79000, 0.80004]")
    assert numbers.shown(_estimate(0.79996, 0.79, 0.81))[0] == "0.800"


@given(st.floats(0.01, 0.99), st.floats(-1e-4, 1e-4))
def test_apart_from_any_limit(limit, off):
    value = limit + off
    digits = numbers.digits_apart((value,), limit)
    if abs(off) > 2e-8:
        assert numbers.number(value, digits) != numbers.number(limit, digits)


def test_interval_with_one_bound():
    assert numbers.interval(None, 0.7) == "[at most 0.700]"
    assert numbers.interval(0.7, None) == "[at least 0.700]"
    assert numbers.interval(None, None) == ""


def test_counts_percent_p():
    assert numbers.count(15060) == "15,060"
    assert numbers.count(12.5) == "12.5"
    assert [numbers.about(n) for n in (0, 7, 99, 186, 8100, 64186)] == [
        "0",
        "7",
        "99",
        "190",
        "8,100",
        "65,000",
    ]
    assert numbers.plural(1, "row") == "1 row" and numbers.plural(0, "row") == "0 rows"
    assert numbers.percent(0.95) == "95\u00a0%" and numbers.percent(0.9917, 2) == "99.17\u00a0%"
    assert numbers.p_value(0.0001) == "p < 0.001" and numbers.p_value(0.042) == "p = 0.042"


def test_dates():
    when = dt.datetime(2026, 3, 2, 4, 5, 6, tzinfo=dt.UTC)
    assert numbers.date(when) == "2 March 2026"
    assert numbers.instant(when) == "2 March 2026, 04:05:06 UTC"
    assert numbers.date(None) == numbers.instant(None) == "date not provided"
    assert [numbers.seconds(s) for s in (0.42, 14.2, 372)] == ["0.42 s", "14 s", "6 min 12 s"]


def test_ticks():
    assert [numbers.tick(x) for x in (0, 0.2, 1, -0.25, 1000, 0.05)] == [
        "0",
        ".2",
        "1",
        "−.25",
        "1,000",
        ".05",
    ]


@given(st.text(max_size=80))
def test_names_are_one_clipped_line_without_hidden_characters(text):
    name = numbers.name(text, 20)
    assert len(name) <= 22  # two isolating marks at most
    assert "\n" not in name and not set(name) & set("\u202a\u202b\u202d\u202e\u200f\u0000\x1b")


def test_right_to_left_names_are_isolated():
    assert numbers.name("נשים") == "\u2068נשים\u2069"
    assert numbers.visible("a\u202eb") == "a\ufffdb"
