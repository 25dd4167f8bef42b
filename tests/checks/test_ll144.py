"""fairness.ll144 against pandas, the example of the rules themselves, and at its edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from audit import stats
from audit.checks.fairness_ll144 import LL144Options, fairness_ll144
from audit.config import load
from audit.errors import ConfigError
from audit.registry import Context
from audit.subject import Dataset, Model, Split, Subject, observe

CONTEXT = Context(key=None, seed=0)
WHY = "Too few people for a ratio to mean anything."


def _subject(score, *, classes=("no", "yes"), favourable=1, cluster=None, weight=None, **groups) -> Subject:
    """Return rows with this probability of the favourable class (two classes), or these probabilities."""
    score = np.asarray(score, float)
    n = len(score)
    test = Split(
        x=np.zeros((n, 1), np.float32),
        y=np.zeros(n, np.int32),
        id=np.arange(n).astype(str),
        groups={name: np.asarray(values, object) for name, values in groups.items()},
        cluster=cluster,
        weight=weight,
    )
    task = "binary" if len(classes) == 2 else "multiclass"
    data = Dataset("d", task, "table", {"test": test}, classes=classes, favourable=favourable)
    outputs = np.stack([1 - score, score], axis=1) if score.ndim == 1 else score
    return observe(Model("scores", None, outputs="probabilities", scores={"test": outputs}), data)


def _found(subject, **options):
    return fairness_ll144(subject, LL144Options(**options), CONTEXT)


def _table(findings, name) -> pd.DataFrame:
    (table,) = [t for t in findings.tables if t.name == name]
    return pd.DataFrame(table.rows, columns=[c.name for c in table.columns]).set_index("category")


def _note(findings, name) -> str:
    return next(t.note for t in findings.tables if t.name == name)


def _estimate(findings, name, attribute, group=None):
    where = {"attribute": attribute} | ({} if group is None else {"group": group})
    (measurement,) = [m for m in findings.measurements if m.name == name and m.where == where]
    return measurement.estimate


# ---------------------------------------------------------------- values

rows = st.lists(
    st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.5, 0.9]), st.sampled_from("FM?"), st.sampled_from("abc?")),
    min_size=2,
    max_size=60,
)


@settings(max_examples=60)
@given(rows, st.sampled_from(["selection", "scoring"]))
def test_tables_are_the_naive_ones_of_pandas(people, rate):
    frame = pd.DataFrame(people, columns=["score", "sex", "race"])
    frame["both"] = frame["sex"] + " x " + frame["race"]
    subject = _subject(frame["score"], sex=frame["sex"], race=frame["race"])
    findings = _found(subject, rate=rate, unknown=("?",))
    frame["hit"] = frame["score"] > (frame["score"].median() if rate == "scoring" else 0.5)
    for name, column in (("sex", "sex"), ("race_ethnicity", "race"), ("intersection", "both")):
        known = frame[~frame[column].str.contains("?", regex=False)]
        naive = known.groupby(column)["hit"].agg(["size", "sum", "mean"])
        table = _table(findings, name)
        assert list(table.index) == sorted(naive.index)
        assert f"{len(frame) - len(known):,} are not in it" in _note(findings, name)
        if naive.empty:
            continue
        assert (table["n"] == naive["size"]).all() and (table["k"] == naive["sum"]).all()
        assert table["rate"].tolist() == pytest.approx(naive["mean"].tolist())
        assert table["share"].tolist() == pytest.approx((naive["size"] / len(known)).tolist())
        assert (table["rate low"] <= table["rate"]).all() and (table["rate"] <= table["rate high"]).all()
        attribute = "sex x race" if column == "both" else column
        least = _estimate(findings, "impact_ratio_minimum", attribute)
        if naive["mean"].max() == 0 or len(naive) < 2:
            assert table["impact_ratio"].isna().all() and least.value is None and least.reason
            continue
        ratios = naive["mean"] / naive["mean"].max()
        assert table["impact_ratio"].astype(float).tolist() == pytest.approx(ratios.tolist())
        assert least.value == pytest.approx(ratios.min())
        assert least.n == len(known)


def test_the_example_of_the_rules_is_reproduced():
    """6 RCNY 5-301(d), example: scores for "culture fit"; rates to a tenth of a percent, ratios to 0.01."""
    sex = {"Male": (92, 50), "Female": (76, 34)}
    race = {"Hispanic or Latino": (28, 18), "White": (40, 15), "Black or African American": (32, 16),
            "Native Hawaiian or Pacific Islander": (8, 5), "Asian": (24, 10)}  # fmt: skip
    published = {"Male": (0.543, 1.0), "Female": (0.447, 0.82), "Hispanic or Latino": (0.642, 1.0),
                 "White": (0.375, 0.58), "Black or African American": (0.5, 0.78),
                 "Native Hawaiian or Pacific Islander": (0.625, 0.97), "Asian": (0.417, 0.65)}  # fmt: skip
    for name, attribute, counts in (("sex", "sex", sex), ("race_ethnicity", "race", race)):
        groups = np.repeat(list(counts), [n for n, _ in counts.values()])
        score = np.concatenate([np.r_[np.full(k, 0.8), np.full(n - k, 0.2)] for n, k in counts.values()])
        table = _table(_found(_subject(score, **{attribute: groups}), rate="scoring"), name)
        for category, (rate, ratio) in {c: published[c] for c in counts}.items():
            assert table.loc[category, "rate"] == pytest.approx(rate, abs=0.001)
            assert table.loc[category, "impact_ratio"] == pytest.approx(ratio, abs=0.005)


def test_measurements_carry_the_table_and_the_bounds_of_audit_stats():
    subject = _subject([0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1], sex=list("FFFMMMM"))
    findings = _found(subject)
    table = _table(findings, "sex")
    expected = stats.over_highest(["F", "M"], [2, 1], [3, 4])
    for group, ratio in zip("FM", expected, strict=True):
        assert _estimate(findings, "rate", "sex", group).value == table.loc[group, "rate"]
        found = _estimate(findings, "impact_ratio", "sex", group)
        assert (found.value, found.low, found.high, found.n) == (ratio.value, ratio.low, ratio.high, 7)
        assert found.value == table.loc[group, "impact_ratio"]
    least = _estimate(findings, "impact_ratio_minimum", "sex")
    assert least.statistic == stats.groups(["F", "M"], [2, 1], [3, 4], [3, 4], of="ratio").statistic


# ---------------------------------------------------------------- scores, ties, unknown


def test_a_score_at_the_median_is_not_above_it():
    findings = _found(_subject([0.2, 0.5, 0.5, 0.5, 0.9], sex=list("FFMMM")), rate="scoring")
    assert _table(findings, "sex")["k"].to_dict() == {"F": 0, "M": 1}


def test_the_median_is_that_of_everyone_assessed_unknown_or_not():
    """6 RCNY 5-301(c)(1): the median score for the full sample of applicants."""
    score, sex = [0.1, 0.2, 0.3, 0.4, 0.8, 0.85, 0.9], ["F", "M", "F", "M", None, None, None]
    findings = _found(_subject(score, sex=sex), rate="scoring")
    assert _table(findings, "sex")["k"].to_dict() == {"F": 0, "M": 0}
    assert _table(findings, "sex")["n"].to_dict() == {"F": 2, "M": 2}
    assert "Of 7 assessed rows 3 are not in it" in _note(findings, "sex")


def test_the_score_is_the_probability_of_the_favourable_class():
    subject = _subject([0.1, 0.2, 0.8, 0.9], favourable=0, sex=list("FFMM"))
    assert _table(_found(subject, rate="scoring"), "sex")["k"].to_dict() == {"F": 2, "M": 0}
    assert _table(_found(subject), "sex")["k"].to_dict() == {"F": 2, "M": 0}


def test_scoring_needs_probabilities():
    subject = _subject([0.1, 0.9], sex=list("FM"))
    values = Model("scores", None, outputs="values", scores=subject.model.scores)
    with pytest.raises(ConfigError, match="without class probabilities"):
        _found(Subject(values, subject.data, subject.outputs), rate="scoring")


def test_unknown_in_either_attribute_is_unknown_in_the_intersection():
    sex, race = ["F", "M", "(missing)", "Unknown"], ["a", float("nan"), "b", "b"]
    findings = _found(_subject([0.9] * 4, sex=sex, race=race), unknown=("Unknown",))
    assert [list(_table(findings, t).index) for t in ("sex", "race_ethnicity", "intersection")] == [
        ["F", "M"], ["a", "b"], ["F x a"]]  # fmt: skip
    notes = " ".join(findings.not_measured)
    for text in ("2 rows whose sex is unknown", "1 rows whose race is unknown", "3 rows whose sex x race"):
        assert text in notes


def test_unknown_labels_are_declared_never_guessed():
    sex = ["F", "M", "Unknown"]
    assert "Unknown" in _table(_found(_subject([0.9] * 3, sex=sex)), "sex").index
    findings = _found(_subject([0.9] * 3, sex=sex), unknown=("unknown",))
    assert "Unknown" in _table(findings, "sex").index
    assert any("never met: unknown" in note for note in findings.not_measured)


# ---------------------------------------------------------------- edges


def test_a_category_that_nobody_was_selected_of_and_a_tie_at_the_top():
    findings = _found(_subject([0.9, 0.1] * 4 + [0.1] * 4, race=list("aaaabbbbcccc")))
    table = _table(findings, "race_ethnicity")
    assert table["impact_ratio"].to_dict() == {"a": 1, "b": 1, "c": 0}
    assert table.loc["c", "impact_ratio low"] == 0 < table.loc["c", "impact_ratio high"]
    assert table.loc["a", "impact_ratio low"] == table.loc["b", "impact_ratio low"] < 1
    assert _estimate(findings, "impact_ratio_minimum", "race").value == 0


def test_nobody_selected_leaves_rates_and_no_ratio_and_everyone_selected_ratios_of_one():
    nobody = _found(_subject([0.1] * 6, sex=list("FFFMMM")))
    assert (_table(nobody, "sex")["rate"] == 0).all()
    assert "every group's rate is 0" in _estimate(nobody, "impact_ratio", "sex", "F").reason
    everyone = _table(_found(_subject([0.9] * 6, sex=list("FFFMMM"))), "sex")
    assert (everyone["impact_ratio"] == 1).all() and (everyone["impact_ratio low"] < 1).all()


def test_all_unknown_is_an_empty_table_with_a_reason():
    findings = _found(_subject([0.9, 0.1], sex=[None, None]))
    assert findings.tables[0].rows == ()
    assert "0 group" in _estimate(findings, "impact_ratio_minimum", "sex").reason


def test_an_attribute_that_is_not_declared_is_said_to_be_lacking():
    findings = _found(_subject([0.9, 0.1], sex=list("FM"), age=["old", "young"]))
    assert [t.name for t in findings.tables] == ["sex"]
    assert any(n.startswith("Categories of race/ethnicity and their inters") for n in findings.not_measured)
    named = _found(_subject([0.9, 0.1], gender=list("FM"), origin=list("ab")), sex="gender", race="origin")
    assert [t.name for t in named.tables] == ["sex", "race_ethnicity", "intersection"]
    assert named.measurements[-1].where == {"attribute": "gender x origin"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sex": "sexx"}, "sex='sexx'; expected perhaps 'sex'"),
        ({"race": "rac"}, "race='rac'; expected perhaps 'race'"),
        ({"sex": "race"}, "two different attributes"),
        ({"exclude": ("x",), "exclusion_reason": WHY}, "exclude='x'; expected one of"),
        ({"exclude": ("M",), "exclusion_reason": WHY}, r"'M', 50.00 % of the rows; expected less than 2 %"),
    ],
)
def test_mistakes_are_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as error:
        _found(_subject([0.9, 0.1], sex=list("FM"), race=list("ab")), **options)
    assert "\n" not in str(error.value)


def test_neither_sex_nor_race_is_refused():
    with pytest.raises(ConfigError, match="at least one of them among age"):
        _found(_subject([0.9, 0.1], age=["old", "young"]))


# ---------------------------------------------------------------- exclusions


def _few():
    """200 people: c is 1.5 % of them, and has the highest rate."""
    race = ["a"] * 100 + ["b"] * 97 + ["c"] * 3
    return _subject([0.9] * 50 + [0.1] * 50 + [0.9] * 30 + [0.1] * 67 + [0.9] * 3, race=race)


def test_small_categories_stay_unless_the_auditor_says_why():
    findings = _found(_few())
    table = _table(findings, "race_ethnicity")
    assert table.loc["c", "impact_ratio"] == 1 and table.loc["a", "impact_ratio"] == 0.5
    assert set(table["excluded"]) == {"no"} and "Left out" not in _note(findings, "race_ethnicity")


def test_an_excluded_category_keeps_its_number_and_rate_and_leaves_the_ratios():
    findings = _found(_few(), exclude=("c",), exclusion_reason=WHY)
    table, note = _table(findings, "race_ethnicity"), _note(findings, "race_ethnicity")
    assert table.loc["c", ["n", "rate", "excluded"]].tolist() == [3, 1.0, "yes"]
    assert pd.isna(table.loc["c", "impact_ratio"])
    assert table.loc["a", "impact_ratio"] == 1  # over the highest of those compared
    assert table.loc["b", "impact_ratio"] == pytest.approx(30 / 97 / 0.5)
    assert "5-301(d): c." in note and WHY in note
    assert _estimate(findings, "rate", "race", "c").value == 1
    assert not [m for m in findings.measurements if m.name == "impact_ratio" and m.where.get("group") == "c"]
    assert _estimate(findings, "impact_ratio_minimum", "race").n == 197


def test_two_percent_is_not_less_than_two_percent():
    race = ["a"] * 98 + ["c"] * 2
    with pytest.raises(ConfigError, match="2.00 % of the rows"):
        _found(_subject([0.9, 0.1] * 50, race=race), exclude=("c",), exclusion_reason=WHY)


def test_a_name_that_two_tables_share_is_left_out_only_where_it_is_small():
    sex, race = ["F"] * 99 + ["Other"], ["a"] * 98 + ["Other"] * 2
    subject = _subject([0.9, 0.1] * 50, sex=sex, race=race)
    findings = _found(subject, exclude=("Other",), exclusion_reason=WHY)
    out = {name: _table(findings, name).loc["Other", "excluded"] for name in ("sex", "race_ethnicity")}
    assert out == {"sex": "yes", "race_ethnicity": "no"}


def test_excluding_without_a_reason_or_more_than_the_rules_allow_is_refused_before_any_work():
    for bad in ({"exclude": ["c"]}, {"exclude": ["c"], "exclusion_reason": " "}, {"exclude_below": 0.05}):
        with pytest.raises(ValidationError):
            LL144Options(**bad)
        with pytest.raises(ConfigError, match="fairness.ll144") as error:
            load({"name": "n", "checks": {"fairness.ll144": bad}})
        assert "\n" not in str(error.value)


# ---------------------------------------------------------------- clusters, other classes, weights


def test_copies_of_a_person_add_nothing():
    rng = np.random.default_rng(3)
    score, sex, race = rng.random(300), rng.choice(list("FM"), 300), rng.choice(list("abc"), 300)
    once = _found(_subject(score, sex=sex, race=race))
    rows = np.repeat(np.arange(300), 3)
    thrice = _found(_subject(score[rows], sex=sex[rows], race=race[rows], cluster=rows))
    for a, b in zip(once.measurements, thrice.measurements, strict=True):
        assert b.estimate.value == pytest.approx(a.estimate.value, abs=1e-12)
        assert b.estimate.low == pytest.approx(a.estimate.low, abs=0.05)
        assert b.estimate.high == pytest.approx(a.estimate.high, abs=0.05)
    naive = _found(_subject(score[rows], sex=sex[rows], race=race[rows]))
    ratio = [_estimate(f, "impact_ratio_minimum", "race") for f in (thrice, naive)]
    assert ratio[0].low < ratio[1].low


def test_opposite_outcomes_of_one_person_in_two_categories_widen_the_ratio():
    rng = np.random.default_rng(4)
    person, race = np.repeat(np.arange(200), 2), np.tile(list("ab"), 200)
    chosen = rng.integers(0, 2, 200)[person]
    score = np.where(race == "a", chosen, 1 - chosen)
    alone, linked = (
        _estimate(_found(_subject(score, race=race, cluster=c)), "impact_ratio", "race", "a")
        for c in (None, person)
    )
    assert linked.value == pytest.approx(alone.value)
    assert linked.low < alone.low - 0.02


def test_a_category_that_is_one_person_has_no_interval_and_is_named():
    subject = _subject([0.9, 0.1, 0.9, 0.1, 0.9], sex=list("FFMMM"), cluster=np.array([0, 0, 1, 2, 3]))
    findings = _found(subject)
    assert "one cluster" in _estimate(findings, "rate", "sex", "F").reason
    assert "group F" in _estimate(findings, "impact_ratio", "sex", "M").reason


def test_other_classes_are_said_to_be_left_out():
    score = np.eye(3)[[0, 1, 2, 1]] * 0.8 + 0.1 * (1 - np.eye(3)[[0, 1, 2, 1]])
    subject = _subject(score, classes=tuple("xyz"), sex=list("FFMM"))
    findings = _found(subject)
    notes = " ".join(findings.not_measured)
    assert "only y is tabulated" in notes
    assert _table(findings, "sex")["k"].to_dict() == {"F": 1, "M": 1}


# ---------------------------------------------------------------- the example of the docs


def test_the_configuration_in_the_docs_is_accepted_in_a_copy_of_adults():
    root = Path(__file__).parents[2]
    section = (root / "docs" / "fairness.md").read_text().partition("## NYC Local Law 144")[2]
    example = yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])
    adult = yaml.safe_load((root / "configs" / "adult.yaml").read_text())
    loaded = load({**adult, **example})
    assert loaded.options["fairness.ll144"].excluded == ("Amer-Indian-Eskimo", "Other")
    assert {rule.id for rule in loaded.policy.rules} >= {"four-fifths"} and len(loaded.policy.requires) == 3


# ---------------------------------------------------------------- error of a whole table


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True])
def test_scoring_rates_and_ratios_err_rarely_though_the_median_is_the_samples_own(ties, capsys):
    """The truth is the share of each category above the very median that the sample had."""
    rng, runs = np.random.default_rng(6), 300
    shift, share = np.array([0.0, 0.5, -0.4, 0.2]), np.array([0.5, 0.25, 0.15, 0.1])
    pool = rng.normal(size=(4, 40_000)) + shift[:, None]
    if ties:
        pool = np.round(pool)
    wrong = np.zeros((2, 2, 4))
    for _ in range(runs):
        race = rng.choice(4, 400, p=share)
        score = pool[race, rng.integers(0, 40_000, 400)]
        truth = np.mean(pool > np.median(score), axis=1)
        subject = _subject(1 / (1 + np.exp(-score)), race=race.astype(str))
        findings = _found(subject, rate="scoring")
        for i, (name, true) in enumerate((("rate", truth), ("impact_ratio", truth / truth.max()))):
            s = [_estimate(findings, name, "race", str(g)).statistic for g in range(4)]
            wrong[i, 0] += np.array([stats.low_bound(x, 0.05) for x in s]) > true + 1e-9
            wrong[i, 1] += np.array([stats.high_bound(x, 0.05) for x in s]) < true - 1e-9
    with capsys.disabled():
        print("rate, ratio x lower, upper x category:", (wrong / runs).round(3).tolist())
    assert (wrong / runs).mean() <= 0.05
    assert (wrong / runs).max() <= 0.07
